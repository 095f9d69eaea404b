"""listJobs over SQLite: puts the query of a page together from the parts in sqlite/lists.sql.

Each filter has an index in the order of lists. One filter drives the query: it is read as ranges of its
index, one for each value, which SQLite merges and stops at the end of the page. The others are checked row
by row.
"""

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from math import inf
from typing import Any

from gateway.domain.job import Job
from gateway.domain.queries import JobQuery
from gateway.domain.record import Position, Stored
from gateway.stores.sql_lists import Check, Checks, bounds_of
from gateway.stores.sqlite_drives import Drive, Drives

FEW = 1000
"""Up to here entries are counted to find the filter that drives."""

_MOST_AT_A_TIME = 16
_MOST_TEXTS = 200
# Stored(…) in two thirds of the time: it would unpack the row and pack it again.
_as_stored: Callable[[tuple[Any, ...]], Stored[Job]] = partial(tuple.__new__, Stored)


class SqliteJobLists:
    """Reads lists of jobs through one connection."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries
        self._checks = Checks(queries, array=json.dumps)
        self._drives = Drives(connection, queries)
        self._texts: dict[tuple[Any, ...], str] = {}

    def page(
        self,
        query: JobQuery,
        *,
        organization_id: str | None,
        after: Position | None,
        limit: int,
        enough_bytes: float = inf,
    ) -> list[Stored[Job]]:
        """At most `limit` jobs behind a position, in the order of the query; one more than make
        `enough_bytes`.
        """
        sql, values = self.statement(query, organization_id=organization_id, after=after, limit=limit)
        found: list[Stored[Job]] = []
        size, rows_at_a_time = 0, 1
        cursor = self._db.execute(sql, values)
        # The more small ones there were, the more come at a time; of large ones few too many are read.
        while size < enough_bytes and (rows := cursor.fetchmany(rows_at_a_time)):
            found += [_as_stored((Job, *row)) for row in rows]
            size += sum([len(row[-1]) for row in rows])
            rows_at_a_time = min(2 * rows_at_a_time, _MOST_AT_A_TIME)
        if size < enough_bytes:
            return found
        found += [_as_stored((Job, *row)) for row in cursor.fetchmany(1)]
        ends = list(accumulate([len(stored.json) for stored in found]))
        return found[: bisect_left(ends, enough_bytes) + 2]

    def count(self, query: JobQuery, *, organization_id: str | None) -> int:
        """How many jobs match."""
        values = bounds_of(query, None)
        drive, checks = self._plan(query, organization_id, values)
        ranges = self._ranges(drive, checks, joined=False)
        if drive.overlapping:
            return self._number(f"SELECT count(*) FROM (\n{_places(drive, ranges)}\n)", values)
        return sum(self._number(f"SELECT count(*)\n{range_}", values) for range_ in ranges)

    def statement(
        self, query: JobQuery, *, organization_id: str | None, after: Position | None, limit: int
    ) -> tuple[str, dict[str, Any]]:
        """The SQL of a page and the values of its parameters."""
        values = {"limit": limit, **bounds_of(query, after)}
        drive, checks = self._plan(query, organization_id, values)
        # All that the text depends on; values are parameters, of which only the number counts.
        conditions = tuple([check.sql for check in checks])
        sizes = (len(drive.values), len(drive.organizations), bool(drive.words))
        form = (drive.range, *sizes, conditions, query.descending)
        text = self._texts.get(form)
        if text is None:
            if len(self._texts) == _MOST_TEXTS:
                self._texts.clear()
            text = self._texts[form] = self._text(drive, checks, descending=query.descending)
        return text, values

    def _text(self, drive: Drive, checks: Sequence[Check], *, descending: bool) -> str:
        direction = "DESC" if descending else "ASC"
        shown = "j.id, j.organization_id, j.version, CAST(j.document AS BLOB)"
        ranges = self._ranges(drive, checks, joined=True)
        if len(ranges) == 1 and drive.sorted:
            order = ", ".join(f"{column} {direction}" for column in drive.place)
            return f"SELECT {shown}\n{ranges[0]}\nORDER BY {order}\nLIMIT :limit"
        if drive.words:
            drive = drive.merged(descending=descending)
        ranges = self._ranges(drive, checks, joined=False)
        # What is merged comes in order; SQLite does not know that, and would read all of it to sort it.
        order = "" if drive.words else f"ORDER BY 1 {direction}, 2 {direction}\n"
        page = f"{_places(drive, ranges)}\n{order}LIMIT :limit"
        return (
            f"SELECT {shown}\nFROM (\n{page}\n) AS page CROSS JOIN jobs AS j ON j.id = page.id\n"
            f"ORDER BY page.at {direction}, page.id {direction}"
        )

    def _plan(
        self, query: JobQuery, organization_id: str | None, values: dict[str, Any]
    ) -> tuple[Drive, list[Check]]:
        """The filter that drives and the checks that are left; fills in the values of both."""
        drives = self._drives.of(query, organization_id, values)
        drive = drives[0]
        if len(drives) > 1:
            drive = min(drives, key=lambda drive: self._size(drive, values))
        checks = [check for check in self._checks.of(query) if check.filter != drive.filter]
        if organization_id is not None and not drive.organizations:
            checks.append(self._checks.one("organization", organization_id))
        for check in checks:
            values.update(check.values)
        values.update(drive.parameters)
        return drive, checks

    def _size(self, drive: Drive, bounds: Mapping[str, Any]) -> int:
        """How many entries the ranges of a filter have, counted up to FEW."""
        size = 0
        for range_ in drive.ranges(self._sql, joined=False):
            values = {**bounds, **drive.parameters, "few": FEW - size}
            size += self._number(f"SELECT count(*) FROM (SELECT 1\n{range_}\nLIMIT :few)", values)
            if size >= FEW:
                break
        return size

    def _ranges(self, drive: Drive, checks: Sequence[Check], *, joined: bool) -> list[str]:
        """The ranges with the checks; `joined` = with the jobs, also if no check needs them."""
        needed = drive.owner == "j" or not all(check.by_place for check in checks)
        ranges = drive.ranges(self._sql, joined=joined or (bool(checks) and needed))
        at, job_id = drive.place
        wanted = [check.sql.format(owner=drive.owner, at=at, id=job_id) for check in checks]
        return [" AND ".join([range_, *wanted]) for range_ in ranges]

    def _number(self, sql: str, values: Mapping[str, Any]) -> int:
        number: int = self._db.execute(sql, values).fetchone()[0]
        return number


def _places(drive: Drive, ranges: Sequence[str]) -> str:
    """The places of the jobs in the ranges, each job once."""
    at, job_id = drive.place
    distinct = "DISTINCT " if drive.overlapping and len(ranges) == 1 else ""
    selects = [f"SELECT {distinct}{at} AS at, {job_id} AS id\n{range_}" for range_ in ranges]
    return ("\nUNION\n" if drive.overlapping else "\nUNION ALL\n").join(selects)
