"""Short ways to put jobs into a store and to look at them."""

from collections.abc import Callable
from typing import Any

from gateway.domain.job import Job, JobEvent
from gateway.domain.ports import JobStore, JobWriter
from gateway.domain.queries import JobQuery
from gateway.domain.record import JobRecord, Position, Stored
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


async def page_of(
    store: JobStore,
    query: JobQuery,
    organization_id: str | None,
    *,
    after: Position | None = None,
    limit: int = 9,
    long: bool = False,
) -> list[Stored[Job]]:
    """One page of a list."""
    return await store.read(
        lambda tx: tx.jobs(query, organization_id=organization_id, after=after, limit=limit), long=long
    )


async def pages(
    store: JobStore, query: JobQuery, organization_id: str | None, *, limit: int = 9, long: bool = False
) -> list[str]:
    """Ids of all jobs of a list, read page by page."""
    found: list[str] = []
    after: Position | None = None
    while True:
        page = await page_of(store, query, organization_id, after=after, limit=limit, long=long)
        found += [stored.id for stored in page]
        if len(page) < limit:
            return found
        last = page[-1].load()
        after = Position(last.created_at, last.id)


async def count_of(store: JobStore, query: JobQuery, organization_id: str | None) -> int:
    """How many jobs a list has."""
    return await store.read(lambda tx: tx.count_jobs(query, organization_id=organization_id))
