"""The one thread that writes. Units of work that wait are taken together and made durable by one commit."""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.ports import Change, JobWriter, ScheduleChange
from gateway.stores.sqlite_checkpoints import Checkpoints
from gateway.stores.sqlite_errors import is_passing, primary_code, unavailable
from gateway.stores.sqlite_writer import SqliteWriter
from gateway.stores.units import FollowUp, Unit, carried, settle

MAX_GROUP = 256
"""The most units of work in one commit."""
BUSY_SECONDS = 10.0
"""How long a group waits for another process that writes."""
_LOOK_AGAIN_SECONDS = 0.001


class _TransactionLostError(Exception):
    """SQLite has rolled back the whole group because of one statement (disk full, I/O error)."""


class GroupCommit:
    """Runs units of work in groups: each in a savepoint of its own, all of them in one transaction.

    A unit that raises is undone alone. Nobody is answered before the commit, also not with an error: it may
    rest on what another unit of the group wrote.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        writer: SqliteWriter,
        checkpoints: Checkpoints,
        tell: Callable[[Change | ScheduleChange], None],
    ) -> None:
        self._db = connection
        self._db.execute("PRAGMA busy_timeout = 0")
        self._writer = writer
        self._checkpoints = checkpoints
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._units: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._closing = False
        self.follow_up: FollowUp | None = None
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[JobWriter], Any]) -> "asyncio.Future[Any]":
        """Have a unit of work run; the future is done when it is durable. Canceling it undoes nothing."""
        if self._closing:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        waiting: asyncio.Future[Any] = self._loop.create_future()
        self._units.put(Unit(work, waiting))
        return waiting

    async def close(self) -> None:
        """Finish what was submitted and end the thread."""
        if not self._closing:
            self._closing = True
            self._units.put(None)
        await self._ended.wait()
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            group = []
            unit = self._units.get()
            while unit is not None:
                group.append(unit)
                if len(group) == MAX_GROUP or self._units.empty():
                    break
                unit = self._units.get()
            more = unit is not None
            if group:
                last = self._commit(group)
                self._call(settle, group, last, self.follow_up, self._tell)
                self._checkpoints.committed()
        self._call(self._ended.set)

    def _call(self, function: Callable[..., None], *values: Any) -> None:
        # A loop that was closed before the store has nobody left to tell.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *values)

    def _commit(self, group: list[Unit]) -> Unit | None:
        """Run a group and the follow-up in one transaction; what that did, if the group calls for it."""
        last = None
        try:
            self._begin()
            self._writer.recent.look()
            for unit in group:
                self._perform(unit)
            if self.follow_up is not None and self.follow_up.is_called_for(group):
                last = Unit(self.follow_up.work)
                self._perform(last)
            self._db.execute("COMMIT")
        except Exception as error:
            cause = error.__cause__ if isinstance(error, _TransactionLostError) else error
            self._roll_back()
            self._writer.recent.clear()
            for unit in [*group, last] if last else group:
                unit.error = unavailable(cause)
        return last

    def _begin(self) -> None:
        """Wait for another process that writes. SQLite would look seldom, and miss the short times between
        the commits of a busy gateway.
        """
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                    raise
            time.sleep(_LOOK_AGAIN_SECONDS)

    def _perform(self, unit: Unit) -> None:
        self._writer.begin()
        self._db.execute("SAVEPOINT unit")
        try:
            unit.result = unit.work(self._writer)
            self._writer.finish()
        except BaseException as error:
            if not self._db.in_transaction:
                raise _TransactionLostError from error
            self._db.execute("ROLLBACK TO unit")
            unit.error = _told(error)
        else:
            unit.changes = tuple(self._writer.changes.values())
            self._writer.keep()
        self._db.execute("RELEASE unit")

    def _roll_back(self) -> None:
        # What cannot be rolled back makes the next group fail; this one is told its own error.
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _told(error: BaseException) -> BaseException:
    """What the caller of a unit of work is told of the error that it raised."""
    if is_passing(error):
        return unavailable(error)
    return carried(error)
