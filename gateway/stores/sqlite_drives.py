"""Which filter of listJobs drives its query over SQLite: the one whose ranges of an index are read."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.queries import JobQuery, words

MAX_RANGES = 100
"""The most ranges that one query merges; as many values as a filter may have."""
MAX_SORTED = 20_000
"""The most entries of an index that are sorted for a page."""

_LAST_CHARACTER = "\U0010ffff"
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

    @property
    def place(self) -> tuple[str, str]:
        """The columns that the ranges are ordered by."""
        if self.owner == "k" or self.range == "range_dependent":
            return "k.created_at", "k.job_id"
        return "j.created_at", "j.id"

    @property
    def owner(self) -> str:
        """The table that has the organization: `k`, or `j` where only the jobs themselves have it."""
        return "k" if self.range in ("range_tag", "range_label", "range_word", "range_words") else "j"

    @property
    def parameters(self) -> dict[str, str]:
        """The values of the parameters of the ranges."""
        named = {f"organization_{index}": name for index, name in enumerate(self.organizations)}
        for index, value in enumerate(self.values):
            named[f"value_{index}"] = value
            named[f"value_{index}_end"] = value + _LAST_CHARACTER
        return named

    def ranges(self, sql: Mapping[str, str], *, joined: bool) -> list[str]:
        """The SQL of the ranges, from FROM on; `joined` = with the jobs themselves."""
        text = sql[self.range]
        return [
            text.format(
                organization=f"organization_{organization}",
                value=f"value_{value}",
                job=_JOIN if joined else "",
            )
            for organization in range(len(self.organizations) or 1)
            for value in range(len(self.values) or 1)
        ]


class Drives:
    """Finds the filters that can drive a query, through one connection."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries

    def of(self, query: JobQuery, organization_id: str | None) -> list[Drive]:
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
            possible = self._by_organization(query, among)
            found += [drive for drive in possible if len(drive.values) * len(among) <= MAX_RANGES]
        for name, values in (("type", query.job_type), ("status", query.job_status)):
            if values and everywhere:
                found.append(Drive(name, f"range_{name}_anywhere", once(values)))
            elif values:
                found.append(Drive(name, f"range_{name}", once(values), among))
        if found:
            return found
        return [Drive("", "range_all") if everywhere else Drive("", "range_organization", (), among)]

    def _by_organization(self, query: JobQuery, among: tuple[str, ...]) -> Iterator[Drive]:
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
        beginnings = words(query.text) if query.text else ()
        for beginning in beginnings:
            yield from self._by_word(beginning, "words" if len(beginnings) == 1 else "", among)
        if query.user:
            yield Drive("user", "range_user", (query.user,), among)

    def _by_word(self, beginning: str, covers: str, among: tuple[str, ...]) -> Iterator[Drive]:
        """The words that begin so, if they are few enough to be merged, or have few enough entries to be
        sorted; else the text cannot drive. It is then found often, if not evenly.
        """
        bounds = {"low": beginning, "high": beginning + _LAST_CHARACTER}
        found: set[str] = set()
        for organization in among:
            values = {"organization": organization, "limit": MAX_RANGES + 1, **bounds}
            found.update(row[0] for row in self._db.execute(self._sql["words_from"], values))
            if len(found) * len(among) > MAX_RANGES:
                break
        else:
            some = tuple(sorted(found)) or (beginning,)
            yield Drive(covers, "range_word", some, among, overlapping=len(some) > 1)
            return
        entries = 0
        for organization in among:
            values = {"organization": organization, "limit": MAX_SORTED + 1 - entries, **bounds}
            entries += self._db.execute(self._sql["entries_from"], values).fetchone()[0]
            if entries > MAX_SORTED:
                return
        yield Drive(covers, "range_words", (beginning,), among, overlapping=True, sorted=False)

    def _organizations(self) -> tuple[str, ...]:
        values: dict[str, Any] = {"limit": MAX_RANGES + 1}
        return tuple(row[0] for row in self._db.execute(self._sql["organizations"], values))


def once(items: Iterable[str]) -> tuple[str, ...]:
    """The items as plain text, each once."""
    return tuple(dict.fromkeys(str(item) for item in items))
