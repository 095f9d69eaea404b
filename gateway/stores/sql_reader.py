"""What can be read through one connection, alike over every database; each lists jobs in its own way."""

import heapq
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import inf
from typing import Any, Protocol

from gateway.domain.job import Job, JobEvent, JobStart
from gateway.domain.model import load
from gateway.domain.node_store import NodeReader
from gateway.domain.queries import JobQuery
from gateway.domain.record import JobRecord, KeyRecord, Position, Remembered, Stored
from gateway.domain.words import DependencyCondition
from gateway.stores.sql_connection import SqlConnection
from gateway.stores.sql_digests import SqlDigestReader
from gateway.stores.sql_entries import EntryTables
from gateway.stores.sql_instants import to_instant, to_instant_or_none, to_number
from gateway.stores.sql_logs import SqlLogReader
from gateway.stores.sql_results import SqlResultReader
from gateway.stores.sql_rows import key_of, record_of
from gateway.stores.sql_schedules import SqlScheduleReader


class JobLists(Protocol):
    """How a database lists jobs, see SqlReader.jobs and SqlReader.count_jobs."""

    def page(
        self,
        query: JobQuery,
        *,
        organization_id: str | None,
        after: Position | None,
        limit: int,
        enough_bytes: float,
    ) -> list[Stored[Job]]:
        """At most `limit` jobs behind a position, in the order of the query."""

    def count(self, query: JobQuery, *, organization_id: str | None) -> int:
        """How many jobs match."""


