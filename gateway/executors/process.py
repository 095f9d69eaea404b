"""Runs jobs as processes of this host: a session, a scratch folder and a memory limit each, no isolation.

The image is not pulled, `commands` is run as it is. An attempt has the folder `<folder>/<job>/<attempt>/`:

    work/    working folder, HOME and TMPDIR of the command
    stdout, stderr   what it writes, see `process_output`
    pid      who runs it, created exclusively: that makes `start` idempotent
    exit     how it ended
    waiter   what the waiter itself had to say

Each is run by a waiter, see `waiter.sh`, which outlives the gateway. While the gateway runs it follows the
waiters by pidfds; after a restart it finds them by `pid`. What is written there goes before any handle: of
two waiters, started because a gateway was killed in between, the one that wrote it runs the command.
"""

import asyncio
import logging
import os
import re
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

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
from gateway.domain.words import FeatureSupport, OutputChannel
from gateway.executors import process_cgroup
from gateway.executors.process_ending import Stop, Sweeper
from gateway.executors.process_folder import AttemptFolder, delete_tree
from gateway.executors.process_launch import JobUser, Launcher
from gateway.executors.process_output import OutputFile, can_punch
from gateway.executors.process_session import Waiter, boot_id

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

SUPPORT: Mapping[str, FeatureSupport] = MappingProxyType(
    {
        "commands": FeatureSupport.ENFORCED,
        # A command is all there is to run; an image's own one is not known here.
        "emptyCommands": FeatureSupport.REFUSED,
        "dockerImageUrl": FeatureSupport.RECORDED,
        "environmentVariables": FeatureSupport.ENFORCED,
        # Handed to the command as JOB_INPUT_URI; nobody fetches it.
        "inputUri": FeatureSupport.RECORDED,
        "attachments": FeatureSupport.RECORDED,
        "volumes": FeatureSupport.REFUSED,
        # RLIMIT_DATA: per process, not for all processes of a job together.
        "memoryLimit": FeatureSupport.ENFORCED,
        "memoryRequest": FeatureSupport.RECORDED,
        # By the Java machine, through JAVA_TOOL_OPTIONS.
        "xmxLimit": FeatureSupport.ENFORCED,
        "cpuLimit": FeatureSupport.RECORDED,
        "cpuRequest": FeatureSupport.RECORDED,
        "timeoutSeconds": FeatureSupport.ENFORCED,
        "heartbeatTimeoutSeconds": FeatureSupport.ENFORCED,
        "cancelGraceSeconds": FeatureSupport.ENFORCED,
    }
)


@dataclass(kw_only=True)
class _Followed:
    """An attempt that runs, as far as is known."""

    waiter: Waiter
    """Who runs it, or tries to."""
    pidfd: int | None
    """Readable once the waiter is gone; None where the kernel gave none, then every tick looks."""
    cgroup: Path | None
    stop: Stop
    outputs: tuple[OutputFile, ...]
    observed: bool = False
    """Whether somebody asked for it, and so wants to hear of its end."""


