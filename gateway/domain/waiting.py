"""What a job waits for, and the moment when it waits no longer."""

from datetime import datetime

from gateway.domain.call import ENGINE, Cause
from gateway.domain.history import move, save
from gateway.domain.ports import JobReader, JobWriter
from gateway.domain.record import JobRecord
from gateway.domain.scalars import instant_text
from gateway.domain.words import JobStatus


def reason_to_wait(tx: JobReader, record: JobRecord, now: datetime) -> str | None:
    """Why the job cannot be scheduled now; None when it can."""
    if others := tx.open_dependencies(record.job.id):
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        return f"waits for job {others[0]}{more} to end"
    if record.wake_at is not None and record.wake_at > now:
        if record.job.attempt:
            return f"waits until {instant_text(record.wake_at)} for the next attempt"
        return f"waits until {instant_text(record.wake_at)} (notBefore)"
    if locks := tx.blocking_locks(record.job.id):
        return "waits for the lock " + ", ".join(f"'{name}'" for name in locks)
    return None


def settle(tx: JobWriter, record: JobRecord, *, cause: Cause, now: datetime) -> JobRecord:
    """Schedule the job if nothing holds it, else let it wait. For a job that is PERSISTED or WAITING.

    The caller saves the record; it is returned unchanged when it waits for the same as before.
    """
    reason = reason_to_wait(tx, record, now)
    if reason is None:
        return move(tx, record.with_(wake_at=None), JobStatus.SCHEDULED, cause=cause, at=now)
    if record.wake_at is not None and record.wake_at <= now:
        record = record.with_(wake_at=None)
    if record.job.job_status is not JobStatus.WAITING:
        return move(tx, record, JobStatus.WAITING, cause=cause, at=now, message=reason)
    # While the backoff lasts, the message goes on telling how the last attempt ended.
    if reason != record.job.message and not (record.wake_at and record.job.attempt):
        record = record.with_(job=record.job.with_(message=reason))
    return record


def reconsider(tx: JobWriter, job_id: str, *, now: datetime) -> None:
    """Look again at a job whose dependency, lock or time has come; one that does not wait is left alone."""
    record = tx.job(job_id)
    if record is None or record.job.job_status is not JobStatus.WAITING:
        return
    settled = settle(tx, record, cause=ENGINE, now=now)
    if settled != record:
        save(tx, settled, cause=ENGINE, at=now)
