"""The records of jobs that the writer has stored lately. An attempt changes its job some four times within
milliseconds: what one unit of work has stored, the next need not read and parse.
"""

import sqlite3
from collections.abc import Iterable

from gateway.domain.record import JobRecord

MAX_RECORDS = 256
"""So many are kept, the latest."""
MAX_DOCUMENT_BYTES = 16 * 1024
"""Records with a longer document are not kept: a few megabytes are the most that all of them take."""


class RecentRecords:
    """Records as the tables have them, for the thread that writes alone.

    It is right as long as nobody else has written; SQLite tells when another connection has.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._records: dict[str, JobRecord] = {}
        self._data_version = 0

    def look(self) -> None:
        """In a transaction that has just begun: forget all if another connection has written since."""
        (data_version,) = self._db.execute("PRAGMA data_version").fetchone()
        if data_version != self._data_version:
            self._data_version = data_version
            self._records.clear()

    def get(self, job_id: str) -> JobRecord | None:
        """A job, if it is kept."""
        return self._records.get(job_id)

    def keep(self, stored: Iterable[tuple[JobRecord, int]]) -> None:
        """Keep what a unit of work has stored, each with the length of its document."""
        for record, document_bytes in stored:
            # The latest comes last.
            self._records.pop(record.job.id, None)
            if document_bytes <= MAX_DOCUMENT_BYTES:
                self._records[record.job.id] = record
        while len(self._records) > MAX_RECORDS:
            del self._records[next(iter(self._records))]

    def drop(self, job_id: str) -> None:
        """A job is being deleted."""
        self._records.pop(job_id, None)

    def clear(self) -> None:
        """A transaction was rolled back."""
        self._records.clear()