class ProcessExecutor:
    """Starts, follows and stops attempts on this host. Implements the port `Executor`."""

    name = "process"
    isolation = "none"
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
    ) -> None:
        """`user`: whom jobs run as, None = as the gateway. `cgroup`: use one per attempt where possible.

        `shell` runs the waiter: dash, bash or busybox, by full path. Raises ValueError if jobs cannot run
        as `user`.
        """
        self._folder = folder.absolute()
        self._launcher = Launcher(default_path=default_path, user=JobUser.find(user), shell=shell)
        self._output_limit_bytes = output_limit_bytes
        self._with_cgroup = cgroup
        self._cgroups: Path | None = None
        self._punching = True
        self._followed: dict[AttemptKey, _Followed] = {}
        self._over: dict[AttemptKey, Exited | Vanished] = {}
        """Ends that were seen and not yet asked for."""
        self._tick_timer: asyncio.TimerHandle | None = None
        self._closed = False

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
        if isinstance(seen, _Followed):
            seen.observed = True
            return Running()
        return seen

    async def stop(self, key: AttemptKey, handle: str, *, grace_seconds: int) -> None:
        """SIGTERM to the session now, SIGKILL after the grace; 0 = SIGKILL now."""
        seen = await self._find(key, handle)
        if isinstance(seen, _Followed):
            seen.stop.within(grace_seconds)
        else:
            self._over[key] = seen

    async def output(
        self, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
    ) -> OutputChunk:
        """Read from the stream's file, see `OutputFile.read`."""
        # On the event loop, so that nothing is punched out between looking for a hole and reading.
        return self._output(key, channel).read(offset=offset, limit=limit)

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

    def _job(self, job_id: str) -> Path:
        if not JOB_ID.fullmatch(job_id):
            raise ValueError(f"not the id of a job: {job_id!r}")
        return self._folder / job_id

    def _attempt(self, key: AttemptKey) -> AttemptFolder:
        return AttemptFolder(self._job(key.job_id) / str(key.attempt))

    def _output(self, key: AttemptKey, channel: OutputChannel) -> OutputFile:
        path = self._attempt(key).path / channel.value.lower()
        return OutputFile(path, self._output_limit_bytes, punching=self._punching)

    async def _find(self, key: AttemptKey, handle: str) -> _Followed | Exited | Vanished:
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

    def _look(self, key: AttemptKey, known: Waiter | None) -> _Followed | Exited | Vanished | None:
        """What the attempt's folder and /proc show; None if that is not clear yet."""
        folder = self._attempt(key)
        record = folder.record()
        if record is not None and record.waiter is None:
            return None
        waiter, cgroup = (known, None) if record is None else (record.waiter, record.cgroup)
        exited = folder.exited()
        if exited is None and waiter is not None and waiter.is_alive():
            followed = self._follow(key, waiter, cgroup)
            # The pidfd is the waiter's if it still runs now, and not another's that came by its pid.
            if followed is not None and not waiter.is_alive():
                self._let_go(key)
                return None
            return followed
        # It may have ended between the two looks, or lost against another waiter.
        exited = exited or folder.exited()
        if exited is None and folder.record() != record:
            return None
        for channel in OutputChannel:
            self._output(key, channel).trim()
        if waiter is not None:
            self._sweeper.add(waiter, cgroup)
        if exited is not None:
            return exited
        self._sweeper.sweep()
        if waiter is not None and waiter.boot_id != boot_id():
            return Vanished("the host was started anew while it ran")
        return Vanished("its process is gone and left no exit status")

    def _follow(self, key: AttemptKey, waiter: Waiter, cgroup: Path | None) -> _Followed | None:
        """Watch the waiter of an attempt; None if it has gone meanwhile and it is to be looked at again."""
        pidfd: int | None = None
        try:
            pidfd = os.pidfd_open(waiter.pid)
        except ProcessLookupError:
            return None
        except OSError as error:  # No descriptors left, or an old kernel.
            log.warning("an attempt is followed by looking now and then: %s", error.strerror)
        followed = _Followed(
            waiter=waiter,
            pidfd=pidfd,
            cgroup=cgroup,
            stop=Stop(self._loop, waiter, cgroup, begun=lambda: self._attempt(key).record() is not None),
            outputs=tuple(self._output(key, channel) for channel in OutputChannel),
        )
        self._followed[key] = followed
        if pidfd is not None:
            self._loop.add_reader(pidfd, self._waiter_gone, key)
        if self._tick_timer is None:
            self._tick_timer = self._loop.call_later(TICK_SECONDS, self._tick)
        return followed

    def _let_go(self, key: AttemptKey) -> _Followed:
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
        # While a zombie holds its number, this can only be its group; then it may go.
        with suppress(OSError):
            os.killpg(waiter.pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(waiter.pid, os.WNOHANG)
        self._settle(key, followed, LOOKS)

    def _settle(self, key: AttemptKey, before: _Followed, looks: int) -> None:
        """Tell of the end, or follow the waiter that won."""
        if self._closed or key in self._over:
            return
        if (followed := self._followed.get(key)) is not None:
            # Somebody asked meanwhile.
            followed.observed |= before.observed
            return
        seen = (
            self._look(key, before.waiter) if looks else Vanished("its waiter ended before it ran anything")
        )
        if seen is None:
            self._loop.call_later(LOOK_AGAIN_SECONDS, self._settle, key, before, looks - 1)
        elif isinstance(seen, _Followed):
            seen.observed = before.observed
            seen.stop.take_over(before.stop)
        else:
            self._over[key] = seen
            if before.observed:
                self._ended(key)

    def _tick(self) -> None:
        for key, followed in list(self._followed.items()):
            for output in followed.outputs:
                output.trim()
            if followed.pidfd is None and not followed.waiter.is_alive():
                self._waiter_gone(key)
        self._tick_timer = self._loop.call_later(TICK_SECONDS, self._tick) if self._followed else None
