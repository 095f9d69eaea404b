"""cancelJob and deleteJob."""

from datetime import datetime

from gateway.domain.access import changeable, commit
from gateway.domain.call import Call, Cause
from gateway.domain.ending import end_job
from gateway.domain.errors import JobAlreadyFinal, JobNotCancellable, JobNotFinal
from gateway.domain.history import note, save
from gateway.domain.house import House
from gateway.domain.job import DEFAULT_GRACE_SECONDS, Job
from gateway.domain.ports import JobWriter
from gateway.domain.record import AuditEntry, JobRecord, StopReason, Stored
from gateway.domain.requests import JobCancellation
from gateway.domain.words import FINAL, JobEventKind, JobStatus, JobTypeFeature


async def cancel_job(house: House, call: Call, *, job_id: str, cancellation: JobCancellation) -> Stored[Job]:
    """End a job early. Returns at once: a job that no engine holds is CANCELED in the reply; one that runs
    keeps its status, shows `cancelRequestedAt`, is asked to end, is killed after the grace, and ends
    CANCELED. A second call returns the job as it is; a job that ended otherwise is JOB_ALREADY_FINAL.
    """

    def work(tx: JobWriter, now: datetime) -> JobRecord:
        record = changeable(tx, call, job_id)
        return request_end(house, tx, record, cancellation, cause=Cause.of(call), now=now)

    return await commit(house, call, work)


def request_end(
    house: House,
    tx: JobWriter,
    record: JobRecord,
    cancellation: JobCancellation,
    *,
    cause: Cause,
    now: datetime,
) -> JobRecord:
    """Cancel the job now, or note that its attempt is to be stopped. Raises the errors of cancelJob."""
    job = record.job
    if job.job_status is JobStatus.CANCELED or job.cancel_requested_at is not None:
        if job.job_status in FINAL and job.job_status is not JobStatus.CANCELED:
            raise JobAlreadyFinal(f"job {job.id} is {job.job_status} already")
        return record
    if job.job_status in FINAL:
        raise JobAlreadyFinal(f"job {job.id} is {job.job_status} already")
    check_cancellable(house, job)
    asked = job.with_(
        cancel_requested_at=now, cancel_requested_by=cause.actor, cancel_reason=cancellation.reason
    )
    record = record.with_(job=asked)
    if not record.claimed:
        reason = f": {cancellation.reason}" if cancellation.reason else ""
        return end_job(
            tx,
            record,
            JobStatus.CANCELED,
            cause=cause,
            now=now,
            message=f"canceled by {cause.actor}{reason}",
            retention_days=house.policy.retention_days,
        )
    grace = cancellation.grace_seconds
    if grace is None:
        grace = job.cancel_grace_seconds
    record = record.with_(
        stop=StopReason.CANCEL, stop_grace_seconds=DEFAULT_GRACE_SECONDS if grace is None else grace
    )
    record = note(
        tx,
        record,
        JobEventKind.CANCEL_REQUESTED,
        cause=cause,
        at=now,
        message=cancellation.reason,
    )
    return save(tx, record, cause=cause, at=now)


def check_cancellable(house: House, job: Job) -> None:
    """Raise JobNotCancellable for a job that runs and whose type lacks CANCELLABLE."""
    kind = house.catalogue.get(job.type) if job.type else None
    runs = job.job_status in (JobStatus.RUNNING, JobStatus.UNKNOWN)
    if runs and kind is not None and JobTypeFeature.CANCELLABLE not in kind.features_on:
        raise JobNotCancellable(f"job {job.id} is RUNNING and its type {job.type} cannot be canceled")


async def delete_job(house: House, call: Call, *, job_id: str) -> None:
    """Delete a final job with its history, output, attachments, secrets and results. It is JOB_NOT_FOUND
    afterwards; an entry in the audit table remains.
    """

    def work(tx: JobWriter) -> str:
        job = changeable(tx, call, job_id).job
        if job.job_status not in FINAL:
            raise JobNotFinal(f"job {job.id} is {job.job_status}; only a final job can be deleted")
        erase_job(
            tx,
            job.id,
            job.organization_id,
            actor=call.caller.name,
            action="job.deleted",
            now=house.clock.now(),
        )
        return job.id

    await clear_away(house, await house.store.write(work))


async def clear_away(house: House, job_id: str) -> None:
    """Remove what is kept of a deleted job outside the store. It goes after the commit; should the gateway
    stop in between, its next start finds files and folders without a job and removes them.
    """
    await house.executor.remove(job_id)
    await house.attachments.remove_job(job_id)


def erase_job(
    tx: JobWriter, job_id: str, organization_id: str, *, actor: str, action: str, now: datetime
) -> None:
    """Remove a job and its results from the store, leaving an entry in the audit table."""
    tx.results.remove(organization_id, job_id)
    tx.delete_job(job_id)
    tx.audit(AuditEntry(at=now, actor=actor, action=action, subject=job_id, organization_id=organization_id))
