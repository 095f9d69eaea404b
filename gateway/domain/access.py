"""What a caller may see and change, and the one way in which operations write."""

from collections.abc import Callable
from datetime import datetime

from gateway.domain.call import Call, Cause
from gateway.domain.errors import (
    IdempotencyKeyReused,
    JobNotFound,
    PreconditionFailed,
)
from gateway.domain.history import save
from gateway.domain.house import House
from gateway.domain.identity import job_key
from gateway.domain.job import Job
from gateway.domain.model import ModelT, dump, load
from gateway.domain.ports import JobReader, JobWriter
from gateway.domain.record import JobRecord, Remembered, Stored


def sees(call: Call, organization_id: str) -> bool:
    """Whether what belongs to an organization is there for the caller."""
    return call.caller.is_admin or call.caller.organization_id == organization_id


def job_not_found(job_id: str) -> JobNotFound:
    """The same error for a job that never was, was deleted, or belongs to another organization."""
    return JobNotFound(f"there is no job '{job_id}'")


def visible(tx: JobReader, call: Call, job_id: str) -> JobRecord:
    """A job that the caller may see. Raises JobNotFound."""
    record = tx.job(job_key(job_id))
    if record is None or not sees(call, record.job.organization_id):
        raise job_not_found(job_id)
    return record


def changeable(tx: JobReader, call: Call, job_id: str) -> JobRecord:
    """A job that the caller may change. Raises JobNotFound, PreconditionFailed (If-Match)."""
    record = visible(tx, call, job_id)
    if call.if_match is not None and not call.if_match.admits(record.job.version):
        raise PreconditionFailed(f"job {record.job.id} has version {record.job.version}")
    return record


async def commit(house: House, call: Call, work: Callable[[JobWriter, datetime], JobRecord]) -> Stored[Job]:
    """Run a unit of work that changes one job; under an idempotency key only the first time.

    A repeat gets the job as it is now. Raises IdempotencyKeyReused for another request under the same key,
    JobNotFound when the job was deleted since.
    """

    def unit(tx: JobWriter) -> Stored[Job]:
        first = first_request(tx, call)
        if first is not None:
            return _as_it_is_now(tx, call, str(first.job_id))
        now = house.clock.now()
        record = work(tx, now)
        remember(tx, call, now, job_id=record.job.id)
        return _as_it_is_now(tx, call, record.job.id)

    return await house.store.write(unit)


async def commit_reply(
    house: House, call: Call, reply: type[ModelT], work: Callable[[JobWriter, datetime], ModelT]
) -> ModelT:
    """Run a unit of work whose reply is no job; under an idempotency key only the first time.

    A repeat gets the first reply. Raises IdempotencyKeyReused for another request under the same key.
    """

    def unit(tx: JobWriter) -> ModelT:
        first = first_request(tx, call)
        if first is not None:
            return load(reply, first.reply or b"{}")
        now = house.clock.now()
        made = work(tx, now)
        remember(tx, call, now, reply=dump(made))
        return made

    return await house.store.write(unit)


def first_request(tx: JobReader, call: Call) -> Remembered | None:
    """The first request under the call's idempotency key, if there was one and it was the same."""
    once = call.once
    if once is None:
        return None
    first = tx.remembered(call.caller.organization_id, once.operation, once.key)
    if first is not None and first.fingerprint != once.fingerprint:
        raise IdempotencyKeyReused(f"the idempotency key '{first.key}' was used for another request")
    return first


def remember(
    tx: JobWriter, call: Call, now: datetime, *, job_id: str | None = None, reply: bytes | None = None
) -> None:
    if call.once is not None:
        tx.remember(
            Remembered(
                organization_id=call.caller.organization_id,
                operation=call.once.operation,
                key=call.once.key,
                fingerprint=call.once.fingerprint,
                at=now,
                job_id=job_id,
                reply=reply,
            )
        )


def _as_it_is_now(tx: JobReader, call: Call, job_id: str) -> Stored[Job]:
    document = tx.document(job_id)
    if document is None or not sees(call, document.organization_id):
        raise job_not_found(job_id)
    return document


async def edit(
    house: House, call: Call, job_id: str, change: Callable[[JobWriter, JobRecord, datetime], JobRecord]
) -> Stored[Job]:
    """Change a job; a change that leaves everything as it is raises no version."""

    def work(tx: JobWriter, now: datetime) -> JobRecord:
        record = changeable(tx, call, job_id)
        changed = change(tx, record, now)
        return record if changed == record else save(tx, changed, cause=Cause.of(call), at=now)

    return await commit(house, call, work)
