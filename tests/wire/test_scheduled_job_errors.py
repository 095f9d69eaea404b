"""Errors of scheduled jobs over every door: the same key, code and places; and nothing has changed."""

import json
from typing import Any

import httpx
import pytest

from gateway.domain.words import FeatureSupport
from tests.house import TestHouse
from tests.wire.clients import Client
from tests.wire.test_errors import NOWHERE, expect
from tests.wire.test_operations import LEAST
from tests.wire.test_scheduled_jobs import BY_ID, FULL, LEAST_SCHEDULE, scheduled


@pytest.mark.parametrize("schedule_id", [NOWHERE, "nothing", "x" * 64])
async def test_a_schedule_that_never_was_is_not_found(door: Client, schedule_id: str) -> None:
    for name, parts in BY_ID:
        expect(await door.call(name, scheduledJobId=schedule_id, **parts), "SCHEDULED_JOB_NOT_FOUND")


WRONG_SCHEDULES: list[tuple[dict[str, Any], list[tuple[str | int, ...]]]] = [
    ({"cronExpression": ""}, [("cronExpression",)]),
    ({"cronExpression": "* " * 128}, [("cronExpression",)]),
    ({"name": "x" * 51}, [("name",)]),
    ({"description": "x" * 201}, [("description",)]),
    ({"organizationId": "no blanks"}, [("organizationId",)]),
    ({"workspaceId": ""}, [("workspaceId",)]),
    ({"timeZone": "a\tb"}, [("timeZone",)]),
    ({"startAt": "tomorrow"}, [("startAt",)]),
    ({"startAt": "2027-01-02T00:00:00Z", "endAt": "2027-01-01T00:00:00Z"}, [("endAt",)]),
    ({"paused": "perhaps"}, [("paused",)]),
    ({"overlapPolicy": "FIGHT"}, [("overlapPolicy",)]),
    ({"misfirePolicy": "WAIT"}, [("misfirePolicy",)]),
    ({"nextRunAt": "2027-01-01T00:00:00Z"}, [("nextRunAt",)]),
    ({"job": {}}, [("job", "dockerImageUrl")]),
    ({"job": LEAST | {"priority": 10, "tags": [""]}}, [("job", "priority"), ("job", "tags", 0)]),
    ({"job": LEAST | {"notBefore": "2027-01-01T00:00:00Z"}}, [("job", "notBefore")]),
    ({"job": LEAST | {"expiresAt": "2027-01-01T00:00:00Z"}}, [("job", "expiresAt")]),
    (
        {"job": LEAST | {"environmentVariables": [{"name": "A", "secret": True}]}},
        [("job", "environmentVariables", 0, "secret")],
    ),
    (
        {"job": LEAST | {"environmentVariables": [{"name": "A", "value": "***", "secret": True}]}},
        [("job", "environmentVariables", 0, "value")],
    ),
    ({"job": LEAST | {"volumes": [{"name": "v", "mountPath": "/a", "source": "s"}]}}, [
        ("job", "volumes", 0, "source")
    ]),
    ({"job": LEAST | {"organizationId": "other"}}, [("job", "organizationId")]),
    ({"cronExpression": "", "name": "x" * 51, "job": {}}, [
        ("cronExpression",), ("name",), ("job", "dockerImageUrl")
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("members", "paths"), WRONG_SCHEDULES, ids=lambda value: str(value)[:50])
async def test_a_wrong_schedule_names_each_wrong_member_and_stores_nothing(
    door: Client, members: dict[str, Any], paths: list[tuple[str | int, ...]]
) -> None:
    answer = await door.call("createScheduledJob", scheduledJob=LEAST_SCHEDULE | members)
    expect(answer, "VALIDATION_FAILED", *[("scheduledJob", *path) for path in paths])
    assert (await door.call("listScheduledJobs")).value["scheduledJobs"] == []


WRONG_FIELDS: list[tuple[dict[str, Any], list[tuple[str | int, ...]]]] = [
    ({"cronExpression": None}, [("cronExpression",)]),
    ({"job": None}, [("job",)]),
    ({"organizationId": None}, [("organizationId",)]),
    ({"clear": ["cronExpression"]}, [("clear", 0)]),
    ({"clear": ["name", "job"]}, [("clear", 1)]),
    ({"name": "n", "clear": ["name"]}, [("clear",)]),
    ({"id": NOWHERE}, [("id",)]),
    ({"user": "me"}, [("user",)]),
    ({"endAt": "2026-11-30T00:00:00Z"}, [("endAt",)]),
    ({"startAt": "2028-01-01T00:00:00Z"}, [("startAt",)]),
    ({"startAt": "2028-01-01T00:00:00Z", "endAt": "2027-06-01T00:00:00Z"}, [("endAt",)]),
    ({"job": {}}, [("job", "dockerImageUrl")]),
    ({"job": LEAST | {"notBefore": "2027-01-01T00:00:00Z"}}, [("job", "notBefore")]),
    (
        {"job": LEAST | {"environmentVariables": [{"name": "A"}, {"name": "NEW", "secret": True}]}},
        [("job", "environmentVariables", 1, "secret")],
    ),
    (
        {"job": LEAST | {"environmentVariables": [{"name": "SECRET", "value": "***", "secret": True}]}},
        [("job", "environmentVariables", 0, "value")],
    ),
]


@pytest.mark.parametrize(("fields", "paths"), WRONG_FIELDS, ids=lambda value: str(value)[:50])
async def test_a_wrong_change_names_each_wrong_member_and_changes_nothing(
    door: Client, fields: dict[str, Any], paths: list[tuple[str | int, ...]]
) -> None:
    made = (await door.call("createScheduledJob", scheduledJob=FULL)).value
    answer = await door.call("updateScheduledJob", scheduledJobId=made["id"], fields=fields)
    expect(answer, "VALIDATION_FAILED", *[("fields", *path) for path in paths])
    assert (await door.call("getScheduledJob", scheduledJobId=made["id"])).value == made


@pytest.mark.parametrize(
    ("members", "path"),
    [
        ({"cronExpression": "every day"}, "cronExpression"),
        ({"cronExpression": "61 * * * *"}, "cronExpression"),
        ({"cronExpression": "0 0 30 2 *"}, "cronExpression"),
        ({"cronExpression": "* * * * * * *"}, "cronExpression"),
        ({"timeZone": "Mars/Base"}, "timeZone"),
        ({"timeZone": "../etc/passwd"}, "timeZone"),
    ],
)
async def test_times_that_never_come_are_named(door: Client, members: dict[str, Any], path: str) -> None:
    answer = await door.call("createScheduledJob", scheduledJob=LEAST_SCHEDULE | members)
    expect(answer, "INVALID_SCHEDULE", ("scheduledJob", path))
    assert members[path] in answer.reason
    made = await scheduled(door)
    changed = await door.call("updateScheduledJob", scheduledJobId=made["id"], fields=members)
    expect(changed, "INVALID_SCHEDULE", ("fields", path))


async def test_an_expression_that_never_comes_in_a_zone_is_refused_when_the_zone_changes(
    door: Client,
) -> None:
    made = await scheduled(door, cronExpression="*/10 2 * 3 0L")
    fields = {"timeZone": "Europe/Berlin"}
    answer = await door.call("updateScheduledJob", scheduledJobId=made["id"], fields=fields)
    expect(answer, "INVALID_SCHEDULE", ("fields", "cronExpression"))


async def test_a_job_that_could_not_be_started_is_refused_with_its_places(
    door: Client, house: TestHouse
) -> None:
    made = await scheduled(door)

    async def refused(job: dict[str, Any], key: str, *path: str | int) -> None:
        wanted = LEAST_SCHEDULE | {"job": LEAST | job}
        answer = await door.call("createScheduledJob", scheduledJob=wanted)
        expect(answer, key, ("scheduledJob", "job", *path))
        fields = {"job": LEAST | job}
        answer = await door.call("updateScheduledJob", scheduledJobId=made["id"], fields=fields)
        expect(answer, key, ("fields", "job", *path))

    house.executor.support = {"volumes": FeatureSupport.REFUSED, "cpuLimit": FeatureSupport.REFUSED}
    object.__setattr__(house.house.policy, "allowed_images", ("image",))
    await refused({"type": "MAGIC"}, "UNKNOWN_JOB_TYPE", "type")
    cpu = {"resourceRequest": {"cpuLimit": 1}}
    await refused(cpu, "UNSUPPORTED_BY_EXECUTOR", "resourceRequest", "cpuLimit")
    await refused({"dockerImageUrl": "evil"}, "VALIDATION_FAILED", "dockerImageUrl")
    path = ("jobDependencies", 0, "jobId")
    await refused({"jobDependencies": [{"jobId": NOWHERE}]}, "INVALID_DEPENDENCY", *path)


async def test_a_lock_that_is_held_does_not_stand_in_the_way_of_a_schedule(door: Client) -> None:
    await door.call("startJob", job=LEAST | {"locks": [{"name": "x"}]})
    made = await scheduled(door, {"locks": [{"name": "x"}]})
    answer = await door.call("runScheduledJob", scheduledJobId=made["id"])
    assert (answer.key, answer.code, answer.paths) == ("LOCK_HELD", 40900003, ())


async def test_a_run_in_the_way_is_a_conflict_that_names_it(door: Client) -> None:
    made = await scheduled(door)
    run = (await door.call("runScheduledJob", scheduledJobId=made["id"])).value
    answer = await door.call("runScheduledJob", scheduledJobId=made["id"])
    expect(answer, "CONFLICT")
    assert run["id"] in answer.reason


async def test_a_changed_cursor_and_one_of_another_query_are_refused(door: Client) -> None:
    for _ in range(2):
        await scheduled(door)
    cursor = (await door.call("listScheduledJobs", query={"limit": 1})).value["nextStartAfter"]
    for query in (
        {"startAfter": "nonsense"},
        {"startAfter": cursor + "A"},
        {"startAfter": cursor, "paused": False},
        {"startAfter": cursor, "organizationId": "other"},
    ):
        answer = await door.call("listScheduledJobs", query=query)
        expect(answer, "INVALID_CURSOR", ("query", "startAfter"))
    assert (await door.call("listScheduledJobs", query={"startAfter": cursor, "limit": 9})).key is None


@pytest.mark.parametrize(
    ("name", "query", "member"),
    [
        ("listScheduledJobs", {"limit": 0}, "limit"),
        ("listScheduledJobs", {"paused": "perhaps"}, "paused"),
        ("listScheduledJobs", {"text": "ab"}, "text"),
        ("listScheduledJobs", {"sort": "createdAt"}, "sort"),
        ("previewScheduledJob", {"count": 0}, "count"),
        ("previewScheduledJob", {"count": 101}, "count"),
        ("previewScheduledJob", {"after": "tomorrow"}, "after"),
    ],
)
async def test_a_wrong_query_is_named(door: Client, name: str, query: dict[str, Any], member: str) -> None:
    parts = {"scheduledJobId": NOWHERE} if name == "previewScheduledJob" else {}
    expect(await door.call(name, query=query, **parts), "VALIDATION_FAILED", ("query", member))


async def test_each_role_may_do_what_it_may(door: Client, keys: dict[str, str]) -> None:
    def call(name: str, who: str, **parts: Any) -> Any:
        return door.call(name, key=keys[who], **parts)

    expect(await call("createScheduledJob", "reader", scheduledJob=LEAST_SCHEDULE), "FORBIDDEN")
    made = (await call("createScheduledJob", "operator", scheduledJob=LEAST_SCHEDULE)).value
    assert (made["user"], made["organizationId"]) == ("operator", "default")
    for name, parts in BY_ID:
        found = await call(name, "stranger", scheduledJobId=made["id"], **parts)
        expect(found, "SCHEDULED_JOB_NOT_FOUND")
        seen = await call(name, "reader", scheduledJobId=made["id"], **parts)
        assert seen.key == (None if name in ("getScheduledJob", "previewScheduledJob") else "FORBIDDEN"), name
    foreign = LEAST_SCHEDULE | {"organizationId": "default"}
    expect(await call("createScheduledJob", "stranger", scheduledJob=foreign), "FORBIDDEN")
    inside = LEAST_SCHEDULE | {"job": LEAST | {"organizationId": "default"}}
    expect(await call("createScheduledJob", "stranger", scheduledJob=inside), "FORBIDDEN")
    query = {"organizationId": "default"}
    assert (await call("listScheduledJobs", "stranger")).value["scheduledJobs"] == []
    assert (await call("listScheduledJobs", "stranger", query=query)).value["scheduledJobs"] == []
    assert len((await call("listScheduledJobs", "reader", query=query)).value["scheduledJobs"]) == 1


async def test_an_admin_crosses_organizations(door: Client, keys: dict[str, str]) -> None:
    def call(name: str, who: str, **parts: Any) -> Any:
        return door.call(name, key=keys[who], **parts)

    wanted = LEAST_SCHEDULE | {"organizationId": "other", "job": LEAST | {"organizationId": "other"}}
    made = (await call("createScheduledJob", "admin", scheduledJob=wanted)).value
    assert (await call("getScheduledJob", "stranger", scheduledJobId=made["id"])).value == made
    assert (await call("listScheduledJobs", "admin")).value["scheduledJobs"] == []
    query = {"organizationId": "other"}
    assert (await call("listScheduledJobs", "admin", query=query)).value["scheduledJobs"] == [made]
    run = (await call("runScheduledJob", "stranger", scheduledJobId=made["id"])).value
    assert (run["user"], run["organizationId"], run["modifiedBy"]) == ("admin", "other", "stranger")
    for fields in ({"organizationId": "default"}, {"organizationId": "default", "job": LEAST}):
        answer = await call("updateScheduledJob", "admin", scheduledJobId=made["id"], fields=fields)
        expect(answer, "FORBIDDEN")


async def test_a_version_guards_each_change(door: Client) -> None:
    made = await scheduled(door)
    for name, parts in BY_ID:
        if name.startswith(("update", "run", "delete")):
            answer = await door.call(name, scheduledJobId=made["id"], if_version=7, **parts)
            expect(answer, "PRECONDITION_FAILED")
    changed = await door.call(
        "updateScheduledJob", scheduledJobId=made["id"], fields={"name": "n"}, if_version=1
    )
    assert changed.value["version"] == 2


# The body of createScheduledJob over REST is an object with one member.


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/scheduledJob"]),
        ({"scheduledJob": None}, ["/scheduledJob"]),
        ({"scheduledJob": []}, ["/scheduledJob"]),
        (LEAST_SCHEDULE, ["/scheduledJob", "/cronExpression", "/job"]),
        ({"scheduledJob": LEAST_SCHEDULE, "a/b": 1}, ["/a~1b"]),
        (
            {"scheduledJob": {"cronExpression": 1, "job": {"tags": ["", "x"]}}, "more": {}},
            [
                "/scheduledJob/cronExpression",
                "/scheduledJob/job/dockerImageUrl",
                "/scheduledJob/job/tags/0",
                "/more",
            ],
        ),
        ([], [""]),
    ],
)
async def test_places_lie_in_the_body_as_it_was_sent(
    http: httpx.AsyncClient, body: Any, pointers: list[str]
) -> None:
    reply = await http.post("/v2/scheduledjobs", json=body)
    assert reply.status_code == 400
    errors = reply.json()["errors"]
    assert sorted(error["pointer"] for error in errors) == sorted(pointers), errors


