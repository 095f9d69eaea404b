"""This node among those that share the store: holds its lease, and takes over from nodes that lost theirs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.domain import attempts
from gateway.domain.errors import JobsError
from gateway.domain.house import House
from gateway.domain.ports import JobWriter
from gateway.domain.record import JobRecord

TRUSTED = 0.75
"""The part of the lease after which this node gives up by itself, if it could not renew. In what is left of
it, all that only this node could reach must die; then others take over.
"""
RENEWED = 4
"""How often the lease is renewed while it lasts."""
_log = logging.getLogger("gateway.engine")


class Membership:
    """Joins, renews, rescues, and gives up in time.

    `found` is handed the attempts that this node holds from now on; `lost` lets go of all attempts, because
    others may hold them now; `joined` is called when it is a node again, and may claim.
    """

    def __init__(
        self,
        house: House,
        *,
        found: Callable[[list[JobRecord]], Awaitable[None]],
        lost: Callable[[], Awaitable[None]],
        joined: Callable[[], None],
    ) -> None:
        self._house = house
        self._joined = joined
        self._found = found
        self._lost = lost
        self._until = 0.0
        """When this node must have given up, on the monotonic clock."""

    async def join(self) -> list[JobRecord]:
        """Become a node; the attempts that were held under this identity before, and are this node's now.
        Raises ServiceUnavailable.
        """
        house = self._house
        began = house.clock.monotonic()
        lease = house.policy.lease_seconds

        def work(tx: JobWriter) -> tuple[int, list[JobRecord]]:
            number = tx.nodes.join(house.node.identity, house.node.name, lease_seconds=lease)
            return number, tx.claimed(number)

        house.node.number, held = await house.store.write(work)
        self._renewed(began)
        return held

    async def tick(self) -> float | None:
        """Renew, and look after the others; seconds until the next time."""
        house = self._house
        if not house.store.shared:
            return None
        if not house.node.number:
            await self._found(await self.join())
            self._joined()
        elif not await self._renew():
            await self._give_up()
            return 0.0
        await self._found(await house.store.write(self._take_over))
        return house.policy.lease_seconds / RENEWED

    async def leave(self) -> None:
        """The gateway stops. Others go on with what they can reach; the rest waits for this node's next
        start, as long as the lease lasts.
        """
        house = self._house
        if house.store.shared and house.node.number and house.executor.reachable_from_anywhere:
            await house.store.write(lambda tx: tx.nodes.renew(house.node.number, lease_seconds=0))

    async def _renew(self) -> bool:
        """Whether this node still is one."""
        house = self._house
        began = house.clock.monotonic()
        number, lease = house.node.number, house.policy.lease_seconds
        try:
            async with asyncio.timeout(self._until - began):
                renewed = await house.store.write(lambda tx: tx.nodes.renew(number, lease_seconds=lease))
        except TimeoutError:
            return False
        except JobsError as error:
            if house.clock.monotonic() >= self._until:
                return False
            _log.warning("the node's lease could not be renewed: %s", error.reason)
            raise
        if renewed:
            self._renewed(began)
        return renewed

    def _renewed(self, began: float) -> None:
        """The lease counts from before it was asked for."""
        self._until = began + TRUSTED * self._house.policy.lease_seconds
        if self._house.store.shared:
            self._house.executor.lease(self._until - self._house.clock.monotonic())

    async def _give_up(self) -> None:
        _log.warning("node %d has lost its lease and lets go of all attempts", self._house.node.number)
        self._house.node.number = 0
        await self._lost()
        await self._house.executor.abandon()

    def _take_over(self, tx: JobWriter) -> list[JobRecord]:
        """What is to be gone on with of what lost nodes held; the rest is told DIED or waits for a retry."""
        house = self._house
        if not tx.nodes.holds(house.node.number):
            return []
        inherited = []
        for node in tx.nodes.lapsed():
            held = tx.claimed(node.number)
            _log.warning("node %d (%s) is lost with %d attempts", node.number, node.name, len(held))
            for record in held:
                inherited.append(attempts.inherit(house, tx, record, node.name, house.clock.now()))
            tx.nodes.remove(node.number)
        return [record for record in inherited if record is not None]
