"""The store in one SQLite file, for one gateway on one machine: nothing to set up.

One connection writes, in a thread of its own (sqlite_commits.py). One reads, inline on the event loop,
because a look at a cached page is shorter than a thread's turn. What takes long is read in threads, with
connections that are kept: a new one would read the schema first, and find no page cached. It does not keep a
second gateway away from the file: that is the data folder's lock.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.ports import Change, JobReader, JobWriter, ScheduleChange
from gateway.stores.sql_files import migrations, named_queries
from gateway.stores.sqlite_checkpoints import Checkpoints
from gateway.stores.sqlite_commits import GroupCommit
from gateway.stores.sqlite_errors import is_passing, unavailable
from gateway.stores.sqlite_file import SqliteFile
from gateway.stores.sqlite_nodes import SOLE
from gateway.stores.sqlite_reader import SqliteReader
from gateway.stores.sqlite_writer import SqliteWriter
from gateway.stores.units import FollowUp

T = TypeVar("T")

FILE_NAME = "gateway.db"
SQL_FOLDER = Path(__file__).with_name("sqlite")
LONG_READS = 2
"""How many long reads run at a time."""


class SqliteJobStore:
    """The port JobStore over `gateway.db` in a folder. It is used from the event loop that opened it."""

    shared = False

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        """`durable` false = the power's going may lose confirmed writes; for tests alone."""
        self._file = SqliteFile(folder / FILE_NAME, durable=durable)
        self._listeners: list[Callable[[Change], Any]] = []
        self._schedule_listeners: list[Callable[[ScheduleChange], Any]] = []
        self._temporary: Path | None = None
        self._commits: GroupCommit | None = None
        self._connection: sqlite3.Connection | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._aside: list[sqlite3.Connection] = []
        """Connections of long reads that none is using now; a thread takes one and puts it back."""

    @classmethod
    def in_memory(cls) -> Self:
        """A store that is gone when it is closed, for tests: in a temporary folder, in memory if possible."""
        memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a private folder below it
        folder = Path(tempfile.mkdtemp(prefix="jobs-gateway-", dir=memory if memory.is_dir() else None))
        store = cls(folder, durable=False)
        store._temporary = folder
        return store

    async def open(self) -> None:
        """Connect, and bring the schema up to date. Raises StoreError."""
        await asyncio.to_thread(self._file.prepare, migrations(SQL_FOLDER))
        self._queries = named_queries(SQL_FOLDER)
        self._connection = self._file.connect_to_read()
        self._reader = SqliteReader(self._connection, self._queries)
        self._threads = ThreadPoolExecutor(LONG_READS, thread_name_prefix="store-reader")
        self._writing = self._file.connect_to_write()
        self._checkpoints = Checkpoints(self._writing, self._file.connect_to_write())
        writer = SqliteWriter(self._writing, self._queries)
        self._commits = GroupCommit(self._writing, writer, self._checkpoints, self._tell)

    async def close(self) -> None:
        """Finish what is being written and disconnect. Does nothing when it is not open."""
        if self._commits is None or self._connection is None or self._threads is None:
            return
        await self._commits.close()
        await asyncio.to_thread(self._checkpoints.close)
        await asyncio.to_thread(self._threads.shutdown)
        while self._aside:
            self._aside.pop().close()
        self._connection.close()
        # The last connection that closes moves the WAL into the file and removes it.
        await asyncio.to_thread(self._writing.close)
        self._commits = self._connection = self._threads = None
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    async def read(self, work: Callable[[JobReader], T], *, long: bool = False, single: bool = False) -> T:
        """Run a unit of work that reads; `long` when it may take more than a millisecond, `single` when it
        asks for one thing.
        """
        if self._connection is None or self._threads is None:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        if long:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._read_aside, work)
        return _look(self._connection, self._reader, work, single=single)

    def write(
        self,
        work: Callable[[JobWriter], T],
        *,
        about: str | None = None,  # noqa: ARG002 - a job is read in a few microseconds
    ) -> "asyncio.Future[T]":
        """Run a unit of work that writes. It is durable when this returns, and undone whole when it raises.

        A caller that is canceled while it waits changes nothing: the unit is written or not, but never half.
        """
        if self._commits is None:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        return self._commits.submit(work)

    async def renew_lease(self, number: int, *, lease_seconds: float) -> bool:  # noqa: ARG002
        """The lease of the one node is held as long as the folder's lock is."""
        return number == SOLE

    async def settled(self) -> None:
        """Wait until what is being written is stored or refused, and told."""
        if self._commits is not None:
            # There is one thread that writes: what comes behind is stored behind.
            await self._commits.submit(lambda _tx: None)

    def listen(self, listener: Callable[[Change], Any]) -> None:
        """Have a function called on the event loop after each durable change of a job."""
        self._listeners.append(listener)

    def listen_to_schedules(self, listener: Callable[[ScheduleChange], Any]) -> None:
        """Have a function called on the event loop after each durable change of a scheduled job."""
        self._schedule_listeners.append(listener)

    def listen_to_gaps(self, listener: Callable[[], Any]) -> None:
        """Nobody else changes jobs in this store, and each commit is known: nothing goes by untold."""

    def follow_up(
        self, due: Callable[[Change], bool], work: Callable[[JobWriter], T], done: Callable[[T | None], Any]
    ) -> None:
        """Have a unit of work run in each commit with a change that it is due for, behind all others. `done`
        is called on the event loop with its result when that is durable, with None when it failed; then the
        others are stored all the same. There is one follow-up.
        """
        if self._commits is None:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        self._commits.follow_up = FollowUp(due, work, done)

    def _read_aside(self, work: Callable[[JobReader], T]) -> T:
        try:
            connection = self._aside.pop()
        except IndexError:
            connection = self._file.connect_to_read()
        try:
            found = _look(connection, SqliteReader(connection, self._queries), work)
        except BaseException:
            connection.close()
            raise
        self._aside.append(connection)
        return found

    def _tell(self, change: Change | ScheduleChange) -> None:
        listeners: list[Any] = self._listeners if isinstance(change, Change) else self._schedule_listeners
        for listener in listeners:
            try:
                listener(change)
            except Exception as error:
                # A listener's fault is not the writer's.
                context = {"message": "a listener of the store failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)


def _look(
    connection: sqlite3.Connection,
    reader: SqliteReader,
    work: Callable[[JobReader], T],
    *,
    single: bool = False,
) -> T:
    """Run a unit of work in one transaction, so that all it reads is of one moment.

    A single statement is that by itself: SQLite begins and ends a transaction around it.
    """
    try:
        if single:
            return work(reader)
        connection.execute("BEGIN")
        try:
            return work(reader)
        finally:
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        if is_passing(error):
            raise unavailable(error) from error
        raise
