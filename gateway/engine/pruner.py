"""Deletes what has expired (final jobs past `expiresAt`, idempotency keys past their 24 hours, nonces past
their window), and frees the room of results and log entries that were deleted.
"""

import logging
from datetime import timedelta

from gateway.domain.call import GATEWAY_ACTOR
from gateway.domain.canceling import clear_away, erase_job
from gateway.domain.house import House
from gateway.domain.ports import JobReader, JobWriter

_BATCH = 50
_UNIT_SECONDS = 0.001
"""After so long a unit of work takes no further job: other writers wait for it."""
_SWEPT = 250
"""The most results, or log entries, that go in one step; some milliseconds."""
_NONCES = 500
"""The most nonces that go in one step: short rows without anything hanging on them."""
_EVERY_SECONDS = 1.0
_AGAIN_SECONDS = 0.001
_KEEP_IDEMPOTENCY_KEYS = timedelta(hours=24)
_log = logging.getLogger("gateway.engine")


class Pruner:
    """Removes in small steps and rests as long as each of them took: other writers get their turn."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._gone = 0
        """Jobs that were deleted since there was nothing to delete."""

    async def tick(self) -> float | None:
        """Delete some of what has expired, and free some room; seconds until the next look."""
        began = self._house.clock.monotonic()
        gone, is_more = await self._pruned()
        is_more = await self._swept() or is_more
        worked = self._house.clock.monotonic() - began
        for job_id in gone:
            await clear_away(self._house, job_id)
        self._gone += len(gone)
        if is_more:
            return max(_AGAIN_SECONDS, worked)
        if self._gone:
            _log.info("%d expired jobs deleted", self._gone)
            self._gone = 0
        return _EVERY_SECONDS

    async def _pruned(self) -> tuple[list[str], bool]:
        """Delete some of what has expired: ids of the jobs that are gone, and whether there may be more."""
        if not await self._anything():
            return [], False
        return await self._house.store.write(self._prune)

    async def _swept(self) -> bool:
        """Free some room; whether there was anything to do."""
        if not await self._house.store.read(lambda tx: tx.results.has_remains() or tx.logs.has_remains()):
            return False

        def work(tx: JobWriter) -> None:
            tx.results.sweep(_SWEPT)
            tx.logs.sweep(_SWEPT)

        await self._house.store.write(work)
        return True

    async def _anything(self) -> bool:
        def work(tx: JobReader) -> bool:
            now = self._house.clock.now()
            oldest = tx.oldest_remembered()
            forgets = oldest is not None and oldest < now - _KEEP_IDEMPOTENCY_KEYS
            return forgets or tx.digests.has_stale(now) or bool(tx.expired(now, 1))

        return await self._house.store.read(work)

    def _prune(self, tx: JobWriter) -> tuple[list[str], bool]:
        """Ids of the jobs that are gone, and whether there may be more to delete."""
        now = self._house.clock.now()
        until = self._house.clock.monotonic() + _UNIT_SECONDS
        expired = tx.expired(now, _BATCH)
        gone = []
        for job_id in expired:
            job = tx.document(job_id)
            if job is not None:
                erase_job(tx, job_id, job.organization_id, actor=GATEWAY_ACTOR, action="job.expired", now=now)
            gone.append(job_id)
            if self._house.clock.monotonic() >= until:
                break
        forgotten = tx.forget(now - _KEEP_IDEMPOTENCY_KEYS, _BATCH)
        nonces = tx.digests.forget_nonces(now, _NONCES)
        is_more = len(gone) < len(expired) or _BATCH in (len(gone), forgotten) or nonces == _NONCES
        return gone, is_more
