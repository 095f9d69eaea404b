"""Jobs are claimed in the commits of others: by the one that schedules them, or that frees a place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.domain import attempts
from gateway.domain.attempts import Ended
from gateway.domain.executor import Exited
from gateway.domain.outcome import Outcome
from gateway.domain.words import JobStatus
from tests.house import TestHouse, a_house

S = JobStatus
SECONDS = 20
"""Longer than any of it takes; only a fault waits for it."""


@asynccontextmanager
async def running(tmp_path: Path, **policy: int) -> AsyncIterator[TestHouse]:
    """A house whose loops run by themselves."""
    async with a_house(tmp_path, **policy) as house:
        again = house.restarted()
        await again.engine.start()
        try:
            yield again
        finally:
            await again.engine.stop()


async def until(house: TestHouse, job_id: str, status: JobStatus) -> None:
    """Wait for a status; each change of the job wakes."""
    async with asyncio.timeout(SECONDS), house.house.changes.of(job_id) as changed:
        while (await house.job(job_id)).job_status is not status:
            await changed.wait()
            changed.clear()


async def test_a_job_is_claimed_in_the_commit_that_schedules_it(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        job = await house.start()
        assert (job.job_status, job.attempt, job.version) == (S.SCHEDULED, 0, 1)
        record = await house.record(job.id)
        assert (record.claimed, record.job.attempt, record.job.job_status) == (True, 1, S.SCHEDULED)
        await until(house, job.id, S.RUNNING)
        assert [launch.key.job_id for launch in house.executor.started] == [job.id]


async def test_a_place_is_taken_in_the_commit_that_frees_it(tmp_path: Path) -> None:
    async with running(tmp_path, max_running_jobs=1) as house:
        first = await house.start()
        await until(house, first.id, S.RUNNING)
        second = await house.start()
        assert not (await house.record(second.id)).claimed
        ended = Ended(Outcome(status=S.FINISHED, message=None, exit_code=0), started=True)
        key, now = await house.key(first.id), house.clock.now()
        await house.house.store.write(lambda tx: attempts.finish(house.house, tx, key, ended, now))
        assert (await house.record(second.id)).claimed
        await until(house, second.id, S.RUNNING)


async def test_more_jobs_than_there_is_room_for_all_run_in_turn(tmp_path: Path) -> None:
    async with running(tmp_path, max_running_jobs=2) as house:
        jobs = [await house.start() for _ in range(7)]
        for number, job in enumerate(jobs):
            await until(house, job.id, S.RUNNING)
            held = await house.house.store.read(lambda tx: sum(tx.count_claimed().values()))
            assert held == min(2, len(jobs) - number)
            house.executor.end(await house.key(job.id), Exited(exit_code=0))
            await until(house, job.id, S.FINISHED)
        assert [launch.key.job_id for launch in house.executor.started] == [job.id for job in jobs]


async def test_more_jobs_of_one_commit_than_it_claims_all_run(tmp_path: Path) -> None:
    async with running(tmp_path, max_running_jobs=0) as house:
        jobs = await asyncio.gather(*(house.start() for _ in range(150)))
        for job in jobs:
            await until(house, job.id, S.RUNNING)
        assert len(house.executor.started) == len(jobs)


async def test_what_was_claimed_when_the_engine_is_held_is_started_and_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        before = await house.start()
        await house.engine.hold()
        after = await house.start()
        await house.house.store.write(lambda tx: None)
        assert (await house.job(before.id)).job_status is S.RUNNING
        assert not (await house.record(after.id)).claimed
        assert [launch.key.job_id for launch in house.executor.started] == [before.id]
