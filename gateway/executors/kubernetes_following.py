"""Follows attempts through the watches, and does what each needs: keeps its output, ends what cannot begin.

What a pod wrote goes with it. So it is read while the pod is there: at the end of its container, or along
with it from the moment at which somebody begins to delete the pod.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from gateway.domain.executor import AttemptKey, End, Refused, Vanished
from gateway.executors.kubernetes_attempt import Attempt
from gateway.executors.kubernetes_calls import Calls
from gateway.executors.kubernetes_client import ApiRefused, ApiUnreachable
from gateway.executors.kubernetes_manifest import Maker
from gateway.executors.kubernetes_output import Keeper, Log
from gateway.executors.kubernetes_pod import JobView, PodView, refusal

log = logging.getLogger(__name__)

T = TypeVar("T")

KEEP_SECONDS = 20.0
"""The longest time for reading what a pod wrote once it has ended."""
SILENT_SECONDS = 2.0
"""The same for one that left no exit status, and how long a stop waits for its log to be opened."""
UNTOLD = (None, "ContainerCreating", "PodInitializing")
"""What a pod waits for when its status does not tell what really keeps it."""
LOST_SECONDS = 60.0
"""How long after its grace a pod that is being deleted may be there; then its node does not answer."""
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0


class Following:
    """All attempts that the cluster shows or somebody asked for."""

    def __init__(
        self,
        calls: Calls,
        maker: Maker,
        keeper: Keeper,
        *,
        bound_bytes: int,
        patience_seconds: float,
        ended: Callable[[AttemptKey], None],
        in_reach: Callable[[], bool],
    ) -> None:
        self._calls = calls
        self._maker = maker
        self._keeper = keeper
        self._bound_bytes = bound_bytes
        self._patience_seconds = patience_seconds
        self._ended = ended
        self._in_reach = in_reach
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.attempts: dict[AttemptKey, Attempt] = {}

    async def close(self) -> None:
        """Let go of everything."""
        for attempt in self.attempts.values():
            attempt.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def follow(self, key: AttemptKey) -> Attempt:
        """The attempt, of which `ended` is told from now on."""
        attempt = self._attempt(key)
        if not attempt.followed:
            attempt.followed = True
            attempt.end = attempt.end or self._keeper.end(key)
            self._react(attempt)
        return attempt

    def forget(self, key: AttemptKey) -> None:
        """Do nothing more about an attempt."""
        attempt = self.attempts.pop(key, None)
        if attempt is not None:
            attempt.cancel()
            if attempt.is_there:
                self.attempts[key] = Attempt(key, job=attempt.job, pods=attempt.pods, gone=attempt.gone)

    def job_changed(self, before: JobView | None, after: JobView | None) -> None:
        """The watch of Jobs has seen something."""
        view = after or before
        if view is None or view.key is None:
            return
        attempt = self._attempt(view.key)
        attempt.job = after
        self._changed(attempt)

    def pod_changed(self, before: PodView | None, after: PodView | None) -> None:
        """The watch of pods has seen something."""
        view = after or before
        if view is None or view.key is None:
            return
        attempt = self._attempt(view.key)
        was = attempt.pod
        if after is not None:
            attempt.pods[view.uid] = after
        else:
            attempt.pods.pop(view.uid, None)
            if was is not None and was.uid == view.uid:
                attempt.gone = view
        self._changed(attempt)

    def look_again(self) -> None:
        """The cluster is out of sight, or in sight again: everything is to be looked at."""
        for attempt in list(self.attempts.values()):
            if attempt.followed and attempt.end is None:
                self._ended(attempt.key)

    def stop(self, attempt: Attempt, grace_seconds: int, refused: Refused | None = None) -> None:
        """Have an attempt end; tried until it is done or another call wants it sooner."""
        if attempt.grace_seconds is None or grace_seconds < attempt.grace_seconds:
            attempt.grace_seconds = grace_seconds
            attempt.refused = attempt.refused or refused
            attempt.stop_task = self.spawn(self._until_done(attempt, grace_seconds, refused))

    def settle(self, attempt: Attempt, end: End) -> None:
        """The attempt is over: keep its output and its end, and tell then."""
        # One that failed unexpectedly is made anew when somebody asks.
        if attempt.end is None and (attempt.keep_task is None or attempt.keep_task.done()):
            attempt.keep_task = self.spawn(self._keep(attempt, end))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something beside; what goes wrong unexpectedly is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("following the cluster failed", exc_info=error)

    def _attempt(self, key: AttemptKey) -> Attempt:
        return self.attempts.setdefault(key, Attempt(key))

    def _changed(self, attempt: Attempt) -> None:
        if attempt.followed and attempt.end is None:
            self._react(attempt)
            self._ended(attempt.key)
        elif not attempt.is_there:
            self.attempts.pop(attempt.key, None)

    def _react(self, attempt: Attempt) -> None:
        """Do what is due now, and have a look at what may be due later."""
        if attempt.end is not None:
            return
        pod, seen = attempt.pod, attempt.seen()
        if isinstance(seen, End):
            self.settle(attempt, seen)
            return
        if pod is None:
            self._wait(attempt, "a pod", self._patience_seconds)
        elif pod.deleting:
            if attempt.seal_task is None and attempt.grace_seconds is None:
                attempt.seal_task = self.spawn(self._seal(attempt))
            if pod.has_run and attempt.follow_task is None:
                self._read_along(attempt, pod)
            longest = pod.deletion_grace_seconds + LOST_SECONDS
            self._wait(attempt, f"its deletion in {longest:g} seconds", longest)
        elif attempt.grace_seconds is not None:
            if attempt.stop_task is None or attempt.stop_task.done():
                # It came when its Job had been sealed already.
                work = self._until_done(attempt, attempt.grace_seconds, attempt.refused)
                attempt.stop_task = self.spawn(work)
        elif pod.has_run:
            self._wait(attempt, None, 0)
        elif (found := refusal(pod, self._maker.name(attempt.key))) is not None:
            refused, certain = found
            if certain:
                self.stop(attempt, 0, refused)
            else:
                self._wait(attempt, "a start without trouble", self._patience_seconds)
        else:
            self._wait(attempt, "a start", self._patience_seconds)

    def _wait(self, attempt: Attempt, reason: str | None, seconds: float) -> None:
        """Look again after a time, counted from when it began to wait for this."""
        if attempt.waits_for == reason:
            return
        attempt.waits_for = reason
        attempt.hint = None
        if attempt.timer is not None:
            attempt.timer.cancel()
        attempt.timer = None if reason is None else self._loop.call_later(seconds, self._overdue, attempt)

    def _overdue(self, attempt: Attempt) -> None:
        """It has waited for long."""
        pod = attempt.pod
        if pod is not None and pod.deleting:
            self.settle(attempt, Vanished("its pod was deleted, and its node does not tell of its end"))
        elif pod is not None and (found := refusal(pod, self._maker.name(attempt.key))) is not None:
            self.stop(attempt, 0, found[0])
        elif (about := pod or attempt.job) is not None:
            if pod is None or pod.waits_for in UNTOLD:
                self.spawn(self._ask_why(attempt, about.uid))
            attempt.timer = self._loop.call_later(self._patience_seconds, self._overdue, attempt)

    async def _ask_why(self, attempt: Attempt, uid: str) -> None:
        """Events tell what the status of a pod does not: missing volumes, quotas."""
        with suppress(ApiRefused, ApiUnreachable):
            hint = await self._calls.warning(uid)
            if hint is not None and hint.startswith("FailedMount") and "not found" in hint:
                self.stop(attempt, 0, Refused(reason=hint, passing=False))
            if attempt.hint != hint:
                attempt.hint = hint
                self._ended(attempt.key)

    async def _until_done(self, attempt: Attempt, grace_seconds: int, refused: Refused | None) -> None:
        """Delete the pods, each with its grace, and seal the Job."""

        async def end() -> None:
            for pod in list(attempt.pods.values()):
                if pod.has_run and pod.end is None and attempt.follow_task is None:
                    # What is asked for when the pod has gone is not there any more.
                    opened = self._read_along(attempt, pod)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(opened.wait(), SILENT_SECONDS)
                await self._calls.delete_pod(pod, grace_seconds=grace_seconds)
            await self._calls.seal(attempt.key, refused)

        def is_wanted() -> bool:
            return attempt.grace_seconds == grace_seconds and attempt.end is None

        await self._try(end, is_wanted)

    async def _seal(self, attempt: Attempt) -> None:
        """Somebody else deletes the pod: there must be no other in its place."""
        await self._try(lambda: self._calls.seal(attempt.key, None), lambda: attempt.end is None)

    async def _try(self, work: Callable[[], Awaitable[T]], is_wanted: Callable[[], bool]) -> T | None:
        """Do something until it has been done, for as long as it is wanted; None if that is over before."""
        pause = FIRST_PAUSE_SECONDS
        while is_wanted():
            try:
                return await work()
            except ApiRefused as error:
                log.warning("the cluster refuses what the end of an attempt takes: %s", error.message)
            except ApiUnreachable as error:
                log.info("what the end of an attempt takes cannot be had yet: %s", error.reason)
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
        return None

    def _read_along(self, attempt: Attempt, pod: PodView) -> asyncio.Event:
        """Read what a pod writes until its end. The event is set once that has begun, or cannot be done."""
        opened = asyncio.Event()
        attempt.along = Log(self._bound_bytes)
        attempt.follow_task = self.spawn(self._read(pod, attempt.along, opened))
        return opened

    async def _read(self, pod: PodView, into: Log, opened: asyncio.Event) -> None:
        try:
            await self._calls.read_log(pod.name, into, follow=True, opened=opened.set)
        except (ApiRefused, ApiUnreachable) as error:
            log.info("what pod %s writes cannot be read along: %s", pod.name, error)
        finally:
            opened.set()

    async def _keep(self, attempt: Attempt, end: End) -> None:
        if attempt.pod is None and attempt.job is not None:
            # The watch of Jobs may be ahead of that of pods.
            attempt.gone = await self._ended_pod(attempt)
            seen = attempt.seen()
            end = seen if isinstance(seen, End) else end
        pod = attempt.pod
        kept = None
        if pod is not None and pod.has_run:
            kept = await self._written(attempt, pod)
        try:
            await asyncio.to_thread(self._keeper.keep, attempt.key, end, kept)
        except OSError:
            log.exception("the output of attempt %s is not kept", attempt.key)
        attempt.end, attempt.along = end, None
        if attempt.timer is not None:
            attempt.timer.cancel()
        self._ended(attempt.key)

    async def _ended_pod(self, attempt: Attempt) -> PodView | None:
        """The attempt's pod, if there is one that has ended; asked for until the cluster answers."""
        found = await self._try(lambda: self._calls.ended_pods(attempt.key), lambda: attempt.end is None)
        return next(iter(found or ()), None)

    async def _written(self, attempt: Attempt, pod: PodView) -> Log | None:
        """What a pod wrote that is over, as far as it can be read."""
        if attempt.follow_task is not None:
            # One that left no exit status may have a node that says nothing any more.
            patience = KEEP_SECONDS if pod.end is not None else SILENT_SECONDS
            await asyncio.wait({attempt.follow_task}, timeout=patience)
            attempt.follow_task.cancel()
        whole = await self._read_whole(attempt, pod)
        found = [one for one in (attempt.along, whole) if one is not None]
        return max(found, key=lambda one: one.size, default=None)

    async def _read_whole(self, attempt: Attempt, pod: PodView) -> Log | None:
        pause, began = FIRST_PAUSE_SECONDS, self._loop.time()
        while True:
            read = Log(self._bound_bytes)
            try:
                await self._calls.read_log(pod.name, read)
                return read
            except ApiRefused as error:
                log.info("what pod %s wrote cannot be read: %s", pod.name, error.message)
                return None
            except ApiUnreachable as error:
                log.info("what pod %s wrote cannot be read yet: %s", pod.name, error.reason)
            # While the cluster is out of reach as a whole, the pod is likely to be there afterwards.
            is_late = self._in_reach() and self._loop.time() >= began + KEEP_SECONDS
            if is_late or pod.uid not in attempt.pods:
                return None
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
