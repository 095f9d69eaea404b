"""Nodes in PostgreSQL: the ports NodeReader and NodeWriter. The database's clock decides about leases."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.domain.node_store import Node
from gateway.domain.record import JobRecord
from gateway.stores.postgres_connection import Connection
from gateway.stores.sql_connection import SqlCursor
from gateway.stores.sql_reader import SqlReader
from gateway.stores.sql_rows import record_of


class PostgresNodeReader:
    """The port NodeReader."""

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries

    def all(self) -> list[Node]:
        """Those that have joined, oldest first."""
        return [Node(*row) for row in self._run("nodes").fetchall()]

    def lapsed(self, *, besides: int = 0) -> list[Node]:
        """Those whose lease is over, but one; a writer locks them, and is not told of one that another is
        about to remove.
        """
        return [Node(*row) for row in self._run("lapsed_nodes", besides=besides).fetchall()]

    def _run(self, name: str, /, **values: Any) -> SqlCursor:
        return self._db.execute(self._sql[name], values)


class PostgresNodeWriter(PostgresNodeReader):
    """The port NodeWriter."""

    def __init__(
        self, connection: Connection, queries: Mapping[str, str], *, before_change: Callable[[], None]
    ) -> None:
        """`before_change` has all jobs written that were held back, and none remembered."""
        super().__init__(connection, queries)
        self._before_change = before_change

    def join(self, identity: str, name: str, *, lease_seconds: float) -> int:
        """Join with a new number, and take over what a node of the same identity held."""
        self._before_change()
        before = self._run("own_node", identity=identity).fetchone()
        if before is not None:
            self._run("rename_node", number=before[0])
        values = {"identity": identity, "name": name, "lease_seconds": lease_seconds}
        number: int = self._run("insert_node", **values).fetchone()[0]
        if before is not None:
            self._run("hand_over", from_node=before[0], to_node=number)
            self.remove(before[0])
        return number

    def holds(self, number: int) -> bool:
        """Whether the node is one still; nobody can remove it until the end of the transaction."""
        return self._run("node", number=number).fetchone() is not None

    def remove(self, number: int) -> None:
        """Make a node one no more. It must hold nothing."""
        self._before_change()
        self._run("remove_node", number=number)


class Claims(SqlReader):
    """What of the port JobReader goes by node."""

    def claimed(self, node: int) -> list[JobRecord]:
        """All jobs that a node holds."""
        return [record_of(row) for row in self._rows("claimed", {"node": node})]

    def count_claimed(self, node: int | None = None) -> dict[str, int]:
        """How many jobs are held, by organization: by one node, or by all."""
        name = "count_claimed" if node is None else "count_held"
        return dict(self._rows(name, {"node": node}))
