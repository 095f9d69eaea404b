"""Follows the attempts that run on this host until they are over, by the waiters that run them.

A waiter's end shows by its pidfd, or by looking now and then where there are none. How the attempt ended is
what its folder says, and /proc.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from gateway.domain.executor import AttemptKey, Exited, Vanished
from gateway.domain.words import OutputChannel
from gateway.executors import process_cgroup
from gateway.executors.job_folders import JobFolders
from gateway.executors.output_file import OutputFile, can_punch
from gateway.executors.process_folder import AttemptFolder
from gateway.executors.process_followed import Followed
from gateway.executors.process_session import Waiter, boot_id, members, processes
from gateway.executors.process_stop import Stop
from gateway.executors.process_sweeper import Sweeper

log = logging.getLogger(__name__)

TICK_SECONDS = 0.5
"""How often the output of running attempts is trimmed."""
LOOK_AGAIN_SECONDS = 0.02
"""Pause while a waiter is between creating and writing its file."""
LOOKS = 50
"""How often that is waited for; it takes microseconds unless the waiter was killed just there."""


class Following:
    """All attempts that are followed, and the ends of those that were."""

    def __init__(
        self, folders: JobFolders, *, output_limit_bytes: int, ended: Callable[[AttemptKey], None]
    ) -> None:
        """`ended`: told of the end of each attempt that somebody has observed."""
        self._folders = folders
        self._output_limit_bytes = output_limit_bytes
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._sweeper = Sweeper(self._loop)
        self._punching = True
        self._followed: dict[AttemptKey, Followed] = {}
        self._over: dict[AttemptKey, Exited | Vanished] = {}
        """Ends that were seen and not yet asked for."""
        self._tick_timer: asyncio.TimerHandle | None = None
        self._closed = False

    def prepare(self) -> None:
        """See whether the folder can hold output to its bound. Raises OSError."""
        self._punching = can_punch(self._folders.path)
        if not self._punching:
            path = self._folders.path
            log.warning("output is not bounded on disk: the file system of %s takes no holes", path)

    async def close(self) -> None:
        """Let attempts go on, close all descriptors."""
        self._closed = True
        self.forget()
        if self._tick_timer is not None:
            self._tick_timer.cancel()
            self._tick_timer = None
        await self._sweeper.close()

    def attempt(self, key: AttemptKey) -> AttemptFolder:
        """The folder of an attempt, which may be not there."""
        return AttemptFolder(self._folders.attempt(key))

    def output(self, key: AttemptKey, channel: OutputChannel) -> OutputFile:
        """One stream of an attempt."""
        path = self._folders.attempt(key) / channel.value.lower()
        return OutputFile(path, self._output_limit_bytes, punching=self._punching)

    def known(self, key: AttemptKey) -> Followed | None:
        """An attempt, if it is followed."""
        return self._followed.get(key)

    def remember(self, key: AttemptKey, end: Exited | Vanished) -> None:
        """Keep an end that was found until somebody asks for it again."""
        self._over[key] = end

    def waiters(self) -> list[Waiter]:
        """Who runs what is followed, or will: one that was started just now has not written it down yet."""
        return [followed.waiter for followed in self._followed.values()]

    def forget(self, job_id: str | None = None) -> None:
        """Follow the attempts of a job no more, or None: all of them. Nobody is told of their ends."""
        for key in [key for key in self._followed if job_id in (None, key.job_id)]:
            self._let_go(key)
        for key in [key for key in self._over if job_id in (None, key.job_id)]:
            del self._over[key]

    async def find(self, key: AttemptKey, handle: str) -> Followed | Exited | Vanished:
        """The attempt as it runs or ended; if it runs, it is followed from now on."""
        for _ in range(LOOKS):
            if (followed := self._followed.get(key)) is not None:
                return followed
            if (over := self._over.pop(key, None)) is not None:
                return over
            seen = self._look(key, Waiter.parse(handle))
            if seen is not None:
                return seen
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        return Vanished("its waiter ended before it ran anything")

    def follow(
        self, key: AttemptKey, waiter: Waiter, cgroup: Path | None, before: Followed | None = None
    ) -> Followed | None:
        """Watch the waiter of an attempt; None if it has gone meanwhile and it is to be looked at again."""
        pidfd: int | None = None
        try:
            pidfd = os.pidfd_open(waiter.pid)
        except ProcessLookupError:
            return None
        except OSError as error:  # No descriptors left, or an old kernel.
            log.warning("an attempt is followed by looking now and then: %s", error.strerror)
        followed = self._taken_up(key, waiter, cgroup, before)
        followed.pidfd = pidfd
        self._keep(key, followed)
        if pidfd is not None:
            self._loop.add_reader(pidfd, self._waiter_gone, key)
        return followed

    def _look(
        self, key: AttemptKey, known: Waiter | None, before: Followed | None = None
    ) -> Followed | Exited | Vanished | None:
        """What the attempt's folder and /proc show; None if that is not clear yet.

        `before`: as it was followed until now.
        """
        folder = self.attempt(key)
        record = folder.record()
        if record is not None and record.waiter is None:
            return None
        waiter, cgroup = (known, None) if record is None else (record.waiter, record.cgroup)
        exited = folder.exited()
        if exited is None and waiter is not None and waiter.is_alive():
            followed = self.follow(key, waiter, cgroup, before)
            # The pidfd is the waiter's if it still runs now, and not another's that came by its pid.
            if followed is not None and not waiter.is_alive():
                self._let_go(key)
                return None
            return followed
        # It may have ended between the two looks, or lost against another waiter.
        exited = exited or folder.exited()
        if exited is None and folder.record() != record:
            return None
        end = exited or self._vanished(waiter)
        for output in self._outputs(key) if before is None else before.outputs:
            output.trim()
        if waiter is not None and (before is not None or _may_have_left(folder, waiter)):
            # Followed until now, it would be known if somebody had begun to stop it.
            stopped = before is None or before.stop.under_way
            if stopped and (rest := self._taken_up(key, waiter, cgroup, before)).stop.under_way:
                # It was stopped: the rest of it keeps its grace.
                rest.end = end
                self._keep(key, rest)
                rest.stop.await_rest(partial(self._rest_gone, key, end))
                return rest
            self._sweeper.add(waiter, cgroup, folder)
        elif cgroup is not None:
            process_cgroup.remove(cgroup)
        if exited is None:
            self._sweeper.sweep()
        return end

    @staticmethod
    def _vanished(waiter: Waiter | None) -> Vanished:
        if waiter is not None and waiter.boot_id != boot_id():
            return Vanished("the host was started anew while it ran")
        return Vanished("its process is gone and left no exit status")

    def _taken_up(
        self, key: AttemptKey, waiter: Waiter, cgroup: Path | None, before: Followed | None
    ) -> Followed:
        """An attempt whose stop goes on with the one before, or with that of an earlier gateway."""
        stop = Stop(self._loop, waiter, cgroup, self.attempt(key))
        if before is None:
            stop.resume()
        else:
            stop.take_over(before.stop)
        return Followed(waiter=waiter, cgroup=cgroup, stop=stop, outputs=self._outputs(key))

    def _outputs(self, key: AttemptKey) -> tuple[OutputFile, ...]:
        return tuple(self.output(key, channel) for channel in OutputChannel)

    def _keep(self, key: AttemptKey, followed: Followed) -> None:
        self._followed[key] = followed
        if self._tick_timer is None:
            self._tick_timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def _let_go(self, key: AttemptKey) -> Followed:
        followed = self._followed.pop(key)
        followed.stop.cancel()
        if followed.pidfd is not None:
            self._loop.remove_reader(followed.pidfd)
            os.close(followed.pidfd)
        return followed

    def _waiter_gone(self, key: AttemptKey) -> None:
        """A followed waiter has ended, and so has the attempt unless another waiter runs it."""
        followed = self._let_go(key)
        waiter = followed.waiter
        if not followed.stop.under_way:
            # While a zombie holds its number, this can only be its group; then it may go.
            with suppress(OSError):
                os.killpg(waiter.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(waiter.pid, os.WNOHANG)
        self._settle(key, followed, LOOKS)

    def _settle(self, key: AttemptKey, before: Followed, looks: int) -> None:
        """Tell of the end, or follow the waiter that won."""
        if self._closed or key in self._over:
            return
        if (followed := self._followed.get(key)) is not None:
            # Somebody asked meanwhile.
            followed.observed |= before.observed
            followed.stop.take_over(before.stop)
            return
        try:
            seen = (
                self._look(key, before.waiter, before)
                if looks
                else Vanished("its waiter ended before it ran anything")
            )
        except OSError as error:
            log.warning("the end of an attempt is looked at later: %s", error.strerror)
            self._loop.call_later(TICK_SECONDS, self._settle, key, before, looks)
            return
        if seen is None:
            self._loop.call_later(LOOK_AGAIN_SECONDS, self._settle, key, before, looks - 1)
        elif isinstance(seen, Followed):
            seen.observed = before.observed
        else:
            self._over[key] = seen
            if before.observed:
                self._ended(key)

    def _rest_gone(self, key: AttemptKey, end: Exited | Vanished) -> None:
        """The last process of a stopped attempt has ended."""
        followed = self._let_go(key)
        self._sweeper.add(followed.waiter, followed.cgroup, self.attempt(key))
        self._over[key] = end
        if followed.observed:
            self._ended(key)

    def _tick(self) -> None:
        for key, followed in list(self._followed.items()):
            for output in followed.outputs:
                output.trim()
            if followed.pidfd is None and followed.end is None and _has_gone(followed.waiter):
                self._waiter_gone(key)
        self._tick_timer = self._loop.call_later(TICK_SECONDS, self._tick) if self._followed else None


def _may_have_left(folder: AttemptFolder, waiter: Waiter) -> bool:
    """Whether something may run yet of an attempt that ended while nobody followed it. If all in a session of
    that number is younger than the end, the number has come back: it is another's.
    """
    if folder.is_over():
        return False
    ended_at = folder.ended_at()
    session = members(waiter, processes()) if ended_at is not None else []
    if ended_at is None or not session or any(process.started <= ended_at for process in session):
        return True
    folder.note_over()
    return False


def _has_gone(waiter: Waiter) -> bool:
    try:
        return not waiter.is_alive()
    except OSError:  # It cannot be looked at now: the next tick does.
        return False
