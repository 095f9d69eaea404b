"""Takes over what other nodes held that have lost their leases."""

import logging
from collections.abc import Awaitable, Callable

from gateway.domain import attempts
from gateway.domain.house import House
from gateway.domain.ports import JobWriter
from gateway.domain.record import JobRecord

LOOKED = 4
"""How often it is looked for lost nodes in the time of a lease."""
_log = logging.getLogger("gateway.engine")


class Heir:
    """Looks for lost nodes. What one of them has locked may hold this up, so no lease waits for it."""

    def __init__(self, house: House, *, found: Callable[[list[JobRecord]], Awaitable[None]]) -> None:
        """`found` is handed the attempts that this node holds from now on."""
        self._house = house
        self._found = found

    async def tick(self) -> float | None:
        """Take over; seconds until the next look."""
        house = self._house
        if not house.store.shared:
            return None
        number = house.node.number
        if number:
            inherited = await house.store.write(lambda tx: self._inherit(tx, number))
            # Whoever was lost meanwhile has let go of all, and finds it again when it joins.
            if house.node.number == number:
                await self._found(inherited)
        return house.policy.lease_seconds / LOOKED

    def _inherit(self, tx: JobWriter, number: int) -> list[JobRecord]:
        """What is to be gone on with of what lost nodes held; the rest is told DIED or waits for a retry."""
        house = self._house
        if not tx.nodes.holds(number):
            return []
        inherited = []
        # This node may have lapsed, too. As long as no other takes over from it, it can renew.
        for node in tx.nodes.lapsed(besides=number):
            held = tx.claimed(node.number)
            _log.warning("node %d (%s) is lost with %d attempts", node.number, node.name, len(held))
            for record in held:
                inherited.append(attempts.inherit(house, tx, record, node.name, house.clock.now()))
            tx.nodes.remove(node.number)
        return [record for record in inherited if record is not None]
