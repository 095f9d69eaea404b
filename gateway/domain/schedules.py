"""Scheduled jobs: a request to start jobs, again and again."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.domain.job import JobDescription, JobName, JobStart
from gateway.domain.model import KEEPING, Maybe, Model
from gateway.domain.queries import PageLimit, SearchText
from gateway.domain.requests import SET_OR_CLEAR, Patch
from gateway.domain.scalars import (
    Cursor,
    Flag,
    Ident,
    Instant,
    Int32,
    Int64,
    JobId,
    Limits,
    Line,
    Message,
    Name,
    Published,
)
from gateway.domain.words import MisfirePolicy, OverlapPolicy, ScheduledJobField

CronExpression = Annotated[
    Line, Limits(min_length=1, max_length=255), Published(examples=["0 3 * * MON-FRI", "@daily"])
]
TimeZone = Annotated[Name, Published(examples=["Europe/Berlin"])]


NEVER_IN_TEMPLATE = {"not_before": "notBefore", "expires_at": "expiresAt"}
"""What a run cannot have of its own: the schedule decides when, and each run has another time."""


def _check_template(job: JobStart) -> JobStart:
    refused = PydanticCustomError("template", "must not be given for the job of a schedule")
    wrong = [
        InitErrorDetails(type=refused, loc=(wire,), input=None)
        for name, wire in NEVER_IN_TEMPLATE.items()
        if getattr(job, name) is not None
    ]
    if wrong:
        # Raised by a validator, its places become places in what is validated.
        raise ValidationError.from_exception_data("JobStart", wrong)
    return job


def _read_template(values: Any, _handler: ValidatorFunctionWrapHandler) -> JobStart:
    """A job whose secrets may lack their value."""
    return JobStart.read(values, context=KEEPING)


class ScheduledJobCreate(Model):
    """The request of createScheduledJob: when to run, and what."""

    name: Maybe[JobName] = None
    """Name for people."""
    description: Maybe[JobDescription] = None
    """What the schedule is for."""
    organization_id: Maybe[Ident] = None
    """The organization that it and its runs belong to; the caller's own, unless the caller is admin."""
    workspace_id: Maybe[Ident] = None
    """The workspace, for the caller's own use; runs have it unless their job names one."""
    client_id: Maybe[Ident] = None
    """The client on whose behalf it runs; runs have it unless their job names one."""
    cron_expression: CronExpression
    """When to run: 5 fields, or 6 with the seconds first, of numbers, English names (MON, JAN), lists, ranges
    and steps, `L`, `LW`, `5L` and `MON#2` for last and nth days; or @yearly, @annually, @monthly, @weekly,
    @daily, @midnight, @hourly. Sunday is 0 and 7. If the day of the month and the day of the week are both
    restricted, either is enough."""
    time_zone: Maybe[TimeZone] = None
    """The IANA time zone that the expression is read in. Default UTC."""
    start_at: Maybe[Instant] = None
    """Due times before this instant do not count."""
    end_at: Maybe[Instant] = None
    """Due times after this instant do not count."""
    paused: Maybe[Flag] = None
    """Whether it starts no runs by itself. Default false."""
    overlap_policy: Maybe[OverlapPolicy] = None
    """What happens when the run before has not ended. Default SKIP."""
    misfire_policy: Maybe[MisfirePolicy] = None
    """What happens about due times that passed while no gateway ran, or that are more than 60 seconds late
    for another reason. Default RUN_ONCE."""
    job: JobStart
    """What each run starts; without `notBefore` and `expiresAt`. `organizationId` may only repeat the one of
    the scheduled job."""

    @field_validator("job")
    @classmethod
    def _template(cls, job: JobStart) -> JobStart:
        return _check_template(job)

    @field_validator("end_at")
    @classmethod
    def _after_start(cls, end_at: datetime, info: ValidationInfo) -> datetime:
        start_at = info.data.get("start_at")
        if start_at is not None and end_at < start_at:
            raise PydanticCustomError("end_at", "must not lie before startAt")
        return end_at


