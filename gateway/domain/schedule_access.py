"""What a caller may see and change of scheduled jobs, and the one way in which operations write them."""

from collections.abc import Callable
from datetime import datetime

from gateway.domain.access import first_request, remember, sees
from gateway.domain.call import Call
from gateway.domain.errors import JobNotFound, PreconditionFailed, ScheduledJobNotFound
from gateway.domain.house import House
from gateway.domain.identity import job_key
from gateway.domain.model import dump
from gateway.domain.ports import JobReader, JobWriter
from gateway.domain.record import Stored
from gateway.domain.schedules import ScheduledJob


async def commit_schedule(
    house: House, call: Call, work: Callable[[JobWriter, datetime], ScheduledJob]
) -> Stored[ScheduledJob]:
    """Run a unit of work that changes one scheduled job; under an idempotency key only the first time.

    A repeat gets the scheduled job as it is now. Raises IdempotencyKeyReused for another request under the
    same key, ScheduledJobNotFound when it was deleted since.
    """

    def unit(tx: JobWriter) -> Stored[ScheduledJob]:
        first = first_request(tx, call)
        if first is not None:
            return schedule_document(tx, call, str(first.job_id))
        now = house.clock.now()
        made = work(tx, now)
        remember(tx, call, now, job_id=made.id)
        return Stored(ScheduledJob, made.id, made.organization_id, made.version, dump(made))

    return await house.store.write(unit)


def schedule_key(scheduled_job_id: str) -> str:
    """The id as the store knows it. Raises ScheduledJobNotFound for text that is no UUID."""
    try:
        return job_key(scheduled_job_id)
    except JobNotFound:
        raise schedule_not_found(scheduled_job_id) from None


def schedule_not_found(scheduled_job_id: str) -> ScheduledJobNotFound:
    return ScheduledJobNotFound(f"there is no scheduled job '{scheduled_job_id}'")


def schedule_document(tx: JobReader, call: Call, scheduled_job_id: str) -> Stored[ScheduledJob]:
    document = tx.schedules.document(schedule_key(scheduled_job_id))
    if document is None or not sees(call, document.organization_id):
        raise schedule_not_found(scheduled_job_id)
    return document


def changeable_schedule(tx: JobReader, call: Call, scheduled_job_id: str) -> ScheduledJob:
    """A scheduled job that the caller may change. Raises PreconditionFailed (If-Match)."""
    document = schedule_document(tx, call, scheduled_job_id)
    if call.if_match is not None and not call.if_match.admits(document.version):
        raise PreconditionFailed(f"scheduled job {document.id} has version {document.version}")
    return document.load()
