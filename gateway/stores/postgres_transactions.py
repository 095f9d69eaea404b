"""The transactions of one thread that writes: how they begin and end, and what became of them."""

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from secrets import token_hex

import psycopg

from gateway.stores.postgres_connection import Connection, Connector
from gateway.stores.postgres_errors import LostError, UndoneError, UnknownError, UnreachableError
from gateway.stores.postgres_writer import PostgresWriter

LOOK_UP_SECONDS = 10.0
"""How long it is asked what became of a commit whose answer was lost."""
_LOOK_UP_AGAIN_SECONDS = 0.05
TURN_WAIT_MS = 10_000
"""How long a unit that runs alone waits for its turn."""

_NAMED = "SELECT set_config('application_name', current_setting('application_name') || ' writer', false)"
"""Tells sessions that write from others, see postgres_halted.py."""


class Transactions:
    """The connection of one thread, made anew when it is lost, and one transaction after another."""

    def __init__(self, connector: Connector, queries: Mapping[str, str], *, wait_ms: int) -> None:
        """`wait_ms`: how long a transaction waits for a lock, unless it is told otherwise."""
        self._wait_ms = wait_ms
        self._connector = connector
        self._queries = queries
        self._db: Connection | None = None
        self._writer: PostgresWriter | None = None
        self._name = token_hex(8)
        self._number = 0
        """Of the latest commit that was tried; see postgres/0005_commits.sql."""

    def begin(self) -> PostgresWriter:
        """Begin one; the server is told of it with the first statement. Raises UnreachableError."""
        if self._db is None or self._writer is None:
            # What is left of one that was lost in between.
            self.close()
            self._db = self._connector.connect()
            self._db.run(f"SET lock_timeout = {self._wait_ms}")
            self._db.run(_NAMED)
            self._introduce(self._db)
            self._writer = PostgresWriter(self._db, self._queries)
        self._db.later("BEGIN")
        self._writer.start()
        return self._writer

    def begin_alone(self, wait_ms: int, *, in_turn: bool) -> PostgresWriter:
        """Begin one that waits so long for a lock; `in_turn`: when nobody else on any gateway has the turn.
        Raises UnreachableError, LostError and UndoneError.
        """
        writer = self.begin()
        db = writer.connection
        try:
            if in_turn:
                db.later(f"SET LOCAL lock_timeout = {TURN_WAIT_MS}")
                db.execute(self._queries["lock"], {"what": "jobs_gateway/alone"})
            db.later(f"SET LOCAL lock_timeout = {wait_ms}")
            return writer
        except psycopg.Error as error:
            raise (LostError if db.is_lost else UndoneError) from error

    def commit(self, told: Iterable[str]) -> None:
        """Commit, and tell other gateways. Raises LostError or UndoneError when nothing was stored,
        UnknownError when that cannot be found out.
        """
        db, writer = self._db, self._writer
        assert db is not None
        assert writer is not None
        noted = False
        try:
            writer.finish()
            if writer.has_written:
                self._number += 1
                values = {"writer": self._name, "number": self._number, "payloads": list(told)}
                db.execute(self._queries["last_words"], values)
                noted = True
        except psycopg.Error as error:
            raise (LostError if db.is_lost else UndoneError) from error
        if not db.has_begun:
            # No unit has asked the database anything.
            self.roll_back()
            return
        try:
            db.run("COMMIT")
        except LostError:
            if noted and not self._was_committed():
                raise

    def roll_back(self) -> None:
        """Undo the transaction, if the server has not done so."""
        if self._db is None:
            return
        try:
            self._db.recover("ROLLBACK")
        except (psycopg.Error, LostError):
            self.close()

    def close(self) -> None:
        """Disconnect."""
        if self._db is not None:
            self._db.close()
        self._db = self._writer = None

    def _introduce(self, db: Connection) -> None:
        """Have a row for what is committed. Raises UnreachableError."""
        try:
            if not self._number:
                db.execute(self._queries["forget_writers"])
            db.execute(self._queries["insert_writer"], {"writer": self._name})
        except psycopg.Error as error:
            self.close()
            raise UnreachableError(str(error)) from error

    def _was_committed(self) -> bool:
        """Whether the latest commit was made, whose answer was not heard. Raises UnknownError."""
        self.close()
        until = time.monotonic() + LOOK_UP_SECONDS
        while time.monotonic() < until:
            with suppress(UnreachableError, psycopg.Error, LostError):
                db = self._connector.connect()
                try:
                    db.run(f"SET lock_timeout = {self._wait_ms}")
                    row = db.execute(self._queries["last_commit"], {"writer": self._name}).fetchone()
                finally:
                    db.close()
                if row is None:
                    break
                return bool(row[0] == self._number)
            time.sleep(_LOOK_UP_AGAIN_SECONDS)
        raise UnknownError
