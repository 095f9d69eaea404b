"""Changes of a job's record, written into its history and stored with a new version."""

from datetime import datetime
from typing import Any

from gateway.domain import states
from gateway.domain.call import Cause
from gateway.domain.job import JobEvent
from gateway.domain.ports import JobWriter
from gateway.domain.record import JobRecord
from gateway.domain.words import JobEventKind, JobStatus


def note(
    tx: JobWriter, record: JobRecord, kind: JobEventKind, *, cause: Cause, at: datetime, **details: Any
) -> JobRecord:
    """Append an entry to the history; details that are None are left out."""
    number = record.event_count + 1
    told = {name: value for name, value in details.items() if value is not None}
    if cause.request_id is not None:
        told["request_id"] = cause.request_id
    if record.job.attempt:
        told["attempt"] = record.job.attempt
    tx.add_event(
        JobEvent(
            id=str(number),
            job_id=record.job.id,
            at=at,
            kind=kind,
            actor=cause.actor,
            protocol=cause.protocol,
            **told,
        )
    )
    return record.with_(event_count=number)


def move(
    tx: JobWriter,
    record: JobRecord,
    to: JobStatus,
    *,
    cause: Cause,
    at: datetime,
    message: str | None = None,
    exit_code: int | None = None,
) -> JobRecord:
    """Take the job to its next status and write that into the history; the caller saves the record."""
    before = record.job.job_status
    moved = record.with_(job=states.change(record.job, to, at=at, message=message))
    return note(
        tx,
        moved,
        JobEventKind.STATUS,
        cause=cause,
        at=at,
        from_status=None if before is JobStatus.CREATED else before,
        to_status=to,
        message=message,
        exit_code=exit_code,
    )


def save(tx: JobWriter, record: JobRecord, *, cause: Cause, at: datetime) -> JobRecord:
    """Store a changed record under its next version."""
    job = record.job.with_(version=record.job.version + 1, modified_at=at, modified_by=cause.actor)
    saved = record.with_(job=job)
    tx.save_job(saved)
    return saved
