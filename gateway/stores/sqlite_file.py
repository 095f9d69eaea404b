"""The database file: made, recognised, brought up to date, and connected to.

A file is ours by its application id, and of a version by its user version. Another program's database, a
damaged one and one of a newer gateway are refused; nothing of them is changed.
"""

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from gateway.stores.errors import StoreError
from gateway.stores.sql_files import Migration
from gateway.stores.sqlite_errors import primary_code

APPLICATION_ID = 0x4A6F6273
"""Marks the file as a gateway's ("Jobs" in ASCII)."""
BUSY_SECONDS = 5.0
"""How long a connection waits for another process."""
CHECKED_BYTES = 32 * 1024 * 1024
"""Up to this size a file is checked whole when it is opened; that takes about a tenth of a second."""
_WRITE_CACHE_KIB = 16_384
_READ_CACHE_KIB = 4_096
_WAL_PAGES = 16_000
"""After so many pages a commit moves the WAL into the file; sqlite_checkpoints.py does it earlier."""
_WAL_LIMIT_BYTES = 64 * 1024 * 1024


class SqliteFile:
    """One database file."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self.path = path
        self._durable = durable

    def prepare(self, steps: Sequence[Migration]) -> None:
        """Make the file or recognise it, and apply the migrations that it lacks. Raises StoreError."""
        try:
            self._make()
            with closing(self.connect_to_write()) as connection:
                self._check(connection, newest=len(steps))
                self._to_wal(connection)
                for step in steps:
                    self._migrate(connection, step)
        except OSError as error:
            raise StoreError(f"database {self.path}: {error.strerror}") from error
        except sqlite3.Error as error:
            raise self.refusal_of(error) from error

    def version(self) -> int:
        """How far the migrations have come; 0 = there is no file yet. Raises StoreError."""
        if not self.path.exists():
            return 0
        try:
            with closing(self.connect_to_read()) as connection:
                return self._pragma(connection, "user_version")
        except sqlite3.Error as error:
            raise self.refusal_of(error) from error

    def connect_to_write(self) -> sqlite3.Connection:
        """A connection that writes. Transactions are begun and ended by hand."""
        return self._connect(
            # In WAL mode FULL syncs at each commit; NORMAL would lose confirmed jobs when the power goes.
            synchronous="FULL" if self._durable else "OFF",
            foreign_keys="ON",
            # What undoes a unit of work is kept there; else one of 16 pages would make a file for it.
            temp_store="MEMORY",
            cache_size=-_WRITE_CACHE_KIB,
            wal_autocheckpoint=_WAL_PAGES,
            journal_size_limit=_WAL_LIMIT_BYTES,
        )

    def connect_to_read(self) -> sqlite3.Connection:
        """A connection that cannot write."""
        return self._connect(query_only="ON", cache_size=-_READ_CACHE_KIB)

    def _connect(self, **pragmas: str | int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            for name, value in pragmas.items():
                connection.execute(f"PRAGMA {name} = {value}")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _make(self) -> None:
        """SQLite gives its other files (-wal, -shm) the mode of this one."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            if not self.path.is_file():
                raise StoreError(f"database {self.path}: is no file") from None
            self.path.chmod(0o600)
            return
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _check(self, connection: sqlite3.Connection, *, newest: int) -> None:
        # In one transaction: another process may be making the file.
        connection.execute("BEGIN")
        try:
            application = self._pragma(connection, "application_id")
            version = self._pragma(connection, "user_version")
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        finally:
            connection.execute("COMMIT")
        if application != APPLICATION_ID and (application or version or tables):
            raise StoreError(f"database {self.path}: belongs to another program")
        if version > newest:
            raise StoreError(
                f"database {self.path}: has version {version}, this gateway knows up to {newest}; "
                "start a newer gateway"
            )
        if self.path.stat().st_size <= CHECKED_BYTES:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreError(f"database {self.path}: is damaged ({found}); restore a backup")

    def _to_wal(self, connection: sqlite3.Connection) -> None:
        """SQLite does not wait for another process here, so we do."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            except sqlite3.OperationalError as error:
                if primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
                continue
            if mode != "wal":
                raise StoreError(f"database {self.path}: its file system does not allow SQLite's WAL mode")
            return

    def _migrate(self, connection: sqlite3.Connection, step: Migration) -> None:
        """Apply one step in a transaction, unless it was applied."""
        if self._pragma(connection, "user_version") >= step.number:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been faster.
            if self._pragma(connection, "user_version") < step.number:
                for statement in statements(step.sql):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {step.number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _pragma(self, connection: sqlite3.Connection, name: str) -> int:
        number: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
        return number

    def refusal_of(self, error: sqlite3.Error) -> StoreError:
        code = primary_code(error)
        if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            return StoreError(f"database {self.path}: is damaged, or no database at all; restore a backup")
        if code == sqlite3.SQLITE_BUSY:
            return StoreError(f"database {self.path}: is held by another process")
        return StoreError(f"database {self.path}: {error}")


def statements(sql: str) -> list[str]:
    """The statements of a script, one by one: sqlite3's executescript would commit in between."""
    found = []
    statement = ""
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement.strip())
            statement = ""
    return found
