"""The job as replies show it, the request that starts one, and the entries of its history."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from gateway.domain.model import STORED, Maybe, Model
from gateway.domain.parts import (
    HIDDEN,
    Attachment,
    AttachmentLink,
    EnvironmentVariable,
    JobDependency,
    JobMetric,
    Label,
    Lock,
    ResourceRequest,
    RetryPolicy,
    Volume,
)
from gateway.domain.scalars import (
    Count,
    Ident,
    Instant,
    Int32,
    Int64,
    JobId,
    Limits,
    Line,
    Message,
    Name,
    ResultData,
    ShortName,
    Text,
    Uri,
)
from gateway.domain.words import CallProtocol, JobEventKind, JobStartFeature, JobStatus

JobName = Annotated[Line, Limits(max_length=50)]
JobDescription = Annotated[Text, Limits(max_length=200)]
Command = Annotated[Text, Limits(max_length=32768)]
Priority = Annotated[Int32, Limits(ge=0, le=9)]
Progress = Annotated[Int32, Limits(ge=0, le=100)]
AttemptSeconds = Annotated[Int32, Limits(ge=1, le=2_592_000)]
HeartbeatSeconds = Annotated[Int32, Limits(ge=10, le=86400)]
GraceSeconds = Annotated[Int32, Limits(ge=0, le=3600)]

DEFAULT_PRIORITY = 5
DEFAULT_GRACE_SECONDS = 30
MAX_ENVIRONMENT_BYTES = 512_000


def unique(key: Callable[[Any], Any], what: str) -> AfterValidator:
    """Refuses a list in which two items have the same key."""

    def check(items: tuple[Any, ...]) -> tuple[Any, ...]:
        seen = set()
        wrong: list[tuple[int | tuple[int, str], PydanticCustomError]] = []
        for index, item in enumerate(items):
            if key(item) in seen:
                told = {"what": what, "value": str(key(item))}
                wrong.append(
                    (index, PydanticCustomError("duplicate", "{what} '{value}' is given twice", told))
                )
            seen.add(key(item))
        return refuse_items(items, wrong)

    return AfterValidator(check)


def refuse_items(
    items: tuple[Any, ...], wrong: list[tuple[int | tuple[int, str], PydanticCustomError]]
) -> tuple[Any, ...]:
    """The items, or an error that names each wrong one by its index, or by its index and a member's name."""
    if wrong:
        errors = [
            InitErrorDetails(type=error, loc=place if isinstance(place, tuple) else (place,), input=None)
            for place, error in wrong
        ]
        raise ValidationError.from_exception_data("list", errors)
    return items


def environment_bytes(variables: tuple[EnvironmentVariable, ...]) -> int:
    """How many bytes variables take in an environment."""
    return sum(len(v.name.encode()) + len((v.value or "").encode()) + 2 for v in variables)


def _check_environment(
    variables: tuple[EnvironmentVariable, ...], info: ValidationInfo
) -> tuple[EnvironmentVariable, ...]:
    if environment_bytes(variables) > MAX_ENVIRONMENT_BYTES:
        raise PydanticCustomError("environment_too_long", "the variables must not exceed 512 kB together")
    if info.context is STORED:
        return variables
    masked = PydanticCustomError("masked_secret", "'***' cannot be the value of a secret")
    return refuse_items(
        variables,
        [((i, "value"), masked) for i, v in enumerate(variables) if v.secret and v.value == HIDDEN],
    )


Commands = Annotated[tuple[Command, ...], Limits(max_length=100)]
Environment = Annotated[
    tuple[EnvironmentVariable, ...],
    Limits(max_length=100),
    unique(lambda variable: variable.name, "the variable"),
    AfterValidator(_check_environment),
]
Tags = Annotated[tuple[ShortName, ...], Limits(max_length=100), unique(lambda tag: tag, "the tag")]


