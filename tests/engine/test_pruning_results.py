"""Deleted results and log entries: gone at once, and their room is freed step by step."""

import itertools
from typing import Any

import pytest

from gateway.domain.executor import Exited
from tests.house import TestHouse

RESULTS = [{"businessPartnerId": "p", "status": "OK"}] * 600


async def a_job_with_results(house: TestHouse, **members: Any) -> str:
    job = await house.start(resultStorageId="s", **members)
    await house.call("writeJobResults", jobId=job.id, results={"storageId": "s", "results": RESULTS})
    return job.id


async def rows(house: TestHouse, table: str) -> int:
    """How many rows still take up room."""

    def count(tx: Any) -> int:
        return int(tx._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    return await house.house.store.read(count)


async def pruned(house: TestHouse) -> list[float | None]:
    """Ticks until there is nothing left to do; what each returned."""
    pauses: list[float | None] = []
    while not pauses or pauses[-1] != 1.0:
        pauses.append(await house.engine.pruner.tick())
    return pauses


async def test_results_of_an_expired_job_go_in_small_steps(house: TestHouse) -> None:
    job = await a_job_with_results(house, expiresAt="2026-11-23T13:00:00Z")
    kept = await a_job_with_results(house)
    await house.tick()
    await house.end(job, Exited(exit_code=0))
    assert await pruned(house) == [1.0]
    house.clock.advance(3600)
    pauses = await pruned(house)
    assert (await house.call("listStorageResults", storageId="s")).total == 600
    assert (await rows(house, "results"), await rows(house, "result_runs")) == (600, 1)
    assert len(pauses) == 4
    assert all(pause is not None and pause < 0.1 for pause in pauses[:-1])
    query = {"storageId": "s"}
    assert (await house.call("listJobRunResults", jobId=kept, query=query)).total == 600


async def test_deleted_log_entries_go_in_small_steps(house: TestHouse) -> None:
    log = {"storageId": "s", "processingLogId": "OVERLAP_LOG"}
    await house.call("writeProcessingLogData", **log, entries={"entries": RESULTS})
    await house.call("deleteProcessingLogData", **log, query={"businessPartnerId": ["p"]})
    assert (await house.call("listProcessingLogData", **log)).total == 0
    assert await rows(house, "log_entries") == 600
    await pruned(house)
    assert (await rows(house, "log_entries"), await rows(house, "log_removals")) == (0, 0)


async def test_results_that_were_deleted_go_though_their_job_stays(house: TestHouse) -> None:
    job = await a_job_with_results(house)
    await house.call("deleteJobResults", jobId=job)
    await house.call("writeJobResults", jobId=job, results={"storageId": "s", "results": [RESULTS[0]]})
    await pruned(house)
    assert await rows(house, "results") == 1
    assert [value.id for value in (await house.call("listStorageResults", storageId="s")).values] == ["601"]


async def test_expired_jobs_go_in_units_as_short_as_the_clock_tells(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit of work takes no further job after a millisecond, and the pruner rests as long as it worked."""
    for _ in range(5):
        job = await house.start(expiresAt="2026-11-23T12:00:10Z")
        await house.call("cancelJob", jobId=job.id)
    house.clock.advance(11)
    times = itertools.count(step=0.00075)
    monkeypatch.setattr(house.clock, "monotonic", lambda: next(times))
    left, pauses = [], []
    while not pauses or pauses[-1] != 1.0:
        pauses.append(await house.engine.pruner.tick())
        left.append(await rows(house, "jobs"))
    assert left == [3, 1, 0]
    assert pauses[:-1] == [pytest.approx(0.003)] * 2
