"""listJobs over SQLite: puts the query of a page together from the parts in sqlite/lists.sql.

Each filter has an index in the order of lists. One filter drives the query: it is read as ranges of its
index, one for each value, which SQLite merges and stops at the end of the page. The others are checked row
by row.
"""

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from math import inf
from typing import Any

from gateway.domain.job import Job
from gateway.domain.queries import JobQuery, words
from gateway.domain.record import Position, Stored
from gateway.stores.sql_instants import to_number
from gateway.stores.sqlite_drives import Drive, Drives, once

FEW = 1000
"""Up to here entries are counted to find the filter that drives."""

_MOST_AT_A_TIME = 16
_EVER = 2**62
_MOST_TEXTS = 200
# Stored(…) in two thirds of the time: it would unpack the row and pack it again.
_as_stored: Callable[[tuple[Any, ...]], Stored[Job]] = partial(tuple.__new__, Stored)


@dataclass(frozen=True)
class _Check:
    """A condition that each job is checked for, unless its filter drives."""

    filter: str
    sql: str
    values: dict[str, Any]
    by_place: bool = False
    """Whether it looks at the job's place alone, which other tables know, too."""


class SqliteJobLists:
    """Reads lists of jobs through one connection."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries
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
        values = _bounds(query, None)
        drive, checks = self._plan(query, organization_id, values)
        ranges = self._ranges(drive, checks, joined=False)
        if drive.overlapping:
            return self._number(f"SELECT count(*) FROM (\n{_places(drive, ranges)}\n)", values)
        return sum(self._number(f"SELECT count(*)\n{range_}", values) for range_ in ranges)

    def statement(
        self, query: JobQuery, *, organization_id: str | None, after: Position | None, limit: int
    ) -> tuple[str, dict[str, Any]]:
        """The SQL of a page and the values of its parameters."""
        values = {"limit": limit, **_bounds(query, after)}
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

    def _text(self, drive: Drive, checks: Sequence[_Check], *, descending: bool) -> str:
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
    ) -> tuple[Drive, list[_Check]]:
        """The filter that drives and the checks that are left; fills in the values of both."""
        drives = self._drives.of(query, organization_id, values)
        drive = drives[0]
        if len(drives) > 1:
            drive = min(drives, key=lambda drive: self._size(drive, values))
        checks = [check for check in self._checks(query) if check.filter != drive.filter]
        if organization_id is not None and not drive.organizations:
            checks.append(self._check("organization", organization_id))
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

    def _ranges(self, drive: Drive, checks: Sequence[_Check], *, joined: bool) -> list[str]:
        """The ranges with the checks; `joined` = with the jobs, also if no check needs them."""
        needed = drive.owner == "j" or not all(check.by_place for check in checks)
        ranges = drive.ranges(self._sql, joined=joined or (bool(checks) and needed))
        at, job_id = drive.place
        wanted = [check.sql.format(owner=drive.owner, at=at, id=job_id) for check in checks]
        return [" AND ".join([range_, *wanted]) for range_ in ranges]

    def _checks(self, query: JobQuery) -> Iterator[_Check]:
        single = {
            "user": query.user,
            "storage": query.storage_id,
            "schedule": query.scheduled_job_id,
            "dependent": query.dependent_job_id,
            "type": _array(query.job_type),
            "status": _array(query.job_status),
        }
        for name, value in single.items():
            if value:
                yield self._check(name, value)
        if tags := _array(query.tag):
            sql = self._sql["where_all_tags" if query.all_tags else "where_any_tag"]
            yield _Check("tags", sql, {"tags": tags}, by_place=True)
        if labels := _array(query.label):
            yield _Check("labels", self._sql["where_labels"], {"labels": labels}, by_place=True)
        for index, word in enumerate(words(query.text) if query.text else ()):
            name = f"word_{index}"
            yield _Check("words", self._sql["where_word"].replace("{value}", name), {name: word})

    def _check(self, name: str, value: str) -> _Check:
        return _Check(name, self._sql[f"where_{name}"], {name: value})

    def _number(self, sql: str, values: Mapping[str, Any]) -> int:
        number: int = self._db.execute(sql, values).fetchone()[0]
        return number


def _places(drive: Drive, ranges: Sequence[str]) -> str:
    """The places of the jobs in the ranges, each job once."""
    at, job_id = drive.place
    distinct = "DISTINCT " if drive.overlapping and len(ranges) == 1 else ""
    selects = [f"SELECT {distinct}{at} AS at, {job_id} AS id\n{range_}" for range_ in ranges]
    return ("\nUNION\n" if drive.overlapping else "\nUNION ALL\n").join(selects)


def _bounds(query: JobQuery, after: Position | None) -> dict[str, Any]:
    """The stretch of the order that is read; both ends lie outside."""
    low = (-_EVER if query.created_after is None else to_number(query.created_after), "")
    high = (_EVER if query.created_before is None else to_number(query.created_before), "")
    if after is not None:
        position = (to_number(after.created_at), after.id)
        low, high = (low, min(high, position)) if query.descending else (max(low, position), high)
    return {"low_at": low[0], "low_id": low[1], "high_at": high[0], "high_id": high[1]}


def _array(items: Sequence[str]) -> str | None:
    return json.dumps(once(items)) if items else None
