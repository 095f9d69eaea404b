"""What nodes need from the store: the attribute `nodes` of JobReader and JobWriter.

A node is a gateway whose engine works on a store. It holds the attempts that it claimed under its number, as
long as it renews its lease. When the lease is over, others may take over what it held; its number is never
used again, so what it still writes of these attempts is refused. Leases are renewed by JobStore.renew_lease.
"""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Node:
    """A gateway whose engine works on the store."""

    number: int
    """Larger than that of every node before it (a fencing token); at least 1."""
    identity: str
    """Of its data folder. Who joins under the same identity takes over at once."""
    name: str
    """For people."""


class NodeReader(Protocol):
    """What can be read of nodes."""

    def all(self) -> list[Node]:
        """Those that have joined, oldest first; also some whose lease is over."""

    def lapsed(self, *, besides: int = 0) -> list[Node]:
        """Those whose lease is over, but the one with a number. Two units of work that write are never told
        of the same one, and none of them can renew until the unit is over.
        """


class NodeWriter(NodeReader, Protocol):
    """What can be read and written of them. Leases go by the store's own clock."""

    def join(self, identity: str, name: str, *, lease_seconds: float) -> int:
        """Join with a new number. A node of the same identity is one no more, and what it held is held
        under the new number.
        """

    def holds(self, number: int) -> bool:
        """Whether the node is one still. Then it stays one until this unit of work is over."""

    def remove(self, number: int) -> None:
        """Make a node one no more."""
