"""Runs jobs as processes of this host: a session, a scratch folder and a memory limit each, no isolation.

The image is not pulled, `commands` is run as it is. An attempt has the folder `<folder>/<job>/<attempt>/`:

    work/    working folder, HOME and TMPDIR of the command
    stdout, stderr   what it writes, see `output_file`
    pid      who runs it, created exclusively: that makes `start` idempotent
    exit     how it ended
    waiter   what the waiter itself had to say
    stop     when the grace of a stop is over
    over     nothing of it runs any more; the number of its session may come back

Each is run by a waiter, see `waiter.sh`, which outlives the gateway. While the gateway runs it follows the
waiters by pidfds; after a restart it finds them by `pid`. What is written there goes before any handle: of
two waiters, started because a gateway was killed in between, the one that wrote it runs the command.

An attempt is over when its command has ended; what is left of its session is killed then. If it was stopped
it is over when its session has ended, which has all of the grace for that.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from gateway.domain.executor import (
    AttemptKey,
    Launch,
    Observation,
    OutputChunk,
    Running,
    StartRefused,
)
from gateway.domain.words import OutputChannel
from gateway.executors import process_cgroup, process_warden
from gateway.executors.job_folders import JobFolders
from gateway.executors.process_followed import Followed
from gateway.executors.process_following import LOOK_AGAIN_SECONDS, LOOKS, Following
from gateway.executors.process_launch import JobUser, Launcher
from gateway.executors.process_session import Waiter
from gateway.executors.process_support import SUPPORT
from gateway.executors.warden import Warden, end_all

log = logging.getLogger(__name__)

MIB = 1024 * 1024


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
        self._folders = JobFolders(folder)
        self._folder = self._folders.path
        self._launcher = Launcher(
            default_path=default_path, user=JobUser.find(user), shell=shell, open_files=open_files
        )
        self._output_limit_bytes = output_limit_bytes
        self._with_cgroup = cgroup
        self._cgroups: Path | None = None
        self._warden = Warden(self._folder, process_warden.__name__)

    async def open(self, ended: Callable[[AttemptKey], None]) -> None:
        """Make the folder. Raises PermissionError if JOB_USER could not reach it."""
        self._following = Following(self._folders, output_limit_bytes=self._output_limit_bytes, ended=ended)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (user := self._launcher.user) is not None:
            self._folder.chmod(0o711)
            user.check_reach(self._folder)
        self._following.prepare()
        if self._with_cgroup:
            self._cgroups = process_cgroup.find_parent(self._folder)

    async def close(self) -> None:
        """Let jobs go on, close all descriptors."""
        self._warden.close()
        await self._following.close()
        if self._cgroups is not None:
            process_cgroup.remove(self._cgroups)

    async def start(self, launch: Launch) -> str:
        """Start the attempt unless its folder shows that it was started; its handle."""
        key = launch.key
        folder = self._following.attempt(key)
        for _ in range(LOOKS):
            if (followed := self._following.known(key)) is not None:
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
        self._following.follow(key, waiter, cgroup)
        return waiter.handle

    async def observe(self, key: AttemptKey, handle: str) -> Observation:
        """Look at the attempt, and follow it if it runs."""
        seen = await self._following.find(key, handle)
        if isinstance(seen, Followed):
            seen.observed = True
            return Running()
        return seen

    async def stop(self, key: AttemptKey, handle: str, *, grace_seconds: int) -> None:
        """SIGTERM to the session now, SIGKILL after the grace; 0 = SIGKILL now."""
        seen = await self._following.find(key, handle)
        if isinstance(seen, Followed):
            seen.stop.within(grace_seconds)
        else:
            self._following.remember(key, seen)

    def keeps(self, job_id: str) -> bool:
        """Whether the job has a folder."""
        return self._folders.has(job_id)

    async def output(
        self, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
    ) -> OutputChunk:
        """Read from the stream's file, see `OutputFile.read`."""
        # On the event loop: a short read of a local file takes less than the way to a thread and back.
        return self._following.output(key, channel).read(offset=offset, limit=limit)

    def lease(self, seconds: float) -> None:
        """Have a warden kill everything when the time is over."""
        try:
            self._warden.renew(seconds)
        except OSError as error:
            log.warning("the lease of the node could not be written: %s", error.strerror)

    async def abandon(self) -> None:
        """Kill all attempts and forget them; their folders stay."""
        started = self._following.waiters()
        self._following.forget()
        await end_all(partial(process_warden.find_all, self._folder, started))
        await asyncio.to_thread(_reap, started)

    async def remove(self, job_id: str) -> None:
        """Delete the job's folder."""
        self._following.forget(job_id)
        await asyncio.to_thread(self._folders.remove, job_id)

    async def kept(self) -> list[str]:
        """Ids of the jobs that have a folder."""
        return await asyncio.to_thread(self._folders.ids)


def _reap(waiters: list[Waiter]) -> None:
    for waiter in waiters:
        with suppress(ChildProcessError):
            os.waitpid(waiter.pid, os.WNOHANG)
