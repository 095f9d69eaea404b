"""listJobs over PostgreSQL: puts the query of a page together from the parts in postgres/lists.sql.

Each filter has an index in the order of lists. One filter drives the query: a stretch of its index is read
for each of its values, no further than a page is long, and the first jobs of all stretches are the page. The
other filters are checked row by row. Which one drives is decided here, by counting a few entries of each, so
that it does not rest on statistics that may be old.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from gateway.domain.job import Job
from gateway.domain.queries import JobQuery, words
from gateway.domain.record import Position, Stored
from gateway.stores.postgres_connection import Connection
from gateway.stores.sql_lists import ALWAYS, Check, Checks, bounds_of, once

FEW = 1000
"""Up to here entries are counted to find the filter that drives."""
MAX_STRETCHES = 100
"""The most stretches that one page is read from; as many values as a filter may have."""
MAX_SORTED = 10_000
"""The most entries of words that are sorted for a page."""
MAX_WORDS = 5_000
"""The most words whose entries are read one stretch each."""
PROBED = 1_000
"""In so many jobs from where a page begins it is looked for a word before its entries are read."""

_JOIN = "JOIN jobs AS j ON j.id = k.job_id"
_WITH_ORGANIZATION = frozenset({"tag", "label", "word", "words"})
"""Sources that know the organization and the place of a job without the job itself."""


@dataclass(frozen=True)
class _Drive:
    """A filter that can drive a query."""

    filter: str
    """The filter that needs no check any more; empty when it does."""
    source: str
    """Name of its source in lists.sql."""
    pairs: tuple[tuple[str, str], ...]
    """An organization and a value for each stretch; what a source does not look at is empty."""
    by_organization: bool = True
    """Whether the organization is looked at."""
    overlapping: bool = False
    """Whether a job can lie in two of the stretches, or twice in one."""

    @property
    def owner(self) -> str:
        """The table that has the organization: `k`, or `j` where only the jobs themselves have it."""
        return "k" if self.source in _WITH_ORGANIZATION else "j"

    @property
    def place(self) -> dict[str, str]:
        """The columns that tell a job's place."""
        if self.owner == "k" or self.source == "dependent":
            return {"at": "k.created_at", "id": "k.job_id"}
        return {"at": "j.created_at", "id": "j.id"}

    @property
    def parameters(self) -> dict[str, list[str]]:
        """The parameters of the stretches."""
        return {"organizations": [pair[0] for pair in self.pairs], "values": [pair[1] for pair in self.pairs]}


