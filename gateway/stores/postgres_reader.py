"""What can be read from PostgreSQL through one connection. The lists of jobs have a file of their own."""

from collections.abc import Mapping
from typing import Any

from gateway.stores.postgres_connection import Connection
from gateway.stores.postgres_entries import PostgresEntries
from gateway.stores.postgres_lists import PostgresJobLists
from gateway.stores.postgres_nodes import Claims, PostgresNodeReader
from gateway.stores.sql_digests import SqlDigestReader
from gateway.stores.sql_logs import SqlLogReader
from gateway.stores.sql_reader import SqlReader
from gateway.stores.sql_results import SqlResultReader
from gateway.stores.sql_schedules import SqlScheduleReader


class PostgresReader(Claims, SqlReader):
    """The port JobReader over one connection, which the caller keeps in one transaction."""

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        db: Any = connection
        self._db = db
        self._sql = queries
        self._lists: Any = PostgresJobLists(connection, queries)
        self.results: SqlResultReader = PostgresResultReader(db, queries)
        self.logs: SqlLogReader = PostgresLogReader(db, queries)
        self.schedules = SqlScheduleReader(db, queries)
        self.digests = SqlDigestReader(db, queries)
        self.nodes: Any = PostgresNodeReader(connection, queries)


class PostgresResultReader(SqlResultReader):
    """The port ResultReader."""

    def __init__(self, connection: Any, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries
        self._entries = PostgresEntries(connection, queries, table="results", scope="storage")


class PostgresLogReader(SqlLogReader):
    """The port LogReader."""

    def __init__(self, connection: Any, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries
        self._entries = PostgresEntries(connection, queries, table="log_entries", scope="log")
