"""STOP_JOBS_ON_EXIT: what runs is canceled and waited for, what waits is left as it is."""

import asyncio

import pytest

from gateway import stopping
from gateway.domain.executor import Exited
from gateway.domain.words import JobStatus
from gateway.stopping import cancel_running_jobs
from tests.house import TestHouse

SECONDS = 20
TERMINATED = Exited(exit_code=143, signal=15)


async def test_running_jobs_are_canceled_and_their_ends_waited_for(house: TestHouse) -> None:
    house.executor.after_stop = None
    jobs = [await house.start() for _ in range(2)]
    await house.tick()
    waiting = await house.start(notBefore="2027-01-01T00:00:00Z")
    stop = asyncio.create_task(cancel_running_jobs(house.house))
    async with asyncio.timeout(SECONDS):
        while len(house.executor.stopped) < 2:
            await asyncio.sleep(0)
            await house.tick()
        ended = await house.end(jobs[0].id, TERMINATED)
        assert (ended.job_status, ended.cancel_reason) == (JobStatus.CANCELED, "the gateway stops")
        assert not stop.done()
        await house.end(jobs[1].id, TERMINATED)
        await stop
    assert (await house.job(waiting.id)).job_status is JobStatus.WAITING


async def test_a_job_that_cannot_be_canceled_is_left_alone(house: TestHouse) -> None:
    job = await house.start(type="STUBBORN_JOB")
    await house.tick()
    async with asyncio.timeout(SECONDS):
        await cancel_running_jobs(house.house)
    assert (await house.job(job.id)).job_status is JobStatus.RUNNING


async def test_a_job_that_does_not_end_is_not_waited_for_without_end(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house.executor.after_stop = None
    monkeypatch.setattr(stopping, "MARGIN_SECONDS", 0)
    job = await house.start(cancelGraceSeconds=0)
    await house.tick()
    async with asyncio.timeout(SECONDS):
        await cancel_running_jobs(house.house)
    assert f"jobs still run: {job.id}" in caplog.text
