"""How results and log entries are found in PostgreSQL: the two tables have the same columns and indexes.

One filter drives: a stretch of its index is read for each of its values and statuses, no further than a page
is long, and the other filters are checked row by row. It is the one that finds least, which a few entries of
each tell.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from gateway.stores.postgres_connection import Connection
from gateway.stores.sql_connection import SqlCursor
from gateway.stores.sql_entries import SCOPES, Drive, Search

READ_AHEAD = 1024
"""The most numbers that are read at a time."""
FEW = 1000
"""Up to here entries are counted to find the filter that drives."""
ROWS = 128
"""The most rows that are read at a time; many are long."""
_ALL = 2**62


class _Numbers:
    """Numbers of entries, and how many of them will be used."""

    def __init__(self, numbers: Iterator[int], wanted: int) -> None:
        self._numbers = numbers
        self.wanted = wanted

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        return next(self._numbers)


class PostgresEntries:
    """One of the tables, through one connection."""

    def __init__(self, connection: Connection, queries: Mapping[str, str], table: str) -> None:
        self._db = connection
        self._sql = queries
        self._table = table
        self._scope = SCOPES[table]

    def numbers(self, search: Search, *, limit: int) -> Iterator[int]:
        """The numbers that fit all filters and lie in no hidden stretch; some `limit` of them will be used.

        They are read while they are asked for. The conditions of the search are left to `rows`.
        """
        return _Numbers(self._numbers(search, limit), limit + 1)

    def rows(
        self, search: Search, numbers: Iterable[int], values: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
        """The rows with these numbers that pass the conditions of the search, see EntryTable.

        Of what is read no more is looked up at a time than will be used.
        """
        sql = self._statement(search)
        given = {**search.values, **(values or {})}
        size = min(ROWS, numbers.wanted) if isinstance(numbers, _Numbers) else ROWS
        left = iter(numbers)
        while chunk := list(islice(left, size)):
            yield from self._db.execute(sql, {**given, "numbers": chunk}).fetchall()

    def _numbers(self, search: Search, limit: int) -> Iterator[int]:
        drives = self._driving_first(search)
        for low, high in _visible(search):
            after, count = low, min(limit + 1, READ_AHEAD)
            while True:
                rows = self._read("entry_numbers", search, drives, low=after, high=high, count=count)
                found = rows.fetchall()
                yield from (number for (number,) in found)
                if len(found) < count:
                    break
                after, count = found[-1][0], READ_AHEAD

    def count(self, search: Search) -> int:
        """How many entries fit."""
        return self._count(search, self._driving_first(search), checks=search.checks)

    def _statement(self, search: Search) -> str:
        """The SQL that reads the rows of some numbers, in the order of the numbers."""
        columns = self._sql[f"columns_{self._table}"]
        checks = " AND ".join([self._sql[name] for name in search.checks])
        return self._sql["entries_by_number"].format(
            columns=columns, table=self._table, checks=checks or "TRUE"
        )

    def _driving_first(self, search: Search) -> list[Drive]:
        drives = search.drives
        if len(drives) == 1:
            return drives
        sizes = {drive: self._count(search, [drive], count=FEW) for drive in drives}
        return sorted(drives, key=sizes.__getitem__)

    def _count(
        self, search: Search, drives: Sequence[Drive], *, checks: Sequence[str] = (), count: int = _ALL
    ) -> int:
        number: int = self._read(
            "count_entries", search, drives, low=search.low, high=search.high, count=count, checks=checks
        ).fetchone()[0]
        return number

    def _read(
        self,
        name: str,
        search: Search,
        drives: Sequence[Drive],
        *,
        low: int,
        high: int,
        count: int,
        checks: Sequence[str] = (),
    ) -> SqlCursor:
        drive, *others = drives
        column = "run" if drive.name == "run" else self._scope
        parts = [self._sql["source_entries"].format(table=self._table, column=column)]
        if drive.name not in ("run", "all"):
            parts.append(self._sql["where_entry_has"].format(filter=drive.name))
        values: dict[str, Any] = {
            **search.values,
            "scope": drive.scope,
            "values": list(drive.values),
            "statuses": list(search.statuses),
            "low": low,
            "high": high,
            "count": count,
        }
        for other in others:
            if other.name == "run":
                parts.append(self._sql["where_entries_run"])
                values["run"] = other.scope
            else:
                parts.append(self._sql["where_entries_value"].format(filter=other.name))
                values[other.name] = list(other.values)
        parts += [self._sql[check] for check in checks]
        return self._db.execute(self._sql[name].format(source=" AND ".join(parts)), values)


def _visible(search: Search) -> Iterator[tuple[int, int]]:
    """The bounds of a search without its hidden stretches: the lower lies outside, the upper inside."""
    low = search.low
    for first, last in sorted(search.hidden):
        if low < first - 1:
            yield low, min(first - 1, search.high)
        low = max(low, last)
        if low >= search.high:
            return
    yield low, search.high
