"""Runs jobs as processes of this host: a session, a scratch folder and a memory limit each, no isolation.

The image is not pulled, `commands` is run as it is. An attempt has the folder `<folder>/<job>/<attempt>/`:

    work/    working folder, HOME and TMPDIR of the command
    stdout, stderr   what it writes, see `output_file`
    pid      who runs it, created exclusively: that makes `start` idempotent
    exit     how it ended
    waiter   what the waiter itself had to say
    stop     when the grace of a stop is over

Each is run by a waiter, see `waiter.sh`, which outlives the gateway. While the gateway runs it follows the
waiters by pidfds; after a restart it finds them by `pid`. What is written there goes before any handle: of
two waiters, started because a gateway was killed in between, the one that wrote it runs the command.

An attempt is over when its command has ended; what is left of its session is killed then. If it was stopped
it is over when its session has ended, which has all of the grace for that.
"""

import asyncio
import logging
import os
import re
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from gateway.domain.executor import (
    AttemptKey,
    Exited,
    Launch,
    Observation,
    OutputChunk,
    Running,
    StartRefused,
    Vanished,
)
from gateway.domain.words import OutputChannel
from gateway.executors import process_cgroup, process_warden
from gateway.executors.output_file import OutputFile, can_punch
from gateway.executors.process_folder import AttemptFolder, delete_tree
from gateway.executors.process_followed import Followed
from gateway.executors.process_launch import JobUser, Launcher
from gateway.executors.process_session import Waiter, boot_id
from gateway.executors.process_stop import Stop
from gateway.executors.process_support import SUPPORT
from gateway.executors.process_sweeper import Sweeper
from gateway.executors.warden import Warden, end_all

log = logging.getLogger(__name__)

