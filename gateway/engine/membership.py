"""This node among those that share the store: holds its lease, and gives up when it cannot."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

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
    """Joins, renews, and gives up in time.

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
        lease = house.policy.lease_seconds

        def work(tx: JobWriter) -> tuple[float, int, list[JobRecord]]:
            began = house.clock.monotonic()
            number = tx.nodes.join(house.node.identity, house.node.name, lease_seconds=lease)
            return began, number, tx.claimed(number)

        began, house.node.number, held = await house.store.write(work)
        self._renewed(began)
        return held

    async def tick(self) -> float | None:
        """Renew the lease, or join; seconds until the next time."""
        house = self._house
        if not house.store.shared:
            return None
        if not house.node.number:
            await self._found(await self.join())
            self._joined()
        elif not await self._renew():
            await self._give_up()
            return 0.0
        return house.policy.lease_seconds / RENEWED

    async def leave(self) -> None:
        """The gateway stops. Others go on with what they can reach; the rest waits for this node's next
        start, as long as the lease lasts.
        """
        house = self._house
        if house.store.shared and house.node.number and house.executor.reachable_from_anywhere:
            await house.store.renew_lease(house.node.number, lease_seconds=0)

    async def _renew(self) -> bool:
        """Whether this node still is one."""
        house = self._house
        began = house.clock.monotonic()
        try:
            async with asyncio.timeout(self._until - began):
                renewed = await house.store.renew_lease(
                    house.node.number, lease_seconds=house.policy.lease_seconds
                )
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