class JobStart(Model):
    """The request of startJob: what to run, and how."""

    name: Maybe[JobName] = None
    """Name for people."""
    description: Maybe[JobDescription] = None
    """What the job is for."""
    type: Maybe[Name] = None
    """A type of the catalogue (listJobTypes)."""
    docker_image_url: Annotated[Line, Limits(min_length=1, max_length=2048)]
    """The image that an executor of containers runs."""
    commands: Commands = ()
    """One argument vector, as a container's command: the program, then its arguments."""
    environment_variables: Environment = ()
    """Variables for the job's process, 512 kB together."""
    input_uri: Maybe[Uri] = None
    """Where the input lies; handed to the job as JOB_INPUT_URI, never fetched by the gateway."""
    result_storage_id: Maybe[Ident] = None
    """The storage that the job writes results to; becomes `storageId`."""
    features_on: Annotated[tuple[JobStartFeature, ...], Limits(max_length=10)] = ()
    """Switches of the start."""
    domain: Maybe[Name] = None
    """The domain of the job, for the caller's own use."""
    organization_id: Maybe[Ident] = None
    """The organization that the job belongs to; the caller's own, unless the caller is admin."""
    workspace_id: Maybe[Ident] = None
    """The workspace of the job, for the caller's own use."""
    job_dependencies: Annotated[tuple[JobDependency, ...], Limits(max_length=8)] = ()
    """Jobs that must end first."""
    labels: Annotated[
        tuple[Label, ...], Limits(max_length=50), unique(lambda label: label.name, "the label")
    ] = ()
    """Labels, each name once."""
    tags: Tags = ()
    """Tags, each once; their order is kept."""
    locks: Annotated[tuple[Lock, ...], Limits(max_length=16), unique(lambda lock: lock.name, "the lock")] = ()
    """Locks that the job holds from its start until it is final."""
    volumes: Annotated[
        tuple[Volume, ...],
        Limits(max_length=32),
        unique(lambda volume: volume.name, "the volume"),
        unique(lambda volume: volume.mount_path.rstrip("/"), "the mountPath"),
    ] = ()
    """Volumes of the operator's that the container sees."""
    attachments: Annotated[tuple[AttachmentLink, ...], Limits(max_length=100)] = ()
    """Links to files that belong to the job."""
    resource_request: Maybe[ResourceRequest] = None
    """Memory and processor time."""
    main_label: Annotated[Maybe[Name], Field(json_schema_extra={"deprecated": True})] = None
    """The main label. Deprecated: use `labels`."""
    expires_at: Maybe[Instant] = None
    """When the job is deleted, once it is final; must lie ahead."""
    client_id: Maybe[Ident] = None
    """The client on whose behalf the job runs."""
    priority: Priority = DEFAULT_PRIORITY
    """0 to 9; of the jobs that are ready the largest starts first. Default 5."""
    not_before: Maybe[Instant] = None
    """The earliest start."""
    timeout_seconds: Maybe[AttemptSeconds] = None
    """The longest time that an attempt may run, from RUNNING on. Unset = any."""
    heartbeat_timeout_seconds: Maybe[HeartbeatSeconds] = None
    """The longest silence of a running job before it counts as DIED. Unset = none is expected."""
    cancel_grace_seconds: Maybe[GraceSeconds] = None
    """Seconds between the request to end and the kill. Default 30."""
    retry_policy: Maybe[RetryPolicy] = None
    """Further attempts. Unset = one attempt."""

    @field_validator("resource_request", "retry_policy")
    @classmethod
    def _says_something(cls, part: ResourceRequest | RetryPolicy) -> ResourceRequest | RetryPolicy | None:
        """An object without members is none: XML would not show it."""
        return part if any(value not in (None, ()) for _, value in part) else None

    @field_validator("expires_at")
    @classmethod
    def _lies_ahead(cls, expires_at: datetime, info: ValidationInfo) -> datetime:
        now = (info.context or {}).get("now")
        if now is not None and expires_at <= now:
            raise PydanticCustomError("expires_at", "must lie ahead")
        return expires_at


