"""How results and log entries are found in SQLite: the two tables have the same columns and indexes.

Each filter is a stream of numbers, merged from one range of its index for each value and status. The streams
of all filters are intersected, and only the rows that come out are read. So a page costs what it shows, and
not what the storage holds.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pydantic_core import to_json

from gateway.domain.model import ModelT
from gateway.domain.record import Stored
from gateway.domain.result_store import PAGE_BYTES, Filters, Slice
from gateway.domain.words import ResultStatus
from gateway.stores.sqlite_streams import READ_AHEAD, Merged, Range, Stream, Without, common

ID_BITS = 40
"""A row's number is the storage's number followed by so many bits of the entry's id."""
LAST_ID = 2**ID_BITS - 1

_ROWS = 128
"""The most rows that are read at a time; many are long."""
_FEW_RANGES = 40
_FEW_ENTRIES = 500
"""Up to here a page takes no more than some milliseconds."""
_BOTH = tuple(status.value for status in ResultStatus)


@dataclass(frozen=True)
class Drive:
    """A filter as ranges of an index: one for each value and status."""

    name: str
    """The column, `run`, or `all` for no filter."""
    scope: int
    values: tuple[str | None, ...] = (None,)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for."""

    scope: int
    """The number of the storage or the log."""
    filters: Filters
    low: int
    """Only numbers above this one."""
    high: int
    """Only numbers up to this one."""
    run: int | None = None
    """Only what this run wrote."""
    hidden: Sequence[tuple[int, int]] = ()
    """Stretches of numbers that are passed over."""
    checks: tuple[str, ...] = ()
    """Names of the conditions that each row is checked for."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """The parameters of the conditions."""

    @property
    def drives(self) -> list[Drive]:
        """The filters that have an index; what usually finds least comes first."""
        filters = self.filters
        given = {"partner": filters.partners, "external": filters.externals, "source": filters.sources}
        drives = [
            Drive(name, self.scope, tuple(dict.fromkeys(values))) for name, values in given.items() if values
        ]
        if self.run is not None:
            drives.append(Drive("run", self.run))
        return drives or [Drive("all", self.scope)]

    @property
    def statuses(self) -> tuple[str, ...]:
        """The statuses that are looked for."""
        status = self.filters.status
        return _BOTH if status is None else (status.value,)

    def takes_long(self, *, limit: int, counted: bool) -> bool:
        """Whether a page may take more than a millisecond."""
        drives = self.drives
        return (
            limit > _FEW_ENTRIES
            or (counted and self.filters != Filters())
            or len(drives) > 1
            or len(drives[0].values) > _FEW_RANGES
            or bool(self.checks)
        )


class EntryTable:
    """One of the tables, through one connection."""

    def __init__(
        self, connection: sqlite3.Connection, queries: Mapping[str, str], *, table: str, scope: str
    ) -> None:
        self._db = connection
        self._sql = queries
        self._table = table
        of_all, of_value = queries["range_entries_all"], queries["range_entries_of"]
        self._ranges = {
            "all": of_all.format(table=table, index="status", column=scope),
            "run": of_all.format(table=table, index="run", column="run"),
        } | {
            column: of_value.format(table=table, scope=scope, filter=column)
            for column in ("partner", "source", "external")
        }

    def numbers(self, search: Search, *, limit: int) -> Iterator[int]:
        """The numbers that fit all filters and lie in no hidden stretch; some `limit` of them will be used.

        They are read while they are asked for. The conditions of the search are left to `rows`.
        """
        drives = search.drives
        streams: list[Stream] = []
        for drive in drives:
            count = len(drive.values) * len(search.statuses)
            first = limit + 1 if count <= 2 else 2 * limit // count + 4
            first = min(first, READ_AHEAD) if len(drives) == 1 else 8
            ranges = [self._range(*range_, first=first) for range_ in self.ranges(drive, search)]
            streams.append(ranges[0] if count == 1 else Merged(ranges))
        if search.hidden:
            streams.append(Without(search.hidden))
        return common(streams, search.low)

    def rows(
        self, columns: str, search: Search, numbers: Iterable[int], values: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
        """The rows with these numbers that pass the conditions of the search; the first column is the number.

        `values` are the parameters of the columns. Rows are read while they are asked for.
        """
        sql = self.statement(columns, search)
        given = {**search.values, **(values or {})}
        numbers = iter(numbers)
        while chunk := list(islice(numbers, _ROWS)):
            yield from self._db.execute(sql, {**given, "numbers": json.dumps(chunk)}).fetchall()

    def count(self, search: Search) -> int:
        """How many entries fit: the first filter is read from its index, the others are checked."""
        drive, *others = search.drives
        values = {**search.values, "low": search.low}
        checks = [self._sql[name] for name in search.checks]
        for other in others:
            if other.name == "run":
                checks.append(self._sql["where_entries_run"])
                values["run"] = other.scope
            else:
                checks.append(self._sql["where_entries_value"].format(filter=other.name))
                values[other.name] = json.dumps(other.values)
        found = 0
        for range_, given in self.ranges(drive, search):
            sql = " AND ".join([f"SELECT count(*)\n{range_}", *checks])
            found += self._db.execute(sql, {**values, **given}).fetchone()[0]
        return found

    def ranges(self, drive: Drive, search: Search) -> Iterator[tuple[str, dict[str, Any]]]:
        """The ranges of a filter with their parameters, but for `low`."""
        for value in drive.values:
            for status in search.statuses:
                given = {"scope": drive.scope, "value": value, "status": status, "high": search.high}
                yield self._ranges[drive.name], given

    def statement(self, columns: str, search: Search) -> str:
        """The SQL that reads the rows of some numbers, in the order of the numbers."""
        checks = [self._sql[name] for name in search.checks]
        source = f"FROM json_each(:numbers) AS n CROSS JOIN {self._table} AS e ON e.number = n.value"
        return " AND ".join([f"SELECT e.number, {columns}\n{source}", *checks])

    def _range(self, range_: str, values: Mapping[str, Any], *, first: int) -> Range:
        sql = f"SELECT e.number\n{range_}\nORDER BY e.number\nLIMIT :count"
        execute = self._db.execute

        def read(low: int, count: int) -> list[int]:
            return [number for (number,) in execute(sql, {**values, "low": low, "count": count})]

        return Range(read, first=first)


def document_of(id_: int, known: Mapping[str, str], record: bytes, created_at: str) -> bytes:
    """The document of a new entry: what was sent, in JSON, with what the gateway adds to it.

    Put together as text, which takes a quarter of the time that a model of the reply takes.
    """
    return b'{"id":"%d",%s,%s,"createdAt":"%s"}' % (
        id_,
        to_json(known)[1:-1],
        record[1:-1],
        created_at.encode(),
    )


def slice_of(
    model: type[ModelT], organization_id: str, rows: Iterable[tuple[int, bytes]], *, limit: int
) -> Slice[ModelT]:
    """A page of rows, which are a number and a document."""
    items: list[Stored[ModelT]] = []
    size = 0
    for number, document in rows:
        size += len(document)
        if len(items) == limit or (items and size > PAGE_BYTES):
            return Slice(items=items, more=True)
        items.append(stored(model, organization_id, number, document))
    return Slice(items=items)


def stored(model: type[ModelT], organization_id: str, number: int, document: bytes) -> Stored[ModelT]:
    """A document as replies show it."""
    return Stored(model, str(number & LAST_ID), organization_id, 0, document)
