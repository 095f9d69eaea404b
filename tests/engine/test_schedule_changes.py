"""The secrets of scheduled jobs, and what becomes of a schedule that is changed or deleted."""

from typing import Any

import pytest

from gateway.domain import schedule_runs
from gateway.domain.errors import (
    PreconditionFailed,
    ScheduledJobNotFound,
)
from gateway.domain.job import Job
from gateway.domain.ports import VaultError
from gateway.domain.scalars import instant_text
from gateway.domain.schedules import ScheduledJob
from gateway.domain.words import JobStatus
from tests.house import TestHouse
from tests.scheduling import JOB, a_schedule, finish, now, pass_time, runs_of

S = JobStatus
SECRET = {"name": "PASSWORD", "value": "hush", "secret": True}


async def environment_of(house: TestHouse, job: Job) -> dict[str, str]:
    """What the executor was given."""
    key = await house.key(job.id)
    (launch,) = [one for one in house.executor.started if one.key == key]
    return {name: value for name, value in launch.environment.items() if not name.startswith("JOB")}


async def test_runs_and_their_reruns_get_the_secrets(house: TestHouse) -> None:
    schedule = await a_schedule(house, {"environmentVariables": [SECRET]})
    assert schedule.job.environment_variables[0].value == "***"
    await pass_time(house, 60)
    (run,) = await runs_of(house, schedule)
    assert run.environment_variables[0].value == "***"
    await finish(house, run)
    assert await environment_of(house, run) == {"PASSWORD": "hush"}
    await house.call("deleteScheduledJob", scheduledJobId=schedule.id)
    again = await house.call("rerunJob", jobId=run.id)
    await house.tick()
    assert await environment_of(house, again) == {"PASSWORD": "hush"}
    assert again.scheduled_job_id is None


async def test_the_secrets_lie_sealed_beside_the_document_and_go_with_it(house: TestHouse) -> None:
    schedule = await a_schedule(house, {"environmentVariables": [SECRET]})
    read = house.house.store.read
    document = await read(lambda tx: tx.schedules.document(schedule.id))
    assert document is not None
    assert b"hush" not in document.json
    sealed = await read(lambda tx: tx.schedules.secrets(schedule.id))
    assert b"hush" not in sealed["PASSWORD"]
    context = schedule_runs.schedule_secret_context
    assert house.house.vault.open(sealed["PASSWORD"], context=context(schedule.id, "PASSWORD")) == "hush"
    with pytest.raises(VaultError):
        house.house.vault.open(sealed["PASSWORD"], context=context(schedule.id, "OTHER"))
    await house.call("deleteScheduledJob", scheduledJobId=schedule.id)
    assert await read(lambda tx: tx.schedules.secrets(schedule.id)) == {}


async def test_a_secret_without_value_keeps_the_stored_one(house: TestHouse) -> None:
    other = {"name": "TOKEN", "value": "old", "secret": True}
    schedule = await a_schedule(house, {"environmentVariables": [SECRET, other, SECRET | {"name": "GONE"}]})
    variables = [
        {"name": "PASSWORD", "secret": True},
        {"name": "TOKEN", "value": "new", "secret": True},
        {"name": "PLAIN", "value": "p"},
    ]
    fields = {"job": JOB | {"environmentVariables": variables}}
    await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields=fields)
    await pass_time(house, 60)
    (run,) = await runs_of(house, schedule)
    await finish(house, run)
    assert await environment_of(house, run) == {"PASSWORD": "hush", "TOKEN": "new", "PLAIN": "p"}
    sealed = await house.house.store.read(lambda tx: tx.schedules.secrets(schedule.id))
    assert set(sealed) == {"PASSWORD", "TOKEN"}


async def test_a_new_value_of_a_secret_is_a_change_although_nothing_shows_it(house: TestHouse) -> None:
    schedule = await a_schedule(house, {"environmentVariables": [SECRET]})

    async def update(variable: dict[str, Any]) -> ScheduledJob:
        fields = {"job": JOB | {"environmentVariables": [variable]}}
        found: ScheduledJob = await house.call(
            "updateScheduledJob", scheduledJobId=schedule.id, fields=fields
        )
        return found

    assert (await update({"name": "PASSWORD", "secret": True})).version == 1
    assert (await update(SECRET | {"value": "other"})).version == 2


