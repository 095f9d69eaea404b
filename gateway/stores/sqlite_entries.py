"""How results and log entries are found in SQLite: the two tables have the same columns and indexes.

Each filter is a stream of numbers, merged from one range of its index for each value and status. The streams
of all filters are intersected, and only the rows that come out are read. So a page costs what it shows, and
not what the storage holds.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from gateway.stores.sql_entries import SCOPES, Drive, Search
from gateway.stores.sqlite_streams import READ_AHEAD, Merged, Range, Stream, Without, common

_ROWS = 128
"""The most rows that are read at a time; many are long."""


class SqliteEntries:
    """One of the tables, through one connection."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str], table: str) -> None:
        self._db = connection
        self._sql = queries
        self._table = table
        scope = SCOPES[table]
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
        self, search: Search, numbers: Iterable[int], values: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
        """The rows with these numbers that pass the conditions of the search, see EntryTable."""
        sql = self._statement(search)
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

    def _statement(self, search: Search) -> str:
        """The SQL that reads the rows of some numbers, in the order of the numbers."""
        columns = self._sql[f"columns_{self._table}"]
        checks = [self._sql[name] for name in search.checks]
        source = f"FROM json_each(:numbers) AS n CROSS JOIN {self._table} AS e ON e.number = n.value"
        return " AND ".join([f"SELECT e.number, {columns}\n{source}", *checks])

    def _range(self, range_: str, values: Mapping[str, Any], *, first: int) -> Range:
        sql = f"SELECT e.number\n{range_}\nORDER BY e.number\nLIMIT :count"
        execute = self._db.execute

        def read(low: int, count: int) -> list[int]:
            return [number for (number,) in execute(sql, {**values, "low": low, "count": count})]

        return Range(read, first=first)
