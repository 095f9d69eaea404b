"""What is looked for among results and log entries, and what is shown of it: the two tables have the same
columns and indexes. How it is found is each database's own matter.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic_core import to_json

from gateway.domain.model import ModelT
from gateway.domain.record import Stored
from gateway.domain.result_store import PAGE_BYTES, Filters, Slice
from gateway.domain.words import ResultStatus

ID_BITS = 40
"""A row's number is the storage's number followed by so many bits of the entry's id."""
LAST_ID = 2**ID_BITS - 1
SCOPES = {"results": "storage", "log_entries": "log"}
"""The tables, and the column that each entry's storage or log stands in."""

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


class EntryTable(Protocol):
    """One of the tables, through one connection."""

    def numbers(self, search: Search, *, limit: int) -> Iterator[int]:
        """The numbers that fit all filters and lie in no hidden stretch; some `limit` of them will be used.

        They are read while they are asked for. The conditions of the search are left to `rows`.
        """

    def rows(
        self, search: Search, numbers: Iterable[int], values: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
        """The rows with these numbers that pass the conditions of the search, each its number and then what
        is shown of it: `columns_…` in entries.sql, with `values` as their parameters.

        They are read while they are asked for.
        """

    def count(self, search: Search) -> int:
        """How many entries fit."""


EntryTables = Callable[[str], EntryTable]
"""Gives a table by its name."""


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
