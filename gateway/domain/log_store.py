"""What processing logs need from the store: the attribute `logs` of JobReader and JobWriter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.processing_logs import ProcessingLogEntry, ProcessingLogEntryWrite
from gateway.domain.result_store import Filters, Slice
from gateway.domain.words import ProcessingLogId


@dataclass(frozen=True, kw_only=True)
class Log:
    """One processing log."""

    organization_id: str
    storage_id: str
    id: ProcessingLogId


class LogReader(Protocol):
    """What can be read of processing logs. One that nobody wrote to is empty."""

    def takes_long(self, log: Log, filters: Filters, *, limit: int, counted: bool) -> bool:
        """Whether a page, with its total if `counted`, may take more than a millisecond."""

    def page(
        self, log: Log, filters: Filters, *, after: int, limit: int, data: Callable[[str], str] | None
    ) -> Slice[ProcessingLogEntry]:
        """At most `limit` entries with an id larger than `after`, and at most PAGE_BYTES.

        `data` makes of an entry's result data what is shown of it; None = nothing is.
        """

    def count(self, log: Log, filters: Filters) -> int:
        """How many entries fit. Without filters it is known, else it takes time in proportion."""

    def has_remains(self) -> bool:
        """Whether there are removed entries that still take up room."""


class LogWriter(LogReader, Protocol):
    """What can be read and written of processing logs in one transaction."""

    def write(self, log: Log, entries: Sequence[ProcessingLogEntryWrite], at: datetime) -> int:
        """Store entries, opening the storage if need be; the id of the first, the others follow it."""

    def remove(self, log: Log, filters: Filters) -> bool:
        """Remove the entries that fit, however many there are; false when the log is empty."""

    def sweep(self, limit: int) -> None:
        """Free the room of at most so many removed entries."""
