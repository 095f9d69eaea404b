"""The parts that jobs and requests are made of."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo, WithJsonSchema, field_validator
from pydantic_core import PydanticCustomError

from gateway.domain.model import KEEPING, Maybe, Model
from gateway.domain.scalars import (
    LINE_CHARS,
    Bytes,
    Count,
    Flag,
    Instant,
    Int32,
    JobId,
    Limits,
    Line,
    Name,
    Number,
    Published,
    ShortName,
    Text,
    Uri,
)
from gateway.domain.words import DependencyCondition, JobTypeFeature, LockConflictPolicy

HIDDEN = "***"
"""Stands for the value of a secret wherever it is shown."""


def _check_variable_name(name: str) -> str:
    if name.startswith(("JOB_", "JOBS_")):
        raise PydanticCustomError("reserved_name", "must not start with JOB_ or JOBS_")
    if "=" in name:
        raise PydanticCustomError("variable_name", "must not contain '='")
    return name


class EnvironmentVariable(Model):
    """A variable in the environment of the job's process."""

    name: Annotated[Name, AfterValidator(_check_variable_name), Published(pattern=f"^{LINE_CHARS[:-1]}=]+$")]
    """Name, without '='. Names that start with JOB_ or JOBS_ belong to the gateway."""
    value: Maybe[Annotated[Text, Limits(max_length=32768)]] = None
    """Value; a missing one is the empty text. The value of a secret is shown as three asterisks."""
    secret: Maybe[Flag] = None
    """Whether the value is kept encrypted and never shown again. Default false."""

    @field_validator("secret")
    @classmethod
    def _needs_value(cls, secret: bool, info: ValidationInfo) -> bool:
        if secret and info.data.get("value") is None and info.context is not KEEPING:
            raise PydanticCustomError("secret_value", "a secret needs a value")
        return secret


class Label(Model):
    """A name with a value, to find jobs by."""

    name: ShortName
    """Name, unique within the job."""
    value: Maybe[Annotated[Line, Limits(max_length=255)]] = None
    """Value."""


def _check_mount_path(path: str) -> str:
    parts = path.split("/")
    if not path.startswith("/") or ".." in parts or not path.strip("/"):
        raise PydanticCustomError("mount_path", "must be an absolute path below /, without '..'")
    first = next(part for part in parts if part not in ("", "."))
    if first in ("proc", "sys", "dev"):
        raise PydanticCustomError("mount_path", "must not lie under /proc, /sys or /dev")
    return path


class Volume(Model):
    """A volume of the operator's, mounted into the job's container."""

    name: Name
    """Name of the volume within the job."""
    mount_path: Annotated[
        Line,
        Limits(min_length=1, max_length=255),
        AfterValidator(_check_mount_path),
        Published(pattern=f"^/{LINE_CHARS}+$"),
    ]
    """Where the container sees it: an absolute path, unique within the job."""
    source: Name
    """Name of an entry of the operator's setting VOLUMES; never a path of the host."""
    read_only: Maybe[Flag] = None
    """Whether the job may only read it. Default false."""


class JobMetric(Model):
    """A named figure that a job measured; a job keeps the last value of each name."""

    name: Name
    """Name of the metric."""
    value: Number
    """Value, in `unit`."""
    unit: Maybe[Annotated[Line, Limits(max_length=64)]] = None
    """Unit of the value, such as `seconds`."""
    recorded_at: Maybe[Instant] = None
    """When it was measured; set by the server when the request leaves it out."""


class JobDependency(Model):
    """Another job that must end before this one starts."""

    job_id: JobId
    """Id of the other job, which must exist already."""
    condition: Maybe[DependencyCondition] = None
    """What must become of it. Default FINISHED."""

    @property
    def needs(self) -> DependencyCondition:
        """The condition, its default filled in."""
        return self.condition or DependencyCondition.FINISHED


class Lock(Model):
    """A name that only one job of the organization holds at a time."""

    name: ShortName
    """Name of the lock."""
    on_conflict: Maybe[LockConflictPolicy] = None
    """What happens when another job has a place in its queue. Default REJECT."""

    @property
    def policy(self) -> LockConflictPolicy:
        """The conflict policy, its default filled in."""
        return self.on_conflict or LockConflictPolicy.REJECT


Megabytes = Annotated[Int32, Limits(ge=1, le=16_777_216)]


def _check_cores(cores: Decimal) -> Decimal:
    if not Decimal("0.001") <= cores <= 4096:
        raise PydanticCustomError("cores", "must be between 0.001 and 4096 cores")
    return cores


Cores = Annotated[
    Number,
    AfterValidator(_check_cores),
    WithJsonSchema({"type": "number", "minimum": 0.001, "maximum": 4096}),
]


