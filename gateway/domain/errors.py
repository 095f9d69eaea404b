"""The closed list of errors that a caller may be told, with their codes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a request.

    `path` leads to it from the request: names as on the wire and list indices from 0, beginning with the
    name of a path parameter, `query`, or the name of the body.
    """

    path: tuple[str | int, ...]
    detail: str


class JobsError(Exception):
    """An error with a code. `code` is the HTTP status followed by five digits."""

    key: ClassVar[str]
    code: ClassVar[int]
    come_back_seconds: ClassVar[int | None] = None
    """When to try again, where the error names no time of its own; None = trying again does not help."""

    def __init__(
        self, reason: str, *, problems: Iterable[Problem] = (), retry_after_seconds: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.problems = tuple(problems)
        self.retry_after_seconds = retry_after_seconds or self.come_back_seconds

    @property
    def http_status(self) -> int:
        """The HTTP status of the error over REST."""
        return self.code // 100_000


class BadRequest(JobsError):
    """The request cannot be understood."""

    key = "BAD_REQUEST"
    code = 400_00000


class ValidationFailed(JobsError):
    """Fields of the request are wrong; each is named."""

    key = "VALIDATION_FAILED"
    code = 400_00001


class MalformedMessage(JobsError):
    """The body is no JSON or no envelope."""

    key = "MALFORMED_MESSAGE"
    code = 400_00002


class InvalidCursor(JobsError):
    """startAfter is no cursor of this query."""

    key = "INVALID_CURSOR"
    code = 400_00003


class Unauthorized(JobsError):
    """No key or token, or one that is not valid."""

    key = "UNAUTHORIZED"
    code = 401_00000


class Forbidden(JobsError):
    """The caller may not do this."""

    key = "FORBIDDEN"
    code = 403_00000


class NotFound(JobsError):
    """There is nothing at this address."""

    key = "NOT_FOUND"
    code = 404_00000


class JobNotFound(JobsError):
    """There is no such job for this caller."""

    key = "JOB_NOT_FOUND"
    code = 404_00001


class ScheduledJobNotFound(JobsError):
    """There is no such scheduled job for this caller."""

    key = "SCHEDULED_JOB_NOT_FOUND"
    code = 404_00002


class AttachmentNotFound(JobsError):
    """The job has no such attachment."""

    key = "ATTACHMENT_NOT_FOUND"
    code = 404_00003


class UnknownOperation(JobsError):
    """The envelope's body names no operation."""

    key = "UNKNOWN_OPERATION"
    code = 404_00004


class MethodNotAllowed(JobsError):
    """The address does not know this method."""

    key = "METHOD_NOT_ALLOWED"
    code = 405_00000


class NotAcceptable(JobsError):
    """No representation that the caller accepts."""

    key = "NOT_ACCEPTABLE"
    code = 406_00000


class TooManyRequests(JobsError):
    """A limit of the organization is reached."""

    key = "TOO_MANY_REQUESTS"
    code = 429_00000
    come_back_seconds = 5


class InternalServerError(JobsError):
    """Something unexpected; the log tells it under the request id."""

    key = "INTERNAL_SERVER_ERROR"
    code = 500_00000


class ServiceUnavailable(JobsError):
    """The gateway cannot serve at the moment."""

    key = "SERVICE_UNAVAILABLE"
    code = 503_00000
    come_back_seconds = 5


class Conflict(JobsError):
    """The request does not fit the present state."""

    key = "CONFLICT"
    code = 409_00000


class JobNotFinal(JobsError):
    """The job has not ended yet."""

    key = "JOB_NOT_FINAL"
    code = 409_00001


class JobAlreadyFinal(JobsError):
    """The job has ended already."""

    key = "JOB_ALREADY_FINAL"
    code = 409_00002


class LockHeld(JobsError):
    """Another job has a place in the queue of a lock."""

    key = "LOCK_HELD"
    code = 409_00003


class JobNotCancellable(JobsError):
    """Jobs of this type cannot be canceled while they run."""

    key = "JOB_NOT_CANCELLABLE"
    code = 409_00004


class IdempotencyKeyInUse(JobsError):
    """The first request under this key still runs."""

    key = "IDEMPOTENCY_KEY_IN_USE"
    code = 409_00005


class StorageNotOpen(JobsError):
    """The storage was not opened."""

    key = "STORAGE_NOT_OPEN"
    code = 409_00006


class PreconditionFailed(JobsError):
    """The version is another than the one required."""

    key = "PRECONDITION_FAILED"
    code = 412_00000


class PayloadTooLarge(JobsError):
    """The body is longer than the limit."""

    key = "PAYLOAD_TOO_LARGE"
    code = 413_00000


class UnsupportedMediaType(JobsError):
    """The body has a media type or an encoding that is not served."""

    key = "UNSUPPORTED_MEDIA_TYPE"
    code = 415_00000


class MisdirectedRequest(JobsError):
    """The Host header names another server."""

    key = "MISDIRECTED_REQUEST"
    code = 421_00000


class IdempotencyKeyReused(JobsError):
    """Another request was made under this key."""

    key = "IDEMPOTENCY_KEY_REUSED"
    code = 422_00001


class UnknownJobType(JobsError):
    """The catalogue has no such type."""

    key = "UNKNOWN_JOB_TYPE"
    code = 422_00002


class InvalidDependency(JobsError):
    """A dependency names no job that can be depended on."""

    key = "INVALID_DEPENDENCY"
    code = 422_00003


class InvalidSchedule(JobsError):
    """The schedule has no such times."""

    key = "INVALID_SCHEDULE"
    code = 422_00004


class UnsupportedByExecutor(JobsError):
    """The executor refuses a field of the request."""

    key = "UNSUPPORTED_BY_EXECUTOR"
    code = 422_00005


ERRORS: dict[str, type[JobsError]] = {
    error.key: error
    for error in (
        BadRequest,
        ValidationFailed,
        MalformedMessage,
        InvalidCursor,
        Unauthorized,
        Forbidden,
        NotFound,
        JobNotFound,
        ScheduledJobNotFound,
        AttachmentNotFound,
        UnknownOperation,
        MethodNotAllowed,
        NotAcceptable,
        TooManyRequests,
        InternalServerError,
        ServiceUnavailable,
        Conflict,
        JobNotFinal,
        JobAlreadyFinal,
        LockHeld,
        JobNotCancellable,
        IdempotencyKeyInUse,
        StorageNotOpen,
        PreconditionFailed,
        PayloadTooLarge,
        UnsupportedMediaType,
        MisdirectedRequest,
        IdempotencyKeyReused,
        UnknownJobType,
        InvalidDependency,
        InvalidSchedule,
        UnsupportedByExecutor,
    )
}
"""Every error, by its technicalKey."""
