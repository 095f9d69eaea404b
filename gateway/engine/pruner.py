"""Deletes what has expired: final jobs past `expiresAt`, and idempotency keys past their 24 hours."""

import logging
from datetime import timedelta

from gateway.domain.call import GATEWAY_ACTOR
from gateway.domain.canceling import erase_job
from gateway.domain.house import House
from gateway.domain.ports import JobReader, JobWriter

_BATCH = 50
_EVERY_SECONDS = 1.0
_KEEP_IDEMPOTENCY_KEYS = timedelta(hours=24)
_log = logging.getLogger("gateway.engine")


class Pruner:
    """Removes in small batches, so that other writers get their turn in between."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def tick(self) -> float | None:
        """Delete all that has expired; seconds until the next look."""
        while await self._anything():
            gone = await self._house.store.write(self._prune)
            for job_id in gone:
                await self._house.executor.remove(job_id)
            if gone:
                _log.info("%d expired jobs deleted", len(gone))
            if len(gone) < _BATCH:
                break
        return _EVERY_SECONDS

    async def _anything(self) -> bool:
        def work(tx: JobReader) -> bool:
            now = self._house.clock.now()
            oldest = tx.oldest_remembered()
            forgets = oldest is not None and oldest < now - _KEEP_IDEMPOTENCY_KEYS
            return forgets or bool(tx.expired(now, 1))

        return await self._house.store.read(work)

    def _prune(self, tx: JobWriter) -> list[str]:
        now = self._house.clock.now()
        gone = tx.expired(now, _BATCH)
        for job_id in gone:
            record = tx.job(job_id)
            if record is not None:
                erase_job(tx, record.job, actor=GATEWAY_ACTOR, action="job.expired", now=now)
        tx.forget(now - _KEEP_IDEMPOTENCY_KEYS, _BATCH)
        return gone
