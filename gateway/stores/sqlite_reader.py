"""What can be read from SQLite through one connection: its own part of it, and the common one."""

import sqlite3
from collections.abc import Mapping
from functools import partial

from gateway.stores.sqlite_entries import SqliteEntries
from gateway.stores.sqlite_lists import SqliteJobLists
from gateway.stores.sqlite_nodes import SoleClaims, SoleNode


class SqliteReader(SoleClaims):
    """The port JobReader over one connection, which the caller keeps in one transaction."""

    def __init__(self, connection: sqlite3.Connection, queries: Mapping[str, str]) -> None:
        super().__init__(
            connection,
            queries,
            lists=SqliteJobLists(connection, queries),
            entries=partial(SqliteEntries, connection, queries),
            nodes=SoleNode(),
        )
