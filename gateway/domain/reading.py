"""The operations that read."""

import asyncio
import re
from bisect import bisect_left
from itertools import accumulate
from typing import Any

import gateway
from gateway.domain.access import job_not_found, sees, visible
from gateway.domain.call import Call
from gateway.domain.cursors import EPOCH, cursor_of, fingerprint_of, invalid_cursor, position_of
from gateway.domain.errors import Forbidden, Problem, ValidationFailed
from gateway.domain.executor import AttemptKey
from gateway.domain.house import House
from gateway.domain.identity import job_key
from gateway.domain.job import Job
from gateway.domain.outputs import read_output
from gateway.domain.ports import JobReader
from gateway.domain.queries import (
    ExecutorFeature,
    JobEventPage,
    JobOutput,
    JobPage,
    JobQuery,
    JobTypePage,
    JobTypeQuery,
    OutputQuery,
    PageQuery,
    ServiceInfo,
    ServiceLimit,
    WaitQuery,
)
from gateway.domain.record import Position, Stored
from gateway.domain.result_store import PAGE_BYTES
from gateway.domain.scalars import read_instant
from gateway.domain.words import FINAL, JobReadFeature


async def get_job(house: House, call: Call, *, job_id: str) -> Stored[Job]:
    """Show a job as it is now."""
    key = job_key(job_id)
    document = await house.store.read(lambda tx: tx.document(key), single=True)
    if document is None or not sees(call, document.organization_id):
        raise job_not_found(job_id)
    return document


async def wait_for_job(house: House, call: Call, *, job_id: str, query: WaitQuery) -> Stored[Job]:
    """Show the job as soon as it is final or, when `version` is given, has another version; after the timeout
    as it is then.
    """
    deadline = house.clock.monotonic() + query.timeout_seconds
    async with house.changes.of(job_key(job_id)) as changed:
        while True:
            changed.clear()
            document = await get_job(house, call, job_id=job_id)
            if query.version is not None and document.version != query.version:
                return document
            left = deadline - house.clock.monotonic()
            if left <= 0 or house.changes.closing.is_set():
                return document
            if document.load().job_status in FINAL:
                return document
            try:
                await asyncio.wait_for(changed.wait(), left)
            except TimeoutError:
                return await get_job(house, call, job_id=job_id)


async def list_jobs(house: House, call: Call, *, query: JobQuery) -> JobPage:
    """List the jobs of the caller's organization that match every filter, ordered by `createdAt`. A page
    repeats no job and skips none that was there before the first page.
    """
    everyone = JobReadFeature.IGNORE_ORGANIZATION_RESTRICTIONS in query.features_on
    if everyone and not call.caller.is_admin:
        raise Forbidden("IGNORE_ORGANIZATION_RESTRICTIONS needs the role admin")
    organization_id = query.organization_id
    if organization_id is None and not everyone:
        organization_id = call.caller.organization_id
    if organization_id is not None and not sees(call, organization_id):
        return JobPage(limit=query.limit)
    fingerprint = fingerprint_of(house, query, organization_id)
    after = None if query.start_after is None else position_of(house, query.start_after, fingerprint)
    count = JobReadFeature.NUMBER_OF_TOTAL in query.features_on

    if query.dependent_job_id is not None:
        query = query.with_(dependent_job_id=query.dependent_job_id.lower())

    def work(tx: JobReader, enough_bytes: int = PAGE_BYTES) -> tuple[list[Stored[Job]], int | None]:
        found = tx.jobs(
            query,
            organization_id=organization_id,
            after=after,
            limit=query.limit + 1,
            enough_bytes=enough_bytes,
        )
        return found, tx.count_jobs(query, organization_id=organization_id) if count else None

    def quick(tx: JobReader) -> tuple[list[Stored[Job]], int | None] | None:
        found, total = work(tx, _QUICK_BYTES)
        return None if _size(found) > _QUICK_BYTES else (found, total)

    read = None if count or _is_long(query) else await house.store.read(quick)
    if read is None:
        read = await house.store.read(work, long=True)
    found, total = read
    shown = _bounded(found[: query.limit])
    page: dict[str, Any] = {"jobs": shown, "limit": query.limit, "total": total}
    if len(found) > len(shown):
        last = shown[-1]
        position = Position(read_instant(last.member("createdAt")), last.id)
        page["next_start_after"] = cursor_of(house, position, fingerprint)
    return JobPage.model_construct(**page)


_QUICK_BYTES = 2**20
"""Up to here documents are read in about a millisecond."""


def _size(found: list[Stored[Job]]) -> int:
    return sum([len(document.json) for document in found])


def _bounded(found: list[Stored[Job]]) -> tuple[Stored[Job], ...]:
    """As many documents as a page may hold: up to the one with which it reaches 8 MiB."""
    if _size(found) < PAGE_BYTES:
        return tuple(found)
    ends = list(accumulate([len(document.json) for document in found]))
    return tuple(found[: bisect_left(ends, PAGE_BYTES) + 1])