class SqlReader:
    """The port JobReader over one connection, which the caller keeps in one transaction, but for what goes by
    node: that is each database's own, as are the parts that `__init__` is given.
    """

    def __init__(
        self,
        connection: SqlConnection,
        queries: Mapping[str, str],
        *,
        lists: JobLists,
        entries: EntryTables,
        nodes: NodeReader,
    ) -> None:
        self._db = connection
        self._sql = queries
        self._lists = lists
        self.results = SqlResultReader(connection, queries, entries)
        self.logs = SqlLogReader(connection, queries, entries)
        self.schedules = SqlScheduleReader(connection, queries)
        self.digests = SqlDigestReader(connection, queries)
        self.nodes = nodes

    def job(self, job_id: str) -> JobRecord | None:
        """A job with the engine's part."""
        row = self._row("job", {"id": job_id})
        return None if row is None else record_of(row)

    def document(self, job_id: str) -> Stored[Job] | None:
        """A job as replies show it, not parsed."""
        row = self._row("document", {"id": job_id})
        return None if row is None else Stored(Job, job_id, *row)

    def jobs(
        self,
        query: JobQuery,
        *,
        organization_id: str | None,
        after: Position | None,
        limit: int,
        enough_bytes: float = inf,
    ) -> list[Stored[Job]]:
        """At most `limit` jobs that match every filter of the query, in its order, behind a position."""
        return self._lists.page(
            query, organization_id=organization_id, after=after, limit=limit, enough_bytes=enough_bytes
        )

    def count_jobs(self, query: JobQuery, *, organization_id: str | None) -> int:
        """How many jobs match. Takes time in proportion to the number."""
        return self._lists.count(query, organization_id=organization_id)

    def events(self, job_id: str, *, after: int, limit: int) -> list[JobEvent]:
        """Entries of the history with an id larger than `after`, oldest first."""
        rows = self._rows("events", {"id": job_id, "after": after, "limit": limit})
        return [load(JobEvent, document) for (document,) in rows]

    def request(self, job_id: str) -> JobStart | None:
        """The request that started a job, secrets masked."""
        row = self._row("request", {"id": job_id})
        return None if row is None else load(JobStart, row[0])

    def secrets(self, job_id: str) -> dict[str, bytes]:
        """The sealed values of a job's secret variables, by name."""
        return dict(self._rows("secrets", {"id": job_id}))

    def open_dependencies(self, job_id: str) -> list[str]:
        """Ids of the jobs that a job still depends on, in the order of the request."""
        return self._column("open_dependencies", {"id": job_id})

    def dependents(self, job_id: str) -> list[tuple[str, DependencyCondition]]:
        """Ids and conditions of the jobs that still depend on a job, oldest first."""
        rows = self._rows("dependents", {"id": job_id})
        return [(dependent, DependencyCondition[condition]) for dependent, condition in rows]

    def lock_holder(self, organization_id: str, name: str) -> str | None:
        """Id of the job that is first in the queue of a lock."""
        holder: str | None = self._value("lock_holder", {"organization_id": organization_id, "name": name})
        return holder

    def blocking_locks(self, job_id: str) -> list[str]:
        """Names of the locks in whose queues a job has a place and is not first."""
        return self._column("blocking_locks", {"id": job_id})

    def due(self, now: datetime, limit: int) -> list[str]:
        """Ids of WAITING jobs whose `wake_at` has come, earliest first."""
        return self._column("due", {"now": to_number(now), "limit": limit})

    def next_wake(self) -> datetime | None:
        """The earliest `wake_at` of a WAITING job."""
        return to_instant_or_none(self._value("next_wake", {}))

    def queue(self, limit: int, *, skip_organizations: Sequence[str] = ()) -> list[str]:
        """Ids of SCHEDULED jobs that are not claimed: larger priority first, then older first."""
        if not skip_organizations:
            return self._column("queue", {"limit": limit})
        # One that is skipped may have most of the queue: the others are read one by one, and merged.
        waiting = set(self._column("queueing_organizations", {})) - set(skip_organizations)
        queues = [self._queue_of(organization, limit) for organization in sorted(waiting)]
        return [place[-1] for place in list(heapq.merge(*queues))[:limit]]

    def expired(self, now: datetime, limit: int) -> list[str]:
        """Ids of final jobs whose `expiresAt` has come, earliest first."""
        return self._column("expired", {"now": to_number(now), "limit": limit})

    def count_not_final(self, organization_id: str) -> int:
        """How many jobs of an organization are not final. Takes time in proportion to the number."""
        number: int = self._value("count_not_final", {"organization_id": organization_id})
        return number

    def remembered(self, organization_id: str, operation: str, key: str) -> Remembered | None:
        """The first request under an idempotency key."""
        names = {"organization_id": organization_id, "operation": operation, "key": key}
        row = self._row("remembered", names)
        if row is None:
            return None
        fingerprint, at, job_id, reply = row
        return Remembered(**names, fingerprint=fingerprint, at=to_instant(at), job_id=job_id, reply=reply)

    def oldest_remembered(self) -> datetime | None:
        """When the oldest request under an idempotency key was made."""
        return to_instant_or_none(self._value("oldest_remembered", {}))

    def key(self, key_id: str) -> KeyRecord | None:
        """An API key."""
        row = self._row("key", {"id": key_id})
        return None if row is None else key_of(row)

    def keys(self) -> list[KeyRecord]:
        """All API keys ever made, oldest first."""
        return [key_of(row) for row in self._rows("keys", {})]

    def has_keys(self) -> bool:
        """Whether any API key was ever made."""
        return bool(self._value("has_keys", {}))

    def _queue_of(self, organization_id: str, limit: int) -> list[Any]:
        """The queue of one organization: what it is ordered by, and the id."""
        return self._rows("queue_of_organization", {"organization_id": organization_id, "limit": limit})

    def _rows(self, name: str, values: Mapping[str, Any]) -> list[Any]:
        return self._db.execute(self._sql[name], values).fetchall()

    def _row(self, name: str, values: Mapping[str, Any]) -> Any:
        return self._db.execute(self._sql[name], values).fetchone()

    def _value(self, name: str, values: Mapping[str, Any]) -> Any:
        row = self._row(name, values)
        return None if row is None else row[0]

    def _column(self, name: str, values: Mapping[str, Any]) -> list[str]:
        return [row[0] for row in self._rows(name, values)]
