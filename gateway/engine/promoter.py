"""Looks again at WAITING jobs whose time has come: notBefore, or the end of a backoff.

Dependencies and locks need no loop: what they hold up is decided in the transaction that frees it.
"""

from gateway.domain.house import House
from gateway.domain.ports import JobReader, JobWriter
from gateway.domain.waiting import reconsider

_BATCH = 200
_LONGEST_PAUSE_SECONDS = 60.0


class Promoter:
    """WAITING -> SCHEDULED, by the clock."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def tick(self) -> float | None:
        """Reconsider all jobs that are due; seconds until the next one is."""
        house = self._house

        def work(tx: JobWriter) -> int:
            now = house.clock.now()
            due = tx.due(now, _BATCH)
            for job_id in due:
                reconsider(tx, job_id, now=now)
            return len(due)

        while await self._any_due() and await house.store.write(work) == _BATCH:
            pass
        soonest = await house.store.read(lambda tx: tx.next_wake())
        if soonest is None:
            return None
        # The wall clock may be set back or forth meanwhile, so no pause is long.
        return min(max(0.0, (soonest - house.clock.now()).total_seconds()), _LONGEST_PAUSE_SECONDS)

    async def _any_due(self) -> bool:
        def work(tx: JobReader) -> bool:
            return bool(tx.due(self._house.clock.now(), 1))

        return await self._house.store.read(work)
