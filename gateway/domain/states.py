"""The table of statuses, and the one place where a job's status changes."""

from datetime import datetime

from gateway.domain.job import Job
from gateway.domain.words import FINAL, JobStatus

_S = JobStatus

TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    _S.CREATED: frozenset({_S.PERSISTED}),
    _S.PERSISTED: frozenset({_S.WAITING, _S.SCHEDULED, _S.CANCELED}),
    _S.WAITING: frozenset({_S.SCHEDULED, _S.CANCELED}),
    _S.SCHEDULED: frozenset({_S.RUNNING, _S.WAITING, _S.UNKNOWN, _S.FAILED, _S.DIED, _S.CANCELED}),
    _S.RUNNING: frozenset({_S.FINISHED, _S.FAILED, _S.DIED, _S.CANCELED, _S.UNKNOWN, _S.WAITING}),
    _S.UNKNOWN: frozenset(
        {_S.SCHEDULED, _S.RUNNING, _S.WAITING, _S.FINISHED, _S.FAILED, _S.DIED, _S.CANCELED}
    ),
    _S.FINISHED: frozenset(),
    _S.FAILED: frozenset(),
    _S.DIED: frozenset(),
    _S.CANCELED: frozenset(),
}
"""What each status may become; a final status becomes nothing."""


class ForbiddenTransition(Exception):
    """The table has no such row."""


def change(job: Job, to: JobStatus, *, at: datetime, message: str | None) -> Job:
    """The job in its next status. Raises ForbiddenTransition when the table does not allow it."""
    if to not in TRANSITIONS[job.job_status]:
        raise ForbiddenTransition(f"job {job.id}: {job.job_status} may not become {to}")
    return job.with_(
        job_status=to,
        last_job_status=job.job_status,
        message=message,
        finished_at=at if to in FINAL else None,
    )
