"""The operations that make, change and run scheduled jobs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from gateway.domain.access import commit
from gateway.domain.call import Call, Cause
from gateway.domain.cron import UTC_ZONE, Timetable
from gateway.domain.errors import Forbidden, JobsError, Problem, ValidationFailed
from gateway.domain.house import House
from gateway.domain.identity import new_job_id
from gateway.domain.job import MAX_ENVIRONMENT_BYTES, Job, JobStart, environment_bytes
from gateway.domain.ports import JobReader, JobWriter
from gateway.domain.record import AuditEntry, JobRecord, Stored
from gateway.domain.schedule_access import changeable_schedule, commit_schedule
from gateway.domain.schedule_runs import next_run_at, open_secrets, schedule_secret_context, start_run
from gateway.domain.schedules import ScheduledJob, ScheduledJobCreate, ScheduledJobFields
from gateway.domain.starting import check_start, masked, organization_of, secrets_of
from gateway.domain.words import MisfirePolicy, OverlapPolicy

_DEFAULTS: dict[str, Any] = {
    "time_zone": UTC_ZONE,
    "paused": False,
    "overlap_policy": OverlapPolicy.SKIP,
    "misfire_policy": MisfirePolicy.RUN_ONCE,
}
_WHEN = ("cron_expression", "time_zone", "start_at", "end_at", "paused")
"""What decides about the next due time."""


async def create_scheduled_job(
    house: House, call: Call, *, scheduled_job: ScheduledJobCreate
) -> Stored[ScheduledJob]:
    """Start jobs again and again, from `startAt` to `endAt`, both counted. Times are those that the clocks
    of the time zone show. When these change, a fixed time that is left out is due as they are put forward,
    and one that comes twice is due the first time; with `*` or a step in the hour or a smaller field, elapsed
    time counts. The job is checked as startJob would, but for locks and limits, which each run meets itself.
    """
    given = {name: value for name, value in scheduled_job if value is not None}
    secrets = secrets_of(scheduled_job.job)
    organization_id = organization_of(call, scheduled_job.organization_id)
    with _located("scheduledJob"):
        _check_organization(call, scheduled_job.job, organization_id)
        # Not in the transaction: for what never comes it takes a few hundredths of a second.
        table = await asyncio.to_thread(
            Timetable.read,
            scheduled_job.cron_expression,
            scheduled_job.time_zone or UTC_ZONE,
            comes_after=house.clock.now(),
        )

    def work(tx: JobWriter, now: datetime) -> ScheduledJob:
        made = ScheduledJob(
            **_DEFAULTS
            | given
            | {
                "id": new_job_id(now),
                "organization_id": organization_id,
                "job": masked(scheduled_job.job),
                "user": call.caller.name,
                "created_at": now,
                "modified_at": now,
                "modified_by": call.caller.name,
                "version": 1,
            }
        )
        with _located("scheduledJob"):
            check_start(house, tx, scheduled_job.job, organization_id)
        made = made.with_(next_run_at=next_run_at(made, table, now))
        tx.schedules.insert(made, _sealed(house, made.id, secrets))
        return made

    return await commit_schedule(house, call, work)


async def update_scheduled_job(
    house: House, call: Call, *, scheduled_job_id: str, fields: ScheduledJobFields
) -> Stored[ScheduledJob]:
    """Change some fields. A missing field stays as it is; null, or the name of the field in `clear`, unsets
    it, which brings its default back. `job` is replaced whole; a secret in it without `value` keeps the
    stored value of that name. Another expression, time zone, start, end or pause leads to another
    `nextRunAt`, counted from now. Runs that were started are not touched.
    """
    updates = {
        name: _DEFAULTS.get(name) if value is None else value for name, value in fields.updates.items()
    }

    def work(tx: JobWriter, now: datetime) -> ScheduledJob:
        old = changeable_schedule(tx, call, scheduled_job_id)
        organization_id = updates.get("organization_id", old.organization_id)
        if organization_id != old.organization_id:
            raise Forbidden(f"a scheduled job cannot move to the organization '{organization_id}'")
        secrets = None
        changed = old.with_(**updates)
        with _located("fields"):
            _check_order(changed, updates)
            if fields.job is not None:
                _check_organization(call, fields.job, organization_id)
                check_start(house, tx, fields.job, organization_id)
                secrets = _kept(house, tx, old.id, fields.job)
                changed = changed.with_(job=masked(fields.job))
            if any(getattr(changed, name) != getattr(old, name) for name in _WHEN):
                # Only a new expression is refused for what is never due: another field may end a schedule.
                new = {"cron_expression", "time_zone"} & updates.keys()
                table = Timetable.read(
                    changed.cron_expression, changed.time_zone, comes_after=now if new else None
                )
                changed = changed.with_(next_run_at=next_run_at(changed, table, now))
        if changed == old and not (fields.job and secrets_of(fields.job)):
            return old
        changed = changed.with_(version=old.version + 1, modified_at=now, modified_by=call.caller.name)
        tx.schedules.save(changed, secrets)
        return changed

    return await commit_schedule(house, call, work)


async def delete_scheduled_job(house: House, call: Call, *, scheduled_job_id: str) -> None:
    """Delete a scheduled job with its secrets. Its runs stay, and those that run or wait go on. It is
    SCHEDULED_JOB_NOT_FOUND afterwards; an entry in the audit table remains.
    """

    def work(tx: JobWriter) -> None:
        schedule = changeable_schedule(tx, call, scheduled_job_id)
        tx.schedules.delete(schedule.id)
        tx.audit(
            AuditEntry(
                at=house.clock.now(),
                actor=call.caller.name,
                action="scheduled_job.deleted",
                subject=schedule.id,
                organization_id=schedule.organization_id,
            )
        )

    await house.store.write(work)


async def run_scheduled_job(house: House, call: Call, *, scheduled_job_id: str) -> Stored[Job]:
    """Start a run now, also of one that is paused; `nextRunAt` stays as it is. The overlap policy holds: with
    SKIP an earlier run that has not ended, and with QUEUE_ONE one that waits already, is a CONFLICT, which
    names it.
    """

    def work(tx: JobWriter, now: datetime) -> JobRecord:
        schedule = changeable_schedule(tx, call, scheduled_job_id)
        try:
            record = start_run(house, tx, schedule, cause=Cause.of(call), now=now)
        except JobsError as error:
            # Its places lie in the scheduled job, not in this request.
            raise type(error)(error.reason, retry_after_seconds=error.retry_after_seconds) from error
        tx.schedules.save(
            schedule.with_(
                last_run_at=now,
                last_job_id=record.job.id,
                last_error=None,
                version=schedule.version + 1,
                modified_at=now,
                modified_by=call.caller.name,
            )
        )
        return record

    return await commit(house, call, work)


@contextmanager
def _located(body: str) -> Iterator[None]:
    """Places in a scheduled job become places in the body that holds it."""
    try:
        yield
    except JobsError as error:
        problems = [Problem((body, *problem.path), problem.detail) for problem in error.problems]
        raise type(error)(error.reason, problems=problems) from error


def _check_organization(call: Call, job: JobStart, organization_id: str) -> None:
    if job.organization_id in (None, organization_id):
        return
    organization_of(call, job.organization_id)
    problem = Problem(("job", "organizationId"), f"must be that of the scheduled job, '{organization_id}'")
    raise ValidationFailed("the request has 1 wrong field", problems=[problem])


def _check_order(schedule: ScheduledJob, updates: dict[str, Any]) -> None:
    start, end = schedule.start_at, schedule.end_at
    if start is not None and end is not None and end < start:
        path, detail = ("endAt", "must not lie before startAt")
        if updates.get("end_at") is None:
            path, detail = ("startAt", "must not lie after endAt")
        raise ValidationFailed("the request has 1 wrong field", problems=[Problem((path,), detail)])


def _sealed(house: House, schedule_id: str, secrets: dict[str, str]) -> dict[str, bytes]:
    return {
        name: house.vault.seal(value, context=schedule_secret_context(schedule_id, name))
        for name, value in secrets.items()
    }


def _kept(house: House, tx: JobReader, schedule_id: str, job: JobStart) -> dict[str, bytes]:
    """The sealed values of a job that replaces another. Raises ValidationFailed for a secret without value
    that had none before.
    """
    # A key that is lost must not stand in the way of new values.
    lacking = [v.name for v in job.environment_variables if v.secret and v.value is None]
    stored = open_secrets(house, tx, schedule_id) if lacking else {}
    kept: dict[str, str] = {}
    problems: list[Problem] = []
    for index, variable in enumerate(job.environment_variables):
        if not variable.secret or variable.value is not None:
            continue
        if variable.name in stored:
            kept[variable.name] = stored[variable.name]
            continue
        detail = f"a secret needs a value, and none is stored for '{variable.name}'"
        problems.append(Problem(("job", "environmentVariables", index, "secret"), detail))
    kept_bytes = sum(len(value.encode()) for value in kept.values())
    if kept and kept_bytes + environment_bytes(job.environment_variables) > MAX_ENVIRONMENT_BYTES:
        detail = "the variables must not exceed 512 kB together"
        problems.append(Problem(("job", "environmentVariables"), detail))
    if problems:
        count = "1 wrong field" if len(problems) == 1 else f"{len(problems)} wrong fields"
        raise ValidationFailed(f"the request has {count}", problems=problems)
    return _sealed(house, schedule_id, secrets_of(job) | kept)
