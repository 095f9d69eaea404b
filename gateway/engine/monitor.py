"""Watches the attempts that run: ends them, stops those that are to end, and notes those out of sight."""

import asyncio
import logging
from dataclasses import dataclass, field

from gateway.domain import attempts
from gateway.domain.attempts import Ended
from gateway.domain.errors import JobsError
from gateway.domain.executor import AttemptKey, End, Pending, Refused, Unreachable
from gateway.domain.house import House
from gateway.domain.job import DEFAULT_GRACE_SECONDS, Job
from gateway.domain.outcome import outcome_of_end, outcome_of_refusal
from gateway.domain.ports import Change, JobWriter
from gateway.domain.record import JobRecord, StopReason
from gateway.domain.words import FINAL, JobStatus

_LOOK_EVERY_SECONDS = 5.0
_AGAIN_SECONDS = 1.0
_log = logging.getLogger("gateway.engine")


@dataclass
class _Watch:
    """An attempt that is followed, with its times on the monotonic clock."""

    key: AttemptKey
    handle: str
    deadline: float | None
    """When `timeoutSeconds` pass."""
    heartbeat_seconds: int | None
    heard_at: float
    """When it was last heard of, or began to be followed."""
    stopping: int | None = None
    """The grace with which the executor was told to stop it."""
    look_at: float = field(default=0.0)
    """When to look without being told to."""


class Monitor:
    """RUNNING -> its end."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._watches: dict[str, _Watch] = {}
        self._look: set[str] = set()

    def follow(self, record: JobRecord) -> None:
        """Watch an attempt from now on. Deadlines count from `startedAt`, also after a restart."""
        job = record.job
        self._house.heartbeats.watch(job.id)
        self._watches[job.id] = _Watch(
            key=record.attempt,
            handle=record.handle or "",
            deadline=self._deadline(job),
            heartbeat_seconds=job.heartbeat_timeout_seconds,
            heard_at=self._house.clock.monotonic(),
        )
        self._look.add(job.id)

    @property
    def known(self) -> set[AttemptKey]:
        """The attempts that are followed."""
        return {watch.key for watch in self._watches.values()}

    def drop(self) -> None:
        """Follow nothing any more: other nodes do."""
        for watch in list(self._watches.values()):
            self._drop(watch)
        self._look.clear()

    def ended(self, key: AttemptKey) -> None:
        """The executor has seen an attempt end."""
        self._look.add(key.job_id)

    def changed(self, change: Change) -> bool:
        """A job has changed; whether that is a reason to look at its attempt."""
        watched = change.job_id in self._watches and change.status not in FINAL
        if watched:
            self._look.add(change.job_id)
        return watched

    def look_at_all(self) -> None:
        """Any job may have changed."""
        self._look.update(self._watches)

    async def tick(self) -> float | None:
        """Look at every attempt that something happened to or whose time has come."""
        now = self._house.clock.monotonic()
        self._look.update(job_id for job_id, watch in self._watches.items() if self._due(watch) <= now)
        looked, self._look = self._look, set()
        watches = [self._watches[job_id] for job_id in looked if job_id in self._watches]
        # Side by side, so that many ends share one commit.
        done = await asyncio.gather(*(self._looked_at(watch) for watch in watches))
        if not all(done):
            return _AGAIN_SECONDS
        if not self._watches:
            return None
        now = self._house.clock.monotonic()
        return max(0.0, min(self._due(watch) for watch in self._watches.values()) - now)

    async def _looked_at(self, watch: _Watch) -> bool:
        # What fails keeps nobody from looking at the others; this one is looked at again with the next tick.
        try:
            await self._check(watch)
        except JobsError as error:
            _log.warning("job %s could not be looked at: %s", watch.key.job_id, error.reason)
        except Exception:
            _log.exception("job %s could not be looked at", watch.key.job_id)
        else:
            return True
        self._look.add(watch.key.job_id)
        return False

    def _deadline(self, job: Job) -> float | None:
        """When `timeoutSeconds` pass, on the monotonic clock; None without them, or before it runs."""
        if job.timeout_seconds is None or job.started_at is None:
            return None
        ran = (self._house.clock.now() - job.started_at).total_seconds()
        return self._house.clock.monotonic() + job.timeout_seconds - max(0.0, ran)

    def _due(self, watch: _Watch) -> float:
        """When the next look is due."""
        times = [watch.look_at]
        if watch.stopping is None:
            times += [] if watch.deadline is None else [watch.deadline]
            times += [] if watch.heartbeat_seconds is None else [self._silent_at(watch)]
        return min(times)

    def _silent_at(self, watch: _Watch) -> float:
        """When the silence has lasted too long."""
        heard = max(self._house.heartbeats.last(watch.key.job_id), watch.heard_at)
        return heard + (watch.heartbeat_seconds or 0)

    async def _check(self, watch: _Watch) -> None:
        house, key = self._house, watch.key
        seen = await house.executor.observe(key, watch.handle)
        if isinstance(seen, End):
            await self._end(key, seen)
            self._drop(watch)
            return
        record = await house.store.read(lambda tx: attempts.current(house, tx, key), single=True)
        if record is None:
            self._drop(watch)
            return
        now = house.clock.monotonic()
        watch.look_at = now + _LOOK_EVERY_SECONDS
        if isinstance(seen, Unreachable):
            await house.store.write(lambda tx: attempts.lose(house, tx, key, seen.reason, house.clock.now()))
            return
        if isinstance(seen, Pending):
            watch.heard_at = now
            if (record.job.job_status, record.job.message) != (JobStatus.SCHEDULED, seen.reason):
                reason = seen.reason
                await house.store.write(lambda tx: attempts.queued(house, tx, key, reason, house.clock.now()))
        elif record.job.job_status is not JobStatus.RUNNING:
            running = await house.store.write(
                lambda tx: attempts.run(house, tx, key, watch.handle, house.clock.now())
            )
            if running is not None:
                watch.deadline = self._deadline(running.job)
        await self._stop_if_due(watch, record, now)

    async def _stop_if_due(self, watch: _Watch, record: JobRecord, now: float) -> None:
        house, key = self._house, watch.key
        if record.stop is None:
            reason = None
            if watch.deadline is not None and watch.deadline <= now:
                reason = StopReason.TIMEOUT
            elif watch.heartbeat_seconds is not None and self._silent_at(watch) <= now:
                reason = StopReason.HEARTBEAT
            if reason is None:
                return
            why = reason
            stopped = await house.store.write(lambda tx: attempts.stop(house, tx, key, why))
            if stopped is None:
                return
            record = stopped
        grace = DEFAULT_GRACE_SECONDS if record.stop_grace_seconds is None else record.stop_grace_seconds
        if watch.stopping is None or grace < watch.stopping:
            await house.executor.stop(key, watch.handle, grace_seconds=grace)
            # Only now: a stop that fails is told again with the next look.
            watch.stopping = grace

    async def _end(self, key: AttemptKey, seen: End) -> None:
        house = self._house

        def work(tx: JobWriter) -> None:
            record = attempts.current(house, tx, key)
            if record is not None:
                if isinstance(seen, Refused):
                    ended = Ended(outcome_of_refusal(record, seen), started=False)
                else:
                    ended = Ended(outcome_of_end(record, seen), started=True)
                attempts.finish(house, tx, key, ended, house.clock.now())

        await house.store.write(work, about=key.job_id)

    def _drop(self, watch: _Watch) -> None:
        if self._watches.get(watch.key.job_id) is watch:
            del self._watches[watch.key.job_id]
            self._house.heartbeats.drop(watch.key.job_id)
