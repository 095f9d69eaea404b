"""Claims scheduled jobs while there is room, and starts their attempts.

A job is claimed in the very commit that schedules it or frees a place for it, so that it takes no commit of
its own. What the dispatcher claims by itself is what was there before, and more than one batch.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from gateway.domain import attempts
from gateway.domain.attempts import Ended
from gateway.domain.errors import JobsError
from gateway.domain.executor import AttemptKey, StartRefused
from gateway.domain.house import House
from gateway.domain.outcome import outcome_of_refusal
from gateway.domain.ports import Change, JobReader, JobWriter, VaultError
from gateway.domain.record import JobRecord
from gateway.domain.words import JobStatus

_BATCH = 64
_PATIENCE_SECONDS = 0.2
"""How long starts are waited for before others are claimed."""
_AGAIN_SECONDS = 0.5
T = TypeVar("T")

_log = logging.getLogger("gateway.engine")


class Dispatcher:
    """SCHEDULED -> RUNNING."""

    def __init__(self, house: House, *, follow: Callable[[JobRecord], None]) -> None:
        self._house = house
        self._follow = follow
        """Told of each attempt that runs."""
        self._claimed: list[JobRecord] = []
        """Claimed in commits of others, not yet started."""
        self._more = False
        """Whether these commits may have left something to claim."""
        self._held = False
        self._starting: dict[asyncio.Task[None], AttemptKey] = {}

    async def tick(self) -> float | None:
        """Claim and start what there is room for, until the queue is empty or all places are taken. What
        commits of others have claimed was all of that, unless they say otherwise.
        """
        taken = self._taken()
        await self.start(taken)
        if taken and not self._more:
            return None
        self._more = False
        while claimed := self._taken() or await self._claim():
            await self.start(claimed)
            if len(claimed) < _BATCH and not self._claimed and not self._more:
                # It was all that there was room for.
                break
        return None

    @property
    def known(self) -> set[AttemptKey]:
        """The attempts that are to be started, or are being started."""
        return {record.attempt for record in self._claimed} | set(self._starting.values())

    def due(self, change: Change) -> bool:
        """Whether a job may be claimed now that another has changed, here or elsewhere."""
        if change.elsewhere and not self._house.policy.max_running:
            # What ends elsewhere makes no room here.
            return change.status is JobStatus.SCHEDULED
        return change.status not in (JobStatus.RUNNING, JobStatus.UNKNOWN)

    def claim(self, tx: JobWriter) -> list[JobRecord]:
        """Claim what there is room for, one batch at most."""
        if not tx.nodes.holds(self._house.node.number):
            return []
        now = self._house.clock.now()
        found = (attempts.claim(self._house, tx, job_id, now) for job_id in self._candidates(tx))
        return [record for record in found if record is not None]

    def take(self, claimed: list[JobRecord] | None) -> bool:
        """Start these with the next tick; whether one is wanted. None: claiming failed, try again."""
        self._claimed += claimed or []
        self._more |= claimed is None or len(claimed) == _BATCH
        return claimed is None or bool(claimed)

    def look(self) -> None:
        """With the next tick, look for what no commit of this gateway has claimed."""
        self._more = True

    def hold(self) -> None:
        """Claim nothing more."""
        self._held = True

    async def drop(self) -> None:
        """Start nothing of what was claimed: other nodes do."""
        self._claimed.clear()
        await self.close()

    async def close(self) -> None:
        """Leave what takes long to start: it is found again, and started once."""
        starting = list(self._starting)
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)

    async def start(self, records: list[JobRecord]) -> None:
        """Start claimed attempts. The executor finds again what was started before, so that a gateway which
        stopped between starting and storing the handle starts nothing twice. What takes long goes on by
        itself, and holds nobody up.
        """
        tasks = {asyncio.create_task(self._start_one(record)): record.attempt for record in records}
        self._starting |= tasks
        for task in tasks:
            task.add_done_callback(self._started)
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE_SECONDS)

    async def _claim(self) -> list[JobRecord]:
        return await self._house.store.write(self.claim)

    def _taken(self) -> list[JobRecord]:
        taken, self._claimed = self._claimed, []
        return taken

    def _candidates(self, tx: JobReader) -> list[str]:
        """Ids of the jobs to start now, so that no limit is passed."""
        policy = self._house.policy
        number = self._house.node.number
        if self._held or not number:
            return []
        room = _BATCH
        if policy.max_running_jobs:
            room = min(room, policy.max_running_jobs - sum(tx.count_claimed(number).values()))
        if room <= 0:
            return []
        if not policy.max_running:
            return tx.queue(room)
        # Of all nodes: they claim one after the other.
        held = tx.count_claimed()
        chosen: list[str] = []
        full = {name for name, count in held.items() if count >= policy.max_running}
        while len(chosen) < room:
            # One at a time: each choice may fill its organization's share.
            following = [i for i in tx.queue(room, skip_organizations=sorted(full)) if i not in chosen]
            if not following:
                break
            for job_id in following[: room - len(chosen)]:
                document = tx.document(job_id)
                name = document.organization_id if document else ""
                if held.get(name, 0) >= policy.max_running:
                    full.add(name)
                    continue
                held[name] = held.get(name, 0) + 1
                chosen.append(job_id)
        return chosen

    async def _start_one(self, record: JobRecord) -> None:
        house, key = self._house, record.attempt
        try:
            handle = await house.executor.start(await attempts.launch_of(house, record))
        except VaultError as error:
            await self._refused(key, StartRefused(f"a secret cannot be read: {error}", passing=False))
        except StartRefused as refused:
            await self._refused(key, refused)
        except JobsError as error:
            await self._refused(key, StartRefused(error.reason, passing=True))
        except Exception:
            _log.exception("attempt %d of job %s could not be started", key.attempt, key.job_id)
            reason = "the executor failed unexpectedly; the gateway's log tells more"
            await self._refused(key, StartRefused(reason, passing=True))
        else:
            await self._begun(key, handle)

    async def _begun(self, key: AttemptKey, handle: str) -> None:
        """Store the handle; it is tried until it is stored, or the attempt is another node's."""
        house = self._house

        def work(tx: JobWriter) -> JobRecord | None:
            if house.executor.queues:
                return attempts.submitted(house, tx, key, handle)
            return attempts.run(house, tx, key, handle, house.clock.now())

        held = await self._stored(key, work)
        if held is not None:
            self._follow(held)
        elif not house.executor.reachable_from_anywhere:
            await house.executor.stop(key, handle, grace_seconds=0)

    async def _stored(self, key: AttemptKey, work: Callable[[JobWriter], T]) -> T:
        while True:
            try:
                return await self._house.store.write(work, about=key.job_id)
            except JobsError as error:
                _log.warning("what was started could not be stored: %s", error.reason)
            await asyncio.sleep(_AGAIN_SECONDS)

    def _started(self, task: "asyncio.Task[None]") -> None:
        del self._starting[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("an attempt could not be started", exc_info=error)

    async def _refused(self, key: AttemptKey, refused: StartRefused) -> None:
        house = self._house

        def work(tx: JobWriter) -> None:
            record = attempts.current(house, tx, key)
            if record is not None:
                ended = Ended(outcome_of_refusal(record, refused), started=False)
                attempts.finish(house, tx, key, ended, house.clock.now())

        await self._stored(key, work)
