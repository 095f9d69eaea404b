"""What can be read and written in SQLite in one transaction: its own part of it, and the common one."""

import sqlite3
from collections.abc import Mapping
from functools import partial

from gateway.stores.sql_writer import SqlWriter
from gateway.stores.sqlite_entries import SqliteEntries
from gateway.stores.sqlite_lists import SqliteJobLists
from gateway.stores.sqlite_nodes import SoleClaims, SoleNode
from gateway.stores.sqlite_recent import RecentRecords


class SqliteWriter(SoleClaims, SqlWriter):
    """The port JobWriter over one connection. `begin` comes before each unit of work, `finish` after it, and
    `keep` when it was not undone.
    """

    recent: RecentRecords

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        super().__init__(
            connection,
            queries,
            lists=SqliteJobLists(connection, queries),
            entries=partial(SqliteEntries, connection, queries),
            nodes=SoleNode(),
            recent=RecentRecords(connection),
        )
        self.begin()

    def keep(self) -> None:
        """Have the next units of work find the jobs that this one has written."""
        self.recent.keep(self._stored.values())