async def test_a_secret_that_cannot_be_opened_is_told(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule = await a_schedule(house, {"environmentVariables": [SECRET]})

    def closed(*_: Any, **__: Any) -> str:
        raise VaultError("sealed with another key")

    monkeypatch.setattr(house.house.vault, "open", closed)
    await pass_time(house, 60)
    assert await runs_of(house, schedule) == []
    after = await now(house, schedule)
    why = f"a secret of scheduled job {schedule.id} cannot be read: sealed with another key"
    assert after.last_error == f"CONFLICT: {why}"
    assert after.next_run_at is not None


# Changes.


async def test_another_time_leads_to_another_due_time(house: TestHouse) -> None:
    schedule = await a_schedule(house)

    async def next_after(**fields: Any) -> str | None:
        found = await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields=fields)
        return found.next_run_at and instant_text(found.next_run_at)

    assert await next_after(cronExpression="0 3 * * *") == "2026-11-24T03:00:00.000Z"
    assert await next_after(timeZone="Asia/Tokyo") == "2026-11-23T18:00:00.000Z"
    assert await next_after(startAt="2026-12-24T00:00:00Z") == "2026-12-24T18:00:00.000Z"
    assert await next_after(endAt="2026-12-24T18:00:00Z") == "2026-12-24T18:00:00.000Z"
    assert await next_after(endAt="2026-12-24T17:59:59.999Z") is None
    assert await next_after(startAt=None, clear=["endAt", "timeZone"]) == "2026-11-24T03:00:00.000Z"
    assert await next_after(paused=True) is None
    assert await next_after(clear=["paused"]) == "2026-11-24T03:00:00.000Z"
    assert (await now(house, schedule)).time_zone == "UTC"


async def test_a_change_of_something_else_leaves_the_due_time(house: TestHouse) -> None:
    schedule = await a_schedule(house, overlapPolicy="ALLOW")
    house.clock.advance(90)
    fields = {"name": "n", "cronExpression": "* * * * *", "paused": False, "misfirePolicy": "SKIP"}
    changed = await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields=fields)
    assert changed.next_run_at == schedule.next_run_at
    await house.engine.scheduler.tick()
    assert len(await runs_of(house, schedule)) == 1


async def test_an_update_that_changes_nothing_raises_no_version(house: TestHouse) -> None:
    schedule = await a_schedule(house, name="n")
    for fields in ({}, {"name": "n"}, {"job": JOB}, {"clear": ["description", "endAt"]}):
        same = await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields=fields)
        assert same == schedule
    changed = await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields={"name": "m"})
    assert (changed.version, changed.modified_by) == (2, "anonymous")


async def test_a_version_guards_each_change(house: TestHouse) -> None:
    schedule = await a_schedule(house)
    for name, parts in (
        ("updateScheduledJob", {"fields": {"name": "n"}}),
        ("deleteScheduledJob", {}),
        ("runScheduledJob", {}),
    ):
        with pytest.raises(PreconditionFailed):
            await house.call(name, scheduledJobId=schedule.id, if_versions={7}, **parts)
    await house.call("runScheduledJob", scheduledJobId=schedule.id, if_versions={1})
    await house.call("deleteScheduledJob", scheduledJobId=schedule.id, if_versions={2})


async def test_runs_outlive_their_schedule(house: TestHouse) -> None:
    schedule = await a_schedule(house, overlapPolicy="QUEUE_ONE")
    await pass_time(house, 60)
    await pass_time(house, 60)
    first, second = await runs_of(house, schedule)
    await house.call("deleteScheduledJob", scheduledJobId=schedule.id)
    with pytest.raises(ScheduledJobNotFound):
        await now(house, schedule)
    await pass_time(house, 60)
    assert len(await runs_of(house, schedule)) == 2
    await finish(house, first)
    assert (await house.job(second.id)).job_status is S.RUNNING


async def test_a_schedule_is_made_once_under_a_key(house: TestHouse) -> None:
    call: dict[str, Any] = {
        "scheduledJob": {"cronExpression": "@daily", "job": JOB},
        "idempotency_key": "k",
    }
    first = await house.call("createScheduledJob", **call)
    await house.call("updateScheduledJob", scheduledJobId=first.id, fields={"name": "n"})
    again = await house.call("createScheduledJob", **call)
    assert (again.id, again.name, again.version) == (first.id, "n", 2)
    await house.call("deleteScheduledJob", scheduledJobId=first.id)
    with pytest.raises(ScheduledJobNotFound):
        await house.call("createScheduledJob", **call)


async def test_a_zone_that_is_gone_stops_the_schedule_and_says_so(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.domain import cron

    schedule = await a_schedule(house, timeZone="Europe/Berlin")
    monkeypatch.setattr(cron, "_zone_names", lambda: frozenset({"UTC"}))
    await pass_time(house, 60)
    after = await now(house, schedule)
    assert (after.next_run_at, after.last_job_id) == (None, None)
    assert after.last_error == "INVALID_SCHEDULE: there is no time zone 'Europe/Berlin'"