class ScheduledJob(Model):
    """A scheduled job."""

    id: JobId
    """UUID, ordered by time; set by the server."""
    name: Maybe[JobName] = None
    """Name for people."""
    description: Maybe[JobDescription] = None
    """What the schedule is for."""
    organization_id: Ident
    """The organization that it and its runs belong to."""
    workspace_id: Maybe[Ident] = None
    """The workspace."""
    client_id: Maybe[Ident] = None
    """The client on whose behalf it runs."""
    cron_expression: CronExpression
    """When it runs."""
    time_zone: Name
    """The IANA time zone that the expression is read in."""
    start_at: Maybe[Instant] = None
    """Due times before this instant do not count."""
    end_at: Maybe[Instant] = None
    """Due times after this instant do not count."""
    paused: Flag
    """Whether it starts no runs by itself."""
    overlap_policy: OverlapPolicy
    """What happens when the run before has not ended."""
    misfire_policy: MisfirePolicy
    """What happens about due times that passed while no gateway ran."""
    job: JobStart
    """What each run starts; secrets without their value."""
    user: Name
    """The name of the key that made it; the user of its runs."""
    created_at: Instant
    """When it was made."""
    modified_at: Instant
    """When it last changed."""
    modified_by: Maybe[Name] = None
    """Who changed it last."""
    next_run_at: Maybe[Instant] = None
    """The next due time; missing while it is paused and when there is none."""
    last_run_at: Maybe[Instant] = None
    """When the latest run was started, by itself or by runScheduledJob."""
    last_job_id: Maybe[JobId] = None
    """The latest run."""
    last_error: Maybe[Message] = None
    """Why the latest due run was not started, the technicalKey of the error first; missing when it was."""
    version: Annotated[Int64, Limits(ge=1)]
    """Raised by one with every stored change; the ETag over REST."""


class ScheduledJobFields(Patch):
    """The fields of a scheduled job that a caller may change. A secret without `value` keeps the stored value
    of that name.
    """

    name: Maybe[JobName] = None
    """The new name; the empty text is a name, too."""
    description: Maybe[JobDescription] = None
    """The new description; the empty text is a description, too."""
    organization_id: Maybe[Ident] = None
    """The organization; it cannot be changed, so only the present one is accepted."""
    workspace_id: Maybe[Ident] = None
    """The new workspace."""
    client_id: Maybe[Ident] = None
    """The new client."""
    cron_expression: Maybe[CronExpression] = None
    """The new expression."""
    time_zone: Maybe[TimeZone] = None
    """The new time zone."""
    start_at: Maybe[Instant] = None
    """The new first due time."""
    end_at: Maybe[Instant] = None
    """The new last due time."""
    paused: Maybe[Flag] = None
    """Whether it starts no runs by itself."""
    overlap_policy: Maybe[OverlapPolicy] = None
    """The new overlap policy."""
    misfire_policy: Maybe[MisfirePolicy] = None
    """The new misfire policy."""
    job: Maybe[Annotated[JobStart, WrapValidator(_read_template)]] = None
    """What each run starts from now on, replaced whole."""
    clear: Annotated[tuple[ScheduledJobField, ...], Limits(max_length=20), SET_OR_CLEAR] = ()
    """Fields to unset."""

    @field_validator("job")
    @classmethod
    def _template(cls, job: JobStart) -> JobStart:
        return _check_template(job)


class ScheduledJobQuery(Model):
    """Which scheduled jobs to list."""

    organization_id: Maybe[Ident] = None
    """Only those of this organization; a foreign one gives an empty page, unless the caller is admin."""
    paused: Maybe[Flag] = None
    """Only those that are, or are not, paused."""
    text: Maybe[SearchText] = None
    """Only those whose name or description has words that begin with the words here, as in listJobs."""
    start_after: Maybe[Cursor] = None
    """`nextStartAfter` of the page before."""
    limit: PageLimit = 50
    """The most scheduled jobs on the page, 1 to 100. Default 50."""


class ScheduledJobPage(Model):
    """A page of scheduled jobs."""

    scheduled_jobs: tuple[ScheduledJob, ...] = ()
    """The scheduled jobs, ordered by `createdAt` and id."""
    next_start_after: Maybe[Cursor] = None
    """Where the next page starts; missing on the last page."""
    limit: PageLimit
    """The limit that was in force."""


class PreviewQuery(Model):
    """How many due times to show, and from when on."""

    count: Annotated[Int32, Limits(ge=1, le=100)] = 10
    """How many, 1 to 100. Default 10."""
    after: Maybe[Instant] = None
    """Only due times after this instant; without it, after now."""


class SchedulePreview(Model):
    """The next due times, as if the schedule were not paused."""

    count: Int32
    """How many there are; fewer than asked for when the schedule ends."""
    runs_at: tuple[Instant, ...] = ()
    """The due times."""
