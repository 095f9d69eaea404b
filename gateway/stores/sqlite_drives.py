"""Which filter of listJobs drives its query over SQLite: the one whose ranges of an index are read."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from gateway.domain.queries import JobQuery, words
from gateway.stores.sql_lists import once

MAX_RANGES = 100
"""The most ranges that one query merges; as many values as a filter may have."""
MAX_SORTED = 10_000
"""The most entries of an index that are sorted for a page."""
MAX_MERGED = 5_000
"""The most words that are merged one entry at a time."""
PROBED = 1_000
"""In so many jobs from where a page begins it is looked for a word before its entries are merged."""

_LAST_CHARACTER = "\U0010ffff"
_WITH_ORGANIZATION = ("range_tag", "range_label", "range_word", "range_words", "range_merged")
_JOIN = "CROSS JOIN jobs AS j ON j.id = k.job_id"


@dataclass(frozen=True)
class Drive:
    """A filter that can drive a query, as ranges of an index."""

    filter: str
    """The filter that needs no check any more; empty when it does."""
    range: str
    """Name of the ranges in lists.sql."""
    values: tuple[str, ...] = ()
    """What the ranges are read for, one each."""
    organizations: tuple[str, ...] = ()
    """The organizations to read one by one; empty where a range needs none."""
    overlapping: bool = False
    """Whether a job can lie in two of the ranges, or twice in one."""
    sorted: bool = True
    """Whether the ranges are in the order of lists."""
    words: tuple[tuple[str, str], ...] = ()
    """Organizations and words that a page merges, where the entries are too many to be sorted."""
    descending: bool = False
    """Whether the newest job comes first in what is merged."""

    @property
    def place(self) -> tuple[str, str]:
        """The columns that the ranges are ordered by."""
        if self.owner == "k" or self.range == "range_dependent":
            return "k.created_at", "k.job_id"
        return "j.created_at", "j.id"

    @property
    def owner(self) -> str:
        """The table that has the organization: `k`, or `j` where only the jobs themselves have it."""
        return "k" if self.range in _WITH_ORGANIZATION else "j"

    @property
    def parameters(self) -> dict[str, str]:
        """The values of the parameters of the ranges."""
        named = {f"organization_{index}": name for index, name in enumerate(self.organizations)}
        for index, value in enumerate(self.values):
            named[f"value_{index}"] = value
            named[f"value_{index}_end"] = value + _LAST_CHARACTER
        if self.words:
            named["words"] = json.dumps(self.words)
        return named

    def merged(self, *, descending: bool) -> Self:
        """The same entries as one range in the order of lists: `words`, merged."""
        return replace(self, range="range_merged", organizations=(), values=(), descending=descending)

    def ranges(self, sql: Mapping[str, str], *, joined: bool) -> list[str]:
        """The SQL of the ranges, from FROM on; `joined` = with the jobs themselves."""
        text = sql[self.range]
        direction, beyond = ("DESC", "<") if self.descending else ("ASC", ">")
        return [
            text.format(
                organization=f"organization_{organization}",
                value=f"value_{value}",
                job=_JOIN if joined else "",
                direction=direction,
                beyond=beyond,
            )
            for organization in range(len(self.organizations) or 1)
            for value in range(len(self.values) or 1)
        ]


class Drives:
    """Finds the filters that can drive a query, through one connection."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries

    def of(self, query: JobQuery, organization_id: str | None, bounds: Mapping[str, Any]) -> list[Drive]:
        """The filters that can drive, the one that usually finds least first; at least one."""
        everywhere = organization_id is None
        among = self._organizations() if organization_id is None else (organization_id,)
        found: list[Drive] = []
        if query.dependent_job_id:
            found.append(Drive("dependent", "range_dependent", (query.dependent_job_id,)))
        if query.scheduled_job_id:
            found.append(Drive("schedule", "range_schedule", (query.scheduled_job_id,)))
        # Without any organization there is no job, and too many are not merged: other filters must do.
        if among:
            possible = self._by_organization(query, among, bounds)
            found += [drive for drive in possible if len(drive.values) * len(among) <= MAX_RANGES]
        for name, values in (("type", query.job_type), ("status", query.job_status)):
            if values and everywhere:
                found.append(Drive(name, f"range_{name}_anywhere", once(values)))
            elif values:
                found.append(Drive(name, f"range_{name}", once(values), among))
        if found:
            return found
        return [Drive("", "range_all") if everywhere else Drive("", "range_organization", (), among)]

    def _by_organization(
        self, query: JobQuery, among: tuple[str, ...], bounds: Mapping[str, Any]
    ) -> Iterator[Drive]:
        if query.storage_id:
            yield Drive("storage", "range_storage", (query.storage_id,), among)
        labels, tags = once(query.label), once(query.tag)
        for label in labels:
            yield Drive("labels" if len(labels) == 1 else "", "range_label", (label,), among)
        if query.all_tags:
            for tag in tags:
                yield Drive("tags" if len(tags) == 1 else "", "range_tag", (tag,), among)
        elif tags:
            yield Drive("tags", "range_tag", tags, among, overlapping=len(tags) > 1)
        if query.text:
            yield from self._by_text(query.text, query, among, bounds)
        if query.user:
            yield Drive("user", "range_user", (query.user,), among)

    def _by_text(
        self, text: str, query: JobQuery, among: tuple[str, ...], bounds: Mapping[str, Any]
    ) -> Iterator[Drive]:
        """For each beginning the words that begin so: few are read as ranges, few entries are sorted, and of
        many entries the words are merged. What has too many of both, or is met everywhere, cannot drive.
        """
        beginnings = words(text)
        covers = "words" if len(beginnings) == 1 else ""
        for beginning in beginnings:
            found = self._words(beginning, among, MAX_RANGES)
            some = once(word for _, word in found) or (beginning,)
            stretch = Drive(covers, "range_words", (beginning,), among, overlapping=True, sorted=False)
            if len(found) <= MAX_RANGES and len(some) * len(among) <= MAX_RANGES:
                yield Drive(covers, "range_word", some, among, overlapping=len(some) > 1)
            elif self._entries(beginning, among) <= MAX_SORTED:
                yield stretch
            elif not self._is_near(beginning, query, among, bounds):
                found = self._words(beginning, among, MAX_MERGED)
                if len(found) <= MAX_MERGED:
                    yield replace(stretch, words=tuple(found))

    def _words(self, beginning: str, among: tuple[str, ...], most: int) -> list[tuple[str, str]]:
        """Organizations and their words that begin so; one more than `most` when there are more."""
        found: list[tuple[str, str]] = []
        for organization in among:
            values = self._stretch(organization, beginning, limit=most + 1 - len(found))
            found += [(organization, word) for (word,) in self._db.execute(self._sql["words_from"], values)]
            if len(found) > most:
                break
        return found

    def _entries(self, beginning: str, among: tuple[str, ...]) -> int:
        """How many entries the words that begin so have; up to one more than MAX_SORTED."""
        entries = 0
        for organization in among:
            values = self._stretch(organization, beginning, limit=MAX_SORTED + 1 - entries)
            entries += self._db.execute(self._sql["entries_from"], values).fetchone()[0]
        return entries

    def _stretch(self, organization: str, beginning: str, *, limit: int) -> dict[str, Any]:
        high = beginning + _LAST_CHARACTER
        return {"organization": organization, "low": beginning, "high": high, "limit": limit}

    def _is_near(
        self, beginning: str, query: JobQuery, among: tuple[str, ...], bounds: Mapping[str, Any]
    ) -> bool:
        """Whether the first jobs fill a page with such words: reading one by one is faster then."""
        among = among if len(among) == 1 else ()
        jobs = Drive("", "range_organization" if among else "range_all", (), among)
        (range_,) = jobs.ranges(self._sql, joined=True)
        direction = "DESC" if query.descending else "ASC"
        sql = self._sql["jobs_near"].format(range=range_, direction=direction)
        values = {**bounds, **jobs.parameters, "word": beginning, "probed": PROBED, "limit": query.limit}
        near: int = self._db.execute(sql, values).fetchone()[0]
        return near == query.limit

    def _organizations(self) -> tuple[str, ...]:
        values: dict[str, Any] = {"limit": MAX_RANGES + 1}
        return tuple(row[0] for row in self._db.execute(self._sql["organizations"], values))
