"""What can be read and written in PostgreSQL in one transaction, and what keeps others from it meanwhile.

Transactions are READ COMMITTED: each statement sees what others have committed before it. So what a unit of
work reads in order to write is locked until its end, and this is all that is read so:

    what is read, then written                       what keeps others away
    a job, a scheduled job, an API key               its row, from the first look at it
    a job and those that depend on it                the row of the job that they name: who ends it looks for
                                                     dependents when nobody can add one any more
    what a job waits for                             its own row: who frees it first writes what is free, and
                                                     then looks at the job; of two the later sees both
    the queue of a lock                              an advisory lock of organization and name
    the runs of a schedule that have not ended       the row of the schedule, and those of the runs
    how many jobs of an organization have not ended  an advisory lock of the organization
    what a node holds, and the queue                 an advisory lock of the node's claims, or of all claims
                                                     where organizations have limits; rows of the queue that
                                                     others hold are passed over, and looked at again
    a node, and what it holds                        the node's row, for as long as it claims; who finds its
                                                     lease over removes it when it claims no more
    the next id and the count of a storage           the storage's row, so that ids grow in commit order
    what a job wrote, while it is deleted            the job's row; the runs' counts change with the storage's
    what the pruner and the promoter find            its rows; those that others hold are passed over
    all API keys (may they share a host?)            an advisory lock of all keys
    a setting that is not there yet                  an advisory lock of all settings
    an idempotency key, the name of a key            a unique index: the later unit is run again, and sees
                                                     what the earlier has stored
    a nonce                                          its primary key: ON CONFLICT DO NOTHING waits and tells

So a job that one unit of a transaction has read or changed is known to the next ones without another look.
Locks that two take in different orders end as deadlocks; then the unit is run again (postgres_commits.py).
"""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from functools import partial
from typing import Any

from gateway.domain.job import Job, JobEvent
from gateway.domain.model import dump
from gateway.domain.record import JobRecord, KeyRecord, Stored
from gateway.domain.words import DependencyCondition
from gateway.stores.postgres_columns import Texts, columns
from gateway.stores.postgres_connection import Connection
from gateway.stores.postgres_entries import PostgresEntries
from gateway.stores.postgres_lists import PostgresJobLists
from gateway.stores.postgres_nodes import Claims, PostgresNodeWriter
from gateway.stores.sql_rows import job_columns, new_job_columns, record_of
from gateway.stores.sql_writer import SqlWriter

LOCKS = {
    # No row's key ever changes, so those who only point at it need not wait.
    **dict.fromkeys(
        ("job", "jobs", "claimed", "open_runs", "schedule", "key", "storage"), "FOR NO KEY UPDATE"
    ),
    **dict.fromkeys(("due", "queue_of_organization", "expired"), "FOR NO KEY UPDATE SKIP LOCKED"),
    "lapsed_nodes": "FOR UPDATE SKIP LOCKED",
    "next_removed_run": "FOR UPDATE SKIP LOCKED",
    "next_removal": "FOR UPDATE OF r SKIP LOCKED",
}
"""How the rows that a query finds are locked when a unit of work that writes asks for them."""


