"""Moves the WAL into the file beside the commits, so that none of them waits for the many pages.

SQLite would do it in the commit that makes the WAL long. Here a thread with a connection of its own does it,
in rounds, each of which leaves less; the writer moves the last pages, and its next transaction can then begin
the WAL anew. Nothing is decided here about durability: a commit is durable in the WAL.
"""

import sqlite3
import threading
from contextlib import suppress

ROWS = 1000
"""After so many changed rows the WAL is looked at."""
WAL_PAGES = 4000
"""From so many pages on the WAL is begun anew: what changes often is then written once."""
FEW_PAGES = 500
"""What a round may leave for the writer."""


class Checkpoints:
    """The thread that moves pages. `committed` is called by the thread that writes, after each commit."""

    def __init__(self, writing: sqlite3.Connection, moving: sqlite3.Connection) -> None:
        self._writing = writing
        self._moving = moving
        self._looked_at = 0
        self._is_nearly_done = False
        self._closing = False
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-checkpoints", daemon=True)
        self._thread.start()

    def committed(self) -> None:
        """Wake the thread when much was written, and finish what it has nearly done."""
        if self._is_nearly_done:
            self._is_nearly_done = False
            _move(self._writing)
        elif self._writing.total_changes - self._looked_at >= ROWS:
            self._looked_at = self._writing.total_changes
            self._wanted.set()

    def close(self) -> None:
        """End the thread, after the round that is under way, and close its connection."""
        self._closing = True
        self._wanted.set()
        self._thread.join()
        self._moving.close()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self._closing:
                return
            self._wanted.clear()
            self._round()

    def _round(self) -> None:
        before = 0
        while not self._closing:
            pages, moved = _move(self._moving)
            if pages < WAL_PAGES:
                return
            # Less than before: a transaction has begun the WAL anew.
            newly = moved - before if moved >= before else moved
            if newly <= FEW_PAGES:
                self._is_nearly_done = True
                return
            before = moved


def _move(connection: sqlite3.Connection) -> tuple[int, int]:
    """Move what no reader needs in the WAL; how many pages the WAL has, and how many of them were moved."""
    # What fails here is tried again, as SQLite does after a commit. Nothing is lost: it stays in the WAL.
    with suppress(sqlite3.Error):
        _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return pages, moved
    return 0, 0
