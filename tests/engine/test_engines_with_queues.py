"""Engines that have a queue of their own: what was started is pending first, and may yet be refused."""

import asyncio
from typing import Any

import pytest

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.executor import Exited, Launch, Pending, Refused, Running, Unreachable
from gateway.domain.words import JobStatus
from tests.house import TestHouse

S = JobStatus


@pytest.fixture
def queueing(house: TestHouse) -> TestHouse:
    """A house whose executor has a queue."""
    house.executor.queues = True
    return house


async def test_what_the_engine_has_not_begun_stays_scheduled_and_says_what_it_waits_for(
    queueing: TestHouse,
) -> None:
    queueing.executor.plan(Pending("no node has 64 GB"))
    job = await queueing.start(timeoutSeconds=60, heartbeatTimeoutSeconds=10)
    queueing.clock.advance(7)
    await queueing.tick()
    pending = await queueing.job(job.id)
    assert (pending.job_status, pending.message) == (S.SCHEDULED, "no node has 64 GB")
    assert pending.started_at is None
    assert (await queueing.record(job.id)).handle is not None
    queueing.clock.advance(1000)
    await queueing.tick()
    assert queueing.executor.stopped == []
    assert (await queueing.job(job.id)).version == pending.version


async def test_it_runs_when_it_is_first_seen_to_run_and_its_times_count_from_there(
    queueing: TestHouse,
) -> None:
    queueing.executor.plan(Pending())
    job = await queueing.start(timeoutSeconds=60)
    await queueing.tick()
    assert (await queueing.job(job.id)).job_status is S.SCHEDULED
    queueing.clock.advance(500)
    key = await queueing.key(job.id)
    queueing.executor.end(key, Running())
    await queueing.tick()
    running = await queueing.job(job.id)
    assert (running.job_status, running.started_at) == (S.RUNNING, queueing.clock.now())
    queueing.clock.advance(59)
    await queueing.tick()
    assert queueing.executor.stopped == []
    queueing.clock.advance(1)
    await queueing.tick()
    assert queueing.executor.stopped == [(key, 30)]


async def test_an_end_without_a_sight_of_it_running_is_both_changes(queueing: TestHouse) -> None:
    queueing.executor.plan(Pending(), Exited(exit_code=0))
    job = await queueing.start()
    await queueing.tick()
    await queueing.end(job.id, Exited(exit_code=0))
    assert await queueing.statuses(job.id) == ["PERSISTED", "SCHEDULED", "RUNNING", "FINISHED"]


@pytest.mark.parametrize(("passing", "becomes"), [(False, S.FAILED), (True, S.WAITING)])
async def test_an_attempt_that_the_engine_cannot_begin_is_refused(
    queueing: TestHouse, passing: bool, becomes: JobStatus
) -> None:
    queueing.executor.plan(Pending("ErrImagePull"), Refused(reason="there is no image x", passing=passing))
    job = await queueing.start(retryPolicy={"maxAttempts": 2, "backoffSeconds": 60})
    await queueing.tick()
    ended = await queueing.end(job.id, Refused(reason="there is no image x", passing=passing))
    assert ended.job_status is becomes
    assert "there is no image x" in (ended.message or "")
    assert "RUNNING" not in await queueing.statuses(job.id)


async def test_a_pending_attempt_can_be_canceled(queueing: TestHouse) -> None:
    queueing.executor.plan(Pending())
    job = await queueing.start()
    await queueing.tick()
    await queueing.call("cancelJob", jobId=job.id)
    await queueing.tick()
    canceled = await queueing.job(job.id)
    assert canceled.job_status is S.CANCELED


async def test_an_engine_lost_from_sight_is_seen_again_with_what_is_pending(
    queueing: TestHouse,
) -> None:
    queueing.executor.plan(Pending("in the queue"))
    job = await queueing.start()
    await queueing.tick()
    key = await queueing.key(job.id)
    queueing.executor.end(key, Unreachable("no answer"))
    await queueing.tick()
    assert (await queueing.job(job.id)).job_status is S.UNKNOWN
    queueing.executor.end(key, Pending("in the queue"))
    await queueing.tick()
    seen = await queueing.job(job.id)
    assert (seen.job_status, seen.message) == (S.SCHEDULED, "in the queue")


async def test_a_restart_follows_what_is_pending(queueing: TestHouse) -> None:
    queueing.executor.plan(Pending())
    job = await queueing.start()
    await queueing.tick()
    again = queueing.restarted()
    await again.engine.take_over()
    await again.end(job.id, Exited(exit_code=0))
    assert len(queueing.executor.started) == 1
    assert (await again.job(job.id)).job_status is S.FINISHED


async def test_what_takes_long_to_start_holds_nobody_up(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.dispatcher._PATIENCE_SECONDS", 0.0)
    pulled, start = asyncio.Event(), house.executor.start

    async def pulling(launch: Launch) -> str:
        if launch.image == "large":
            await pulled.wait()
        return await start(launch)

    monkeypatch.setattr(house.executor, "start", pulling)
    slow = await house.start(dockerImageUrl="large")
    await house.tick()
    quick = await house.start()
    async with house.house.changes.of(quick.id) as changed:
        await house.tick()
        while (await house.job(quick.id)).job_status is not S.RUNNING:
            await asyncio.wait_for(changed.wait(), 30)
            changed.clear()
    assert (await house.job(slow.id)).job_status is S.SCHEDULED
    async with house.house.changes.of(slow.id) as changed:
        pulled.set()
        await asyncio.wait_for(changed.wait(), 30)
    assert (await house.job(slow.id)).job_status is S.RUNNING


async def test_a_gateway_that_stops_while_something_is_started_starts_it_again(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forever(_launch: Launch) -> str:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    with monkeypatch.context() as patch:
        patch.setattr("gateway.engine.dispatcher._PATIENCE_SECONDS", 0.0)
        patch.setattr(house.executor, "start", forever)
        job = await house.start()
        await house.tick()
        await asyncio.wait_for(house.engine.dispatcher.close(), 30)
    again = house.restarted()
    await again.engine.take_over()
    assert (await again.job(job.id)).job_status is S.RUNNING


async def test_a_start_that_cannot_be_stored_is_stored_later(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.engine.dispatcher._AGAIN_SECONDS", 0.0)
    job = await house.start()
    write, failures = house.house.store.write, 2

    def failing(work: Any, **about: Any) -> Any:
        nonlocal failures
        if house.executor.started and failures:
            failures -= 1
            raise ServiceUnavailable("the store is away")
        return write(work, **about)

    monkeypatch.setattr(house.house.store, "write", failing)
    await house.tick()
    assert (await house.job(job.id)).job_status is S.RUNNING
    assert failures == 0
    assert len(house.executor.started) == 1
