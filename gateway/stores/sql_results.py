"""Results of jobs: the ports ResultReader and ResultWriter over one connection."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.domain.job import Job
from gateway.domain.model import dump
from gateway.domain.record import Stored
from gateway.domain.result_store import Filters, Place, Records, Slice
from gateway.domain.results import JobResult, JobResultWrite
from gateway.domain.scalars import instant_text
from gateway.domain.words import ResultStatus
from gateway.stores.sql_connection import SqlConnection, SqlCursor
from gateway.stores.sql_entries import (
    ID_BITS,
    LAST_ID,
    EntryTables,
    Search,
    document_of,
    slice_of,
    stored,
)


class _StorageRow(NamedTuple):
    """A storage that is open."""

    number: int
    last_id: int
    result_count: int


class _RunRow(NamedTuple):
    """What a job wrote to a storage."""

    number: int
    result_count: int


class SqlResultReader:
    """The port ResultReader over one connection, which the caller keeps in one transaction."""

    def __init__(self, connection: SqlConnection, queries: Mapping[str, str], entries: EntryTables) -> None:
        self._db = connection
        self._sql = queries
        self._entries = entries("results")

    def takes_long(self, place: Place, filters: Filters, *, limit: int, counted: bool) -> bool:
        """Whether a page may take more than a millisecond."""
        search = self.search(place, filters)
        return search is not None and search.takes_long(limit=limit, counted=counted)

    def page(self, place: Place, filters: Filters, *, after: int, limit: int) -> Slice[JobResult]:
        """At most `limit` results with an id larger than `after`."""
        search = self.search(place, filters, after=after)
        if search is None:
            return Slice()
        numbers = self._entries.numbers(search, limit=limit)
        rows = self._entries.rows(search, numbers)
        return slice_of(JobResult, place.organization_id, rows, limit=limit)

    def count(self, place: Place, filters: Filters) -> int:
        """How many results fit."""
        search = self.search(place, filters)
        if search is None:
            return 0
        if filters != Filters():
            return self._entries.count(search)
        if place.job_id is not None:
            run = self._run(place.job_id, search.scope)
            return run.result_count if run else 0
        storage = self._storage(place.organization_id, place.storage_id)
        return storage.result_count if storage else 0

    def newest(self, organization_id: str, storage_id: str, records: Records) -> list[Stored[JobResult]]:
        """The result with the largest id of each record that has one, each result once."""
        storage = self._storage(organization_id, storage_id)
        if storage is None:
            return []
        wanted = [("newest_partner", partner) for partner in dict.fromkeys(records.partners)]
        wanted += [("newest_external", external) for external in dict.fromkeys(records.externals)]
        given = {"storage": storage.number, "job_type": records.job_type, "source": records.source}
        found: dict[int, None] = {}
        for name, value in wanted:
            newest = 0
            for status in ResultStatus:
                row = self._row(name, {**given, "value": value, "status": status.value, "low": newest})
                newest = newest if row is None else row[0]
            if newest:
                found[newest] = None
        return self._documents(organization_id, list(found))

    def some(self, organization_id: str, storage_id: str, ids: Sequence[int]) -> list[Stored[JobResult]]:
        """The results with these ids that are still there, in the order of the ids given."""
        storage = self._storage(organization_id, storage_id)
        if storage is None:
            return []
        return self._documents(organization_id, [storage.number << ID_BITS | id_ for id_ in ids])

    def has_remains(self) -> bool:
        """Whether there are removed results that still take up room."""
        return self._row("next_removed_run", {}) is not None

    def search(self, place: Place, filters: Filters, *, after: int = 0) -> Search | None:
        """What is looked for, as numbers; None when there can be nothing."""
        storage = self._storage(place.organization_id, place.storage_id)
        if storage is None:
            return None
        number = storage.number
        run = None if place.job_id is None else self._run(place.job_id, number)
        if place.job_id is not None and run is None:
            return None
        removed = self._db.execute(self._sql["removed_runs"], {"storage": number}).fetchall()
        if run is not None:
            removed = []
        return Search(
            scope=number,
            filters=filters,
            low=number << ID_BITS | min(after, LAST_ID),
            high=number << ID_BITS | LAST_ID,
            run=None if run is None else run.number,
            # A run that nobody else wrote into is passed over at once.
            hidden=[(first, last) for first, last, count in removed if last - first + 1 == count],
            checks=("where_result_seen",) if removed else (),
            values={"storage": number},
        )

    def _documents(self, organization_id: str, numbers: list[int]) -> list[Stored[JobResult]]:
        if not numbers:
            return []
        storage = numbers[0] >> ID_BITS
        search = Search(
            scope=storage,
            filters=Filters(),
            low=0,
            high=0,
            checks=("where_result_seen",),
            values={"storage": storage},
        )
        rows = self._entries.rows(search, numbers)
        return [stored(JobResult, organization_id, *row) for row in rows]

    def _storage(self, organization_id: str, storage_id: str) -> _StorageRow | None:
        row = self._row("storage", {"organization_id": organization_id, "id": storage_id})
        return None if row is None else _StorageRow(*row)

    def _run(self, job_id: str, storage: int) -> _RunRow | None:
        row = self._row("run", {"job_id": job_id, "storage": storage})
        return None if row is None else _RunRow(*row)

    def _row(self, name: str, values: Mapping[str, Any]) -> Any:
        return self._db.execute(self._sql[name], values).fetchone()


class SqlResultWriter(SqlResultReader):
    """The port ResultWriter over one connection."""

    def write(self, job: Job, storage_id: str, records: Sequence[JobResultWrite], at: datetime) -> int | None:
        """Store results of a job; the id of the first, or None when the storage is not open."""
        storage = self._storage(job.organization_id, storage_id)
        if storage is None:
            return None
        number, last_id, _ = storage
        first = last_id + 1
        base = number << ID_BITS
        run = self._run_of(job, number, base | first)
        known, created_at = {"jobId": job.id, "storageId": storage_id}, instant_text(at)
        rows = [
            (
                base | id_,
                number,
                run,
                record.business_partner_id,
                record.data_source_id,
                record.external_id,
                record.status.value,
                document_of(id_, known, dump(record), created_at),
            )
            for id_, record in enumerate(records, first)
        ]
        self._db.executemany(self._sql["insert_result"], rows)
        last_id += len(rows)
        self._do("grow_run", {"run": run, "last": base | last_id, "count": len(rows)})
        self._do("grow_storage", {"storage": number, "last_id": last_id, "count": len(rows)})
        return first

    def remove(self, organization_id: str, job_id: str, storage_id: str | None = None) -> int:
        """Remove what a job wrote, to one storage or to all; how many results."""
        names = {"organization_id": organization_id, "job_id": job_id, "storage_id": storage_id}
        removed = 0
        for run, storage, count in self._do("runs_of_job", names).fetchall():
            self._do("remove_run", {"run": run})
            self._do("shrink_storage", {"storage": storage, "count": count})
            removed += count
        return removed

    def sweep(self, limit: int) -> None:
        """Free the room of at most so many removed results."""
        row = self._row("next_removed_run", {})
        if row is not None:
            (run,) = row
            if self._do("sweep_results", {"run": run, "limit": limit}).rowcount < limit:
                self._do("delete_run", {"run": run})

    def _run_of(self, job: Job, storage: int, first: int) -> int:
        found = self._run(job.id, storage)
        if found is not None:
            return found.number
        values = {"storage": storage, "job_id": job.id, "job_type": job.type, "first": first}
        return int(self._do("insert_run", values).lastrowid or 0)

    def _do(self, name: str, values: Mapping[str, Any]) -> SqlCursor:
        return self._db.execute(self._sql[name], values)