@pytest.mark.parametrize(
    ("text", "status", "pointers"),
    [
        (b'{"scheduledJob": {}, "scheduledJob": {}}', 400, ["/scheduledJob"]),
        (b'{"scheduledJob": {"job": {"name": "a", "name": "b"}}}', 400, ["/scheduledJob/job/name"]),
        (b'{"scheduledJob": {"name": "\\ud800"}}', 400, ["/scheduledJob/name"]),
        (b'{"scheduledJob": ', 400, []),
        (b'{"a": ' * 65 + b"1" + b"}" * 65, 400, []),
        (b"", 400, ["/scheduledJob"]),
    ],
)
async def test_what_is_no_json_of_that_kind_is_refused(
    http: httpx.AsyncClient, text: bytes, status: int, pointers: list[str]
) -> None:
    reply = await http.post("/v2/scheduledjobs", content=text, headers={"content-type": "application/json"})
    assert reply.status_code == status, reply.text
    assert set(pointers) <= {error["pointer"] for error in reply.json()["errors"]}


async def test_a_query_parameter_is_named_as_one(http: httpx.AsyncClient) -> None:
    reply = await http.post("/v2/scheduledjobs?colour=red", json={"scheduledJob": LEAST_SCHEDULE})
    assert reply.status_code == 400
    assert [error["parameter"] for error in reply.json()["errors"]] == ["colour"]


async def test_a_patch_is_not_wrapped_and_both_media_types_do(http: httpx.AsyncClient) -> None:
    made = (await http.post("/v2/scheduledjobs", json={"scheduledJob": LEAST_SCHEDULE})).json()
    path = f"/v2/scheduledjobs/{made['id']}"
    for media_type in ("application/json", "application/merge-patch+json"):
        text = json.dumps({"name": media_type})
        reply = await http.patch(path, content=text, headers={"content-type": media_type})
        assert reply.json()["name"] == media_type
    assert reply.headers["etag"] == '"3"'
    wrapped = await http.patch(path, json={"scheduledJob": {"name": "n"}})
    assert [error["pointer"] for error in wrapped.json()["errors"]] == ["/scheduledJob"]
