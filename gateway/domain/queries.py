"""The queries and the pages that answer them."""

from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from gateway.domain.job import Job, JobEvent
from gateway.domain.model import Maybe, Model
from gateway.domain.parts import JobTypeSearchResult
from gateway.domain.scalars import (
    LINE_CHARS,
    Count,
    Cursor,
    Flag,
    Ident,
    Instant,
    Int32,
    Int64,
    JobId,
    Limits,
    Line,
    Name,
    Published,
    ShortName,
    Text,
)
from gateway.domain.words import (
    FeatureSupport,
    JobReadFeature,
    JobStatus,
    JobTypeFeature,
    OutputChannel,
)

PageLimit = Annotated[Int32, Limits(ge=1, le=100)]


def words(text: str, *, least: int = 3) -> tuple[str, ...]:
    """The words of a text, without case, each once: runs of at least `least` letters and digits."""
    runs = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
    return tuple(dict.fromkeys(run for run in runs if len(run) >= least))


def _check_words(text: str) -> str:
    if not words(text):
        raise PydanticCustomError("text", "needs a word of at least 3 letters or digits")
    return text


def _check_label(label: str) -> str:
    if "=" not in label:
        raise PydanticCustomError("label", "must be written name=value")
    return label


SearchText = Annotated[Text, Limits(max_length=250), AfterValidator(_check_words)]
LabelFilter = Annotated[
    Line,
    Limits(min_length=1, max_length=384),
    AfterValidator(_check_label),
    Published(pattern=f"^{LINE_CHARS}*={LINE_CHARS}*$"),
]


class JobQuery(Model):
    """Which jobs to list. Filters are combined with AND, the values of one filter with OR."""

    user: Maybe[Name] = None
    """Only jobs of this user."""
    organization_id: Maybe[Ident] = None
    """Only jobs of this organization; a foreign one gives an empty page, unless the caller is admin."""
    storage_id: Maybe[Ident] = None
    """Only jobs that write to this storage."""
    job_type: Annotated[tuple[Name, ...], Limits(max_length=100)] = ()
    """Only jobs of these types."""
    sort: Maybe[Annotated[Line, Field(pattern=r"^[+\- ]?createdAt$")]] = None
    """`createdAt` or `+createdAt` (oldest first, the default) or `-createdAt`."""
    job_status: Annotated[tuple[JobStatus, ...], Limits(max_length=50)] = ()
    """Only jobs in these statuses."""
    start_after: Maybe[Cursor] = None
    """`nextStartAfter` of the page before."""
    limit: PageLimit = 50
    """The most jobs on the page, 1 to 100. Default 50."""
    tag: Annotated[tuple[ShortName, ...], Limits(max_length=100)] = ()
    """Only jobs with one of these tags, or with all of them, see `tagsConjunction`."""
    tags_conjunction: Maybe[Flag] = None
    """Whether a job must carry every tag. Default false."""
    features_on: Annotated[tuple[JobReadFeature, ...], Limits(max_length=10)] = ()
    """Switches of the reading."""
    dependent_job_id: Maybe[JobId] = None
    """Only the jobs that depend on this job; needs `storageId` and `jobType`."""
    created_after: Maybe[Instant] = None
    """Only jobs created at this instant or later."""
    created_before: Maybe[Instant] = None
    """Only jobs created before this instant."""
    scheduled_job_id: Maybe[JobId] = None
    """Only the runs of this schedule."""
    label: Annotated[tuple[LabelFilter, ...], Limits(max_length=50)] = ()
    """Only jobs that have all of these labels, each written `name=value`."""
    text: Maybe[SearchText] = None
    """Only jobs whose name or description has, for each word here of 3 characters or more, a word that
    begins with it; case does not matter."""

    @property
    def descending(self) -> bool:
        """Whether the newest job comes first."""
        return bool(self.sort) and str(self.sort).startswith("-")

    @property
    def all_tags(self) -> bool:
        """Whether a job must carry every tag."""
        return bool(self.tags_conjunction) or JobReadFeature.TAGS_CONJUNCTION in self.features_on

    @field_validator("dependent_job_id")
    @classmethod
    def _needs_more(cls, job_id: str, info: ValidationInfo) -> str:
        if not (info.data.get("storage_id") and info.data.get("job_type")):
            raise PydanticCustomError("dependent_job_id", "needs storageId and jobType, too")
        return job_id