class PostgresWriter(Claims, SqlWriter):
    """The port JobWriter over one connection. `start` comes before each transaction, `begin` before each unit
    of work, `finish` before the commit: what a transaction has changed of jobs is written together.
    """

    recent: "_Seen"

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        self.connection = connection
        locking = {**queries, **{name: f"{queries[name]}\n{lock}" for name, lock in LOCKS.items()}}
        super().__init__(
            connection,
            locking,
            lists=PostgresJobLists(connection, locking),
            entries=partial(PostgresEntries, connection, locking),
            nodes=PostgresNodeWriter(connection, locking, before_change=self._forget),
            recent=_Seen(),
        )
        self.start()

    def start(self) -> None:
        """A transaction begins, in which nothing is known yet."""
        super().begin()
        self.recent.clear()
        self._tied: dict[str, bool] = {}
        self.connection.writes = 0
        self.passed_over = False
        """Whether others hold jobs of the queue that would have been found."""
        self.begin()

    def begin(self) -> None:
        """A unit of work begins. What units before it have read and written in this transaction is known."""
        self.changes = {}
        self._before = dict(self._held), dict(self._new), list(self._events)
        self._writes_before = self.connection.writes

    def drop(self) -> None:
        """The unit of work is refused: forget what it holds back."""
        self._held, self._new, self._events = self._before

    @property
    def unit_has_written(self) -> bool:
        """Whether the database has anything of the unit of work."""
        return self.connection.writes > self._writes_before

    @property
    def has_written(self) -> bool:
        """Whether the database has anything of the transaction."""
        return self.connection.writes > 0

    def finish(self) -> None:
        """Write what was held back, of this unit of work and those before it: as few statements as can be."""
        held, new, events = self._held, self._new, self._events
        own = self.unit_has_written or bool(self.changes) or len(events) > len(self._before[2])
        rows = [(record, dump(record.job)) for record in held.values()]
        if added := [row for row in rows if row[0].job.id in new]:
            self._later("insert_jobs", columns([self._new_columns(*row) for row in added]))
            for record, _ in added:
                for name, sealed in new[record.job.id][1].items():
                    self._later("insert_secret", {"id": record.job.id, "name": name, "sealed": sealed})
        if changed := [row for row in rows if row[0].job.id not in new]:
            self._later("save_jobs", columns([job_columns(*row) for row in changed]))
        if events:
            self._later("add_events", columns([_event_columns(event) for event in events]))
        for record, document in rows:
            job = record.job
            self._find_by(self._written.get(job.id), job)
            self._written[job.id] = job
            self._documents[job.id] = Stored(Job, job.id, job.organization_id, job.version, document)
            self._stored[job.id] = record, len(document)
        self._held, self._new, self._events = {}, {}, []
        self._before = {}, {}, []
        if not own:
            # It was all of other units.
            self._writes_before = self.connection.writes

    def look_at(self, job_ids: Set[str]) -> None:
        """Read the jobs that units of work to come are about, and lock their rows: all by one statement."""
        known = self._held.keys() | self._stored.keys() | self.recent.ids
        if len(unknown := sorted(job_ids - known)) > 1:
            for row in self._run("jobs", {"ids": Texts(unknown)}):
                self.recent.add(record_of(row))

    def job(self, job_id: str) -> JobRecord | None:
        """A job with the engine's part; its row is locked until the end of the transaction."""
        record = super().job(job_id)
        if record is not None and job_id not in self._held:
            self.recent.add(record)
        return record

    def document(self, job_id: str) -> Stored[Job] | None:
        """A job as replies show it, not parsed."""
        if (record := self._held.get(job_id)) is not None:
            job = record.job
            return Stored(Job, job_id, job.organization_id, job.version, dump(job))
        return super().document(job_id)

    def queue(self, limit: int, *, skip_organizations: Sequence[str] = ()) -> list[str]:
        """Ids of SCHEDULED jobs that are not claimed and that nobody else is changing."""
        if skip_organizations:
            return super().queue(limit, skip_organizations=skip_organizations)
        rows = self._rows("claimable", {"limit": limit})
        found = [record_of(row[1:]) for row in rows if row[1] is not None]
        for record in found:
            self.recent.add(record)
        self.passed_over = self.passed_over or len(found) < rows[0][0]
        return [record.job.id for record in sorted(found, key=_turn)]

    def count_claimed(self, node: int | None = None) -> dict[str, int]:
        """How many jobs are held, by organization; nobody claims another until the end: the node, or anybody
        when all are counted.
        """
        self._lock("claims", *([] if node is None else [str(node)]))
        return super().count_claimed(node)

    def count_not_final(self, organization_id: str) -> int:
        """How many jobs of an organization are not final; nobody else starts one until the end."""
        self._lock("organization", organization_id)
        return super().count_not_final(organization_id)

    def lock_holder(self, organization_id: str, name: str) -> str | None:
        """Id of the job that is first in the queue of a lock; the queue stays as it is until the end."""
        self._lock("lock", organization_id, name)
        return super().lock_holder(organization_id, name)

    def depend(self, job_id: str, on_job_id: str, condition: DependencyCondition, *, open: bool) -> None:
        """Store that a job depends on another. Raises LookupError when the job is not stored."""
        self._tied.pop(on_job_id, None)
        super().depend(job_id, on_job_id, condition, open=open)

    def dependents(self, job_id: str) -> list[tuple[str, DependencyCondition]]:
        """Ids and conditions of the jobs that still depend on a job, oldest first."""
        return super().dependents(job_id) if self._is_tied(job_id) else []

    def take_place(self, job_id: str, organization_id: str, lock: str) -> None:
        """Give a job the last place in the queue of a lock; in an empty queue it is first."""
        self._tied.pop(job_id, None)
        self._lock("lock", organization_id, lock)
        super().take_place(job_id, organization_id, lock)

    def give_up_places(self, job_id: str) -> list[str]:
        """Take a job out of the queues of its locks; ids of the jobs that are first in one now, each once."""
        if not self._is_tied(job_id):
            return []
        # Whether it holds them is only known when nobody else moves up any more.
        for organization_id, name, _, _ in self._rows("places", {"id": job_id}):
            self._lock("lock", organization_id, name)
        return super().give_up_places(job_id)

    def keys(self) -> list[KeyRecord]:
        """All API keys ever made, oldest first; who decides by them goes one after the other."""
        self._lock("keys")
        return super().keys()

    def setting(self, name: str, make: Any) -> bytes:
        """A value that all nodes on this store share, made at its first use."""
        value: bytes | None = self._value("setting", {"name": name})
        if value is None:
            self._lock("settings")
            value = super().setting(name, make)
        return value

    def _is_tied(self, job_id: str) -> bool:
        """Whether a job has places in queues of locks, or others depend on it. For jobs whose rows are locked
        only this transaction can change that; so it is asked at once for all that were read.
        """
        if job_id not in self._tied:
            ids = self.recent.ids | {job_id}
            tied = set(self._column("tied", {"ids": Texts(ids)}))
            self._tied.update((each, each in tied) for each in ids)
        return self._tied[job_id]

    def _queue_of(self, organization_id: str, limit: int) -> list[Any]:
        found = super()._queue_of(organization_id, limit)
        values = {"organization_id": organization_id, "limit": limit}
        self.passed_over = self.passed_over or len(found) < self._value("count_queue_of_organization", values)
        return found

    def _new_columns(self, record: JobRecord, document: bytes) -> dict[str, Any]:
        request, _ = self._new[record.job.id]
        return new_job_columns(record, document) | {"request": dump(request)}

    def _forget(self) -> None:
        """Write what is held back, and know no job any more: all of a node's are about to change."""
        self.finish()
        for known in (self._written, self._documents, self._stored, self.recent):
            known.clear()

    def _lock(self, *what: str) -> None:
        # Not with _do: what is held back need not be written for it.
        self._later("lock", {"what": "/".join(("jobs_gateway", *what))})

    def _later(self, name: str, values: Mapping[str, Any]) -> None:
        self.connection.later(self._sql[name], values)


class _Seen:
    """The jobs that a transaction has read and locked: they stay as they are until its end."""

    def __init__(self) -> None:
        self._records: dict[str, JobRecord] = {}

    @property
    def ids(self) -> Set[str]:
        """Which they are."""
        return self._records.keys()

    def add(self, record: JobRecord) -> None:
        """It was read."""
        self._records[record.job.id] = record

    def get(self, job_id: str) -> JobRecord | None:
        """A job, if it was read."""
        return self._records.get(job_id)

    def drop(self, job_id: str) -> None:
        """It is being deleted."""
        self._records.pop(job_id, None)

    def clear(self) -> None:
        """The transaction is over."""
        self._records.clear()


def _event_columns(event: JobEvent) -> dict[str, Any]:
    return {"id": event.job_id, "event_id": int(event.id), "document": dump(event)}


def _turn(record: JobRecord) -> tuple[int, datetime, str]:
    """What the queue is ordered by."""
    return -record.job.priority, record.job.created_at, record.job.id
