"""Every error over every door: the same key, code and paths; and nothing has changed."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain.errors import ERRORS
from gateway.domain.executor import Exited
from gateway.domain.keys import new_key
from gateway.domain.words import FeatureSupport, Role
from tests.house import TestHouse
from tests.wire.clients import Answer, Client, RestClient, SoapClient
from tests.wire.test_operations import LEAST, started

NOWHERE = "01a20000-0000-7000-8000-000000000000"


def expect(answer: Answer, key: str, *paths: tuple[str | int, ...]) -> None:
    """The answer is this error and names these members."""
    assert (answer.key, answer.code) == (key, ERRORS[key].code), answer
    assert answer.paths == tuple(sorted(paths, key=str)), answer
    assert answer.reason


WRONG_JOBS: list[tuple[dict[str, Any], list[tuple[str | int, ...]]]] = [
    ({"dockerImageUrl": ""}, [("dockerImageUrl",)]),
    ({"dockerImageUrl": "x" * 2049}, [("dockerImageUrl",)]),
    ({"name": "x" * 51}, [("name",)]),
    ({"name": "two\nlines"}, [("name",)]),
    ({"description": "x" * 201}, [("description",)]),
    ({"priority": 10}, [("priority",)]),
    ({"priority": "high"}, [("priority",)]),
    ({"priority": ""}, [("priority",)]),
    ({"timeoutSeconds": 0}, [("timeoutSeconds",)]),
    ({"timeoutSeconds": 2592001}, [("timeoutSeconds",)]),
    ({"heartbeatTimeoutSeconds": 9}, [("heartbeatTimeoutSeconds",)]),
    ({"cancelGraceSeconds": -1}, [("cancelGraceSeconds",)]),
    ({"expiresAt": "2026-11-23T12:00:00Z"}, [("expiresAt",)]),
    ({"expiresAt": "tomorrow"}, [("expiresAt",)]),
    ({"notBefore": "2026-02-30T00:00:00Z"}, [("notBefore",)]),
    ({"organizationId": "no blanks"}, [("organizationId",)]),
    ({"resultStorageId": "x" * 65}, [("resultStorageId",)]),
    ({"commands": ["x"] * 101}, [("commands",)]),
    ({"commands": ["x", "y" * 32769]}, [("commands", 1)]),
    ({"tags": ["a", "b", "a", "b"]}, [("tags", 2), ("tags", 3)]),
    ({"tags": ["a", ""]}, [("tags", 1)]),
    ({"tags": ["x" * 129]}, [("tags", 0)]),
    ({"tags": [str(number) for number in range(101)]}, [("tags",)]),
    ({"labels": [{"name": "a"}, {"name": "a"}]}, [("labels", 1)]),
    ({"labels": [{"value": "a"}]}, [("labels", 0, "name")]),
    ({"labels": [{"name": "a"}, {"name": "b", "value": "x" * 256}]}, [("labels", 1, "value")]),
    ({"locks": [{"name": "a", "onConflict": "FIGHT"}]}, [("locks", 0, "onConflict")]),
    ({"locks": [{"name": "a"}, {"name": "a"}]}, [("locks", 1)]),
    ({"locks": [{"name": str(number)} for number in range(17)]}, [("locks",)]),
    ({"featuresOn": ["FLY"]}, [("featuresOn", 0)]),
    ({"environmentVariables": [{"name": "JOB_X"}]}, [("environmentVariables", 0, "name")]),
    ({"environmentVariables": [{"name": "JOBS_X"}]}, [("environmentVariables", 0, "name")]),
    ({"environmentVariables": [{"name": "A=B"}]}, [("environmentVariables", 0, "name")]),
    ({"environmentVariables": [{"name": "A"}, {"name": "A"}]}, [("environmentVariables", 1)]),
    ({"environmentVariables": [{"name": "A", "secret": True}]}, [("environmentVariables", 0, "secret")]),
    (
        {"environmentVariables": [{"name": "A", "value": "***", "secret": True}]},
        [("environmentVariables", 0, "value")],
    ),
    ({"environmentVariables": [{"name": "A", "value": "x" * 32769}]}, [("environmentVariables", 0, "value")]),
    ({"resourceRequest": {"memoryLimit": 0}}, [("resourceRequest", "memoryLimit")]),
    ({"resourceRequest": {"memoryLimit": 1, "memoryRequest": 2}}, [("resourceRequest", "memoryRequest")]),
    ({"resourceRequest": {"cpuLimit": Decimal("0.0001")}}, [("resourceRequest", "cpuLimit")]),
    ({"resourceRequest": {"cpuLimit": 1, "cpuRequest": 2}}, [("resourceRequest", "cpuRequest")]),
    ({"resourceRequest": {"cpuLimit": Decimal(10**15)}}, [("resourceRequest", "cpuLimit")]),
    ({"retryPolicy": {"maxAttempts": 0}}, [("retryPolicy", "maxAttempts")]),
    ({"retryPolicy": {"backoffFactor": Decimal("0.5")}}, [("retryPolicy", "backoffFactor")]),
    ({"retryPolicy": {"retryExitCodes": [1, 0]}}, [("retryPolicy", "retryExitCodes", 1)]),
    ({"volumes": [{"name": "v", "mountPath": "/proc/x", "source": "s"}]}, [("volumes", 0, "mountPath")]),
    ({"volumes": [{"name": "v", "mountPath": "/a/../b", "source": "s"}]}, [("volumes", 0, "mountPath")]),
    ({"volumes": [{"name": "v", "mountPath": "/a", "source": "s"}]}, [("volumes", 0, "source")]),
    ({"attachments": [{"name": "a/b", "uri": "x"}]}, [("attachments", 0, "name")]),
    (
        {"attachments": [{"name": "a", "contentType": "text", "uri": "x"}]},
        [("attachments", 0, "contentType")],
    ),
    ({"unheardOf": "x"}, [("unheardOf",)]),
    ({"id": NOWHERE}, [("id",)]),
    ({"labels": [{"name": "a", "colour": "red"}]}, [("labels", 0, "colour")]),
    ({"name": None}, [("name",)]),
    (
        {
            "name": "x" * 51,
            "priority": 11,
            "tags": [""],
            "retryPolicy": {"maxAttempts": 0},
            "expiresAt": "2020-01-01T00:00:00Z",
        },
        [("name",), ("priority",), ("tags", 0), ("retryPolicy", "maxAttempts"), ("expiresAt",)],
    ),
]


@pytest.mark.parametrize(("members", "paths"), WRONG_JOBS, ids=lambda value: str(value)[:50])
async def test_a_wrong_start_names_each_wrong_member_and_stores_nothing(
    door: Client, house: TestHouse, members: dict[str, Any], paths: list[tuple[str | int, ...]]
) -> None:
    answer = await door.call("startJob", job=LEAST | members)
    expect(answer, "VALIDATION_FAILED", *[("job", *path) for path in paths])
    assert (await door.call("listJobs")).value["jobs"] == []


WRONG_CALLS: list[tuple[str, dict[str, Any], list[tuple[str | int, ...]]]] = [
    ("listJobs", {"query": {"limit": 0}}, [("query", "limit")]),
    ("listJobs", {"query": {"limit": 101}}, [("query", "limit")]),
    ("listJobs", {"query": {"limit": "many"}}, [("query", "limit")]),
    ("listJobs", {"query": {"sort": "name"}}, [("query", "sort")]),
    ("listJobs", {"query": {"jobStatus": ["PENDING"]}}, [("query", "jobStatus")]),
    ("listJobs", {"query": {"tagsConjunction": "perhaps"}}, [("query", "tagsConjunction")]),
    ("listJobs", {"query": {"createdAfter": "yesterday"}}, [("query", "createdAfter")]),
    ("listJobs", {"query": {"text": "ab"}}, [("query", "text")]),
    ("listJobs", {"query": {"label": ["bare"]}}, [("query", "label")]),
    ("listJobs", {"query": {"dependentJobId": NOWHERE}}, [("query", "dependentJobId")]),
    ("listJobs", {"query": {"colour": "red"}}, [("query", "colour")]),
    ("listJobs", {"query": {"limit": 0, "sort": "x"}}, [("query", "limit"), ("query", "sort")]),
    ("listJobTypes", {"query": {"featureOn": ["FLY"]}}, [("query", "featureOn")]),
    ("waitForJob", {"jobId": NOWHERE, "query": {"timeoutSeconds": 61}}, [("query", "timeoutSeconds")]),
    ("readJobOutput", {"jobId": NOWHERE, "query": {"limit": 2**20 + 1}}, [("query", "limit")]),
    ("readJobOutput", {"jobId": NOWHERE, "query": {"offset": -1}}, [("query", "offset")]),
    ("readJobOutput", {"jobId": NOWHERE, "query": {"tail": True, "offset": 1}}, [("query", "tail")]),
    ("readJobOutput", {"jobId": NOWHERE, "query": {"stream": "STDIN"}}, [("query", "stream")]),
    ("updateJobFields", {"jobId": NOWHERE, "fields": {"name": "a\tb"}}, [("fields", "name")]),
    ("updateJobFields", {"jobId": NOWHERE, "fields": {"clear": ["id"]}}, [("fields", "clear", 0)]),
    (
        "updateJobFields",
        {"jobId": NOWHERE, "fields": {"name": "x", "clear": ["name"]}},
        [("fields", "clear")],
    ),
    ("updateJobFields", {"jobId": NOWHERE, "fields": {"jobStatus": "FINISHED"}}, [("fields", "jobStatus")]),
    ("cancelJob", {"jobId": NOWHERE, "cancellation": {"reason": "x" * 201}}, [("cancellation", "reason")]),
    ("reportJobProgress", {"jobId": NOWHERE, "progress": {"progress": 101}}, [("progress", "progress")]),
    ("reportJobProgress", {"jobId": NOWHERE, "progress": {"totalItems": -1}}, [("progress", "totalItems")]),
    (
        "reportJobProgress",
        {"jobId": NOWHERE, "progress": {"totalItems": 2**63}},
        [("progress", "totalItems")],
    ),
    ("updateResultData", {"jobId": NOWHERE, "resultData": {}}, [("resultData", "resultData")]),
    (
        "updateResultData",
        {"jobId": NOWHERE, "resultData": {"resultData": "x" * 65536}},
        [("resultData", "resultData")],
    ),
    ("replaceJobTags", {"jobId": NOWHERE, "tags": {"tags": ["a", "a"]}}, [("tags", "tags", 1)]),
    ("recordJobMetrics", {"jobId": NOWHERE, "metrics": {"metrics": []}}, [("metrics", "metrics")]),
    (
        "recordJobMetrics",
        {"jobId": NOWHERE, "metrics": {"metrics": [{"name": "n", "value": "much"}]}},
        [("metrics", "metrics", 0, "value")],
    ),
]


@pytest.mark.parametrize(("name", "parts", "paths"), WRONG_CALLS, ids=lambda value: str(value)[:50])
async def test_a_wrong_call_names_each_wrong_member(
    door: Client, name: str, parts: dict[str, Any], paths: list[tuple[str | int, ...]]
) -> None:
    expect(await door.call(name, **parts), "VALIDATION_FAILED", *paths)


BY_ID: list[tuple[str, dict[str, Any]]] = [
    ("getJob", {}),
    ("waitForJob", {"query": {"timeoutSeconds": 0}}),
    ("updateJobFields", {"fields": {"name": "n"}}),
    ("cancelJob", {}),
    ("rerunJob", {}),
    ("deleteJob", {}),
    ("listJobEvents", {}),
    ("readJobOutput", {}),
    ("reportJobProgress", {"progress": {"progress": 1}}),
    ("updateResultData", {"resultData": {"resultData": "r"}}),
    ("replaceJobTags", {"tags": {"tags": ["t"]}}),
    ("recordJobMetrics", {"metrics": {"metrics": [{"name": "n", "value": 1}]}}),
]
by_id = pytest.mark.parametrize(("name", "parts"), BY_ID, ids=lambda value: str(value)[:20])


@by_id
@pytest.mark.parametrize("job_id", [NOWHERE, "no-uuid", "x" * 36, "1"])
async def test_an_unknown_job_is_not_found(
    door: Client, name: str, parts: dict[str, Any], job_id: str
) -> None:
    expect(await door.call(name, jobId=job_id, **parts), "JOB_NOT_FOUND")


@by_id
async def test_another_organizations_job_is_not_found_and_unchanged(
    door: Client, keys: dict[str, str], name: str, parts: dict[str, Any]
) -> None:
    job = (await door.call("startJob", key=keys["operator"], job=LEAST)).value
    answer = await door.call(name, key=keys["stranger"], jobId=job["id"], **parts)
    expect(answer, "JOB_NOT_FOUND")
    assert (await door.call("getJob", key=keys["reader"], jobId=job["id"])).value == job


@by_id
async def test_an_admin_reaches_any_job_by_its_id(
    door: Client, keys: dict[str, str], name: str, parts: dict[str, Any]
) -> None:
    job = (await door.call("startJob", key=keys["stranger"], job=LEAST)).value
    if name in ("rerunJob", "deleteJob"):
        await door.call("cancelJob", key=keys["admin"], jobId=job["id"])
    answer = await door.call(name, key=keys["admin"], jobId=job["id"], **parts)
    assert answer.key is None, answer
    if name == "rerunJob":
        assert (answer.value["organizationId"], answer.value["user"]) == ("other", "admin")


async def test_lists_show_the_callers_organization_alone(door: Client, keys: dict[str, str]) -> None:
    mine = (await door.call("startJob", key=keys["operator"], job=LEAST)).value["id"]
    theirs = (await door.call("startJob", key=keys["stranger"], job=LEAST)).value["id"]

    async def listed(who: str, **query: Any) -> list[str]:
        answer = await door.call("listJobs", key=keys[who], query=query)
        return [job["id"] for job in answer.value["jobs"]]

    everyone = ["IGNORE_ORGANIZATION_RESTRICTIONS"]
    assert await listed("reader") == [mine]
    assert await listed("stranger") == [theirs]
    assert await listed("reader", organizationId="other") == []
    assert await listed("admin") == [mine]
    assert await listed("admin", organizationId="other") == [theirs]
    assert await listed("admin", featuresOn=everyone) == [mine, theirs]
    refused = await door.call("listJobs", key=keys["operator"], query={"featuresOn": everyone})
    expect(refused, "FORBIDDEN")


async def test_a_foreign_organization_is_forbidden_in_a_request(door: Client, keys: dict[str, str]) -> None:
    foreign = LEAST | {"organizationId": "other"}
    expect(await door.call("startJob", key=keys["operator"], job=foreign), "FORBIDDEN")
    assert (await door.call("startJob", key=keys["admin"], job=foreign)).value["organizationId"] == "other"


async def test_a_reader_may_change_nothing(door: Client, keys: dict[str, str]) -> None:
    job = (await door.call("startJob", key=keys["operator"], job=LEAST)).value
    expect(await door.call("startJob", key=keys["reader"], job=LEAST), "FORBIDDEN")
    for name, parts in BY_ID:
        answer = await door.call(name, key=keys["reader"], jobId=job["id"], **parts)
        if name in ("getJob", "waitForJob", "listJobEvents", "readJobOutput"):
            assert answer.key is None
        else:
            expect(answer, "FORBIDDEN")


@pytest.mark.parametrize("key", [None, "", "nonsense", "jg_abc_" + "0" * 64, f"jt_{NOWHERE}_1_" + "0" * 43])
async def test_without_a_valid_key_everything_is_unauthorized(
    door: Client, keys: dict[str, str], key: str | None
) -> None:
    without_id = [(name, {}) for name in ("getServiceInfo", "listJobs", "listJobTypes")]
    with_id = [(name, parts | {"jobId": NOWHERE}) for name, parts in BY_ID]
    for name, parts in without_id + with_id:
        answer = await door.call(name, key=key, **parts)
        expect(answer, "UNAUTHORIZED")
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="jobs-gateway"'


def _key_named(tx: Any, name: str) -> Any:
    (found,) = [key for key in tx.keys() if key.name == name]  # noqa: SIM118 - it is no dictionary
    return found


async def test_a_revoked_and_an_expired_key_are_unauthorized(
    door: Client, house: TestHouse, keys: dict[str, str]
) -> None:

    text, record = new_key(
        name="short",
        role=Role.READER,
        now=house.clock.now(),
        expires_at=house.clock.now() + timedelta(seconds=10),
    )
    await house.house.store.write(lambda tx: tx.insert_key(record))
    assert (await door.call("getServiceInfo", key=text)).key is None
    house.clock.advance(10)
    expect(await door.call("getServiceInfo", key=text), "UNAUTHORIZED")
    reader = await house.house.store.read(lambda tx: _key_named(tx, "reader"))
    revoked = replace(reader, revoked_at=house.clock.now())
    await house.house.store.write(lambda tx: tx.save_key(revoked))
    expect(await door.call("getServiceInfo", key=keys["reader"]), "UNAUTHORIZED")


async def test_when_the_last_key_is_revoked_nobody_becomes_anonymous(
    door: Client, house: TestHouse, keys: dict[str, str]
) -> None:

    for key in await house.house.store.read(lambda tx: tx.keys()):
        revoked = replace(key, revoked_at=house.clock.now())
        await house.house.store.write(lambda tx, revoked=revoked: tx.save_key(revoked))
    expect(await door.call("listJobs"), "UNAUTHORIZED")


async def test_a_running_job_acts_on_itself_alone(
    door: Client, house: TestHouse, keys: dict[str, str]
) -> None:
    job = (await door.call("startJob", key=keys["operator"], job=LEAST)).value
    other = (await door.call("startJob", key=keys["operator"], job=LEAST)).value
    await house.tick()
    token = next(
        launch.environment["JOB_TOKEN"] for launch in house.executor.started if launch.key.job_id == job["id"]
    )
    allowed = {"getJob", "waitForJob", "reportJobProgress", "updateResultData", "recordJobMetrics"}
    for name, parts in BY_ID:
        own = await door.call(name, key=token, jobId=job["id"], **parts)
        assert own.key == (None if name in allowed else "FORBIDDEN"), name
        expect(await door.call(name, key=token, jobId=other["id"], **parts), "FORBIDDEN")
    expect(await door.call("startJob", key=token, job=LEAST), "FORBIDDEN")
    expect(await door.call("listJobs", key=token), "FORBIDDEN")
    shown = (await door.call("getJob", key=keys["reader"], jobId=job["id"])).value
    assert (shown["modifiedBy"], shown["progress"], shown["resultData"]) == ("job", 1, "r")
    await house.end(job["id"], Exited(exit_code=0))
    expect(await door.call("getJob", key=token, jobId=job["id"]), "UNAUTHORIZED")


async def test_final_jobs_refuse_progress_and_take_what_operators_may_still_change(
    door: Client, house: TestHouse
) -> None:
    job = await started(door)
    await house.tick()
    await house.end(job["id"], Exited(exit_code=0))
    expect(await door.call("reportJobProgress", jobId=job["id"], progress={}), "JOB_ALREADY_FINAL")
    expect(await door.call("cancelJob", jobId=job["id"]), "JOB_ALREADY_FINAL")
    for name, parts in BY_ID:
        if name in ("updateJobFields", "updateResultData", "replaceJobTags", "recordJobMetrics"):
            answer = await door.call(name, jobId=job["id"], **parts)
            assert (answer.key, answer.value["jobStatus"]) == (None, "FINISHED"), name


async def test_jobs_that_are_not_final_are_neither_deleted_nor_run_again(door: Client) -> None:
    job = await started(door)
    expect(await door.call("deleteJob", jobId=job["id"]), "JOB_NOT_FINAL")
    expect(await door.call("rerunJob", jobId=job["id"]), "JOB_NOT_FINAL")


async def test_of_very_many_wrong_members_some_are_named(door: Client) -> None:
    many = [{"name": "", "value": 1} for _ in range(100)]
    answer = await door.call("startJob", job=LEAST | {"environmentVariables": many, "labels": many[:50]})
    assert (answer.key, len(answer.paths)) == ("VALIDATION_FAILED", 100)
    longer = await door.call("startJob", job=LEAST | {"tags": [""] * 3000})
    expect(longer, "VALIDATION_FAILED", ("job", "tags"))


async def test_a_dependency_may_be_named_in_capitals(door: Client) -> None:
    first = await started(door)
    second = await started(
        door,
        jobDependencies=[{"jobId": first["id"].upper()}],
        type="GENERIC_JOB",
        resultStorageId="s",
    )
    assert second["jobDependencies"] == [{"jobId": first["id"], "condition": "FINISHED"}]
    query = {"dependentJobId": first["id"].upper(), "storageId": "s", "jobType": ["GENERIC_JOB"]}
    assert [job["id"] for job in (await door.call("listJobs", query=query)).value["jobs"]] == [second["id"]]


async def test_a_lock_names_its_holder(door: Client) -> None:
    holder = await started(door, locks=[{"name": "x"}])
    answer = await door.call("startJob", job=LEAST | {"locks": [{"name": "y"}, {"name": "x"}]})
    expect(answer, "LOCK_HELD", ("job", "locks", 1, "name"))
    assert holder["id"] in answer.reason


async def test_a_job_of_a_stubborn_type_is_not_cancellable_while_it_runs(
    door: Client, house: TestHouse
) -> None:
    job = await started(door, type="STUBBORN_JOB")
    await house.tick()
    expect(await door.call("cancelJob", jobId=job["id"]), "JOB_NOT_CANCELLABLE")


async def test_an_unknown_type_and_dependency_are_named(door: Client) -> None:
    unknown = await door.call("startJob", job=LEAST | {"type": "MAGIC"})
    expect(unknown, "UNKNOWN_JOB_TYPE", ("job", "type"))
    dependencies = [{"jobId": (await started(door))["id"]}, {"jobId": NOWHERE}]
    answer = await door.call("startJob", job=LEAST | {"jobDependencies": dependencies})
    expect(answer, "INVALID_DEPENDENCY", ("job", "jobDependencies", 1, "jobId"))


async def test_what_the_executor_refuses_is_named(door: Client, house: TestHouse) -> None:
    house.executor.support = {
        "volumes": FeatureSupport.REFUSED,
        "emptyCommands": FeatureSupport.REFUSED,
        "cpuLimit": FeatureSupport.REFUSED,
        "memoryLimit": FeatureSupport.ENFORCED,
    }
    volumes = [{"name": "v", "mountPath": "/v", "source": "s"}]
    wanted = {"dockerImageUrl": "i", "volumes": volumes, "resourceRequest": {"cpuLimit": 1, "memoryLimit": 9}}
    answer = await door.call("startJob", job=wanted)
    paths = [("job", "volumes"), ("job", "commands"), ("job", "resourceRequest", "cpuLimit")]
    expect(answer, "UNSUPPORTED_BY_EXECUTOR", *paths)


@pytest.mark.parametrize("name", ["listJobs", "listJobTypes"])
async def test_a_changed_cursor_and_one_of_another_query_are_refused(door: Client, name: str) -> None:
    for _ in range(2):
        await started(door)
    cursor = (await door.call(name, query={"limit": 1})).value["nextStartAfter"]
    other = {"jobStatus": ["WAITING"]} if name == "listJobs" else {"featureOn": ["CANCELLABLE"]}
    for query in (
        {"startAfter": "nonsense"},
        {"startAfter": cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB")},
        {"startAfter": cursor + "A"},
        {"startAfter": cursor} | other,
    ):
        expect(await door.call(name, query=query), "INVALID_CURSOR", ("query", "startAfter"))
    assert (await door.call(name, query={"startAfter": cursor, "limit": 50})).key is None


async def test_a_cursor_of_another_organization_is_refused(door: Client, keys: dict[str, str]) -> None:
    for _ in range(2):
        await door.call("startJob", key=keys["operator"], job=LEAST)
    cursor = (await door.call("listJobs", key=keys["reader"], query={"limit": 1})).value["nextStartAfter"]
    answer = await door.call("listJobs", key=keys["stranger"], query={"startAfter": cursor})
    expect(answer, "INVALID_CURSOR", ("query", "startAfter"))


async def test_the_cursor_of_a_history_is_the_id_of_an_entry(door: Client) -> None:
    job = await started(door)
    answer = await door.call("listJobEvents", jobId=job["id"], query={"startAfter": "last"})
    expect(answer, "INVALID_CURSOR", ("query", "startAfter"))


async def test_an_attempt_that_was_not_made_has_no_output(door: Client) -> None:
    job = await started(door)
    answer = await door.call("readJobOutput", jobId=job["id"], query={"attempt": 1})
    expect(answer, "VALIDATION_FAILED", ("query", "attempt"))


async def test_a_job_keeps_at_most_200_metrics(door: Client) -> None:
    job = await started(door)

    def metrics(first: int) -> dict[str, Any]:
        return {"metrics": [{"name": f"m{number}", "value": 1} for number in range(first, first + 100)]}

    for first in (0, 100):
        assert (await door.call("recordJobMetrics", jobId=job["id"], metrics=metrics(first))).key is None
    answer = await door.call("recordJobMetrics", jobId=job["id"], metrics=metrics(101))
    expect(answer, "VALIDATION_FAILED", ("metrics", "metrics"))
    assert len((await door.call("getJob", jobId=job["id"])).value["metrics"]) == 200


async def test_one_request_runs_under_a_key_at_a_time(rest: RestClient, soap: SoapClient) -> None:
    answers = await asyncio.gather(
        *(door.call("startJob", job=LEAST, idempotency_key="k") for door in (rest, soap, rest, soap))
    )
    made = [answer.value["id"] for answer in answers if answer.key is None]
    assert len(set(made)) == 1
    assert {answer.key for answer in answers} <= {None, "IDEMPOTENCY_KEY_IN_USE"}


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
async def test_a_key_that_is_no_key_is_refused(door: Client, key: str) -> None:
    answer = await door.call("startJob", job=LEAST, idempotency_key=key)
    assert answer.key == "VALIDATION_FAILED", answer
    assert (await door.call("listJobs")).value["jobs"] == []


async def test_a_bug_is_told_as_an_id_alone(
    door: Client, house: TestHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(house.house.store, "read", broken)
    answer = await door.call("getJob", jobId=NOWHERE)
    expect(answer, "INTERNAL_SERVER_ERROR")
    assert "secret" not in answer.reason
    assert answer.headers["x-request-id"] in answer.reason
    assert "the secret of the house" in caplog.text


async def test_too_many_jobs_are_refused_with_a_time_to_come_back(door: Client, house: TestHouse) -> None:
    object.__setattr__(house.house.policy, "max_not_final", 1)
    await started(door)
    answer = await door.call("startJob", job=LEAST)
    expect(answer, "TOO_MANY_REQUESTS")
    assert int(answer.headers["retry-after"]) > 0
