"""Threads that use connections to PostgreSQL one at a time, so that there are no more than so many."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import psycopg

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.ports import JobReader
from gateway.stores.postgres_connection import Connection, Connector
from gateway.stores.postgres_errors import LostError, UnreachableError, is_passing, unavailable
from gateway.stores.postgres_reader import PostgresReader

T = TypeVar("T")

STATEMENT_SECONDS = 30
"""How long a statement may take."""


class Pool:
    """Some threads and their connections: a thread takes one and puts it back."""

    def __init__(self, connector: Connector, queries: Mapping[str, str], *, most: int) -> None:
        self._connector = connector
        self._queries = queries
        self._most = most
        self._threads: ThreadPoolExecutor | None = None
        self._aside: list[tuple[Connection, PostgresReader]] = []
        """Connections that none uses now."""

    def open(self) -> None:
        """Get ready; connections are made when they are needed."""
        self._threads = ThreadPoolExecutor(self._most, thread_name_prefix="store-reader")

    async def close(self) -> None:
        """Finish what is under way and disconnect."""
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)
            self._threads = None
        while self._aside:
            self._aside.pop()[0].close()

    async def read(self, work: Callable[[JobReader], T], *, single: bool) -> T:
        """Run a unit of work in one transaction, so that all it reads is of one moment; a `single` look is
        that by itself.
        """
        return await self._in_thread(lambda db, reader: _look(db, reader, work, single=single))

    async def use(self, work: Callable[[Connection], T]) -> T:
        """Have a function use a connection; it may be called again with another."""
        return await self._in_thread(lambda db, _reader: work(db))

    async def _in_thread(self, work: Callable[[Connection, PostgresReader], T]) -> T:
        if self._threads is None:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._with_connection, work)

    def _with_connection(self, work: Callable[[Connection, PostgresReader], T]) -> T:
        """Run it, and once more with a new connection when that which was put aside has been lost."""
        try:
            while (put_aside := self._take()) is not None:
                # What was lost since it was used last is no reason to fail.
                with suppress(LostError):
                    return self._used(*put_aside, work)
            db = self._connector.connect(statement_seconds=STATEMENT_SECONDS, plans="force_custom_plan")
            return self._used(db, PostgresReader(db, self._queries), work)
        except (psycopg.Error, LostError, UnreachableError) as error:
            if is_passing(error):
                raise unavailable(error) from error
            raise

    def _take(self) -> tuple[Connection, PostgresReader] | None:
        try:
            return self._aside.pop()
        except IndexError:
            return None

    def _used(
        self, db: Connection, reader: PostgresReader, work: Callable[[Connection, PostgresReader], T]
    ) -> T:
        try:
            found = work(db, reader)
        except BaseException as error:
            lost = db.is_lost
            if db.failed is None and not lost:
                self._aside.append((db, reader))
            else:
                db.close()
            if lost:
                raise LostError from error
            raise
        self._aside.append((db, reader))
        return found


def _look(db: Connection, reader: PostgresReader, work: Callable[[JobReader], T], *, single: bool) -> T:
    if single:
        return work(reader)
    db.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        return work(reader)
    finally:
        if not db.is_lost:
            db.run("COMMIT")
