"""What the store's writer makes of a job or an entry, with gaps where another of its kind has its own values.

Jobs and entries repeat but for a few values (`jobs.kind`, `jobs.own` and their like). So the writer is asked
once for each kind; rows and documents of the others are the same, with their own values in the gaps.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from bench import jobs
from bench.written import put_job, unit
from gateway.domain.model import Model
from gateway.stores.sqlite_writer import SqliteWriter

_WHOSE = {
    "jobs": "id",
    "job_requests": "number",
    "job_events": "number",
    "job_dependencies": "job_id",
    "job_tags": "job_id",
    "job_labels": "job_id",
    "job_words": "job_id",
}
"""The tables that have rows of a job, and the column that names it."""

Rows = dict[str, list[tuple[Any, ...]]]
"""Rows by their table."""


class JobRows:
    """Makes the rows of jobs. The writer makes the first of each kind, in a small store kept for that."""

    def __init__(self, connection: sqlite3.Connection, writer: SqliteWriter, total: int) -> None:
        self._db, self._writer, self._total = connection, writer, total
        self._known: dict[int, _JobKind] = {}

    def of(self, numbers: Iterable[int]) -> Rows:
        """All rows of these jobs."""
        self._learn(numbers)
        rows: Rows = {table: [] for table in _WHOSE}
        for number in numbers:
            self._known[jobs.kind(number, self._total)].add(rows, jobs.own(number, self._total))
        return rows

    def _learn(self, numbers: Iterable[int]) -> None:
        kinds = {jobs.kind(number, self._total): number for number in numbers}
        new = {kind: number for kind, number in kinds.items() if kind not in self._known}
        if not new:
            return
        with unit(self._db, self._writer):
            for number in new.values():
                put_job(self._writer, number, self._total)
        numbered = dict(self._db.execute("SELECT id, number FROM jobs"))
        tables = {table: self._read(table, whose) for table, whose in _WHOSE.items()}
        for kind, number in new.items():
            own = jobs.own(number, self._total)
            self._known[kind] = found = _JobKind(own)
            for table, (columns, rows) in tables.items():
                name = numbered[own["id"]] if _WHOSE[table] == "number" else own["id"]
                for row in rows[name]:
                    found.learn(table, columns, row)

    def _read(self, table: str, whose: str) -> tuple[list[str], dict[Any, list[Any]]]:
        """The columns of a table, and its rows by the job."""
        found = self._db.execute(f"SELECT * FROM {table}")
        columns = [column for column, *_ in found.description]
        rows: dict[Any, list[Any]] = defaultdict(list)
        for row in found:
            rows[row[columns.index(whose)]].append(row)
        return columns, rows


class _JobKind:
    """The rows of a kind of job. Each picks its values from a list: the job's own, the shared, and texts."""

    def __init__(self, own: Mapping[str, Any]) -> None:
        self._own = own
        self._places = {name: place for place, name in enumerate(own)}
        self._whole = {text: self._places[name] for name, text in own.items() if isinstance(text, str)}
        self._shared: list[Any] = []
        self._texts: list[str] = []
        self._rows: list[tuple[str, Callable[[list[Any]], tuple[Any, ...]]]] = []

    def learn(self, table: str, columns: Sequence[str], row: Sequence[Any]) -> None:
        """Take a row of one of the kind."""
        self._rows.append((table, itemgetter(*map(self._place, columns, row))))

    def add(self, rows: Rows, own: Mapping[str, Any]) -> None:
        """Add the rows of one of the kind."""
        values = [*own.values(), *self._shared, *[text % own for text in self._texts]]
        for table, row in self._rows:
            rows[table].append(row(values))

    def _place(self, column: str, value: Any) -> int:
        """Where a value will stand in the list. Own numbers are known by their column, own texts as such."""
        if value in self._whole:
            return self._whole[value]
        if isinstance(self._own.get(column), int):
            return self._places[column]
        if isinstance(value, str) and "%(" in (text := gapped(value, self._own)):
            # Texts are counted from the end: how many values come before them is not known yet.
            self._texts.insert(0, text)
            return -len(self._texts)
        self._shared.append(value)
        return len(self._own) + len(self._shared) - 1


class Entries:
    """Makes results, or log entries: what the writer looks at of each."""

    def __init__(self, make: Callable[[int, int], Model], total: int) -> None:
        self._make, self._total = make, total
        self._known: dict[int, _EntryKind] = {}

    def of(self, numbers: Iterable[int]) -> list[Any]:
        """The entries of these numbers."""
        return [self._entry(number) for number in numbers]

    def _entry(self, number: int) -> "_Entry":
        own = jobs.entry_own(number)
        name = jobs.entry_kind(number, self._total)
        kind = self._known.get(name)
        if kind is None:
            kind = self._known[name] = _EntryKind(self._make(number, self._total), own)
        return _Entry(kind, own)


class _EntryKind:
    """An entry of a kind, with gaps."""

    def __init__(self, entry: Any, own: Mapping[str, str]) -> None:
        self.entry = entry
        self.external_id = gapped(entry.external_id, own)
        self.result_data = gapped(entry.result_data, own)
        self._own = own
        self._dumped: dict[tuple[str, ...], str] = {}

    def dumped(self, how: Mapping[str, Any]) -> str:
        """Its JSON as the writer wants it. Results are always dumped in one way, log entries in another."""
        name = tuple(how)
        if name not in self._dumped:
            self._dumped[name] = gapped(self.entry.model_dump_json(**how), self._own)
        return self._dumped[name]


class _Entry:
    """Stands for a model. The members that the writer reads are here; its JSON is filled in, not made."""

    __slots__ = (
        "_kind",
        "_own",
        "business_partner_id",
        "data_source_id",
        "external_id",
        "result_data",
        "status",
    )

    def __init__(self, kind: _EntryKind, own: Mapping[str, str]) -> None:
        self._kind, self._own = kind, own
        self.business_partner_id = kind.entry.business_partner_id
        self.data_source_id = kind.entry.data_source_id
        self.external_id = kind.external_id % own
        self.status = kind.entry.status
        self.result_data = kind.result_data % own

    def model_dump_json(self, **how: Any) -> str:
        return self._kind.dumped(how) % self._own


def gapped(text: str, own: Mapping[str, Any]) -> str:
    """A text as a format, with a gap where it says one of the own texts."""
    text = text.replace("%", "%%")
    for name, value in own.items():
        if isinstance(value, str):
            text = text.replace(value, f"%({name})s")
    return text
