"""listJobs over SQLite: puts the query of a page together from the parts in sqlite/lists.sql.

Each filter has an index in the order of lists. One filter drives the query: it is read as ranges of its
index, one for each value, which SQLite merges and stops at the end of the page. The others are checked row
by row.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.domain.job import Job
from gateway.domain.queries import JobQuery, words
from gateway.domain.record import Position, Stored
from gateway.stores.sqlite_instants import to_number

MAX_RANGES = 100
"""The most ranges that one query merges."""
MAX_SORTED = 20_000
"""The most entries of an index that are sorted for a page."""
FEW = 1000
"""Up to here entries are counted to find the filter that drives."""

_LAST_CHARACTER = "\U0010ffff"
_EVER = 2**62


@dataclass(frozen=True)
class _Drive:
    """A filter that can drive a query."""

    filter: str
    """The filter that needs no check any more; "" when it does."""
    range: str
    """Name of the ranges in lists.sql."""
    values: tuple[str, ...] = ()
    overlapping: bool = False
    """Whether a job can lie in two of the ranges."""
    sorted: bool = True
    """Whether the ranges are in the order of lists."""
    organizations: tuple[str, ...] | None = None
    """Organizations to read one by one; None = one, or all at once."""

    @property
    def key(self) -> str:
        """The columns that the ranges are ordered by."""
        child = self.range in ("range_dependent", "range_tag", "range_label", "range_word", "range_words")
        return "k.created_at, k.job_id" if child else "j.created_at, j.id"


class JobLists:
    """Reads pages of jobs through one connection."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries

    def page(
        self, query: JobQuery, *, organization_id: str | None, after: Position | None, limit: int
    ) -> list[Stored[Job]]:
        """At most `limit` jobs behind a position, in the order of the query."""
        sql, values = self.statement(query, organization_id=organization_id, after=after, limit=limit)
        return [Stored(Job, *row) for row in self._db.execute(sql, values)]

    def statement(
        self, query: JobQuery, *, organization_id: str | None, after: Position | None, limit: int
    ) -> tuple[str, dict[str, Any]]:
        """The SQL of a page and the values of its parameters."""
        values = {"limit": limit, **_bounds(query, after)}
        drive, terms = self._plan(query, organization_id, values)
        direction = "DESC" if query.descending else "ASC"
        shown = "j.id, j.organization_id, j.version, CAST(j.document AS BLOB)"
        first, second = drive.key.split(", ")
        if len(terms) == 1 and drive.sorted:
            order = f"{first} {direction}, {second} {direction}"
            return f"SELECT {shown}\n{terms[0]}\nORDER BY {order}\nLIMIT :limit", values
        page = f"{_keys(drive, terms)}\nORDER BY 1 {direction}, 2 {direction}\nLIMIT :limit"
        return (
            f"SELECT {shown}\nFROM (\n{page}\n) AS page CROSS JOIN jobs AS j ON j.id = page.id\n"
            f"ORDER BY page.at {direction}, page.id {direction}"
        ), values

    def count(self, query: JobQuery, *, organization_id: str | None) -> int:
        """How many jobs match."""
        values = _bounds(query, None)
        drive, terms = self._plan(query, organization_id, values)
        if drive.overlapping:
            return self._number(f"SELECT count(*) FROM (\n{_keys(drive, terms)}\n)", values)
        return sum(self._number(f"SELECT count(*)\n{term}", values) for term in terms)

    def _plan(
        self, query: JobQuery, organization_id: str | None, values: dict[str, Any]
    ) -> tuple[_Drive, list[str]]:
        """The filter that drives, and its ranges with the checks of the others; fills in the values."""
        checks = _checks(query)
        for value in checks.values():
            values.update(value)
        if organization_id is not None:
            values["organization"] = organization_id
        drive = self._choose(query, organization_id, values)
        terms = self._terms(drive, values)
        wanted = [self._sql[f"where_{name}"] for name in checks if name != drive.filter]
        if organization_id is not None and drive.range in ("range_schedule", "range_dependent"):
            wanted.append(self._sql["where_organization"])
        return drive, [" AND ".join([term, *wanted]) for term in terms]

    def _choose(self, query: JobQuery, organization_id: str | None, values: dict[str, Any]) -> _Drive:
        drives = list(self._drives(query, organization_id))
        if not drives:
            return _Drive("", "range_all" if organization_id is None else "range_organization")
        if len(drives) == 1:
            return drives[0]
        return min(drives, key=lambda drive: self._size(drive, values))

    def _size(self, drive: _Drive, values: dict[str, Any]) -> int:
        """How many entries the ranges of a filter have, counted up to FEW."""
        size = 0
        mine = dict(values)
        for term in self._terms(drive, mine):
            left = {**mine, "few": FEW - size}
            size += self._number(f"SELECT count(*) FROM (SELECT 1\n{term}\nLIMIT :few)", left)
            if size >= FEW:
                break
        return size

    def _drives(self, query: JobQuery, organization_id: str | None) -> Iterable[_Drive]:
        """The filters that can drive, the one that usually finds least first."""
        everywhere = organization_id is None
        if query.dependent_job_id:
            yield _Drive("dependent", "range_dependent", (query.dependent_job_id,))
        if query.scheduled_job_id:
            yield _Drive("schedule", "range_schedule", (query.scheduled_job_id,))
        organizations = self._organizations() if everywhere else None
        for drive in self._drives_by_organization(query, organization_id, organizations):
            if len(drive.values) * len(organizations or "1") <= MAX_RANGES:
                yield drive
        ending = "_anywhere" if everywhere else ""
        if query.job_type:
            yield _Drive("type", "range_type" + ending, _once(query.job_type))
        if query.job_status:
            yield _Drive("status", "range_status" + ending, _once(query.job_status))

    def _drives_by_organization(
        self, query: JobQuery, organization_id: str | None, organizations: tuple[str, ...] | None
    ) -> Iterable[_Drive]:
        among = organizations
        if query.storage_id:
            yield _Drive("storage", "range_storage", (query.storage_id,), organizations=among)
        labels = _once(query.label)
        for label in labels:
            covers = "all_labels" if len(labels) == 1 else ""
            yield _Drive(covers, "range_label", (label,), organizations=among)
        tags = _once(query.tag)
        if query.all_tags:
            for tag in tags:
                covers = "all_tags" if len(tags) == 1 else ""
                yield _Drive(covers, "range_tag", (tag,), organizations=among)
        elif tags:
            yield _Drive("any_tag", "range_tag", tags, overlapping=len(tags) > 1, organizations=among)
        if query.text:
            those = (organization_id,) if organization_id is not None else among
            yield from self._drives_by_words(words(query.text), those or ())
        if query.user:
            yield _Drive("user", "range_user", (query.user,), organizations=among)

    def _drives_by_words(self, beginnings: Sequence[str], among: tuple[str, ...]) -> Iterable[_Drive]:
        """Words that begin so are known one by one, or have few entries; else the filter cannot drive."""
        for beginning in beginnings:
            covers = "all_words" if len(beginnings) == 1 else ""
            bounds = {"low": beginning, "high": beginning + _LAST_CHARACTER}
            found: set[str] = set()
            entries = 0
            for organization in among:
                values = {"organization": organization, **bounds}
                known = {**values, "limit": MAX_RANGES + 1}
                found.update(row[0] for row in self._db.execute(self._sql["words_from"], known))
                if len(found) > MAX_RANGES:
                    entries += self._number(self._sql["entries_from"], {**values, "limit": MAX_SORTED + 1})
            if len(found) * len(among) <= MAX_RANGES:
                some = tuple(sorted(found)) or (beginning,)
                yield _Drive(covers, "range_word", some, overlapping=len(some) > 1, organizations=among)
            elif entries <= MAX_SORTED and len(among) == 1:
                yield _Drive(
                    covers, "range_words", (beginning,), overlapping=True, sorted=False, organizations=among
                )

    def _terms(self, drive: _Drive, values: dict[str, Any]) -> list[str]:
        """One range for each value and organization; names and fills in their parameters."""
        among = ["organization"]
        if drive.organizations is not None:
            among = [f"organization_{index}" for index in range(len(drive.organizations))]
            values.update(zip(among, drive.organizations, strict=True))
        text = self._sql[drive.range]
        if not drive.values:
            return [text.format(organization=name) for name in among]
        names = [f"value_{index}" for index in range(len(drive.values))]
        values.update(zip(names, drive.values, strict=True))
        if drive.range == "range_words":
            values["value_0_end"] = drive.values[0] + _LAST_CHARACTER
        return [text.format(organization=one, value=name) for one in among for name in names]

    def _organizations(self) -> tuple[str, ...]:
        rows = self._db.execute(self._sql["organizations"], {"limit": MAX_RANGES + 1})
        return tuple(row[0] for row in rows)

    def _number(self, sql: str, values: Mapping[str, Any]) -> int:
        number: int = self._db.execute(sql, values).fetchone()[0]
        return number


