"""Valid objects; a test states what matters to it alone."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from gateway.domain.identity import new_job_id
from gateway.domain.job import Job, JobEvent, JobStart
from gateway.domain.record import JobRecord, KeyRecord
from gateway.domain.words import FINAL, CallProtocol, JobEventKind, JobStatus, Role

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
"""When everything here is made, unless a test says otherwise."""

_numbers = count(1)


def later(seconds: float) -> datetime:
    """An instant after NOON."""
    return NOON + timedelta(seconds=seconds)


def a_start(**overrides: Any) -> JobStart:
    """A request to start a job."""
    return JobStart(**{"docker_image_url": "image:1", "commands": ("run", "it")} | overrides)


def a_job(**overrides: Any) -> Job:
    """A job with an id of its own, SCHEDULED unless told; a final one has ended at NOON. None = unset."""
    values = {
        "id": new_job_id(NOON),
        "job_status": JobStatus.SCHEDULED,
        "last_job_status": JobStatus.PERSISTED,
        "created_at": NOON,
        "modified_at": NOON,
        "user": "ann",
        "organization_id": "acme",
        "docker_image_url": "image:1",
        "commands": ("run", "it"),
        "priority": 5,
        "attempt": 0,
        "version": 1,
    } | overrides
    if values["job_status"] in FINAL:
        values.setdefault("finished_at", NOON)
    return Job(**{name: value for name, value in values.items() if value is not None})


def a_record(job: Job | None = None, **overrides: Any) -> JobRecord:
    """A record of a job; overrides are the record's members, or else the job's.

    Node 1 holds what is claimed.
    """
    own = {name: overrides.pop(name) for name in _RECORD_MEMBERS & overrides.keys()}
    if own.get("claimed"):
        own.setdefault("node", 1)
    made = a_job(**overrides) if job is None else job.with_(**overrides)
    return JobRecord(job=made, **own)


_RECORD_MEMBERS = JobRecord.__dataclass_fields__.keys() - {"job"}


def an_event(job_id: str, id: int = 1, **overrides: Any) -> JobEvent:
    """An entry of the history of a job."""
    values = {
        "id": str(id),
        "job_id": job_id,
        "at": NOON,
        "kind": JobEventKind.STATUS,
        "to_status": JobStatus.PERSISTED,
        "actor": "ann",
        "protocol": CallProtocol.REST,
    }
    return JobEvent(**values | overrides)


def a_key(**overrides: Any) -> KeyRecord:
    """An API key that is valid."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "id": f"k{number}",
        "name": f"key {number}",
        "role": Role.OPERATOR,
        "organization_id": "acme",
        "hash": f"{number:064x}",
        "created_at": NOON,
    }
    return KeyRecord(**values | overrides)