MIB = 1024 * 1024
JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What may name a folder; ids are UUIDs."""
TICK_SECONDS = 0.5
"""How often the output of running attempts is trimmed."""
LOOK_AGAIN_SECONDS = 0.02
"""Pause while a waiter is between creating and writing its file."""
LOOKS = 50
"""How often that is waited for; it takes microseconds unless the waiter was killed just there."""


class ProcessExecutor:
    """Starts, follows and stops attempts on this host. Implements the port `Executor`."""

    name = "process"
    isolation = "none"
    queues = False
    reachable_from_anywhere = False
    support = SUPPORT

    def __init__(
        self,
        folder: Path,
        *,
        default_path: str,
        user: str | None = None,
        output_limit_bytes: int = 10 * MIB,
        cgroup: bool = True,
        shell: str = "/bin/sh",
        open_files: int | None = None,
    ) -> None:
        """`user`: whom jobs run as, None = as the gateway. `cgroup`: use one per attempt where possible.

        `open_files`: the soft limit of open files (RLIMIT_NOFILE) that commands get, None = the gateway's.
        `shell` runs the waiter: dash, bash or busybox, by full path. Raises ValueError if jobs cannot run
        as `user`.
        """
        self._folder = folder.absolute()
        self._launcher = Launcher(
            default_path=default_path, user=JobUser.find(user), shell=shell, open_files=open_files
        )
        self._output_limit_bytes = output_limit_bytes
        self._with_cgroup = cgroup
        self._cgroups: Path | None = None
        self._punching = True
        self._followed: dict[AttemptKey, Followed] = {}
        self._over: dict[AttemptKey, Exited | Vanished] = {}
        """Ends that were seen and not yet asked for."""
        self._tick_timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._warden = Warden(self._folder, process_warden.__name__)

    async def open(self, ended: Callable[[AttemptKey], None]) -> None:
        """Make the folder. Raises PermissionError if JOB_USER could not reach it."""
        self._loop = asyncio.get_running_loop()
        self._ended = ended
        self._sweeper = Sweeper(self._loop)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (user := self._launcher.user) is not None:
            self._folder.chmod(0o711)
            user.check_reach(self._folder)
        self._punching = can_punch(self._folder)
        if not self._punching:
            log.warning("output is not bounded on disk: the file system of %s takes no holes", self._folder)
        if self._with_cgroup:
            self._cgroups = process_cgroup.find_parent(self._folder)

    async def close(self) -> None:
        """Let jobs go on, close all descriptors."""
        self._closed = True
        for key in list(self._followed):
            self._let_go(key)
        if self._tick_timer is not None:
            self._tick_timer.cancel()
            self._tick_timer = None
        self._warden.close()
        await self._sweeper.close()
        if self._cgroups is not None:
            process_cgroup.remove(self._cgroups)

    async def start(self, launch: Launch) -> str:
        """Start the attempt unless its folder shows that it was started; its handle."""
        key = launch.key
        folder = self._attempt(key)
        for _ in range(LOOKS):
            if (followed := self._followed.get(key)) is not None:
                return followed.waiter.handle
            record = folder.record()
            if record is None:
                break
            if record.waiter is not None:
                return record.waiter.handle
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        else:
            raise StartRefused("its waiter ended before it ran anything", passing=True)
        cgroup = None
        if self._cgroups is not None:
            cgroup = process_cgroup.create(self._cgroups, f"{key.job_id}-{key.attempt}")
        try:
            waiter = self._launcher.spawn(launch, folder.path, cgroup)
        except StartRefused:
            if cgroup is not None:
                process_cgroup.remove(cgroup)
            raise
        self._follow(key, waiter, cgroup)
        return waiter.handle

    async def observe(self, key: AttemptKey, handle: str) -> Observation:
        """Look at the attempt, and follow it if it runs."""
        seen = await self._find(key, handle)
        if isinstance(seen, Followed):
            seen.observed = True
            return Running()
        return seen

    async def stop(self, key: AttemptKey, handle: str, *, grace_seconds: int) -> None:
        """SIGTERM to the session now, SIGKILL after the grace; 0 = SIGKILL now."""
        seen = await self._find(key, handle)
        if isinstance(seen, Followed):
            seen.stop.within(grace_seconds)
        else:
            self._over[key] = seen

    def keeps(self, job_id: str) -> bool:
        """Whether the job has a folder."""
        return self._job(job_id).is_dir()

    async def output(
        self, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
    ) -> OutputChunk:
        """Read from the stream's file, see `OutputFile.read`."""
        # On the event loop: a short read of a local file takes less than the way to a thread and back.
        return self._output(key, channel).read(offset=offset, limit=limit)

    def lease(self, seconds: float) -> None:
        """Have a warden kill everything when the time is over."""
        try:
            self._warden.renew(seconds)
        except OSError as error:
            log.warning("the lease of the node could not be written: %s", error.strerror)

    async def abandon(self) -> None:
        """Kill all attempts and forget them; their folders stay."""
        for key in list(self._followed):
            self._let_go(key)
        self._over.clear()
        await asyncio.to_thread(end_all, partial(process_warden.kill_all, self._folder))

    async def remove(self, job_id: str) -> None:
        """Delete the job's folder."""
        for key in [key for key in self._followed if key.job_id == job_id]:
            self._let_go(key)
        for key in [key for key in self._over if key.job_id == job_id]:
            del self._over[key]
        await asyncio.to_thread(delete_tree, self._job(job_id))

    async def kept(self) -> list[str]:
        """Ids of the jobs that have a folder."""
        names = await asyncio.to_thread(os.listdir, self._folder)
        return [name for name in names if JOB_ID.fullmatch(name)]

    def _job(self, job_id: str, *below: str) -> Path:
        if not JOB_ID.fullmatch(job_id):
            raise ValueError(f"not the id of a job: {job_id!r}")
        return self._folder.joinpath(job_id, *below)

    def _attempt(self, key: AttemptKey) -> AttemptFolder:
        return AttemptFolder(self._job(key.job_id, str(key.attempt)))

    def _output(self, key: AttemptKey, channel: OutputChannel) -> OutputFile:
        path = self._job(key.job_id, str(key.attempt), channel.value.lower())
        return OutputFile(path, self._output_limit_bytes, punching=self._punching)

    def _outputs(self, key: AttemptKey) -> tuple[OutputFile, ...]:
        return tuple(self._output(key, channel) for channel in OutputChannel)

    async def _find(self, key: AttemptKey, handle: str) -> Followed | Exited | Vanished:
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

    def _look(
        self, key: AttemptKey, known: Waiter | None, before: Followed | None = None
    ) -> Followed | Exited | Vanished | None:
        """What the attempt's folder and /proc show; None if that is not clear yet.

        `before`: as it was followed until now.
        """
        folder = self._attempt(key)
        record = folder.record()
        if record is not None and record.waiter is None:
            return None
        waiter, cgroup = (known, None) if record is None else (record.waiter, record.cgroup)
        exited = folder.exited()
        if exited is None and waiter is not None and waiter.is_alive():
            followed = self._follow(key, waiter, cgroup, before)
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
        if waiter is not None:
            # Followed until now, it would be known if somebody had begun to stop it.
            stopped = before is None or before.stop.under_way
            if stopped and (rest := self._known(key, waiter, cgroup, before)).stop.under_way:
                # It was stopped: the rest of it keeps its grace.
                rest.end = end
                self._keep(key, rest)
                rest.stop.await_rest(partial(self._rest_gone, key, end))
                return rest
            self._sweeper.add(waiter, cgroup)
        if exited is None:
            self._sweeper.sweep()
        return end

    @staticmethod
    def _vanished(waiter: Waiter | None) -> Vanished:
        if waiter is not None and waiter.boot_id != boot_id():
            return Vanished("the host was started anew while it ran")
        return Vanished("its process is gone and left no exit status")

    def _follow(
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
        followed = self._known(key, waiter, cgroup, before)
        followed.pidfd = pidfd
        self._keep(key, followed)
        if pidfd is not None:
            self._loop.add_reader(pidfd, self._waiter_gone, key)
        return followed

    def _known(
        self, key: AttemptKey, waiter: Waiter, cgroup: Path | None, before: Followed | None
    ) -> Followed:
        """An attempt whose stop goes on with the one before, or with that of an earlier gateway."""
        stop = Stop(self._loop, waiter, cgroup, self._attempt(key))
        if before is None:
            stop.resume()
        else:
            stop.take_over(before.stop)
        return Followed(waiter=waiter, cgroup=cgroup, stop=stop, outputs=self._outputs(key))

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
        self._sweeper.add(followed.waiter, followed.cgroup)
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


def _has_gone(waiter: Waiter) -> bool:
    try:
        return not waiter.is_alive()
    except OSError:  # It cannot be looked at now: the next tick does.
        return False
