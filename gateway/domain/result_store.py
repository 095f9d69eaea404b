"""What the results of jobs need from the store: the attribute `results` of JobReader and JobWriter."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol

from gateway.domain.job import Job
from gateway.domain.model import ModelT
from gateway.domain.record import Stored
from gateway.domain.results import JobResult, JobResultWrite
from gateway.domain.words import ResultStatus

PAGE_BYTES = 8 * 2**20
"""A page ends before the entry that would make its documents longer than this, but never before the first."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which entries are meant: those that fit every member that is set, and of a tuple one value."""

    partners: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    externals: tuple[str, ...] = ()
    status: ResultStatus | None = None
    created_after: datetime | None = None
    """Of log entries alone; the instant itself fits, too."""
    created_before: datetime | None = None
    """Of log entries alone; the instant itself does not fit."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where results are looked for."""

    organization_id: str
    storage_id: str
    job_id: str | None = None
    """Only those that this job wrote."""


@dataclass(frozen=True, kw_only=True)
class Slice(Generic[ModelT]):
    """A piece of a list, ordered by id. The documents have version 0: no reader needs to remember them."""

    items: Sequence[Stored[ModelT]] = field(default=())
    more: bool = False
    """Whether entries follow."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """The records whose newest results are wanted, in the order of the answer: partners, then externals."""

    job_type: str | None
    """Only results that jobs of this type wrote."""
    partners: tuple[str, ...]
    source: str | None
    """The data source of the externals."""
    externals: tuple[str, ...]


class ResultReader(Protocol):
    """What can be read of results. A storage that is not open has none."""

    def takes_long(self, place: Place, filters: Filters, *, limit: int, counted: bool) -> bool:
        """Whether a page, with its total if `counted`, may take more than a millisecond."""

    def page(self, place: Place, filters: Filters, *, after: int, limit: int) -> Slice[JobResult]:
        """At most `limit` results with an id larger than `after`, and at most PAGE_BYTES."""

    def count(self, place: Place, filters: Filters) -> int:
        """How many results fit. Without filters it is known, else it takes time in proportion."""

    def newest(self, organization_id: str, storage_id: str, records: Records) -> list[Stored[JobResult]]:
        """The result with the largest id of each record that has one, each result once."""

    def some(self, organization_id: str, storage_id: str, ids: Sequence[int]) -> list[Stored[JobResult]]:
        """The results with these ids that are still there, in the order of the ids given."""

    def has_remains(self) -> bool:
        """Whether there are removed results that still take up room."""


class ResultWriter(ResultReader, Protocol):
    """What can be read and written of results in one transaction."""

    def write(self, job: Job, storage_id: str, records: Sequence[JobResultWrite], at: datetime) -> int | None:
        """Store results of a job in a storage of its organization; the id of the first, the others follow it.

        None when the storage is not open.
        """

    def remove(self, organization_id: str, job_id: str, storage_id: str | None = None) -> int:
        """Remove what a job wrote, to one storage or to all, however much it is; how many results."""

    def sweep(self, limit: int) -> None:
        """Free the room of at most so many removed results."""
