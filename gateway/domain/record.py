"""What the store keeps of a job, a key and an idempotent request, beside what replies show."""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, NamedTuple, Self

from gateway.domain.executor import AttemptKey
from gateway.domain.job import Job
from gateway.domain.model import ModelT, load
from gateway.domain.words import Role


class Stored(NamedTuple, Generic[ModelT]):
    """A stored model as its JSON document, which is what a REST reply shows; it is parsed only when asked.

    Lists make thousands of them at a time, and a tuple is made in a third of the time of a dataclass.
    """

    model: type[ModelT]
    id: str
    organization_id: str
    version: int
    """Id and version name one document for ever; 0 = they do not, so nobody may remember it by them."""
    json: bytes

    def load(self) -> ModelT:
        """The model itself."""
        return load(self.model, self.json)

    def member(self, name: str) -> Any:
        """One member as the document says it; None when it is not there."""
        return json.loads(self.json).get(name)


class StopReason(StrEnum):
    """Why the gateway stops an attempt; decides what becomes of the job when the attempt has ended."""

    CANCEL = "CANCEL"
    TIMEOUT = "TIMEOUT"
    HEARTBEAT = "HEARTBEAT"


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """A job with what only the engine needs to know."""

    job: Job
    event_count: int = 0
    """Entries in the history; the last one's id."""
    wake_at: datetime | None = None
    """When a WAITING job is to be looked at again: notBefore, or the end of a backoff."""
    claimed: bool = False
    """Whether the latest attempt was handed to the executor and has not been seen to end."""
    node: int = 0
    """Number of the node that holds the attempt; 0 when none does."""
    handle: str | None = None
    """The executor's name for the attempt; None until it was started."""
    token_hash: str | None = None
    """SHA-256 of the attempt's token, in hexadecimal; None when no token is valid."""
    stop: StopReason | None = None
    """Why the attempt is being stopped, if it is."""
    stop_grace_seconds: int | None = None
    """The grace of that stop."""

    @property
    def attempt(self) -> AttemptKey:
        """The key of the latest attempt."""
        return AttemptKey(self.job.id, self.job.attempt)

    def with_(self, **changes: Any) -> Self:
        """A copy with other values."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Position:
    """The place of a job or scheduled job in the order of lists."""

    created_at: datetime
    id: str


@dataclass(frozen=True, kw_only=True)
class KeyRecord:
    """An API key, without the key."""

    id: str
    name: str
    """Unique in its organization among the keys that are not revoked; shown as `user`."""
    role: Role
    organization_id: str
    hash: str
    """SHA-256 of the whole key, in hexadecimal."""
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Remembered:
    """The first request under an idempotency key, and what it was answered."""

    organization_id: str
    operation: str
    key: str
    fingerprint: str
    """Keyed hash of the validated request."""
    at: datetime
    job_id: str | None = None
    """The job or scheduled job that the reply showed; a repeat shows it as it is then."""
    reply: bytes | None = None
    """The JSON of another reply."""


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """An entry that outlives what it is about."""

    at: datetime
    actor: str
    action: str
    """`job.deleted`, `job.expired`, `results.deleted`, `log_entries.deleted`, `scheduled_job.deleted`,
    `key.created`, `key.revoked`, `key.digest_made` or `key.digest_removed`.
    """
    subject: str
    """Id of the job, of the scheduled job or of the key; storage and log, with a slash between."""
    organization_id: str
    detail: str = ""
