"""All loops together: what wakes which, and how the engine starts and stops."""

import asyncio
import logging
from contextlib import suppress
from functools import partial

from gateway.domain.errors import JobsError
from gateway.domain.executor import AttemptKey
from gateway.domain.house import House
from gateway.domain.outputs import answer_for_output
from gateway.domain.ports import Change
from gateway.domain.record import JobRecord
from gateway.domain.words import JobStatus
from gateway.engine.dispatcher import Dispatcher
from gateway.engine.heir import Heir
from gateway.engine.loop import Loop
from gateway.engine.membership import Membership
from gateway.engine.monitor import Monitor
from gateway.engine.promoter import Promoter
from gateway.engine.pruner import Pruner
from gateway.engine.rescuer import Rescuer
from gateway.engine.scheduler import Scheduler

_log = logging.getLogger("gateway.engine")


class Engine:
    """Moves jobs from start() to stop()."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._clearing: set[asyncio.Future[None]] = set()
        self.monitor = Monitor(house)
        self.dispatcher = Dispatcher(house, follow=self._follow)
        self.promoter = Promoter(house)
        self.pruner = Pruner(house)
        self.scheduler = Scheduler(house)
        self.rescuer = Rescuer(house, dispatcher=self.dispatcher, monitor=self.monitor)
        self.membership = Membership(house, found=self.rescuer.take_up, lost=self._lost, joined=self._look)
        self.heir = Heir(house, found=self.rescuer.take_up)
        self._belonging = Loop("membership", self.membership.tick)
        self._inheriting = Loop("heir", self.heir.tick)
        self._watching = Loop("monitor", self.monitor.tick)
        self._dispatching = Loop("dispatcher", self.dispatcher.tick)
        self._promoting = Loop("promoter", self.promoter.tick)
        self._pruning = Loop("pruner", self.pruner.tick)
        self._scheduling = Loop("scheduler", self.scheduler.tick)
        self._rescuing = Loop("rescuer", self.rescuer.catch_up)
        self._loops = (
            self._watching,
            self._dispatching,
            self._promoting,
            self._pruning,
            self._scheduling,
            self._inheriting,
            self._rescuing,
            self._belonging,
        )

    async def open(self) -> None:
        """Hear of changes, and reach what jobs have left. The store must be open."""
        self._house.store.listen(self._changed)
        self._house.store.listen_to_schedules(lambda _change: self._scheduling.wake())
        self._house.store.listen_to_gaps(self._missed)
        if (exchange := self._house.exchange) is not None:
            exchange.answer(partial(answer_for_output, self._house))
            exchange.hear_heartbeats(self._heard)
            self._house.heartbeats.pass_on = exchange.tell_heartbeat
        await self._house.executor.open(self._ended)
        await self._house.attachments.open()

    async def take_over(self) -> None:
        """Open, and find again what an earlier gateway left running."""
        await self.open()
        await self.membership.join()
        await self.rescuer.tick()

    async def start(self, *, working: bool = True) -> None:
        """Take over, and begin; or merely open, when others do the work."""
        if not working:
            await self.open()
            return
        await self.open()
        await self.membership.join()
        # From here on the lease is to be held, however much there is to be found again.
        self._belonging.start()
        await self.rescuer.tick()
        self._house.store.follow_up(self.dispatcher.due, self.dispatcher.claim, self._claimed)
        for loop in self._loops:
            if loop is not self._belonging:
                loop.start()

    async def stop(self) -> None:
        """End the loops and let go of the executor; jobs go on."""
        await self.hold()
        for loop in self._loops:
            # What cannot be killed, because its engine is away, holds nobody up: the warden goes on with it.
            await loop.stop(at_once=loop is self._belonging)
        await self.dispatcher.close()
        with suppress(JobsError):
            await self.membership.leave()
        await self._house.executor.close()

    async def hold(self) -> None:
        """Start no further attempts and scheduled runs; the attempts that run are followed on."""
        await self._scheduling.stop()
        self.dispatcher.hold()
        with suppress(JobsError):
            # Behind this, nobody claims any more, and what was claimed is told.
            await self._house.store.settled()
        await self._dispatching.stop()
        with suppress(JobsError):
            await self.dispatcher.tick()

    async def _lost(self) -> None:
        """Other nodes hold what this one held."""
        self.monitor.drop()
        await self.dispatcher.drop()

    def _look(self) -> None:
        """Look for something to claim."""
        self.dispatcher.look()
        self._dispatching.wake()

    def _missed(self) -> None:
        """Changes may have gone by untold: look at everything."""
        self._house.changes.tell_all()
        self.monitor.look_at_all()
        self.dispatcher.look()
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

    def _heard(self, job_id: str) -> None:
        self._house.heartbeats.heard(job_id, self._house.clock.monotonic())

    def _changed(self, change: Change) -> None:
        self._house.changes.tell(change)
        if self.monitor.changed(change):
            self._watching.wake()
        if change.status is JobStatus.WAITING:
            self._promoting.wake()
        if change.elsewhere and not change.version:
            self._clear_away(change.job_id)
        if change.elsewhere and self.dispatcher.due(change):
            self._look()

    def _clear_away(self, job_id: str) -> None:
        """Another gateway has deleted a job: remove what is kept of it here."""
        if self._house.executor.keeps(job_id):
            task = asyncio.ensure_future(self._house.executor.remove(job_id))
            self._clearing.add(task)
            task.add_done_callback(self._cleared)

    def _cleared(self, task: "asyncio.Future[None]") -> None:
        self._clearing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("what is kept of a deleted job could not be removed", exc_info=error)
