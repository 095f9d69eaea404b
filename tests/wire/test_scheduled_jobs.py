"""Scheduled jobs over every door: the effects and the values."""

from typing import Any

import httpx

from tests.house import TestHouse
from tests.wire.clients import Client, RestClient, SoapClient
from tests.wire.test_errors import expect
from tests.wire.test_operations import EVERYTHING, LEAST

TEMPLATE: dict[str, Any] = {
    name: value for name, value in EVERYTHING.items() if name not in ("notBefore", "expiresAt")
}
FULL: dict[str, Any] = {
    "name": "Z\u00fcrich & <S\u00f6hne>",
    "description": "first line\nsecond\tline",
    "organizationId": "default",
    "workspaceId": "workspace:1",
    "clientId": "client.1",
    "cronExpression": "0 30 2 * * MON-FRI",
    "timeZone": "Europe/Berlin",
    "startAt": "2026-12-01T00:00:00.000Z",
    "endAt": "2027-12-01T00:00:00.000Z",
    "paused": False,
    "overlapPolicy": "QUEUE_ONE",
    "misfirePolicy": "RUN_ALL",
    "job": TEMPLATE,
}
LEAST_SCHEDULE: dict[str, Any] = {"cronExpression": "@daily", "job": LEAST}
JOB_LISTS = (
    "commands environmentVariables jobDependencies labels tags locks volumes attachments featuresOn".split()
)


BY_ID: tuple[tuple[str, dict[str, Any]], ...] = (
    ("getScheduledJob", {}),
    ("updateScheduledJob", {"fields": {"name": "n"}}),
    ("runScheduledJob", {}),
    ("previewScheduledJob", {}),
    ("deleteScheduledJob", {}),
)


