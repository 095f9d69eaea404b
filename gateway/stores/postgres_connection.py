"""Connections to PostgreSQL: how they are made and made again, and how statements are run through one.

Statements are those of the .sql files, with parameters written `:name`, or `?` for a column of many rows.
They go to the server prepared, and results come in binary form, so that documents are not escaped.
"""

import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrDumper

from gateway.stores.errors import StoreError
from gateway.stores.postgres_columns import register
from gateway.stores.postgres_errors import LostError, UnreachableError

SCHEMA = "jobs_gateway"
"""All tables lie in a schema of their own, so that a database may be shared with others."""

CONNECT_SECONDS = 5
"""How long a server may take to answer at first."""
IDLE_SECONDS = 10
"""How long a transaction may do nothing before the server ends it: its gateway stalls and holds locks."""
LONGEST_PAUSE_SECONDS = 2.0
"""The longest time in which no connection is tried after one could not be made."""

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z_0-9]*)")
_WRITES = re.compile(r"\b(INSERT INTO|DELETE FROM|(?<!FOR )(?<!KEY )UPDATE)\b")

_DEFAULTS: dict[str, Any] = {
    "application_name": "jobs-gateway",
    "connect_timeout": CONNECT_SECONDS,
    # A server whose machine is gone says nothing: without these it would be waited for two hours.
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    # Of several hosts the one that takes changes.
    "target_session_attrs": "read-write",
}
"""What an address may say otherwise (https://www.postgresql.org/docs/current/libpq-connect.html)."""

_SETTINGS = f"""
SET search_path = {SCHEMA};
SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s';
SET plan_cache_mode = {{plans}};
SET enable_seqscan = off;
SET random_page_cost = 1.1;
SET statement_timeout = '{{statement_seconds}}s';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
"""Every query has its index, whatever the statistics say. A commit is durable when it is told."""

Plans = Literal["auto", "force_custom_plan"]
"""In lists a plan must fit its values: of some there are few rows, of others most."""


class _Cursor(psycopg.Cursor[Any]):
    """A cursor that knows the number of a new row, from RETURNING."""

    def fetchone(self) -> Any:
        """The next row; None = there is none."""
        return super().fetchone()

    @property
    def lastrowid(self) -> int:
        """The number that the statement returned."""
        number: int = self.fetchone()[0]
        return number


class Connection:
    """One connection, used by one thread at a time. Transactions are begun and ended by hand."""

    def __init__(self, raw: "psycopg.Connection[Any]") -> None:
        self.raw = raw
        self.failed: psycopg.Error | None = None
        """The first error since `recover`; the server runs nothing more in that transaction."""
        self.writes = 0
        """How many statements that write were run, or will be."""
        self._waiting: list[tuple[str, Mapping[str, Any]]] = []

    @property
    def is_lost(self) -> bool:
        """Whether the server is gone."""
        return self.raw.closed or self.raw.broken

    @property
    def has_begun(self) -> bool:
        """Whether the server was told that a transaction begins, as far as is known."""
        return self.raw.info.transaction_status is not psycopg.pq.TransactionStatus.IDLE

    def execute(self, sql: str, values: Mapping[str, Any] | Sequence[Any] | None = None) -> _Cursor:
        """Run one statement. After an error every further one raises that error, until `recover`."""
        if self.failed is not None:
            raise self.failed
        cursor = self._cursor()
        statement = self._translated(sql)
        waiting, self._waiting = self._waiting, []
        try:
            if not waiting:
                return cursor.execute(statement, values or {})
            with self.raw.pipeline():
                for before in waiting:
                    self._cursor().execute(*before)
                return cursor.execute(statement, values or {})
        except psycopg.Error as error:
            self.failed = error
            raise

    def later(self, sql: str, values: Mapping[str, Any] | None = None) -> None:
        """Have a statement run whose result nobody needs: it is sent together with the next one, which raises
        its error. Without a next one it is not run.
        """
        self._waiting.append((self._translated(sql), values or {}))

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement that takes many rows: it is given each of their columns as an array."""
        self.execute(sql, [list(column) for column in zip(*rows, strict=True)])

    def run(self, sql: str) -> None:
        """Run statements without parameters, such as begin and end transactions. Raises LostError."""
        try:
            self.raw.execute(sql)
        except psycopg.Error as error:
            if self.is_lost:
                raise LostError from error
            raise

    def recover(self, sql: str) -> None:
        """Roll back, if there is anything to be, and forget the error and what was to be run later."""
        self._waiting.clear()
        if self.has_begun:
            self.run(sql)
        self.failed = None

    def close(self) -> None:
        """Disconnect."""
        with suppress(psycopg.Error):
            self.raw.close()

    def _translated(self, sql: str) -> str:
        statement, writes = _translated(sql)
        self.writes += writes
        return statement

    def _cursor(self) -> _Cursor:
        cursor = _Cursor(self.raw)
        cursor.format = psycopg.pq.Format.BINARY
        return cursor


class Connector:
    """Makes connections to one address. After a failure it pauses, so that callers are told at once."""

    def __init__(self, address: str) -> None:
        """Raises StoreError when the address cannot be read."""
        try:
            given = conninfo_to_dict(address)
        except psycopg.Error:
            # The message may hold the password.
            raise StoreError("database: the address is not of the form postgresql://user@host/name") from None
        self._address = make_conninfo("", **(_DEFAULTS | given))
        self.name = _name(given)
        """The address without its secrets, for messages."""
        self._turn = threading.Lock()
        self._again_at = 0.0
        self._pause = 0.05
        self._problem: Exception | None = None

    def connect(self, *, statement_seconds: int = 0, plans: Plans = "auto") -> Connection:
        """A new connection; its statements may take so long, 0 = as long as they like. `plans`: kept for
        statements that go by id, or made anew for the values of each list.

        Raises UnreachableError, at once while another try would be too early.
        """
        with self._turn:
            if time.monotonic() < self._again_at:
                raise UnreachableError(str(self._problem)) from self._problem
        try:
            raw = psycopg.connect(self._address, autocommit=True, prepare_threshold=3)
        except psycopg.Error as error:
            with self._turn:
                self._problem = error
                self._again_at = time.monotonic() + self._pause
                self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)
            raise UnreachableError(str(error)) from error
        with self._turn:
            self._again_at, self._pause = 0.0, 0.05
        raw.prepared_max = 400
        raw.adapters.register_dumper(int, _Bigint)
        raw.adapters.register_dumper(str, StrDumper)
        register(raw.adapters)
        connection = Connection(raw)
        try:
            connection.run(_SETTINGS.format(statement_seconds=statement_seconds, plans=plans))
        except (psycopg.Error, LostError) as error:
            connection.close()
            raise UnreachableError(str(error)) from error
        return connection


class _Bigint(Int8BinaryDumper):
    """Every integer is a bigint: statements are prepared once, and not for each size of a number."""


@lru_cache(maxsize=1000)
def _translated(sql: str) -> tuple[str, bool]:
    """The statement with parameters as psycopg writes them, and whether it writes."""
    translated = _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%")).replace("?", "%s")
    return translated, _WRITES.search(sql) is not None


def _name(given: Mapping[str, Any]) -> str:
    host, port = given.get("host") or "localhost", given.get("port")
    return f"postgresql://{host}{f':{port}' if port else ''}/{given.get('dbname') or ''}"
