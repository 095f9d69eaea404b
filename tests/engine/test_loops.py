"""The loops themselves: woken by events, never ended by a failure."""

import asyncio
from typing import Any

import pytest

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.executor import Exited, StartRefused
from gateway.domain.ports import VaultError
from gateway.domain.words import JobStatus
from gateway.engine.loop import Loop
from tests.house import TestHouse

S = JobStatus


async def final(house: TestHouse, job_id: str) -> Any:
    """The job once it is final, without looking twice for nothing."""
    async with house.house.changes.of(job_id) as changed:
        while (job := await house.job(job_id)).finished_at is None:
            await asyncio.wait_for(changed.wait(), 30)
            changed.clear()
        return job


async def test_the_running_engine_is_woken_by_each_event(house: TestHouse) -> None:
    house.executor.plan(Exited(exit_code=1))
    house.executor.plan(Exited(exit_code=0))
    engine = house.restarted().engine
    await engine.start()
    try:
        first = await house.start(retryPolicy={"maxAttempts": 2, "backoffSeconds": 0})
        second = await house.start(jobDependencies=[{"jobId": first.id}])
        assert (await final(house, first.id)).attempt == 2
        async with house.house.changes.of(second.id) as changed:
            while (await house.job(second.id)).job_status is not S.RUNNING:
                await asyncio.wait_for(changed.wait(), 30)
                changed.clear()
        await house.call("cancelJob", jobId=second.id)
        assert (await final(house, second.id)).job_status is S.CANCELED
    finally:
        await engine.stop()


async def test_a_held_engine_starts_nothing_more(house: TestHouse) -> None:
    engine = house.restarted().engine
    await engine.start()
    await engine.hold()
    await house.start()
    await engine.stop()
    assert house.executor.started == []


@pytest.mark.parametrize("failure", [ServiceUnavailable("the disk is full"), ValueError("a mistake")])
async def test_a_loop_goes_on_after_a_failure(
    failure: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gateway.engine.loop._AFTER_FAILURE_SECONDS", 0.0)
    ticks, done = [failure], asyncio.Event()

    async def tick() -> float | None:
        if ticks:
            raise ticks.pop()
        done.set()
        return None

    loop = Loop("test", tick)
    loop.start()
    await asyncio.wait_for(done.wait(), 30)
    await loop.stop()
    assert str(failure) in caplog.text


async def test_a_wake_during_a_tick_gives_another_one() -> None:
    count, twice = 0, asyncio.Event()

    async def tick() -> float | None:
        nonlocal count
        count += 1
        if count == 1:
            loop.wake()
        else:
            twice.set()
        return None

    loop = Loop("test", tick)
    loop.start()
    await asyncio.wait_for(twice.wait(), 30)
    await loop.stop()
    assert count == 2


async def test_an_executor_that_fails_unexpectedly_is_a_passing_refusal(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> str:
        raise ValueError("a mistake")

    monkeypatch.setattr(house.executor, "start", broken)
    job = await house.start()
    await house.tick()
    ended = await house.job(job.id)
    assert (ended.job_status, "unexpectedly" in str(ended.message)) == (S.FAILED, True)


async def test_a_secret_that_cannot_be_opened_fails_the_job(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await house.start(environmentVariables=[{"name": "S", "value": "v", "secret": True}])

    def broken(*_: Any, **__: Any) -> str:
        raise VaultError("sealed with another key")

    monkeypatch.setattr(type(house.house.vault), "open", broken)
    await house.tick()
    ended = await house.job(job.id)
    assert (ended.job_status, ended.message) == (
        S.FAILED,
        "a secret cannot be read: sealed with another key",
    )
    assert house.executor.started == []


async def test_a_store_that_is_busy_at_the_launch_is_a_passing_refusal(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any) -> str:
        raise StartRefused("no room", passing=True)

    monkeypatch.setattr(house.executor, "start", refused)
    job = await house.start(retryPolicy={"maxAttempts": 2, "backoffSeconds": 5})
    await house.tick()
    assert (await house.job(job.id)).job_status is S.WAITING


async def test_an_attempt_that_cannot_be_looked_at_is_looked_at_again(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await house.start(), await house.start()
    await house.tick()
    observe = house.executor.observe

    async def broken(key: Any, handle: str) -> Any:
        if key.job_id == first.id:
            raise ValueError("a mistake")
        return await observe(key, handle)

    monkeypatch.setattr(house.executor, "observe", broken)
    for job in (first, second):
        house.executor.end(await house.key(job.id), Exited(exit_code=0))
    assert await house.engine.monitor.tick() == 1.0
    assert [(await house.job(job.id)).job_status for job in (first, second)] == [S.RUNNING, S.FINISHED]
    monkeypatch.undo()
    await house.engine.monitor.tick()
    assert (await house.job(first.id)).job_status is S.FINISHED


async def test_a_stop_that_fails_is_told_again(house: TestHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    job = await house.start()
    await house.tick()
    await house.call("cancelJob", jobId=job.id)

    async def broken(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(house.executor, "stop", broken)
        assert await house.engine.monitor.tick() == 1.0
    await house.tick()
    assert (await house.job(job.id)).job_status is S.CANCELED


async def test_a_store_that_is_away_is_told_in_one_line_for_each_attempt(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = await house.start()
    await house.tick()

    async def away(*_: Any, **__: Any) -> Any:
        raise ServiceUnavailable("the database cannot be reached")

    house.engine.monitor.look_at_all()
    with monkeypatch.context() as patch:
        patch.setattr(house.house.store, "read", away)
        assert await house.engine.monitor.tick() == 1.0
    (told,) = caplog.records
    assert told.getMessage() == f"job {job.id} could not be looked at: the database cannot be reached"
    assert told.exc_info is None


async def test_an_end_that_is_told_twice_counts_once(house: TestHouse) -> None:
    job = await house.start()
    await house.tick()
    key = await house.key(job.id)
    house.executor.end(key, Exited(exit_code=0))
    await house.engine.monitor.tick()
    house.engine.monitor.ended(key)
    await house.engine.monitor.tick()
    assert await house.statuses(job.id) == ["PERSISTED", "SCHEDULED", "RUNNING", "FINISHED"]