async def scheduled(door: Client, job: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    wanted = LEAST_SCHEDULE | {"job": LEAST | (job or {})} | members
    answer = await door.call("createScheduledJob", scheduledJob=wanted)
    assert answer.key is None, answer
    made: dict[str, Any] = answer.value
    return made


async def test_everything_reads_back_alike_through_each_door(
    door: Client, rest: RestClient, soap: SoapClient
) -> None:
    answer = await door.call("createScheduledJob", scheduledJob=FULL)
    assert answer.status == (201 if door.protocol == "REST" else 200)
    made = answer.value
    job = TEMPLATE | {
        "environmentVariables": [
            {"name": "PLAIN", "value": " blanks "},
            {"name": "NOTHING"},
            {"name": "SECRET", "value": "***", "secret": True},
        ],
    }
    shown = made["job"]
    assert shown == {name: [] for name in JOB_LISTS} | job | {"retryPolicy": shown["retryPolicy"]}
    # What is left out of a retry policy shows its default.
    assert job["retryPolicy"].items() <= shown["retryPolicy"].items()
    assert made == {name: value for name, value in FULL.items() if name != "job"} | {
        "id": made["id"],
        "job": shown,
        "user": "anonymous",
        "createdAt": "2026-11-23T12:00:00.000Z",
        "modifiedAt": "2026-11-23T12:00:00.000Z",
        "modifiedBy": "anonymous",
        "nextRunAt": "2026-12-01T01:30:00.000Z",
        "version": 1,
    }
    seen = [await reader.call("getScheduledJob", scheduledJobId=made["id"]) for reader in (rest, soap)]
    assert seen[0].value == seen[1].value == made
    pages = [await reader.call("listScheduledJobs") for reader in (rest, soap)]
    assert pages[0].value == pages[1].value == {"scheduledJobs": [made], "limit": 50}


async def test_the_least_shows_the_defaults(door: Client) -> None:
    made = await scheduled(door)
    assert made == {
        "job": {name: [] for name in JOB_LISTS} | LEAST | {"priority": 5},
        "id": made["id"],
        "organizationId": "default",
        "cronExpression": "@daily",
        "timeZone": "UTC",
        "paused": False,
        "overlapPolicy": "SKIP",
        "misfirePolicy": "RUN_ONCE",
        "user": "anonymous",
        "createdAt": "2026-11-23T12:00:00.000Z",
        "modifiedAt": "2026-11-23T12:00:00.000Z",
        "modifiedBy": "anonymous",
        "nextRunAt": "2026-11-24T00:00:00.000Z",
        "version": 1,
    }


async def test_what_is_created_has_an_address(http: httpx.AsyncClient) -> None:
    made = await http.post("/v2/scheduledjobs", json={"scheduledJob": LEAST_SCHEDULE})
    assert made.status_code == 201
    assert made.headers["etag"] == '"1"'
    assert made.headers["location"] == f"/v2/scheduledjobs/{made.json()['id']}"
    shown = await http.get(made.headers["location"])
    assert shown.json() == made.json()
    known = await http.get(made.headers["location"], headers={"If-None-Match": '"1"'})
    assert known.status_code == 304
    run = await http.post(made.headers["location"] + "/run")
    assert run.status_code == 201
    assert run.headers["location"] == f"/v2/jobs/{run.json()['id']}"
    assert (await http.get(run.headers["location"])).json()["scheduledJobId"] == made.json()["id"]


async def test_lists_page_through_all_schedules_and_filter_them(door: Client, house: TestHouse) -> None:
    made = []
    for number in range(5):
        made.append(await scheduled(door, name=f"nightly {number}", paused=number % 2 == 1))
        house.clock.advance(1)
    found, query = [], {"limit": 2}
    for _ in range(3):
        page = (await door.call("listScheduledJobs", query=query)).value
        found += page["scheduledJobs"]
        assert page["limit"] == 2
        if "nextStartAfter" not in page:
            break
        query = query | {"startAfter": page["nextStartAfter"]}
    assert found == made
    for query, expected in (
        ({"paused": True}, [made[1], made[3]]),
        ({"paused": False}, [made[0], made[2], made[4]]),
        ({"text": "NIGHT"}, made),
        ({"text": "ightly"}, []),
        ({"organizationId": "default", "paused": True, "text": "nightly"}, [made[1], made[3]]),
        ({"organizationId": "nobody"}, []),
    ):
        page = (await door.call("listScheduledJobs", query=query)).value
        assert page["scheduledJobs"] == expected, query


async def test_a_patch_tells_missing_empty_and_cleared_apart(door: Client) -> None:
    made = await scheduled(door, **{name: value for name, value in FULL.items() if name != "job"})

    async def patch(**fields: Any) -> dict[str, Any]:
        answer = await door.call("updateScheduledJob", scheduledJobId=made["id"], fields=fields)
        assert answer.key is None, answer
        value: dict[str, Any] = answer.value
        return value

    assert await patch() == made
    empty = await patch(name="", description="")
    assert (empty["name"], empty["description"], empty["version"]) == ("", "", 2)
    assert empty["clientId"] == "client.1"
    null = await patch(name=None, startAt=None, timeZone=None)
    assert not {"name", "startAt"} & null.keys()
    assert (null["timeZone"], null["nextRunAt"]) == ("UTC", "2026-11-24T02:30:00.000Z")
    every = "description workspaceId clientId endAt paused overlapPolicy misfirePolicy".split()
    cleared = await patch(clear=every, cronExpression="@hourly")
    assert not {"description", "workspaceId", "clientId", "endAt"} & cleared.keys()
    assert (cleared["paused"], cleared["overlapPolicy"], cleared["misfirePolicy"]) == (
        False,
        "SKIP",
        "RUN_ONCE",
    )
    assert cleared["nextRunAt"] == "2026-11-23T13:00:00.000Z"
    replaced = await patch(job={"dockerImageUrl": "other"})
    assert (replaced["job"]["dockerImageUrl"], replaced["job"]["commands"]) == ("other", [])
    paused = await patch(paused=True, organizationId="default")
    assert paused["paused"] is True
    assert "nextRunAt" not in paused


async def test_a_secret_is_never_shown_and_is_kept_without_value(door: Client, house: TestHouse) -> None:
    secret = {"name": "S", "value": "hush", "secret": True}
    made = await scheduled(door, {"environmentVariables": [secret]})
    variables = [{"name": "S", "secret": True}, {"name": "T", "value": "t", "secret": True}]
    fields = {"job": LEAST | {"environmentVariables": variables}}
    changed = await door.call("updateScheduledJob", scheduledJobId=made["id"], fields=fields)
    shown = [{"name": name, "value": "***", "secret": True} for name in "ST"]
    assert changed.value["job"]["environmentVariables"] == shown
    run = (await door.call("runScheduledJob", scheduledJobId=made["id"])).value
    assert run["environmentVariables"] == shown
    await house.tick()
    launch = house.executor.started[-1]
    assert (launch.environment["S"], launch.environment["T"]) == ("hush", "t")


async def test_runs_are_jobs_that_a_list_finds(door: Client, house: TestHouse) -> None:
    made = await scheduled(door, {"name": "n"}, cronExpression="* * * * *", overlapPolicy="ALLOW")
    house.clock.advance(60)
    await house.engine.scheduler.tick()
    now = (await door.call("runScheduledJob", scheduledJobId=made["id"])).value
    runs = (await door.call("listJobs", query={"scheduledJobId": made["id"]})).value["jobs"]
    assert [run["name"] for run in runs] == ["n", "n"]
    assert runs[1] == now
    events = [(await door.call("listJobEvents", jobId=run["id"])).value["events"][0] for run in runs]
    assert [(event["actor"], event["protocol"]) for event in events] == [
        (f"schedule:{made['id']}", "ENGINE"),
        ("anonymous", door.protocol),
    ]
    shown = (await door.call("getScheduledJob", scheduledJobId=made["id"])).value
    assert (shown["lastJobId"], shown["lastRunAt"]) == (now["id"], now["createdAt"])
    assert (shown["nextRunAt"], shown["version"]) == ("2026-11-23T12:02:00.000Z", 3)
    assert "lastError" not in shown


async def test_the_next_runs_are_shown(door: Client) -> None:
    made = await scheduled(
        door, cronExpression="30 2 * * *", timeZone="Europe/Berlin", paused=True, endAt="2027-03-29T12:00:00Z"
    )

    async def preview(**query: Any) -> dict[str, Any]:
        answer = await door.call("previewScheduledJob", scheduledJobId=made["id"], query=query)
        value: dict[str, Any] = answer.value
        return value

    assert await preview(count=2) == {
        "count": 2,
        "runsAt": ["2026-11-24T01:30:00.000Z", "2026-11-25T01:30:00.000Z"],
    }
    assert await preview(count=100, after="2027-03-26T12:00:00Z") == {
        "count": 3,
        "runsAt": ["2027-03-27T01:30:00.000Z", "2027-03-28T01:00:00.000Z", "2027-03-29T00:30:00.000Z"],
    }
    assert (await door.call("previewScheduledJob", scheduledJobId=made["id"])).value["count"] == 10
    assert await preview(after="2027-03-29T00:30:00Z") == {"count": 0, "runsAt": []}
    assert (await preview(count=1, after="0001-01-01T00:00:00Z"))["count"] == 1
    assert await preview(count=1, after="9999-12-31T23:59:59Z") == {"count": 0, "runsAt": []}


async def test_a_deleted_schedule_is_gone_and_its_runs_are_not(door: Client) -> None:
    made = await scheduled(door)
    run = (await door.call("runScheduledJob", scheduledJobId=made["id"])).value
    gone = await door.call("deleteScheduledJob", scheduledJobId=made["id"])
    assert (gone.value, gone.key, gone.status) == (None, None, 204 if door.protocol == "REST" else 200)
    for name, parts in BY_ID:
        expect(await door.call(name, scheduledJobId=made["id"], **parts), "SCHEDULED_JOB_NOT_FOUND")
    assert (await door.call("getJob", jobId=run["id"])).value["scheduledJobId"] == made["id"]
    assert (await door.call("listScheduledJobs")).value["scheduledJobs"] == []


async def test_an_id_in_capitals_names_the_same_schedule(door: Client) -> None:
    made = await scheduled(door)
    for name, parts in BY_ID:
        assert (await door.call(name, scheduledJobId=made["id"].upper(), **parts)).key is None, name


async def test_a_key_is_idempotent_across_the_doors(rest: RestClient, soap: SoapClient) -> None:
    first = await rest.call("createScheduledJob", scheduledJob=FULL, idempotency_key="k")
    again = await soap.call("createScheduledJob", scheduledJob=FULL, idempotency_key="k")
    assert again.value == first.value
    changed = FULL | {"name": "other"}
    expect(
        await soap.call("createScheduledJob", scheduledJob=changed, idempotency_key="k"),
        "IDEMPOTENCY_KEY_REUSED",
    )
    run = {"scheduledJobId": first.value["id"], "idempotency_key": "k"}
    runs = [(await door.call("runScheduledJob", **run)).value for door in (soap, rest)]
    assert runs[0] == runs[1]
