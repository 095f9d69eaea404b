"""What can be read and written in one transaction, alike over every database. When it becomes durable is not
decided here.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from gateway.domain.errors import Conflict
from gateway.domain.job import Job, JobEvent, JobStart
from gateway.domain.model import dump
from gateway.domain.node_store import NodeWriter
from gateway.domain.ports import Change, ScheduleChange
from gateway.domain.queries import JobQuery
from gateway.domain.record import AuditEntry, JobRecord, KeyRecord, Remembered, Stored
from gateway.domain.words import DependencyCondition, JobStatus
from gateway.stores.sql_connection import SqlConnection, SqlCursor
from gateway.stores.sql_digests import SqlDigestWriter
from gateway.stores.sql_entries import EntryTables
from gateway.stores.sql_instants import to_number
from gateway.stores.sql_logs import SqlLogWriter
from gateway.stores.sql_reader import JobLists, SqlReader
from gateway.stores.sql_results import SqlResultWriter
from gateway.stores.sql_rows import job_columns, key_columns, new_job_columns, record_of, words_of
from gateway.stores.sql_schedules import SqlScheduleWriter

_NO_JOBS = frozenset(
    """
    open_dependencies dependents close_dependency tied places give_up_place move_up lock_holder blocking_locks
    open_storage remember remembered oldest_remembered forget setting insert_setting audit
    key keys has_keys key_named insert_key save_key
    """.split()
)
"""Queries for which jobs may be held back: they look neither at jobs nor at their history, and store nothing
that points to a job.
"""


class Recent(Protocol):
    """Jobs that a writer remembers from units of work before."""

    def get(self, job_id: str) -> JobRecord | None:
        """A job, if it is remembered."""

    def drop(self, job_id: str) -> None:
        """A job is being deleted."""


class SqlWriter(SqlReader):
    """The port JobWriter over one connection, but for what goes by node, see SqlReader. `begin` comes before
    each unit of work, `finish` after it.

    Jobs and their history are held back until the end, or until a query looks at jobs: most units save a job
    more than once, and each time costs the change of several indexes.
    """

    nodes: NodeWriter

    def __init__(
        self,
        connection: SqlConnection,
        queries: Mapping[str, str],
        *,
        lists: JobLists,
        entries: EntryTables,
        nodes: NodeWriter,
        recent: Recent,
    ) -> None:
        super().__init__(connection, queries, lists=lists, entries=entries, nodes=nodes)
        self.results: SqlResultWriter = SqlResultWriter(connection, queries, entries)
        self.logs: SqlLogWriter = SqlLogWriter(connection, queries, entries)
        self.schedules: SqlScheduleWriter = SqlScheduleWriter(
            connection, queries, before_runs=self.finish, changed=self._schedule_changed
        )
        self.digests: SqlDigestWriter = SqlDigestWriter(connection, queries)
        self.recent: Recent = recent

    def begin(self) -> None:
        """Forget what the unit of work before this one did."""
        self.changes: dict[str, Change | ScheduleChange] = {}
        """The last change of each job and scheduled job in this unit of work."""
        self._written: dict[str, Job] = {}
        """Jobs as the tables have them, as far as that is known."""
        self._documents: dict[str, Stored[Job]] = {}
        """Jobs that this unit has written, as replies show them."""
        self._stored: dict[str, tuple[JobRecord, int]] = {}
        """The same as records, with the lengths of their documents."""
        self._held: dict[str, JobRecord] = {}
        self._new: dict[str, tuple[JobStart, dict[str, bytes]]] = {}
        self._events: list[JobEvent] = []

    def finish(self) -> None:
        """Write what was held back."""
        for job_id, record in self._held.items():
            job, document = record.job, dump(record.job)
            if job_id in self._new:
                self._insert(record, document, *self._new[job_id])
            else:
                self._run("save_job", job_columns(record, document))
            self._find_by(self._written.get(job_id), job)
            self._written[job_id] = job
            self._documents[job_id] = Stored(Job, job_id, job.organization_id, job.version, document)
            self._stored[job_id] = record, len(document)
        for event in self._events:
            self._add(event)
        # Only now: a unit that ignores an error here fails again at its end.
        self._held, self._new, self._events = {}, {}, []

    def job(self, job_id: str) -> JobRecord | None:
        """A job with the engine's part."""
        if job_id in self._held:
            return self._held[job_id]
        if job_id in self._stored:
            return self._stored[job_id][0]
        record = self.recent.get(job_id)
        if record is None:
            row = self._run("job", {"id": job_id}).fetchone()
            if row is None:
                return None
            record = record_of(row)
        self._written[job_id] = record.job
        return record

    def document(self, job_id: str) -> Stored[Job] | None:
        """A job as replies show it, not parsed."""
        if job_id in self._held:
            self.finish()
        return self._documents.get(job_id) or super().document(job_id)

    def open_dependencies(self, job_id: str) -> list[str]:
        """Ids of the jobs that a job still depends on, in the order of the request."""
        # What a job depends on, or has a place in, is written after the job itself.
        return [] if job_id in self._new else super().open_dependencies(job_id)

    def blocking_locks(self, job_id: str) -> list[str]:
        """Names of the locks in whose queues a job has a place and is not first."""
        return [] if job_id in self._new else super().blocking_locks(job_id)

    def jobs(self, query: JobQuery, **bounds: Any) -> list[Stored[Job]]:
        """At most `limit` jobs that match every filter of the query, in its order, behind a position."""
        self.finish()
        return super().jobs(query, **bounds)

    def count_jobs(self, query: JobQuery, *, organization_id: str | None) -> int:
        """How many jobs match."""
        self.finish()
        return super().count_jobs(query, organization_id=organization_id)

    def insert_job(self, record: JobRecord, *, request: JobStart, secrets: dict[str, bytes]) -> None:
        """Store a new job."""
        if record.job.id in self._held:
            self.finish()
        self._new[record.job.id] = (request, secrets)
        self._hold(record)

    def save_job(self, record: JobRecord) -> None:
        """Store a job that has changed. Raises LookupError when it is not stored."""
        if record.job.id not in self._held:
            self._found(record.job.id)
        self._hold(record)

    def delete_job(self, job_id: str) -> None:
        """Remove a job. Raises LookupError when it is not stored, IntegrityError while it has a place."""
        row = self._row("found_by", {"id": job_id})
        if row is None:
            raise LookupError(f"job {job_id} is not stored")
        organization_id, created_at, status, words, tags, labels = row
        self._do("delete_job", {"id": job_id})
        place = (created_at, job_id)
        self._each("delete_tag", organization_id, json.loads(tags), place)
        self._each("delete_label", organization_id, json.loads(labels), place)
        self._each("delete_word", organization_id, words.split(), place)
        self._written.pop(job_id, None)
        self._documents.pop(job_id, None)
        self._stored.pop(job_id, None)
        self.recent.drop(job_id)
        self.changes[job_id] = Change(job_id, 0, JobStatus[status])

    def add_event(self, event: JobEvent) -> None:
        """Append to a job's history. Raises LookupError when the job is not stored."""
        self._found(event.job_id)
        self._events.append(event)

    def depend(self, job_id: str, on_job_id: str, condition: DependencyCondition, *, open: bool) -> None:
        """Store that a job depends on another. Raises LookupError when the job is not stored."""
        values = {"id": job_id, "on_job_id": on_job_id, "condition": condition.value, "open": open}
        self._one(self._do("depend", values), job_id)

    def close_dependency(self, job_id: str, on_job_id: str) -> None:
        """Store that the outcome of a dependency is decided."""
        self._do("close_dependency", {"id": job_id, "on_job_id": on_job_id})

    def take_place(self, job_id: str, organization_id: str, lock: str) -> None:
        """Give a job the last place in the queue of a lock; in an empty queue it is first."""
        self._do("take_place", {"id": job_id, "organization_id": organization_id, "name": lock})

    def give_up_places(self, job_id: str) -> list[str]:
        """Take a job out of the queues of its locks; ids of the jobs that are first in one now, each once."""
        first: dict[str, None] = {}
        for organization_id, name, place, holds in self._rows("places", {"id": job_id}):
            lock = {"organization_id": organization_id, "name": name}
            self._do("give_up_place", {**lock, "place": place})
            if holds:
                first.update(dict.fromkeys(self._column("move_up", lock)))
        return list(first)

    def open_storage(self, organization_id: str, storage_id: str, at: datetime) -> None:
        """Open the result storage; one that is open stays so."""
        values = {"organization_id": organization_id, "id": storage_id, "at": to_number(at)}
        self._do("open_storage", values)

    def remember(self, request: Remembered) -> None:
        """Keep the first request under an idempotency key. Raises IntegrityError for a second one."""
        self._do("remember", {**vars(request), "at": to_number(request.at)})

    def forget(self, before: datetime, limit: int) -> int:
        """Remove requests first made before an instant; how many were removed."""
        return self._do("forget", {"before": to_number(before), "limit": limit}).rowcount

    def insert_key(self, key: KeyRecord) -> None:
        """Store a new API key. Raises Conflict when the organization has one of that name, not revoked."""
        if self._row("key_named", {"organization_id": key.organization_id, "name": key.name}):
            raise Conflict(f"organization '{key.organization_id}' has a key named '{key.name}' already")
        self._do("insert_key", key_columns(key))

    def save_key(self, key: KeyRecord) -> None:
        """Store an API key that has changed. Raises LookupError when it is not stored."""
        self._one(self._do("save_key", key_columns(key)), key.id)

    def audit(self, entry: AuditEntry) -> None:
        """Append to the audit table."""
        self._do("audit", {**vars(entry), "at": to_number(entry.at)})

    def setting(self, name: str, make: Callable[[], bytes]) -> bytes:
        """A value that all who use this database share, made at its first use."""
        value: bytes | None = self._value("setting", {"name": name})
        if value is None:
            value = make()
            self._do("insert_setting", {"name": name, "value": value})
        return value

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[Any]:
        return self._do(name, values).fetchall()

    def _row(self, name: str, values: Mapping[str, Any]) -> Any:
        return self._do(name, values).fetchone()

    def _do(self, name: str, values: Mapping[str, Any]) -> SqlCursor:
        if (self._held or self._events) and name not in _NO_JOBS:
            self.finish()
        return self._run(name, values)

    def _run(self, name: str, values: Mapping[str, Any]) -> SqlCursor:
        return self._db.execute(self._sql[name], values)

    def _one(self, cursor: SqlCursor, row_id: str) -> None:
        if cursor.rowcount != 1:
            raise LookupError(f"{row_id} is not stored")

    def _found(self, job_id: str) -> Job:
        """A job as it is now. Raises LookupError."""
        record = self._held.get(job_id)
        job = record.job if record else self._written.get(job_id)
        if job is None:
            record = self.job(job_id)
            if record is None:
                raise LookupError(f"job {job_id} is not stored")
            job = record.job
        return job

    def _hold(self, record: JobRecord) -> None:
        job = record.job
        self._held[job.id] = record
        self.changes[job.id] = Change(job.id, job.version, job.job_status)

    def _schedule_changed(self, change: ScheduleChange) -> None:
        self.changes[change.scheduled_job_id] = change

    def _insert(
        self, record: JobRecord, document: bytes, request: JobStart, secrets: dict[str, bytes]
    ) -> None:
        number = self._run("insert_job", new_job_columns(record, document)).lastrowid
        self._run("insert_request", {"number": number, "document": dump(request)})
        for name, sealed in secrets.items():
            self._run("insert_secret", {"number": number, "name": name, "sealed": sealed})

    def _add(self, event: JobEvent) -> None:
        values = {"id": event.job_id, "event_id": int(event.id), "document": dump(event)}
        self._one(self._run("add_event", values), event.job_id)

    def _find_by(self, before: Job | None, job: Job) -> None:
        """Bring tags, labels and words up to date; what has not changed is not touched."""
        place = (to_number(job.created_at), job.id)
        for kind, values_of in (("tag", _tags), ("label", _labels), ("word", words_of)):
            old = set(values_of(before)) if before else set()
            new = set(values_of(job))
            if old != new:
                self._each(f"delete_{kind}", job.organization_id, old - new, place)
                self._each(f"insert_{kind}", job.organization_id, new - old, place)

    def _each(self, name: str, organization_id: str, values: Iterable[str], place: tuple[int, str]) -> None:
        rows = [(organization_id, value, *place) for value in values]
        if rows:
            self._db.executemany(self._sql[name], rows)


def _tags(job: Job) -> Iterable[str]:
    return job.tags


def _labels(job: Job) -> Iterable[str]:
    return (f"{label.name}={label.value or ''}" for label in job.labels)