class PostgresJobLists:
    """Reads lists of jobs through one connection."""

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries
        self._checks = Checks(queries, array=list)

    def page(
        self,
        query: JobQuery,
        *,
        organization_id: str | None,
        after: Position | None,
        limit: int,
        enough_bytes: float = inf,
    ) -> list[Stored[Job]]:
        """At most `limit` jobs behind a position, in the order of the query."""
        sql, values = self.statement(
            query, organization_id=organization_id, after=after, limit=limit, bounded=enough_bytes < inf
        )
        if enough_bytes < inf:
            values["enough_bytes"] = int(enough_bytes)
        return [Stored(Job, *row) for row in self._db.execute(sql, values)]

    def count(self, query: JobQuery, *, organization_id: str | None) -> int:
        """How many jobs match."""
        values = bounds_of(query, None)
        drive, checks = self._plan(query, organization_id, values)
        sql = self._sql["count"].format(
            distinct=_distinct(drive), source=self._source(drive, checks), **drive.place
        )
        return self._number(sql, values)

    def statement(
        self,
        query: JobQuery,
        *,
        organization_id: str | None,
        after: Position | None,
        limit: int,
        bounded: bool = False,
    ) -> tuple[str, dict[str, Any]]:
        """The SQL of a page and the values of its parameters; `bounded` = with :enough_bytes."""
        values = {"limit": limit, **bounds_of(query, after)}
        drive, checks = self._plan(query, organization_id, values)
        direction = "DESC" if query.descending else "ASC"
        sql = self._sql["page"].format(
            distinct=_distinct(drive),
            source=self._source(drive, checks),
            direction=direction,
            **drive.place,
        )
        if bounded:
            placed = sql.replace("j.document\n", "j.document, j.created_at\n", 1)
            sql = self._sql["bounded_page"].format(page=placed, direction=direction)
        return sql, values

    def _plan(
        self, query: JobQuery, organization_id: str | None, values: dict[str, Any]
    ) -> tuple[_Drive, list[Check]]:
        """The filter that drives and the checks that are left; fills in the values of both."""
        drives = list(self._drives(query, organization_id, values))
        drive = drives[0]
        if len(drives) > 1:
            drive = min(drives, key=lambda drive: self._size(drive, values))
        checks = [check for check in self._checks.of(query) if check.filter != drive.filter]
        if organization_id is not None and not drive.by_organization:
            checks.append(self._checks.one("organization", organization_id))
        for check in checks:
            values.update(check.values)
        values.update(drive.parameters)
        return drive, checks

    def _drives(
        self, query: JobQuery, organization_id: str | None, bounds: Mapping[str, Any]
    ) -> Iterator[_Drive]:
        """The filters that can drive, the one that usually finds least first; at least one."""
        found = False
        for drive in self._by_filter(query, organization_id, bounds):
            found = True
            yield drive
        if not found and organization_id is None:
            yield _Drive("", "all", (("", ""),), by_organization=False)
        elif not found:
            yield _Drive("", "organization", ((organization_id or "", ""),))

    def _by_filter(
        self, query: JobQuery, organization_id: str | None, bounds: Mapping[str, Any]
    ) -> Iterator[_Drive]:
        among = self._organizations() if organization_id is None else (organization_id,)
        if query.dependent_job_id:
            yield _Drive("dependent", "dependent", (("", query.dependent_job_id),), by_organization=False)
        if query.scheduled_job_id:
            yield _Drive("schedule", "schedule", (("", query.scheduled_job_id),), by_organization=False)
        # Without any organization there is no job, and of too many no page is read: other filters must do.
        if among:
            possible = self._by_organization(query, among, bounds)
            yield from (
                drive for drive in possible if len(drive.pairs) <= MAX_STRETCHES or drive.source == "word"
            )
        for name, given in (("type", query.job_type), ("status", query.job_status)):
            if given and organization_id is None:
                pairs = tuple(("", value) for value in once(given))
                yield _Drive(name, f"{name}_anywhere", pairs, by_organization=False)
            elif given:
                yield _Drive(name, name, _product(among, once(given)))

    def _by_organization(
        self, query: JobQuery, among: tuple[str, ...], bounds: Mapping[str, Any]
    ) -> Iterator[_Drive]:
        if query.storage_id:
            yield _Drive("storage", "storage", _product(among, (query.storage_id,)))
        labels, tags = once(query.label), once(query.tag)
        for label in labels:
            yield _Drive("labels" if len(labels) == 1 else "", "label", _product(among, (label,)))
        if query.all_tags:
            for tag in tags:
                yield _Drive("tags" if len(tags) == 1 else "", "tag", _product(among, (tag,)))
        elif tags:
            yield _Drive("tags", "tag", _product(among, tags), overlapping=len(tags) > 1)
        if query.text:
            yield from self._by_text(query, among, bounds)
        if query.user:
            yield _Drive("user", "user", _product(among, (query.user,)))

    def _by_text(
        self, query: JobQuery, among: tuple[str, ...], bounds: Mapping[str, Any]
    ) -> Iterator[_Drive]:
        """For each beginning the words that begin so. Few entries are sorted; of many, each word is a
        stretch. What has too many words, is met everywhere, or is in too many organizations, cannot drive.
        """
        beginnings = words(query.text or "")
        covers = "words" if len(beginnings) == 1 else ""
        for beginning in beginnings if len(among) <= MAX_STRETCHES else ():
            stretch = _Drive(covers, "words", _product(among, (beginning,)), overlapping=True)
            if self._size(stretch, ALWAYS, few=MAX_SORTED + 1) <= MAX_SORTED:
                yield stretch
            elif not self._is_near(beginning, query, among, bounds):
                found = self._words(beginning, among)
                if len(found) <= MAX_WORDS:
                    yield _Drive(covers, "word", found, overlapping=True)

    def _words(self, beginning: str, among: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Organizations and their words that begin so; one more than MAX_WORDS when there are more."""
        found: list[tuple[str, str]] = []
        for organization in among:
            limit = MAX_WORDS + 1 - len(found)
            values = {"organization": organization, "beginning": beginning, "limit": limit}
            found += [(organization, word) for (word,) in self._db.execute(self._sql["words_from"], values)]
            if len(found) > MAX_WORDS:
                break
        return tuple(found)

    def _is_near(
        self, beginning: str, query: JobQuery, among: tuple[str, ...], bounds: Mapping[str, Any]
    ) -> bool:
        """Whether the first jobs fill a page with such words: reading one by one is faster then."""
        one = len(among) == 1
        drive = _Drive("", "organization" if one else "all", ((among[0] if one else "", ""),))
        sql = self._sql["jobs_near"].format(
            source=self._source(drive, ()), direction="DESC" if query.descending else "ASC"
        )
        asked = {"beginning": beginning, "probed": PROBED, "limit": query.limit}
        return self._number(sql, {**bounds, **drive.parameters, **asked}) == query.limit

    def _size(self, drive: _Drive, bounds: Mapping[str, Any], *, few: int = FEW) -> int:
        """How many entries the stretches of a filter have, counted up to a few."""
        sql = self._sql["count_few"].format(source=self._source(drive, ()))
        return self._number(sql, {**bounds, **drive.parameters, "few": few})

    def _source(self, drive: _Drive, checks: Sequence[Check]) -> str:
        """The source with its bounds and the checks; with the jobs themselves where a check needs them."""
        needed = not all(check.by_place for check in checks) or (checks and drive.source == "dependent")
        source = self._sql[f"source_{drive.source}"].format(job=_JOIN if needed else "")
        wanted = [check.sql.format(owner=drive.owner, **drive.place) for check in checks]
        return " AND ".join([source, self._sql["bounds"].format(**drive.place), *wanted])

    def _organizations(self) -> tuple[str, ...]:
        found = self._db.execute(self._sql["organizations"], {"limit": MAX_STRETCHES + 1})
        return tuple(row[0] for row in found)

    def _number(self, sql: str, values: Mapping[str, Any]) -> int:
        number: int = self._db.execute(sql, values).fetchone()[0]
        return number


def _distinct(drive: _Drive) -> str:
    return "DISTINCT" if drive.overlapping else ""


def _product(organizations: Iterable[str], values: Iterable[str]) -> tuple[tuple[str, str], ...]:
    values = tuple(values)
    return tuple((organization, value) for organization in organizations for value in values)
