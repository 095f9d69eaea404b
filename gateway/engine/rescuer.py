"""Takes over what an earlier gateway left: attempts that were claimed, started or running."""

import logging

from gateway.domain.executor import AttemptKey
from gateway.domain.house import House
from gateway.domain.record import JobRecord
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.monitor import Monitor

_log = logging.getLogger("gateway.engine")


class Rescuer:
    """Finds running jobs again."""

    def __init__(self, house: House, *, dispatcher: Dispatcher, monitor: Monitor) -> None:
        self._house = house
        self._dispatcher = dispatcher
        self._monitor = monitor

    async def tick(self) -> float | None:
        """Follow what has a handle, start again (idempotently) what has none, and remove what is kept outside
        the store of jobs and attachments that are not there.
        """
        held = await self._house.store.read(lambda tx: tx.claimed(self._house.node.number))
        await self.take_up(held)
        for job_id in await self._house.executor.kept():
            if not await self._is_stored(job_id):
                _log.info("removing what is left of the deleted job %s", job_id)
                await self._house.executor.remove(job_id)
        for job_id, files in (await self._house.attachments.kept()).items():
            await self._remove_strays(job_id, files)
        if held:
            _log.info("%d jobs of an earlier run were found again", len(held))
        return None

    async def catch_up(self) -> float | None:
        """Go on with attempts that this node holds and does not know of: they were claimed in a commit of
        which it could not be found out that it was made.
        """
        house, before = self._house, self._known
        held = await house.store.read(lambda tx: tx.claimed(house.node.number))
        # By then all that was claimed before the look is told.
        await house.store.settled()
        known = before | self._known
        await self.take_up([record for record in held if record.attempt not in known])
        return None

    async def take_up(self, held: list[JobRecord]) -> None:
        """Go on with attempts that this node holds now."""
        for record in held:
            if record.handle is not None:
                self._monitor.follow(record)
        await self._dispatcher.start([record for record in held if record.handle is None])

    @property
    def _known(self) -> set[AttemptKey]:
        return self._dispatcher.known | self._monitor.known

    async def _remove_strays(self, job_id: str, files: frozenset[str]) -> None:
        document = await self._house.store.read(lambda tx: tx.document(job_id))
        attached = document.load().attachments if document else ()
        known = {attachment.id for attachment in attached}
        if files.isdisjoint(known):
            await self._house.attachments.remove_job(job_id)
            return
        for attachment_id in files - known:
            await self._house.attachments.remove(job_id, attachment_id)

    async def _is_stored(self, job_id: str) -> bool:
        return await self._house.store.read(lambda tx: tx.document(job_id)) is not None
