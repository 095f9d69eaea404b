"""Reads the whole history of a database and proves that no job was lost, doubled, or locked too early."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import psycopg

from gateway.domain.job import Job, JobEvent
from gateway.domain.model import load
from gateway.domain.states import TRANSITIONS
from gateway.domain.words import FINAL, JobStatus


@dataclass(frozen=True)
class History:
    """A job, and what became of it."""

    job: Job
    events: tuple[JobEvent, ...]


def histories(address: str) -> list[History]:
    """All jobs of a database with all that happened to them."""
    with psycopg.connect(address) as connection:
        jobs: list[Any] = connection.execute("SELECT number, document FROM jobs").fetchall()
        entries: list[Any] = connection.execute(
            "SELECT number, document FROM job_events ORDER BY number, id"
        ).fetchall()
    events = defaultdict(list)
    for number, document in entries:
        events[number].append(load(JobEvent, _bytes(document)))
    return [History(load(Job, _bytes(document)), tuple(events[number])) for number, document in jobs]


def check(found: Iterable[History]) -> None:
    """Fail when a job is not final, or its history cannot be true, or a lock was held twice at once."""
    held: dict[str, list[tuple[datetime, datetime, str]]] = defaultdict(list)
    for history in found:
        _check_one(history)
        for begun, ended in _runs(history):
            for lock in history.job.locks:
                held[lock.name].append((begun, ended, history.job.id))
    for name, runs in held.items():
        runs.sort()
        for (_, ended, first), (begun, _, second) in pairwise(runs):
            assert ended <= begun, f"lock {name}: job {second} ran before job {first} had ended"


def _check_one(history: History) -> None:
    job, events = history.job, history.events
    assert job.job_status in FINAL, f"job {job.id} is lost: {job.job_status}"
    assert [int(event.id) for event in events] == list(range(1, len(events) + 1))
    changes = [event for event in events if event.to_status is not None]
    status = JobStatus.CREATED
    attempts = []
    for event in changes:
        before = event.from_status or JobStatus.CREATED
        assert before is status, f"job {job.id}: {before} after {status}"
        assert event.to_status is not None
        assert event.to_status in TRANSITIONS[status], f"job {job.id}: {status} -> {event.to_status}"
        # What was out of sight and is seen again has not begun again.
        if event.to_status is JobStatus.RUNNING and status is not JobStatus.UNKNOWN:
            attempts.append(event.attempt)
        status = event.to_status
    assert status is job.job_status
    # An attempt that runs again without an end in between would be here twice.
    assert attempts == sorted(set(attempts)), f"job {job.id} ran the attempts {attempts}"


def _runs(history: History) -> Iterable[tuple[datetime, datetime]]:
    """From when to when each attempt ran."""
    begun = None
    for event in history.events:
        if event.to_status is JobStatus.RUNNING:
            begun = begun or event.at
        elif event.to_status is not None and event.to_status is not JobStatus.UNKNOWN and begun is not None:
            yield begun, event.at
            begun = None


def _bytes(document: Any) -> bytes:
    return document.encode() if isinstance(document, str) else bytes(document)
