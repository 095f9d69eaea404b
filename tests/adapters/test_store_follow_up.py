"""The port JobStore over every adapter: the unit of work that rides in the commits of others."""

from typing import Any

import pytest

from gateway.domain.ports import Change, JobStore, JobWriter
from gateway.domain.words import JobStatus
from tests.builders import a_record, a_start
from tests.storing import insert, inserted, job_of


def scheduled(change: Change) -> bool:
    return change.status is JobStatus.SCHEDULED


async def test_a_follow_up_sees_what_called_for_it_and_is_durable_with_it(store: JobStore) -> None:
    told: list[list[str] | None] = []

    def claim(tx: JobWriter) -> list[str]:
        queue = tx.queue(9)
        for job_id in queue:
            record = tx.job(job_id)
            assert record is not None
            tx.save_job(record.with_(claimed=True, node=1))
        return queue

    store.follow_up(scheduled, claim, told.append)
    record = await inserted(store, job_status=JobStatus.SCHEDULED)
    assert told == [[record.job.id]]
    stored = await job_of(store, record.job.id)
    assert stored is not None
    assert stored.claimed


async def test_a_follow_up_runs_for_no_other_change_and_none_of_its_own(store: JobStore) -> None:
    told: list[Any] = []
    store.follow_up(scheduled, lambda tx: None, lambda _: told.append("told"))
    running = await inserted(store, job_status=JobStatus.RUNNING)
    assert told == []

    def again(tx: JobWriter) -> None:
        record = tx.job(running.job.id)
        assert record is not None
        tx.save_job(record.with_(job=record.job.with_(job_status=JobStatus.SCHEDULED)))

    store.follow_up(scheduled, again, lambda _: told.append("told"))
    await inserted(store, job_status=JobStatus.SCHEDULED)
    await store.write(lambda tx: None)
    assert told == ["told"]


async def test_a_unit_that_does_the_same_work_calls_for_no_follow_up(store: JobStore) -> None:
    told: list[Any] = []
    record = await inserted(store, job_status=JobStatus.WAITING)

    def schedule(tx: JobWriter) -> None:
        tx.save_job(record.with_(job=record.job.with_(job_status=JobStatus.SCHEDULED)))

    store.follow_up(scheduled, schedule, told.append)
    await store.write(schedule)
    assert told == []
    await inserted(store, job_status=JobStatus.SCHEDULED)
    assert told == [None]


async def test_a_follow_up_that_fails_is_undone_alone(store: JobStore) -> None:
    told: list[Any] = []
    other = a_record()

    def fail(tx: JobWriter) -> None:
        tx.insert_job(other, request=a_start(), secrets={})
        tx.queue(9)
        raise ValueError("the follow-up fails")

    store.follow_up(scheduled, fail, told.append)
    record = await inserted(store, job_status=JobStatus.SCHEDULED)
    assert told == [None]
    assert await job_of(store, record.job.id) is not None
    assert await job_of(store, other.job.id) is None


async def test_a_change_that_is_undone_calls_for_no_follow_up(store: JobStore) -> None:
    told: list[Any] = []
    store.follow_up(scheduled, lambda tx: None, told.append)
    kept = await inserted(store, job_status=JobStatus.RUNNING)
    with pytest.raises(ValueError, match="undone"):
        await store.write(_undone)
    assert told == []
    await insert(store, a_record(job_status=JobStatus.SCHEDULED))
    assert told == [None]
    assert await job_of(store, kept.job.id) is not None


def _undone(tx: JobWriter) -> None:
    tx.insert_job(a_record(job_status=JobStatus.SCHEDULED), request=a_start(), secrets={})
    raise ValueError("undone")
