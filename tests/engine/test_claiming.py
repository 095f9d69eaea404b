"""Jobs are claimed in the commits of others: by the one that schedules them, or that frees a place."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.domain import attempts
from gateway.domain.attempts import Ended
from gateway.domain.errors import ServiceUnavailable
from gateway.domain.executor import Exited
from gateway.domain.outcome import Outcome
from gateway.domain.ports import JobWriter
from gateway.domain.record import JobRecord
from gateway.domain.words import JobStatus
from gateway.stores import postgres_transactions
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.postgres_connection import Connection
from gateway.stores.postgres_errors import LostError
from tests.house import TestHouse, a_house
from tests.pg_stand import PgStand

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


async def test_a_claim_that_is_under_way_when_the_engine_is_held_is_started(
    postgres: PgStand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two threads that write, of which the other has nothing to do."""
    store = PostgresJobStore(postgres.database())
    claimed, go, waits = threading.Event(), threading.Event(), asyncio.Event()
    async with a_house(tmp_path, store=store) as house:
        engine = house.restarted().engine
        claim, settled = engine.dispatcher.claim, store.settled

        def held(tx: JobWriter) -> list[JobRecord]:
            found = claim(tx)
            if found:
                claimed.set()
                assert go.wait(SECONDS)
            return found

        async def noted() -> None:
            waits.set()
            await settled()

        monkeypatch.setattr(engine.dispatcher, "claim", held)
        monkeypatch.setattr(store, "settled", noted)
        await engine.start()
        try:
            starting = asyncio.create_task(house.start())
            assert await asyncio.to_thread(claimed.wait, SECONDS)
            holding = asyncio.create_task(engine.hold())
            waiting = asyncio.create_task(waits.wait())
            await asyncio.wait({holding, waiting}, return_when=asyncio.FIRST_COMPLETED)
            go.set()
            await holding
            job = await starting
            assert [launch.key.job_id for launch in house.executor.started] == [job.id]
            assert waiting.done()
        finally:
            go.set()
            await engine.stop()


async def test_what_was_claimed_in_a_commit_of_which_nobody_knows_runs_all_the_same(
    postgres: PgStand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_transactions, "LOOK_UP_SECONDS", 0.0)
    async with a_house(tmp_path, store=PostgresJobStore(postgres.database())) as house:
        engine = house.restarted().engine
        claim, run = engine.dispatcher.claim, Connection.run
        claiming: list[int] = []

        def noted(tx: JobWriter) -> list[JobRecord]:
            found = claim(tx)
            claiming.extend(threading.get_ident() for _ in found)
            return found

        def unanswered(self: Connection, sql: str) -> None:
            run(self, sql)
            if sql == "COMMIT" and claiming == [threading.get_ident()]:
                claiming.append(0)
                self.close()
                raise LostError

        monkeypatch.setattr(engine.dispatcher, "claim", noted)
        monkeypatch.setattr(Connection, "run", unanswered)
        await engine.start()
        try:
            with pytest.raises(ServiceUnavailable, match="look whether the change was stored"):
                await house.start()
            (job,) = (await house.call("listJobs")).jobs
            await until(house, job.id, S.RUNNING)
            assert [launch.key.job_id for launch in house.executor.started] == [job.id]
        finally:
            await engine.stop()
