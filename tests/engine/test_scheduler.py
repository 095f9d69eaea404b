"""Scheduled jobs by the tick: when they run, what is made up for, and what a failure leaves."""

import asyncio
from typing import Any

import pytest

from gateway.domain import schedule_runs
from gateway.domain.scalars import instant_text
from gateway.domain.schedules import ScheduledJob
from gateway.domain.words import JobStatus
from tests.house import TestHouse
from tests.scheduling import a_schedule, now, pass_time, restart_after, runs_of

S = JobStatus


async def test_a_run_is_a_job_of_the_schedule(house: TestHouse) -> None:
    schedule = await a_schedule(
        house,
        {"name": "n", "tags": ["t"]},
        organizationId="other",
        workspaceId="w",
        clientId="c",
    )
    assert schedule.next_run_at is not None
    assert instant_text(schedule.next_run_at) == "2026-11-23T12:01:00.000Z"
    await pass_time(house, 59.999)
    assert await runs_of(house, schedule) == []
    await pass_time(house, 0.001)
    (run,) = await runs_of(house, schedule)
    assert (run.scheduled_job_id, run.user, run.organization_id) == (schedule.id, "anonymous", "other")
    assert (run.name, run.tags, run.workspace_id, run.client_id) == ("n", ("t",), "w", "c")
    assert (run.job_status, run.modified_by) == (S.SCHEDULED, f"schedule:{schedule.id}")
    for event in await house.history(run.id):
        assert (event.actor, event.protocol) == (f"schedule:{schedule.id}", "ENGINE")
    after = await now(house, schedule)
    assert (after.last_job_id, after.last_run_at, after.last_error) == (run.id, house.clock.now(), None)
    assert (after.version, after.modified_by) == (2, "gateway")
    assert instant_text(after.next_run_at or house.clock.now()) == "2026-11-23T12:02:00.000Z"


async def test_the_job_of_a_schedule_may_name_its_own_workspace(house: TestHouse) -> None:
    schedule = await a_schedule(
        house, {"workspaceId": "own", "clientId": "me"}, workspaceId="w", clientId="c"
    )
    await pass_time(house, 60)
    (run,) = await runs_of(house, schedule)
    assert (run.workspace_id, run.client_id) == ("own", "me")


async def test_the_scheduler_names_the_time_until_the_next_run(house: TestHouse) -> None:
    tick = house.engine.scheduler.tick
    assert await tick() is None
    await a_schedule(house, cronExpression="0 13 * * *")
    assert await tick() == 60
    house.clock.advance(3590.5)
    assert await tick() == 9.5
    await a_schedule(house, cronExpression="* * * * * *")
    assert await tick() == 0.5
    house.clock.advance(0.5)
    assert await tick() == 1


async def test_a_run_each_second_drifts_nowhere(house: TestHouse) -> None:
    schedule = await a_schedule(house, cronExpression="* * * * * *", overlapPolicy="ALLOW")
    for _ in range(20):
        await pass_time(house, 0.35)
    assert len(await runs_of(house, schedule)) == 7
    await pass_time(house, 30)
    assert len(await runs_of(house, schedule)) == 37


async def test_a_pause_starts_nothing_and_leaves_nothing_to_make_up_for(house: TestHouse) -> None:
    schedule = await a_schedule(house, misfirePolicy="RUN_ALL", overlapPolicy="ALLOW", paused=True)
    assert schedule.next_run_at is None
    await restart_after(house, 600)
    fields = {"paused": False}
    back = await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields=fields)
    assert instant_text(back.next_run_at) == "2026-11-23T12:11:00.000Z"
    await pass_time(house, 60)
    assert len(await runs_of(house, schedule)) == 1
    paused = await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields={"paused": True})
    assert paused.next_run_at is None
    await pass_time(house, 600)
    assert len(await runs_of(house, schedule)) == 1


async def test_it_runs_from_its_start_to_its_end_both_included(house: TestHouse) -> None:
    schedule = await a_schedule(
        house,
        startAt="2026-11-23T12:03:00Z",
        endAt="2026-11-23T12:05:00Z",
        overlapPolicy="ALLOW",
        misfirePolicy="RUN_ALL",
    )
    assert instant_text(schedule.next_run_at or house.clock.now()) == "2026-11-23T12:03:00.000Z"
    await restart_after(house, 3600)
    assert len(await runs_of(house, schedule)) == 3
    after = await now(house, schedule)
    assert (after.next_run_at, after.last_error) == (None, None)
    assert await house.engine.scheduler.tick() is None


async def test_what_was_missed_is_made_up_for_once(house: TestHouse) -> None:
    schedule = await a_schedule(house, overlapPolicy="ALLOW")
    await restart_after(house, 600)
    assert len(await runs_of(house, schedule)) == 1
    after = await now(house, schedule)
    assert instant_text(after.next_run_at or house.clock.now()) == "2026-11-23T12:11:00.000Z"


async def test_what_was_missed_is_left_out(house: TestHouse) -> None:
    schedule = await a_schedule(house, misfirePolicy="SKIP", overlapPolicy="ALLOW")
    another = await restart_after(house, 630)
    assert await runs_of(house, schedule) == []
    after = await now(house, schedule)
    assert "passed while no gateway ran (misfirePolicy SKIP)" in str(after.last_error)
    assert "2026-11-23T12:01:00.000Z" in str(after.last_error)
    another.clock.advance(30)
    await another.engine.scheduler.tick()
    assert len(await runs_of(house, schedule)) == 1
    assert (await now(house, schedule)).last_error is None


async def test_all_that_was_missed_is_made_up_for(house: TestHouse) -> None:
    schedule = await a_schedule(house, misfirePolicy="RUN_ALL", overlapPolicy="ALLOW")
    await restart_after(house, 3600)
    assert len(await runs_of(house, schedule)) == 60


