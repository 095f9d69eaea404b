"""What can be read from PostgreSQL through one connection. The lists of jobs have a file of their own."""

from collections.abc import Mapping
from typing import Any

from gateway.stores.postgres_connection import Connection
from gateway.stores.postgres_entries import PostgresEntries
from gateway.stores.postgres_lists import PostgresJobLists
from gateway.stores.postgres_nodes import Claims, PostgresNodeReader
from gateway.stores.sqlite_digests import SqliteDigestReader
from gateway.stores.sqlite_logs import SqliteLogReader
from gateway.stores.sqlite_reader import SqliteReader
from gateway.stores.sqlite_results import SqliteResultReader
from gateway.stores.sqlite_schedules import SqliteScheduleReader


class PostgresReader(Claims, SqliteReader):
    """The port JobReader over one connection, which the caller keeps in one transaction."""

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        db: Any = connection
        self._db = db
        self._sql = queries
        self._lists: Any = PostgresJobLists(connection, queries)
        self.results: SqliteResultReader = PostgresResultReader(db, queries)
        self.logs: SqliteLogReader = PostgresLogReader(db, queries)
        self.schedules = SqliteScheduleReader(db, queries)
        self.digests = SqliteDigestReader(db, queries)
        self.nodes: Any = PostgresNodeReader(connection, queries)


class PostgresResultReader(SqliteResultReader):
    """The port ResultReader."""

    def __init__(self, connection: Any, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries
        self._entries = PostgresEntries(connection, queries, table="results", scope="storage")


class PostgresLogReader(SqliteLogReader):
    """The port LogReader."""

    def __init__(self, connection: Any, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries
        self._entries = PostgresEntries(connection, queries, table="log_entries", scope="log")
