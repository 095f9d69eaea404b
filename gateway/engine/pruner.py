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
_SWEPT = 250
"""The most results, or log entries, that go in one step; some milliseconds."""
_NONCES = 500
"""The most nonces that go in one step: short rows without anything hanging on them."""
_EVERY_SECONDS = 1.0
_AGAIN_SECONDS = 0.01
_KEEP_IDEMPOTENCY_KEYS = timedelta(hours=24)
_log = logging.getLogger("gateway.engine")


class Pruner:
    """Removes in small batches, so that other writers get their turn in between."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def tick(self) -> float | None:
        """Delete all that has expired, and free some room; seconds until the next look."""
        while await self._anything():
            gone, is_more = await self._house.store.write(self._prune)
            for job_id in gone:
                await clear_away(self._house, job_id)
            if gone:
                _log.info("%d expired jobs deleted", len(gone))
            if not is_more:
                break
        # One step a tick: the gateway can stop after any of them.
        return _AGAIN_SECONDS if await self._swept() else _EVERY_SECONDS

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
        gone = tx.expired(now, _BATCH)
        for job_id in gone:
            record = tx.job(job_id)
            if record is not None:
                erase_job(tx, record.job, actor=GATEWAY_ACTOR, action="job.expired", now=now)
        forgotten = tx.forget(now - _KEEP_IDEMPOTENCY_KEYS, _BATCH)
        nonces = tx.digests.forget_nonces(now, _NONCES)
        return gone, len(gone) == _BATCH or forgotten == _BATCH or nonces == _NONCES
