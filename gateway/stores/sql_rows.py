"""What stands in the rows of jobs and API keys."""

from functools import lru_cache
from typing import Any

from gateway.domain.job import Job
from gateway.domain.model import load
from gateway.domain.queries import words
from gateway.domain.record import JobRecord, KeyRecord, StopReason
from gateway.domain.words import Role
from gateway.stores.sql_instants import to_instant, to_instant_or_none, to_number, to_number_or_none

_ROLES = {role.value: role for role in Role}


def record_of(row: Any) -> JobRecord:
    """A job from a row of the queries `job` and `claimed`."""
    document, event_count, wake_at, claimed, handle, token_hash, stop, grace, node = row
    return JobRecord(
        job=load(Job, document),
        event_count=event_count,
        wake_at=to_instant_or_none(wake_at),
        claimed=bool(claimed),
        node=node or 0,
        handle=handle,
        token_hash=token_hash,
        stop=None if stop is None else StopReason(stop),
        stop_grace_seconds=grace,
    )


def key_of(row: Any) -> KeyRecord:
    """An API key from a row of the queries `key` and `keys`."""
    key_id, name, role, organization_id, key_hash, created_at, expires_at, revoked_at, last_used_at = row
    return KeyRecord(
        id=key_id,
        name=name,
        role=_ROLES[role],
        organization_id=organization_id,
        hash=key_hash,
        created_at=to_instant(created_at),
        expires_at=to_instant_or_none(expires_at),
        revoked_at=to_instant_or_none(revoked_at),
        last_used_at=to_instant_or_none(last_used_at),
    )


def new_job_columns(record: JobRecord, document: bytes) -> dict[str, Any]:
    """The columns of a new job with its document."""
    job = record.job
    return {
        "organization_id": job.organization_id,
        "user": job.user,
        "storage_id": job.storage_id,
        "type": job.type,
        "scheduled_job_id": job.scheduled_job_id,
        "created_at": to_number(job.created_at),
        "priority": job.priority,
        **job_columns(record, document),
    }


def job_columns(record: JobRecord, document: bytes) -> dict[str, Any]:
    """The columns of a job that may change, and its id; `document` is its JSON."""
    job = record.job
    return {
        "id": job.id,
        "status": job.job_status.value,
        "version": job.version,
        "finished_at": to_number_or_none(job.finished_at),
        "expires_at": to_number_or_none(job.expires_at),
        "event_count": record.event_count,
        "wake_at": to_number_or_none(record.wake_at),
        "claimed": record.claimed,
        "node": record.node or None,
        "handle": record.handle,
        "token_hash": record.token_hash,
        "stop": None if record.stop is None else record.stop.value,
        "stop_grace_seconds": record.stop_grace_seconds,
        "words": "".join(" " + word for word in words_of(job)),
        "document": document,
    }


def key_columns(key: KeyRecord) -> dict[str, Any]:
    """The columns of an API key."""
    instants = ("created_at", "expires_at", "revoked_at", "last_used_at")
    changed = {name: to_number_or_none(getattr(key, name)) for name in instants}
    return {**vars(key), "role": key.role.value, **changed}


def words_of(job: Job) -> tuple[str, ...]:
    """The words that a job is found by: those of its name and description."""
    return _words_of(job.name or "", job.description or "")


@lru_cache(maxsize=256)
def _words_of(name: str, description: str) -> tuple[str, ...]:
    """Cached, because most changes of a job leave both as they are."""
    return words(f"{name} {description}", least=1)
