"""What nodes need from the store: the attribute `nodes` of JobReader and JobWriter.

A node is a gateway whose engine works on a store. It holds the attempts that it claimed under its number, as
long as it renews its lease. When the lease is over, others may take over what it held; its number is never
used again, so what it still writes of these attempts is refused.
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

    def lapsed(self) -> list[Node]:
        """Those whose lease is over. Two units of work that write are never told of the same one."""


class NodeWriter(NodeReader, Protocol):
    """What can be read and written of them. Leases go by the store's own clock."""

    def join(self, identity: str, name: str, *, lease_seconds: float) -> int:
        """Join with a new number. A node of the same identity is one no more, and what it held is held
        under the new number.
        """

    def renew(self, number: int, *, lease_seconds: float) -> bool:
        """Hold the lease for so long from now on; False when the node is one no more."""

    def holds(self, number: int) -> bool:
        """Whether the node is one still. Then it stays one until this unit of work is over."""

    def remove(self, number: int) -> None:
        """Make a node one no more."""
