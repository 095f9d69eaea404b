"""All loops together: what wakes which, and how the engine starts and stops."""

from contextlib import suppress

from gateway.domain.errors import JobsError
from gateway.domain.executor import AttemptKey
from gateway.domain.house import House
from gateway.domain.ports import Change
from gateway.domain.record import JobRecord
from gateway.domain.words import JobStatus
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.loop import Loop
from gateway.engine.monitor import Monitor
from gateway.engine.promoter import Promoter
from gateway.engine.pruner import Pruner
from gateway.engine.rescuer import Rescuer
from gateway.engine.scheduler import Scheduler


class Engine:
    """Moves jobs from start() to stop()."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.monitor = Monitor(house)
        self.dispatcher = Dispatcher(house, follow=self._follow)
        self.promoter = Promoter(house)
        self.pruner = Pruner(house)
        self.scheduler = Scheduler(house)
        self.rescuer = Rescuer(house, dispatcher=self.dispatcher, monitor=self.monitor)
        self._watching = Loop("monitor", self.monitor.tick)
        self._dispatching = Loop("dispatcher", self.dispatcher.tick)
        self._promoting = Loop("promoter", self.promoter.tick)
        self._pruning = Loop("pruner", self.pruner.tick)
        self._scheduling = Loop("scheduler", self.scheduler.tick)
        self._loops = (
            self._watching,
            self._dispatching,
            self._promoting,
            self._pruning,
            self._scheduling,
        )

    async def take_over(self) -> None:
        """Find again what an earlier gateway left running. The store must be open."""
        self._house.store.listen(self._changed)
        self._house.store.listen_to_schedules(lambda _change: self._scheduling.wake())
        self._house.store.listen_to_gaps(self._missed)
        await self._house.executor.open(self._ended)
        await self._house.attachments.open()
        await self.rescuer.tick()

    async def start(self) -> None:
        """Take over, and begin."""
        await self.take_over()
        self._house.store.follow_up(self.dispatcher.due, self.dispatcher.claim, self._claimed)
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """End the loops and let go of the executor; jobs go on."""
        await self.hold()
        for loop in (self._pruning, self._promoting, self._watching):
            await loop.stop()
        await self._house.executor.close()

    async def hold(self) -> None:
        """Start no further attempts and scheduled runs; the attempts that run are followed on."""
        await self._scheduling.stop()
        self.dispatcher.hold()
        with suppress(JobsError):
            # Behind this, nobody claims any more, and what was claimed is told.
            await self._house.store.write(lambda _tx: None)
        await self._dispatching.stop()
        with suppress(JobsError):
            await self.dispatcher.tick()

    def _missed(self) -> None:
        """Changes by others may have gone by untold: look at everything."""
        self._house.changes.tell_all()
        self.monitor.look_at_all()
        for loop in self._loops:
            loop.wake()

    def _follow(self, record: JobRecord) -> None:
        self.monitor.follow(record)
        self._watching.wake()

    def _ended(self, key: AttemptKey) -> None:
        self.monitor.ended(key)
        self._watching.wake()

    def _claimed(self, claimed: list[JobRecord] | None) -> None:
        if self.dispatcher.take(claimed):
            self._dispatching.wake()

    def _changed(self, change: Change) -> None:
        self._house.changes.tell(change)
        if self.monitor.changed(change):
            self._watching.wake()
        if change.status is JobStatus.WAITING:
            self._promoting.wake()