async def test_at_most_a_hundred_missed_runs_are_made_up_for(house: TestHouse) -> None:
    schedule = await a_schedule(house, misfirePolicy="RUN_ALL", overlapPolicy="ALLOW")
    await restart_after(house, 30 * 86400 + 30)
    assert len(await runs_of(house, schedule)) == 100
    after = await now(house, schedule)
    assert "100 were made up for" in str(after.last_error)
    assert after.next_run_at is not None
    assert after.next_run_at > house.clock.now()


async def test_a_short_stop_misses_what_was_due_meanwhile(house: TestHouse) -> None:
    """The tolerance is for late ticks; what was due before the gateway started was missed all the same."""
    schedule = await a_schedule(house, cronExpression="* * * * * *", overlapPolicy="ALLOW")
    await restart_after(house, 10)
    assert len(await runs_of(house, schedule)) == 1


@pytest.mark.parametrize(("policy", "expected"), [("RUN_ONCE", 1), ("SKIP", 2), ("RUN_ALL", 6)])
async def test_what_is_more_than_a_minute_late_was_missed_too(
    house: TestHouse, policy: str, expected: int
) -> None:
    schedule = await a_schedule(
        house, cronExpression="*/30 * * * * *", misfirePolicy=policy, overlapPolicy="ALLOW"
    )
    await pass_time(house, 180.5)
    assert len(await runs_of(house, schedule)) == expected


async def test_late_by_a_minute_is_in_time(house: TestHouse) -> None:
    schedule = await a_schedule(house, misfirePolicy="SKIP", overlapPolicy="ALLOW")
    await pass_time(house, 120)
    assert len(await runs_of(house, schedule)) == 2


async def test_a_clock_that_is_put_back_runs_nothing_twice_and_misses_nothing(house: TestHouse) -> None:
    schedule = await a_schedule(house, misfirePolicy="SKIP", overlapPolicy="ALLOW")
    await pass_time(house, 60)
    await pass_time(house, -50)
    await pass_time(house, 50)
    assert len(await runs_of(house, schedule)) == 1
    house.clock.advance(-7200)
    fresh = await a_schedule(house, misfirePolicy="SKIP")
    await house.engine.scheduler.tick()
    await pass_time(house, 60)
    assert len(await runs_of(house, fresh)) == 1


async def test_two_gateways_on_one_store_start_each_run_once(house: TestHouse) -> None:
    schedules = [await a_schedule(house, overlapPolicy="ALLOW") for _ in range(5)]
    other = house.restarted()
    for _ in range(4):
        house.clock.advance(60)
        await asyncio.gather(*(engine.scheduler.tick() for engine in [house.engine, other.engine] * 3))
    for schedule in schedules:
        assert len(await runs_of(house, schedule)) == 4


async def test_a_gateway_that_dies_while_it_decides_has_decided_nothing(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run and the next due time are one transaction: there is neither, or both."""
    schedule = await a_schedule(house, overlapPolicy="ALLOW", misfirePolicy="RUN_ALL")

    class Killed(BaseException):
        pass

    def dies(*_: Any, **__: Any) -> None:
        raise Killed

    house.clock.advance(60)
    with monkeypatch.context() as patched:
        patched.setattr(schedule_runs, "_save", dies)
        with pytest.raises(Killed):
            await house.engine.scheduler.tick()
    assert await runs_of(house, schedule) == []
    assert await now(house, schedule) == schedule
    another = await restart_after(house, 0)
    assert len(await runs_of(house, schedule)) == 1
    for again in (another, another.restarted()):
        await again.engine.scheduler.tick()
    assert len(await runs_of(house, schedule)) == 1


async def test_a_schedule_that_fails_is_passed_over_and_holds_up_no_other(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken, good = await a_schedule(house), await a_schedule(house)
    real = schedule_runs.start_run

    def start_run(house_: Any, tx: Any, schedule: ScheduledJob, **more: Any) -> Any:
        if schedule.id == broken.id:
            raise RuntimeError("a bug")
        return real(house_, tx, schedule, **more)

    monkeypatch.setattr(schedule_runs, "start_run", start_run)
    await pass_time(house, 60)
    assert len(await runs_of(house, good)) == 1
    assert "a bug" in caplog.text
    after = await now(house, broken)
    assert after.last_error == "the gateway failed unexpectedly; its log tells more"
    assert instant_text(after.next_run_at or house.clock.now()) == "2026-11-23T12:02:00.000Z"


async def test_a_store_that_fails_is_tried_again(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = await a_schedule(house)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no disk")

    house.clock.advance(60)
    with monkeypatch.context() as patched:
        patched.setattr(house.house.store, "write", broken)
        assert await house.engine.scheduler.tick() == 1
    assert "no disk" in caplog.text
    await house.engine.scheduler.tick()
    assert len(await runs_of(house, schedule)) == 1


async def test_the_loop_is_woken_by_a_change(house: TestHouse) -> None:
    """The clock of the test stands still, so the loop would sleep for a minute."""
    await house.engine.start()
    try:
        schedule = await a_schedule(house, paused=True)
        house.clock.advance(7200)
        await asyncio.sleep(0)
        started = asyncio.Event()
        house.house.store.listen(lambda _change: started.set())
        fields = {"paused": False, "cronExpression": "* * * * * *"}
        await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields=fields)
        house.clock.advance(1)
        fields = {"name": "n"}
        await house.call("updateScheduledJob", scheduledJobId=schedule.id, fields=fields)
        await asyncio.wait_for(started.wait(), 30)
    finally:
        await house.engine.stop()
    assert (await now(house, schedule)).last_job_id is not None