class Job(Model):
    """A job: what was asked for, how far it is, and what came of it."""

    id: JobId
    """UUID, ordered by time; set by the server."""
    name: Maybe[JobName] = None
    """Name for people."""
    description: Maybe[JobDescription] = None
    """What the job is for."""
    type: Maybe[Name] = None
    """The job's type in the catalogue."""
    job_status: JobStatus
    """How far the job is."""
    last_job_status: Maybe[JobStatus] = None
    """The status before this one."""
    message: Maybe[Message] = None
    """Why the job is in this status, or what it last reported."""
    created_at: Instant
    """When it was accepted."""
    modified_at: Instant
    """When it last changed."""
    started_at: Maybe[Instant] = None
    """When the latest attempt began to run."""
    finished_at: Maybe[Instant] = None
    """When the job became final."""
    expires_at: Maybe[Instant] = None
    """When the job is deleted, once it is final."""
    user: Name
    """The name of the key that started it, or of the schedule's creator."""
    organization_id: Ident
    """The organization that it belongs to."""
    workspace_id: Maybe[Ident] = None
    """The workspace, as the caller named it."""
    storage_id: Maybe[Ident] = None
    """The storage that it writes results to."""
    domain: Maybe[Name] = None
    """The domain, as the caller named it."""
    docker_image_url: Annotated[Line, Limits(min_length=1, max_length=2048)]
    """The image that an executor of containers runs."""
    commands: Commands = ()
    """The argument vector."""
    environment_variables: tuple[EnvironmentVariable, ...] = ()
    """The job's own variables; secrets without their value."""
    input_uri: Maybe[Uri] = None
    """Where the input lies."""
    report_uri: Maybe[Uri] = None
    """Where a report lies; set by the job."""
    result_data: Maybe[ResultData] = None
    """The result in short; set by the job (updateResultData)."""
    progress: Maybe[Progress] = None
    """Percent done in the latest attempt, 0 to 100; set by the job."""
    total_items: Maybe[Count] = None
    """Items to do in the latest attempt; set by the job."""
    processed_items: Maybe[Count] = None
    """Items done in the latest attempt; set by the job."""
    failed_items: Maybe[Count] = None
    """Items that failed in the latest attempt; set by the job."""
    job_dependencies: tuple[JobDependency, ...] = ()
    """Jobs that had to end first."""
    labels: tuple[Label, ...] = ()
    """Labels."""
    tags: tuple[ShortName, ...] = ()
    """Tags, in the order given."""
    locks: tuple[Lock, ...] = ()
    """Locks that it holds or waits for until it is final."""
    metrics: tuple[JobMetric, ...] = ()
    """The last value of each metric; set by the job."""
    attachments: tuple[Attachment, ...] = ()
    """Files and links."""
    volumes: tuple[Volume, ...] = ()
    """Volumes of the operator's."""
    resource_request: Maybe[ResourceRequest] = None
    """Memory and processor time, `xmxLimit` computed where it was left out."""
    main_label: Annotated[Maybe[Name], Field(json_schema_extra={"deprecated": True})] = None
    """The main label. Deprecated: use `labels`."""
    scheduled_job_id: Maybe[JobId] = None
    """The schedule that started it."""
    rerun_of: Maybe[JobId] = None
    """The job that it repeats."""
    priority: Priority
    """0 to 9, larger first."""
    attempt: Annotated[Int32, Limits(ge=0)]
    """Number of the latest attempt; 0 before the first."""
    exit_code: Maybe[Int32] = None
    """Exit code of the latest attempt; 128 + n after signal n."""
    not_before: Maybe[Instant] = None
    """The earliest start."""
    timeout_seconds: Maybe[AttemptSeconds] = None
    """The longest time that an attempt may run."""
    heartbeat_timeout_seconds: Maybe[HeartbeatSeconds] = None
    """The longest silence of a running job."""
    cancel_grace_seconds: Maybe[GraceSeconds] = None
    """Seconds between the request to end and the kill."""
    retry_policy: Maybe[RetryPolicy] = None
    """Further attempts, defaults filled in."""
    client_id: Maybe[Ident] = None
    """The client on whose behalf it runs."""
    modified_by: Maybe[Name] = None
    """Who changed it last: the name of a key, `job`, `schedule:` and an id, or `gateway`."""
    cancel_requested_at: Maybe[Instant] = None
    """When a caller asked for its end while an engine held it."""
    cancel_requested_by: Maybe[Name] = None
    """Who asked for its end."""
    cancel_reason: Maybe[JobDescription] = None
    """Why, in the caller's words."""
    version: Annotated[Int64, Limits(ge=1)]
    """Raised by one with every stored change; the ETag over REST."""


class JobEvent(Model):
    """An entry of a job's history; none is ever changed."""

    id: Annotated[Name, Limits(max_length=19)]
    """Number within the job, growing, as text."""
    job_id: JobId
    """The job."""
    at: Instant
    """When it happened."""
    kind: JobEventKind
    """What it tells."""
    from_status: Maybe[JobStatus] = None
    """The status before; missing in the first entry."""
    to_status: Maybe[JobStatus] = None
    """The status after."""
    attempt: Maybe[Int32] = None
    """The attempt that it is about."""
    exit_code: Maybe[Int32] = None
    """The exit code of an attempt that ended."""
    actor: Name
    """Who did it: the name of a key, `job`, `schedule:` and an id, or `gateway`."""
    protocol: CallProtocol
    """The door through which it came."""
    request_id: Maybe[Name] = None
    """The request that did it."""
    message: Maybe[Message] = None
    """Why, or the outcome of an attempt."""
