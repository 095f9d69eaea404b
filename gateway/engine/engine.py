"""All loops together: what wakes which, and how the engine starts and stops."""

from gateway.domain.call import GATEWAY_ACTOR, Cause
from gateway.domain.canceling import request_end
from gateway.domain.errors import JobsError
from gateway.domain.executor import AttemptKey
from gateway.domain.house import House
from gateway.domain.ports import Change, JobWriter
from gateway.domain.record import JobRecord
from gateway.domain.requests import JobCancellation
from gateway.domain.words import FINAL, CallProtocol, JobStatus
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.loop import Loop
from gateway.engine.monitor import Monitor
from gateway.engine.promoter import Promoter
from gateway.engine.pruner import Pruner
from gateway.engine.rescuer import Rescuer


class Engine:
    """Moves jobs from start() to stop()."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.monitor = Monitor(house)
        self.dispatcher = Dispatcher(house, follow=self._follow)
        self.promoter = Promoter(house)
        self.pruner = Pruner(house)
        self.rescuer = Rescuer(house, dispatcher=self.dispatcher, monitor=self.monitor)
        self._watching = Loop("monitor", self.monitor.tick)
        self._dispatching = Loop("dispatcher", self.dispatcher.tick)
        self._promoting = Loop("promoter", self.promoter.tick)
        self._pruning = Loop("pruner", self.pruner.tick)

    async def start(self) -> None:
        """Find again what an earlier gateway left running, then begin. The store must be open."""
        house = self._house
        house.store.listen(self._changed)
        await house.executor.open(self._ended)
        await self.rescuer.tick()
        for loop in (self._watching, self._dispatching, self._promoting, self._pruning):
            loop.start()

    async def stop(self) -> None:
        """End the loops and let go of the executor; jobs go on."""
        for loop in (self._pruning, self._promoting, self._dispatching, self._watching):
            await loop.stop()
        await self._house.executor.close()

    async def cancel_running(self) -> None:
        """Ask for the end of every job that the executor holds, and wait until all have ended."""
        house = self._house
        cause = Cause(actor=GATEWAY_ACTOR, protocol=CallProtocol.ENGINE)
        reason = JobCancellation(reason="the gateway stops")

        def work(tx: JobWriter) -> list[str]:
            now = house.clock.now()
            held = tx.claimed()
            for record in held:
                try:
                    request_end(house, tx, record, reason, cause=cause, now=now)
                except JobsError:
                    continue
            return [record.job.id for record in held]

        for job_id in await house.store.write(work):
            async with house.changes.of(job_id) as changed:
                while await self._holds(job_id):
                    await changed.wait()
                    changed.clear()

    async def _holds(self, job_id: str) -> bool:
        record = await self._house.store.read(lambda tx: tx.job(job_id))
        return record is not None and record.claimed

    def _follow(self, record: JobRecord) -> None:
        self.monitor.follow(record)
        self._watching.wake()

    def _ended(self, key: AttemptKey) -> None:
        self.monitor.ended(key)
        self._watching.wake()

    def _changed(self, change: Change) -> None:
        self._house.changes.tell(change)
        if self.monitor.changed(change):
            self._watching.wake()
        if change.status is JobStatus.SCHEDULED or change.status in FINAL:
            self._dispatching.wake()
        elif change.status is JobStatus.WAITING:
            self._promoting.wake()
            self._dispatching.wake()
