"""The end of a job, and what follows from it in the same transaction."""

from collections import deque
from datetime import datetime, timedelta

from gateway.domain.call import ENGINE, Cause
from gateway.domain.history import move, save
from gateway.domain.ports import JobWriter
from gateway.domain.record import JobRecord
from gateway.domain.waiting import reconsider
from gateway.domain.words import DependencyCondition, JobStatus


def holds(condition: DependencyCondition, status: JobStatus) -> bool:
    """Whether a final status is what the condition asks for."""
    return condition is DependencyCondition.ENDED or status is JobStatus.FINISHED


def end_job(
    tx: JobWriter,
    record: JobRecord,
    to: JobStatus,
    *,
    cause: Cause,
    now: datetime,
    message: str | None,
    exit_code: int | None = None,
    retention_days: int,
) -> JobRecord:
    """Make a job final: give up its locks, decide the dependencies on it, cancel what can no longer run."""
    ended = _close(
        tx,
        record,
        to,
        cause=cause,
        now=now,
        message=message,
        exit_code=exit_code,
        retention_days=retention_days,
    )
    todo = deque([ended])
    while todo:
        done = todo.popleft().job
        for next_in_queue in tx.give_up_places(done.id):
            reconsider(tx, next_in_queue, now=now)
        for job_id, condition in tx.dependents(done.id):
            tx.close_dependency(job_id, done.id)
            if holds(condition, done.job_status):
                reconsider(tx, job_id, now=now)
                continue
            waiting = tx.job(job_id)
            if waiting is not None and waiting.job.job_status is JobStatus.WAITING:
                why = f"depends on job {done.id}, which ended {done.job_status}"
                canceled = _close(
                    tx,
                    waiting,
                    JobStatus.CANCELED,
                    cause=ENGINE,
                    now=now,
                    message=why,
                    retention_days=retention_days,
                )
                todo.append(canceled)
    return ended


def _close(
    tx: JobWriter,
    record: JobRecord,
    to: JobStatus,
    *,
    cause: Cause,
    now: datetime,
    message: str | None,
    exit_code: int | None = None,
    retention_days: int,
) -> JobRecord:
    closed = move(tx, record, to, cause=cause, at=now, message=message, exit_code=exit_code)
    job = closed.job
    if job.expires_at is None and retention_days:
        job = job.with_(expires_at=now + timedelta(days=retention_days))
    closed = closed.with_(
        job=job,
        claimed=False,
        node=0,
        handle=None,
        token_hash=None,
        stop=None,
        stop_grace_seconds=None,
        wake_at=None,
    )
    return save(tx, closed, cause=cause, at=now)
