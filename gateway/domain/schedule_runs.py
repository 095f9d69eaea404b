"""The runs of a scheduled job: which due times get one, and how one starts beside or after another."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from gateway.domain.call import GATEWAY_ACTOR, Cause
from gateway.domain.canceling import check_cancellable, request_end
from gateway.domain.cron import Timetable
from gateway.domain.errors import Conflict, JobsError
from gateway.domain.house import House
from gateway.domain.ports import JobReader, JobWriter, VaultError
from gateway.domain.record import JobRecord
from gateway.domain.requests import JobCancellation
from gateway.domain.scalars import instant_text
from gateway.domain.schedules import ScheduledJob
from gateway.domain.starting import Order, create_job
from gateway.domain.words import FINAL, CallProtocol, MisfirePolicy, OverlapPolicy

TOLERANCE = timedelta(seconds=60)
"""A due time that is later than this is a misfire, even if a gateway ran."""
MOST_MISSED_RUNS = 100
"""So many misfires RUN_ALL makes up for, the earliest; the others are left out."""

_MESSAGE_CHARS = 2000
_MILLISECOND = timedelta(milliseconds=1)


def schedule_secret_context(schedule_id: str, name: str) -> str:
    """What binds a sealed value to its scheduled job and variable."""
    return f"schedule/{schedule_id}/{name}"


def open_secrets(house: House, tx: JobReader, schedule_id: str) -> dict[str, str]:
    """The values of the secret variables of a scheduled job, in the clear. Raises Conflict."""
    try:
        return {
            name: house.vault.open(value, context=schedule_secret_context(schedule_id, name))
            for name, value in tx.schedules.secrets(schedule_id).items()
        }
    except VaultError as error:
        raise Conflict(f"a secret of scheduled job {schedule_id} cannot be read: {error}") from error


def due_times(schedule: ScheduledJob, table: Timetable, after: datetime) -> Iterator[datetime]:
    """The due times after an instant, from `startAt` to `endAt`, both included, as if it were not paused."""
    if schedule.start_at is not None and schedule.start_at > after:
        after = schedule.start_at - _MILLISECOND
    end = schedule.end_at
    return takewhile(lambda due: end is None or due <= end, table.times(after))


def next_run_at(schedule: ScheduledJob, table: Timetable, after: datetime) -> datetime | None:
    """The next due time of a schedule; None while it is paused and when there is none."""
    return None if schedule.paused else next(due_times(schedule, table, after), None)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What becomes of the due times that have come."""

    runs: int
    """How many runs to start."""
    left_out: str | None
    """Why the latest due time gets none, if so."""


def plan(schedule: ScheduledJob, table: Timetable, *, now: datetime, since: datetime) -> Plan:
    """Decide about the due times from `nextRunAt` up to now, of which there is one at least.

    `since` is when this gateway began: an earlier due time was missed, and so is one that is more than 60
    seconds late. RUN_ONCE counts those that are in time with the missed ones; otherwise each gets its run.
    """
    first = schedule.next_run_at
    assert first is not None
    start = max(since, now - TOLERANCE)
    missed_any = first < start
    if missed_any and schedule.misfire_policy is MisfirePolicy.RUN_ONCE:
        return Plan(runs=1, left_out=None)
    after = max(first, start) - _MILLISECOND
    in_time = sum(1 for _ in takewhile(lambda due: due <= now, due_times(schedule, table, after)))
    if not missed_any:
        return Plan(runs=in_time, left_out=None)
    made_up, why = 0, f"they passed while no gateway ran (misfirePolicy {schedule.misfire_policy})"
    if schedule.misfire_policy is MisfirePolicy.RUN_ALL:
        missed = takewhile(lambda due: due < start, due_times(schedule, table, first - _MILLISECOND))
        made_up = sum(1 for _ in islice(missed, MOST_MISSED_RUNS + 1))
        why = f"of the due times that passed while no gateway ran, {MOST_MISSED_RUNS} were made up for"
        if made_up <= MOST_MISSED_RUNS:
            return Plan(runs=made_up + in_time, left_out=None)
        made_up = MOST_MISSED_RUNS
    left_out = None if in_time else f"due times since {instant_text(first)} were left out: {why}"
    return Plan(runs=made_up + in_time, left_out=left_out)


