"""Starts the runs of scheduled jobs when they are due."""

import asyncio
import logging

from gateway.domain.errors import JobsError
from gateway.domain.house import House
from gateway.domain.ports import JobReader
from gateway.domain.schedule_runs import pass_over, run_due

_BATCH = 100
_AGAIN_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_log = logging.getLogger("gateway.engine")


class Scheduler:
    """Due times -> runs. It counts time from when it was made: what was due before was missed."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._since = house.clock.now()

    async def tick(self) -> float | None:
        """Start every run that is due; seconds until the next one is."""
        house = self._house
        # A clock that was put back must not make present times look missed.
        self._since = min(self._since, house.clock.now())
        failed: set[str] = set()
        while due := [one for one in await house.store.read(self._due) if one not in failed]:
            # Side by side, so that many share one commit; each is a transaction of its own all the same.
            stored = await asyncio.gather(*(self._run(schedule_id) for schedule_id in due))
            failed.update(one for one, done in zip(due, stored, strict=True) if not done)
        if failed:
            return _AGAIN_SECONDS
        soonest = await house.store.read(lambda tx: tx.schedules.next_due())
        if soonest is None:
            return None
        # The wall clock may be set back or forth meanwhile, so no pause is long.
        return min(max(0.0, (soonest - house.clock.now()).total_seconds()), _LONGEST_PAUSE_SECONDS)

    def _due(self, tx: JobReader) -> list[str]:
        return tx.schedules.due(self._house.clock.now(), _BATCH)

    async def _run(self, schedule_id: str) -> bool:
        """Decide about one schedule; whether that was stored."""
        house, since = self._house, self._since
        try:
            await house.store.write(
                lambda tx: run_due(house, tx, schedule_id, now=house.clock.now(), since=since)
            )
        except JobsError as error:
            _log.warning("scheduled job %s: %s", schedule_id, error.reason)
            return False
        except Exception:
            _log.exception("scheduled job %s failed; its due times are passed over", schedule_id)
            return await self._pass_over(schedule_id)
        return True

    async def _pass_over(self, schedule_id: str) -> bool:
        house, reason = self._house, "the gateway failed unexpectedly; its log tells more"
        try:
            await house.store.write(lambda tx: pass_over(tx, schedule_id, reason, now=house.clock.now()))
        except Exception:
            _log.exception("scheduled job %s could not be passed over", schedule_id)
            return False
        return True