class ResourceRequest(Model):
    """Memory and processor time that a job asks for."""

    memory_limit: Maybe[Megabytes] = None
    """The most memory it may use, in MB (2**20 bytes)."""
    memory_request: Maybe[Megabytes] = None
    """The memory it is planned with, in MB; at most `memoryLimit`."""
    xmx_limit: Maybe[Megabytes] = None
    """The heap of its Java machine, in MB; without it `memoryLimit` - 200 if that is positive."""
    cpu_limit: Maybe[Cores] = None
    """The most processor time it may use, in cores."""
    cpu_request: Maybe[Cores] = None
    """The processor time it is planned with, in cores; at most `cpuLimit`."""

    @field_validator("memory_request", "cpu_request")
    @classmethod
    def _within_limit(cls, request: int | Decimal, info: ValidationInfo) -> int | Decimal:
        limit = info.data.get(str(info.field_name).replace("request", "limit"))
        if limit is not None and request > limit:
            raise PydanticCustomError("request_over_limit", "must not exceed the limit")
        return request

    def with_heap(self) -> "ResourceRequest":
        """The same with `xmxLimit` computed where it is missing."""
        if self.xmx_limit is None and self.memory_limit is not None and self.memory_limit > 200:
            return self.with_(xmx_limit=self.memory_limit - 200)
        return self


def _check_factor(factor: Decimal) -> Decimal:
    if not 1 <= factor <= 10:
        raise PydanticCustomError("factor", "must be between 1 and 10")
    return factor


class RetryPolicy(Model):
    """How often and when an attempt that ended badly is followed by another."""

    max_attempts: Annotated[Int32, Limits(ge=1, le=100)] = 1
    """Attempts in all. Default 1."""
    backoff_seconds: Annotated[Int32, Limits(ge=0, le=86400)] = 10
    """Seconds between the first attempt's end and the second attempt. Default 10."""
    backoff_factor: Annotated[
        Number,
        AfterValidator(_check_factor),
        WithJsonSchema({"type": "number", "minimum": 1, "maximum": 10}),
    ] = Decimal(2)
    """By how much each further wait is longer than the one before, 1 to 10. Default 2."""
    max_backoff_seconds: Annotated[Int32, Limits(ge=0, le=86400)] = 3600
    """The longest wait, in seconds. Default 3600."""
    retry_exit_codes: Annotated[
        tuple[Annotated[Int32, Limits(ge=1, le=255)], ...], Limits(max_length=100)
    ] = ()
    """The exit codes after which another attempt is made; empty = after each but 0."""


_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
# RFC 9110 section 8.3.1, in ASCII alone, because it stands in a header again. A word is a token of 5.6.2.
_MEDIA_TYPE = re.compile(rf'{_WORD}/{_WORD}(?: *;(?: *{_WORD}=(?:{_WORD}|"(?:[ !#-\[\]-~]|\\[ -~])*"))?)*')


def _check_media_type(media_type: str) -> str:
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise PydanticCustomError("media_type", "must be a media type such as text/csv")
    return media_type


def _check_file_name(name: str) -> str:
    if "/" in name or "\\" in name or name in (".", ".."):
        raise PydanticCustomError("file_name", "must be a file name without / and \\")
    return name


FileName = Annotated[Name, AfterValidator(_check_file_name), Published(pattern=rf"^{LINE_CHARS[:-1]}/\\]+$")]
MediaType = Annotated[Name, AfterValidator(_check_media_type), Published(pattern=f"^{_MEDIA_TYPE.pattern}$")]


class AttachmentLink(Model):
    """A file that lies elsewhere and belongs to the job; the gateway shows its address, never fetches it."""

    name: FileName
    """File name, without / and \\."""
    content_type: Maybe[MediaType] = None
    """Media type of the file."""
    uri: Uri
    """Where the file lies."""


class Attachment(Model):
    """A file of a job: stored by the gateway, or a link to one that lies elsewhere."""

    id: Name
    """Id, set by the server."""
    name: FileName
    """File name."""
    content_type: Maybe[MediaType] = None
    """Media type, as the sender named it."""
    size: Maybe[Count] = None
    """Length in bytes; only of stored files."""
    sha256: Maybe[Name] = None
    """SHA-256 of the bytes, in hexadecimal; only of stored files."""
    uri: Maybe[Uri] = None
    """Where the file lies; only of links."""
    created_at: Instant
    """When it was added."""


class AttachmentUpload(Model):
    """A file to attach to a job."""

    name: FileName
    """File name, without / and \\."""
    content_type: MediaType = "application/octet-stream"
    """Media type of the file; it is given back as it is, never guessed. Default application/octet-stream."""
    content: Bytes
    """The bytes of the file."""


class AttachmentContent(Model):
    """A stored attachment with its bytes."""

    name: FileName
    """File name."""
    content_type: MediaType
    """Media type, as the sender named it."""
    size: Count
    """Length in bytes."""
    sha256: Name
    """SHA-256 of the bytes, in hexadecimal."""
    content: Bytes
    """The bytes of the file."""


class JobTypeSearchResult(Model):
    """A type of the catalogue."""

    type: Name
    """Name of the type, for startJob."""
    name: Name
    """Name for people."""
    description: Maybe[Text] = None
    """What jobs of the type do."""
    features_on: tuple[JobTypeFeature, ...] = ()
    """What jobs of the type can do."""
