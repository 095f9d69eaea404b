"""What can be read from PostgreSQL through one connection: its own part of it, and the common one."""

from collections.abc import Mapping
from functools import partial

from gateway.stores.postgres_connection import Connection
from gateway.stores.postgres_entries import PostgresEntries
from gateway.stores.postgres_lists import PostgresJobLists
from gateway.stores.postgres_nodes import Claims, PostgresNodeReader


class PostgresReader(Claims):
    """The port JobReader over one connection, which the caller keeps in one transaction."""

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        super().__init__(
            connection,
            queries,
            lists=PostgresJobLists(connection, queries),
            entries=partial(PostgresEntries, connection, queries),
            nodes=PostgresNodeReader(connection, queries),
        )
