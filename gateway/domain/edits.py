"""The operations that change what a job shows, in whatever status it is."""

from datetime import datetime

from gateway.domain.access import edit
from gateway.domain.call import Call, Cause
from gateway.domain.errors import JobAlreadyFinal, Problem, ValidationFailed
from gateway.domain.history import note
from gateway.domain.house import House
from gateway.domain.job import Job
from gateway.domain.ports import JobWriter
from gateway.domain.record import JobRecord, Stored
from gateway.domain.requests import JobFields, JobMetrics, JobProgress, JobTags, ResultDataWrite
from gateway.domain.words import FINAL, JobEventKind, JobStatus

MAX_METRIC_NAMES = 200


async def update_job_fields(house: House, call: Call, *, job_id: str, fields: JobFields) -> Stored[Job]:
    """Change the name or the description. A missing field stays as it is; null, or the name of the field in
    `clear`, unsets it; the empty text is a value. Works in every status.
    """

    def change(tx: JobWriter, record: JobRecord, now: datetime) -> JobRecord:
        job = record.job.with_(**fields.changes, **dict.fromkeys(fields.cleared))
        if job == record.job:
            return record
        names = ", ".join(sorted({*fields.changes, *fields.cleared}))
        changed = record.with_(job=job)
        return note(
            tx, changed, JobEventKind.FIELDS, cause=Cause.of(call), at=now, message=f"changed: {names}"
        )

    return await edit(house, call, job_id, change)


async def replace_job_tags(house: House, call: Call, *, job_id: str, tags: JobTags) -> Stored[Job]:
    """Replace all tags; their order is kept. Works in every status."""

    def change(tx: JobWriter, record: JobRecord, now: datetime) -> JobRecord:
        if tags.tags == record.job.tags:
            return record
        changed = record.with_(job=record.job.with_(tags=tags.tags))
        return note(
            tx,
            changed,
            JobEventKind.TAGS,
            cause=Cause.of(call),
            at=now,
            message=f"the job has {len(tags.tags)} tags now",
        )

    return await edit(house, call, job_id, change)


async def report_job_progress(house: House, call: Call, *, job_id: str, progress: JobProgress) -> Stored[Job]:
    """Report progress, item counts, a message or the address of a report; what is missing stays as it is.
    It counts as the job's heartbeat. While the job waits, its message goes on telling for what. A final job
    refuses it (JOB_ALREADY_FINAL).
    """

    def change(_tx: JobWriter, record: JobRecord, _now: datetime) -> JobRecord:
        job = record.job
        if job.job_status in FINAL:
            raise JobAlreadyFinal(f"job {job.id} is {job.job_status} already")
        told = {name: getattr(progress, name) for name in progress.model_fields_set}
        if job.job_status is JobStatus.WAITING:
            told.pop("message", None)
        return record.with_(job=job.with_(**told))

    reported = await edit(house, call, job_id, change)
    house.heartbeats.beat(reported.id, house.clock.monotonic())
    return reported


async def update_result_data(
    house: House, call: Call, *, job_id: str, result_data: ResultDataWrite
) -> Stored[Job]:
    """Replace the result data, the result of the job in short. Works in every status."""

    def change(tx: JobWriter, record: JobRecord, now: datetime) -> JobRecord:
        if result_data.result_data == record.job.result_data:
            return record
        changed = record.with_(job=record.job.with_(result_data=result_data.result_data))
        return note(
            tx, changed, JobEventKind.FIELDS, cause=Cause.of(call), at=now, message="changed: resultData"
        )

    return await edit(house, call, job_id, change)


async def record_job_metrics(house: House, call: Call, *, job_id: str, metrics: JobMetrics) -> Stored[Job]:
    """Record figures; of each name the job keeps the last value, of at most 200 names. Without `recordedAt`
    a figure gets the time of the call. Works in every status.
    """

    def change(_tx: JobWriter, record: JobRecord, now: datetime) -> JobRecord:
        kept = {metric.name: metric for metric in record.job.metrics}
        for metric in metrics.metrics:
            kept[metric.name] = metric if metric.recorded_at else metric.with_(recorded_at=now)
        if len(kept) > MAX_METRIC_NAMES:
            detail = f"the job would have {len(kept)} metrics; the limit is {MAX_METRIC_NAMES}"
            problem = Problem(("metrics", "metrics"), detail)
            raise ValidationFailed("the request has 1 wrong field", problems=[problem])
        return record.with_(job=record.job.with_(metrics=tuple(kept.values())))

    return await edit(house, call, job_id, change)