def _keys(drive: _Drive, terms: list[str]) -> str:
    """The places of the jobs in the ranges, each job once."""
    first, second = drive.key.split(", ")
    distinct = "DISTINCT " if drive.overlapping and len(terms) == 1 else ""
    selects = [f"SELECT {distinct}{first} AS at, {second} AS id\n{term}" for term in terms]
    return ("\nUNION\n" if drive.overlapping else "\nUNION ALL\n").join(selects)


def _bounds(query: JobQuery, after: Position | None) -> dict[str, Any]:
    """The stretch of the order that a page is taken from; both ends lie outside."""
    low = (-_EVER if query.created_after is None else to_number(query.created_after), "")
    high = (_EVER if query.created_before is None else to_number(query.created_before), "")
    if after is not None:
        position = (to_number(after.created_at), after.id)
        low, high = (low, min(high, position)) if query.descending else (max(low, position), high)
    return {"low_at": low[0], "low_id": low[1], "high_at": high[0], "high_id": high[1]}


def _checks(query: JobQuery) -> dict[str, dict[str, Any]]:
    """The filters of a query: names of their conditions in lists.sql, with the values of the parameters."""
    given: dict[str, dict[str, Any]] = {
        "user": {"user": query.user},
        "storage": {"storage": query.storage_id},
        "type": {"types": _array(query.job_type)},
        "status": {"statuses": _array(query.job_status)},
        "schedule": {"schedule": query.scheduled_job_id},
        "dependent": {"dependent": query.dependent_job_id},
        "all_tags" if query.all_tags else "any_tag": {"tags": _array(query.tag)},
        "all_labels": {"labels": _array(query.label)},
        "all_words": {"words": _array(words(query.text)) if query.text else None},
    }
    return {name: value for name, value in given.items() if all(value.values())}


def _array(items: Sequence[str]) -> str | None:
    return json.dumps(items) if items else None


def _once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(item) for item in items))
