"""The one node that works on a SQLite file: the ports NodeReader and NodeWriter.

The data folder's lock keeps every other gateway away, so there is no lease: who has the lock holds all that
is held.
"""

from gateway.domain.node_store import Node
from gateway.domain.record import JobRecord
from gateway.stores.sql_reader import SqlReader
from gateway.stores.sql_rows import record_of

SOLE = 1
"""The number of the one node."""


class SoleNode:
    """Nothing of it is stored."""

    def all(self) -> list[Node]:
        """Nobody needs to know who else is there."""
        return []

    def lapsed(self, *, besides: int = 0) -> list[Node]:  # noqa: ARG002
        """No lease is ever over."""
        return []

    def join(self, identity: str, name: str, *, lease_seconds: float) -> int:  # noqa: ARG002
        """Take over from whoever had the file before."""
        return SOLE

    def holds(self, number: int) -> bool:
        """Whether it has joined."""
        return number == SOLE

    def remove(self, number: int) -> None:
        """The next one joins anyway."""


class SoleClaims(SqlReader):
    """What of the port JobReader goes by node."""

    def claimed(self, node: int) -> list[JobRecord]:
        """All jobs that a node holds."""
        return [record_of(row) for row in self._rows("claimed", {})] if node == SOLE else []

    def count_claimed(self, node: int | None = None) -> dict[str, int]:  # noqa: ARG002
        """How many jobs are held, by organization; there is but one node."""
        return dict(self._rows("count_claimed", {}))
