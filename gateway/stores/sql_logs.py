"""Processing logs: the ports LogReader and LogWriter over one connection."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from pydantic_core import to_json

from gateway.domain.log_store import Log
from gateway.domain.processing_logs import ProcessingLogEntry, ProcessingLogEntryWrite
from gateway.domain.result_store import Filters, Slice
from gateway.domain.scalars import instant_text
from gateway.stores.sql_connection import SqlConnection, SqlCursor
from gateway.stores.sql_entries import ID_BITS, LAST_ID, EntryTables, Search, document_of, slice_of
from gateway.stores.sql_instants import to_instant, to_instant_or_none, to_number, to_number_or_none


class _LogRow(NamedTuple):
    """A log that has had an entry."""

    number: int
    entry_count: int
    in_order: int
    """1 when no entry is older than one with a smaller id."""
    storage: int
    last_id: int


class SqlLogReader:
    """The port LogReader over one connection, which the caller keeps in one transaction."""

    def __init__(self, connection: SqlConnection, queries: Mapping[str, str], entries: EntryTables) -> None:
        self._db = connection
        self._sql = queries
        self._entries = entries("log_entries")

    def takes_long(self, log: Log, filters: Filters, *, limit: int, counted: bool) -> bool:
        """Whether a page may take more than a millisecond."""
        search = self.search(log, filters)
        return search is not None and search.takes_long(limit=limit, counted=counted)

    def page(
        self, log: Log, filters: Filters, *, after: int, limit: int, data: Callable[[str], str] | None
    ) -> Slice[ProcessingLogEntry]:
        """At most `limit` entries with an id larger than `after`, with what `data` makes of their data."""
        search = self.search(log, filters, after=after)
        if search is None:
            return Slice()
        numbers = self._entries.numbers(search, limit=limit)
        rows = self._entries.rows(search, numbers, {"data": data is not None})
        shown = ((number, _shown(document, text, data)) for number, document, text in rows)
        return slice_of(ProcessingLogEntry, log.organization_id, shown, limit=limit)

    def count(self, log: Log, filters: Filters) -> int:
        """How many entries fit."""
        search = self.search(log, filters)
        if search is None:
            return 0
        found = self._log(log)
        if found is not None and filters == Filters() and not search.checks:
            return found.entry_count
        return self._entries.count(search)

    def has_remains(self) -> bool:
        """Whether there are removed entries that still take up room."""
        return self._row("next_removal", {}) is not None

    def search(self, log: Log, filters: Filters, *, after: int = 0) -> Search | None:
        """What is looked for, as numbers; None when there can be nothing."""
        found = self._log(log)
        if found is None:
            return None
        base = found.storage << ID_BITS
        removals = self._db.execute(self._sql["removals"], {"log": found.number}).fetchall()
        search = Search(
            scope=found.number,
            filters=filters,
            low=base | min(after, LAST_ID),
            high=base | LAST_ID,
            hidden=self._hidden(found, removals),
            checks=("where_entry_seen",) if removals else (),
            values={"log": found.number},
        )
        return self._between(search, in_order=bool(found.in_order))

    def _between(self, search: Search, *, in_order: bool) -> Search | None:
        """The search with its instants as bounds of the numbers, where these follow the instants; else as
        conditions. None when there can be nothing.
        """
        after, before = search.filters.created_after, search.filters.created_before
        low, high, checks, values = search.low, search.high, search.checks, dict(search.values)
        if after is not None:
            if in_order:
                first = self._first_at(search.scope, after)
                if first is None:
                    return None
                low = max(low, first - 1)
            else:
                checks += ("where_entry_after",)
                values["created_after"] = to_number(after)
        if before is not None:
            if in_order:
                first = self._first_at(search.scope, before)
                high = high if first is None else min(high, first - 1)
            else:
                checks += ("where_entry_before",)
                values["created_before"] = to_number(before)
        return replace(search, low=low, high=high, checks=checks, values=values)

    def _hidden(self, log: _LogRow, removals: Sequence[Any]) -> list[tuple[int, int]]:
        """The stretch that removals by time alone have cut off at the beginning."""
        end = 0
        for up_to, before, *lists in removals:
            if log.in_order and lists == [None, None, None]:
                first = self._first_at(log.number, to_instant(before))
                end = max(end, up_to if first is None else min(up_to, first - 1))
        return [(log.storage << ID_BITS, end)] if end else []

    def _first_at(self, log: int, at: datetime) -> int | None:
        row = self._row("first_entry_at", {"log": log, "at": to_number(at)})
        return None if row is None else int(row[0])

    def _log(self, log: Log) -> _LogRow | None:
        names = {"organization_id": log.organization_id, "storage_id": log.storage_id, "id": log.id.value}
        row = self._row("log", names)
        return None if row is None else _LogRow(*row)

    def _row(self, name: str, values: Mapping[str, Any]) -> Any:
        return self._db.execute(self._sql[name], values).fetchone()


class SqlLogWriter(SqlLogReader):
    """The port LogWriter over one connection."""

    def write(self, log: Log, entries: Sequence[ProcessingLogEntryWrite], at: datetime) -> int:
        """Store entries, opening the storage if need be; the id of the first."""
        names = {"organization_id": log.organization_id, "id": log.storage_id}
        self._do("open_storage", {**names, "at": to_number(at)})
        storage: int
        last_id: int
        storage, last_id, _ = self._row("storage", names)
        number = self._number(log, storage, at)
        first, base = last_id + 1, storage << ID_BITS
        known = {"processingLogId": log.id.value, "storageId": log.storage_id}
        created_at, at_number = instant_text(at), to_number(at)
        rows = [
            (
                base | id_,
                number,
                entry.business_partner_id,
                entry.data_source_id,
                entry.external_id,
                entry.status.value,
                at_number,
                document_of(id_, known, _without_data(entry), created_at),
                entry.result_data,
            )
            for id_, entry in enumerate(entries, first)
        ]
        self._db.executemany(self._sql["insert_entry"], rows)
        self._do("grow_log", {"log": number, "count": len(rows), "at": at_number})
        self._do("grow_storage", {"storage": storage, "last_id": last_id + len(rows), "count": 0})
        return first

    def remove(self, log: Log, filters: Filters) -> bool:
        """Remove the entries that fit; false when the log is empty."""
        found = self._log(log)
        if found is None or not found.entry_count:
            return False
        removal = {
            "log": found.number,
            "up_to": found.storage << ID_BITS | found.last_id,
            "created_before": to_number_or_none(filters.created_before),
            "partners": _array(filters.partners),
            "sources": _array(filters.sources),
            "externals": _array(filters.externals),
        }
        self._do("insert_removal", removal)
        return True

    def sweep(self, limit: int) -> None:
        """Free the room of at most so many removed entries."""
        row = self._row("next_removal", {})
        if row is None:
            return
        removal, log, up_to, swept, before, partners, sources, externals, in_order = row
        filters = Filters(
            partners=_list(partners),
            sources=_list(sources),
            externals=_list(externals),
            created_before=to_instant_or_none(before),
        )
        search = Search(scope=log, filters=filters, low=swept, high=up_to)
        bounded = self._between(search, in_order=bool(in_order)) or search
        numbers = list(islice(self._entries.numbers(bounded, limit=limit), limit))
        # Where the numbers do not follow the instants, not all of these are meant.
        values = {"numbers": json.dumps(numbers), "before": before}
        gone = self._do("sweep_entries", values).rowcount
        self._do("shrink_log", {"log": log, "count": gone})
        if len(numbers) < limit:
            self._do("delete_removal", {"removal": removal})
        else:
            self._do("sweep_on", {"removal": removal, "swept": numbers[-1]})

    def _number(self, log: Log, storage: int, at: datetime) -> int:
        found = self._log(log)
        if found is not None:
            return found.number
        values = {"storage": storage, "id": log.id.value, "at": to_number(at)}
        return int(self._do("insert_log", values).lastrowid or 0)

    def _do(self, name: str, values: Mapping[str, Any]) -> SqlCursor:
        return self._db.execute(self._sql[name], values)


def _without_data(entry: ProcessingLogEntryWrite) -> bytes:
    return entry.model_dump_json(by_alias=True, exclude_none=True, exclude={"result_data"}).encode()


def _shown(document: bytes, text: str | None, data: Callable[[str], str] | None) -> bytes:
    """The document of an entry with what is shown of its result data."""
    if text is None or data is None:
        return document
    return b'%s,"resultData":%s}' % (document[:-1], to_json(data(text)))


def _array(values: Sequence[str]) -> str | None:
    return json.dumps(values) if values else None


def _list(array: str | None) -> tuple[str, ...]:
    return tuple(json.loads(array)) if array else ()