class JobPage(Model):
    """A page of jobs."""

    jobs: tuple[Job, ...] = ()
    """The jobs, ordered by `createdAt` and id."""
    next_start_after: Maybe[Cursor] = None
    """Where the next page starts; missing on the last page."""
    total: Maybe[Count] = None
    """Number of all jobs that match; only with NUMBER_OF_TOTAL."""
    limit: PageLimit
    """The limit that was in force."""


class JobTypeQuery(Model):
    """Which types of the catalogue to list."""

    feature_on: Annotated[tuple[JobTypeFeature, ...], Limits(max_length=10)] = ()
    """Only types with all of these features."""
    start_after: Maybe[Cursor] = None
    """`nextStartAfter` of the page before."""
    limit: PageLimit = 50
    """The most types on the page, 1 to 100. Default 50."""


class JobTypePage(Model):
    """A page of job types."""

    jobs: tuple[JobTypeSearchResult, ...] = ()
    """The types, ordered by name."""
    next_start_after: Maybe[Cursor] = None
    """Where the next page starts; missing on the last page."""
    limit: PageLimit
    """The limit that was in force."""


class PageQuery(Model):
    """Which part of a list to show."""

    start_after: Maybe[Cursor] = None
    """`nextStartAfter` of the page before."""
    limit: PageLimit = 50
    """The most entries on the page, 1 to 100. Default 50."""


class JobEventPage(Model):
    """A page of a job's history."""

    events: tuple[JobEvent, ...] = ()
    """The entries, oldest first."""
    next_start_after: Maybe[Cursor] = None
    """Where the next page starts; missing on the last page."""
    limit: PageLimit
    """The limit that was in force."""


class WaitQuery(Model):
    """How long to wait, and for what."""

    timeout_seconds: Annotated[Int32, Limits(ge=0, le=60)] = 30
    """The longest wait in seconds, 0 to 60. Default 30."""
    version: Maybe[Annotated[Int64, Limits(ge=0)]] = None
    """Return as soon as the job's version is another than this one; without it, when the job is final."""


MAX_OUTPUT_BYTES = 1_048_576


class OutputQuery(Model):
    """Which piece of a job's output to read."""

    stream: OutputChannel = OutputChannel.STDOUT
    """Which of the two streams. Default STDOUT."""
    attempt: Maybe[Annotated[Int32, Limits(ge=1)]] = None
    """Which attempt; without it the latest."""
    offset: Maybe[Count] = None
    """Bytes to skip. Default 0. Not together with `tail`."""
    limit: Annotated[Int32, Limits(ge=1, le=MAX_OUTPUT_BYTES)] = 65536
    """The most bytes to return, 1 to 1048576. Default 65536."""
    tail: Maybe[Flag] = None
    """Whether to return the last `limit` bytes. Default false."""

    @field_validator("tail")
    @classmethod
    def _one_start(cls, tail: bool, info: ValidationInfo) -> bool:
        if tail and info.data.get("offset") is not None:
            raise PydanticCustomError("tail", "cannot be given together with offset")
        return tail


class JobOutput(Model):
    """A piece of what an attempt wrote."""

    stream: OutputChannel
    """Which of the two streams."""
    attempt: Int32
    """Which attempt; 0 when none has started."""
    offset: Count
    """Bytes from the start of the stream to `content`."""
    next_offset: Count
    """The offset to go on with; it lies behind bytes that were dropped."""
    content: Text
    """The piece as UTF-8 text; what is no text of XML becomes U+FFFD."""
    truncated: Flag
    """Whether bytes between this piece and the next were dropped, because the stream passed its bound."""
    complete: Flag
    """Whether the attempt has ended and nothing follows."""


class ExecutorFeature(Model):
    """What the executor does with one field of a request."""

    name: Name
    """Name of the field of startJob."""
    support: FeatureSupport
    """What is done with it."""


class ServiceLimit(Model):
    """A limit that the operator set."""

    name: Name
    """Name of the setting."""
    value: Int64
    """Its value; 0 = no limit."""


class ServiceInfo(Model):
    """What this gateway is and can do."""

    name: Name
    """Name of the product."""
    version: Name
    """Version of the product."""
    contract_version: Name
    """Version of the contract that it speaks."""
    executor: Name
    """What runs the jobs."""
    isolation: Name
    """What keeps jobs from each other and from the host; `none` = nothing."""
    executor_features: tuple[ExecutorFeature, ...] = ()
    """What the executor does with each field of a request."""
    limits: tuple[ServiceLimit, ...] = ()
    """Limits in force."""
    features: tuple[Name, ...] = ()
    """Names of the features that are there."""