def _is_long(query: JobQuery) -> bool:
    """Whether the list may take more than a moment: a search for words, or filters that narrow each other."""
    asked = query.model_fields_set - _NO_FILTERS
    return query.text is not None or len(asked) > 1


_NO_FILTERS = {"limit", "sort", "start_after", "features_on", "organization_id"}


async def list_job_types(house: House, _call: Call, *, query: JobTypeQuery) -> JobTypePage:
    """List the types of the operator's catalogue, ordered by name."""
    fingerprint = fingerprint_of(house, query, None)
    after = ""
    if query.start_after is not None:
        after = position_of(house, query.start_after, fingerprint).id
    matching = [
        kind
        for kind in house.catalogue.all()
        if kind.type > after and set(query.feature_on) <= set(kind.features_on)
    ]
    page: dict[str, Any] = {"jobs": tuple(kind.shown() for kind in matching[: query.limit])}
    if len(matching) > query.limit:
        position = Position(EPOCH, matching[query.limit - 1].type)
        page["next_start_after"] = cursor_of(house, position, fingerprint)
    return JobTypePage(limit=query.limit, **page)


async def list_job_events(house: House, call: Call, *, job_id: str, query: PageQuery) -> JobEventPage:
    """List the history of a job, oldest first. `startAfter` is the id of the last entry seen."""
    after = 0
    if query.start_after is not None:
        if not re.fullmatch("[0-9]{1,18}", query.start_after):
            raise invalid_cursor("startAfter is not the id of an entry")
        after = int(query.start_after)
    key = job_key(job_id)

    def work(tx: JobReader) -> Any:
        document = tx.document(key)
        if document is None or not sees(call, document.organization_id):
            raise job_not_found(job_id)
        return tx.events(key, after=after, limit=query.limit + 1)

    events = await house.store.read(work)
    shown = tuple(events[: query.limit])
    more = {"next_start_after": shown[-1].id} if len(events) > query.limit else {}
    return JobEventPage(events=shown, limit=query.limit, **more)


_NO_XML_CHAR = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


async def read_job_output(house: House, call: Call, *, job_id: str, query: OutputQuery) -> JobOutput:
    """Read a piece of what an attempt wrote, also while it runs: `limit` bytes from `offset` on, or with
    `tail` the last ones. Go on with `nextOffset` until `complete`. Of a stream past its bound the middle is
    dropped; `truncated` tells where.
    """
    record = await house.store.read(lambda tx: visible(tx, call, job_id))
    attempt = record.job.attempt if query.attempt is None else query.attempt
    if attempt > record.job.attempt:
        detail = f"the job has had {record.job.attempt} attempts"
        raise ValidationFailed(detail, problems=[Problem(("query", "attempt"), detail)])
    # A job that waits for its first attempt, or for the next one, has more to come.
    ended = attempt < record.job.attempt or (
        not record.claimed and (attempt > 0 or record.job.job_status in FINAL)
    )
    offset = -query.limit if query.tail else query.offset or 0
    chunk = await read_output(
        house, AttemptKey(record.job.id, attempt), query.stream, offset=offset, limit=query.limit
    )
    data, start, end = chunk.data, chunk.offset, chunk.next_offset
    if query.tail:
        lead = next((i for i, byte in enumerate(data[:3]) if byte & 0xC0 != 0x80), min(3, len(data)))
        data, start = data[lead:], start + lead
    unfinished = _unfinished_bytes(data)
    goes_on = not chunk.dropped_bytes and (end < chunk.size or not ended)
    if goes_on and len(data) > unfinished:
        data, end = data[: len(data) - unfinished], end - unfinished
    return JobOutput(
        stream=query.stream,
        attempt=attempt,
        offset=start,
        next_offset=end,
        content=_NO_XML_CHAR.sub("\ufffd", data.decode("utf-8", "replace")),
        truncated=chunk.dropped_bytes > 0,
        complete=ended and end >= chunk.size,
    )


def _unfinished_bytes(data: bytes) -> int:
    """How many bytes at the end begin a UTF-8 character that goes on behind them."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
        return back if length > back else 0
    return 0


async def get_service_info(house: House, _call: Call) -> ServiceInfo:
    """Tell name and versions, what the executor does with each field of a request, the limits in force
    (0 = none), and the names of the features that are there.
    """
    policy = house.policy
    limits = {
        "MAX_RUNNING_JOBS": policy.max_running_jobs,
        "MAX_RUNNING": policy.max_running,
        "MAX_NOT_FINAL": policy.max_not_final,
        "RETENTION_DAYS": policy.retention_days,
        "MAX_ATTACHMENT_BYTES": policy.max_attachment_bytes,
        "MAX_JOB_ATTACHMENT_BYTES": policy.max_job_attachment_bytes,
    }
    return ServiceInfo(
        name="jobs-gateway",
        version=gateway.__version__,
        contract_version=gateway.CONTRACT_VERSION,
        executor=house.executor.name,
        isolation=house.executor.isolation,
        executor_features=tuple(
            ExecutorFeature(name=name, support=support) for name, support in house.executor.support.items()
        ),
        limits=tuple(ServiceLimit(name=name, value=value) for name, value in limits.items()),
        features=policy.features,
    )