def run_due(house: House, tx: JobWriter, schedule_id: str, *, now: datetime, since: datetime) -> None:
    """Start the runs of a scheduled job that is due, and store what came of them with the next due time.

    All of it is one transaction: whoever looks again finds another `nextRunAt`, so no due time gets two runs.
    """
    schedule = tx.schedules.schedule(schedule_id)
    if schedule is None or schedule.next_run_at is None or schedule.next_run_at > now:
        return
    cause = Cause(actor=f"schedule:{schedule.id}", protocol=CallProtocol.ENGINE)
    try:
        table = Timetable.read(schedule.cron_expression, schedule.time_zone)
    except JobsError as error:
        # The operator's tables of time zones have changed.
        _save(tx, schedule.with_(next_run_at=None, last_error=_told(error)), now)
        return
    planned = plan(schedule, table, now=now, since=since)
    for _ in range(planned.runs):
        try:
            record = start_run(house, tx, schedule, cause=cause, now=now)
        except JobsError as error:
            schedule = schedule.with_(last_error=_told(error))
        else:
            schedule = schedule.with_(last_run_at=now, last_job_id=record.job.id, last_error=None)
    if planned.left_out is not None:
        schedule = schedule.with_(last_error=planned.left_out)
    _save(tx, schedule.with_(next_run_at=next_run_at(schedule, table, now)), now)


def pass_over(tx: JobWriter, schedule_id: str, reason: str, *, now: datetime) -> None:
    """Leave the due times out that have come, because deciding about them failed."""
    schedule = tx.schedules.schedule(schedule_id)
    if schedule is None or schedule.next_run_at is None or schedule.next_run_at > now:
        return
    table = Timetable.read(schedule.cron_expression, schedule.time_zone)
    following = next_run_at(schedule, table, now)
    _save(tx, schedule.with_(next_run_at=following, last_error=reason), now)


def start_run(
    house: House, tx: JobWriter, schedule: ScheduledJob, *, cause: Cause, now: datetime
) -> JobRecord:
    """Start one run, as the overlap policy wants it.

    Raises Conflict when an earlier run stands in the way or a secret cannot be read, JobNotCancellable when
    an earlier run cannot be canceled, and the errors of startJob; nothing is stored then.
    """
    earlier = tx.schedules.open_runs(schedule.id)
    policy = schedule.overlap_policy
    if earlier and policy is OverlapPolicy.SKIP:
        raise Conflict(f"the run {earlier[-1]} has not ended (overlapPolicy SKIP)")
    if len(earlier) > 1 and policy is OverlapPolicy.QUEUE_ONE:
        raise Conflict(f"the run {earlier[-1]} waits already (overlapPolicy QUEUE_ONE)")
    cancels = policy is OverlapPolicy.CANCEL_PREVIOUS
    previous = [record for job_id in earlier if cancels and (record := tx.job(job_id)) is not None]
    for record in previous:
        if record.job.cancel_requested_at is None:
            check_cancellable(house, record.job)
    start = schedule.job
    order = Order(
        start=start.with_(
            organization_id=schedule.organization_id,
            workspace_id=start.workspace_id or schedule.workspace_id,
            client_id=start.client_id or schedule.client_id,
        ),
        user=schedule.user,
        organization_id=schedule.organization_id,
        cause=cause,
        secrets=open_secrets(house, tx, schedule.id),
        scheduled_job_id=schedule.id,
        runs_before=() if policy is OverlapPolicy.ALLOW else tuple(earlier),
    )
    # The new run comes first: when it cannot start, the others are left alone.
    created = create_job(house, tx, order, now)
    for record in previous:
        # The end of one may have ended the next, which depended on it.
        current = tx.job(record.job.id)
        if current is not None and current.job.job_status not in FINAL:
            reason = JobCancellation(reason="the next run of the schedule has come")
            request_end(house, tx, current, reason, cause=cause, now=now)
    return tx.job(created.job.id) or created


def _save(tx: JobWriter, schedule: ScheduledJob, now: datetime) -> None:
    changed = schedule.with_(version=schedule.version + 1, modified_at=now, modified_by=GATEWAY_ACTOR)
    tx.schedules.save(changed)


def _told(error: JobsError) -> str:
    return f"{error.key}: {error.reason}"[:_MESSAGE_CHARS]
