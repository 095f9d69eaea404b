"""Short ways to put jobs into a store and to look at them."""

from collections.abc import Callable
from typing import Any

from gateway.domain.job import JobEvent
from gateway.domain.ports import JobStore, JobWriter
from gateway.domain.record import JobRecord
from tests.builders import a_record, a_start


def inserts(*records: JobRecord) -> Callable[[JobWriter], None]:
    """A unit of work that stores new jobs."""

    def work(tx: JobWriter) -> None:
        for record in records:
            tx.insert_job(record, request=a_start(), secrets={})

    return work


async def insert(store: JobStore, *records: JobRecord) -> None:
    """Store new jobs."""
    await store.write(inserts(*records))


async def inserted(store: JobStore, **members: Any) -> JobRecord:
    """A new job that is stored; members are those of `a_record`."""
    record = a_record(**members)
    await insert(store, record)
    return record


async def job_of(store: JobStore, job_id: str, *, long: bool = False) -> JobRecord | None:
    """A job as it is stored."""
    return await store.read(lambda tx: tx.job(job_id), long=long)


async def events_of(store: JobStore, job_id: str) -> list[JobEvent]:
    """The history of a job."""
    return await store.read(lambda tx: tx.events(job_id, after=0, limit=1000))
