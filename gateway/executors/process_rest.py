"""All processes of an attempt but its waiter: those of its session, and of its cgroup if it has one."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from gateway.executors import process_cgroup
from gateway.executors.process_session import Process, Waiter, members, processes, read_process, send

LOOK_SECONDS = 0.01
"""Least time between two looks whether anybody is left; a look goes through all processes of the host."""


class Rest:
    """Finds, signals and watches them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, waiter: Waiter, cgroup: Path | None) -> None:
        self._loop = loop
        self._waiter = waiter
        self._cgroup = cgroup
        self._gone: Callable[[], None] = lambda: None
        self._pidfd: int | None = None
        self._timer: asyncio.Handle | None = None
        self._look_at = 0.0

    def processes(self) -> list[Process]:
        """Those that live."""
        found = members(self._waiter, processes())
        if self._cgroup is not None:
            known = {process.pid for process in found}
            others = [read_process(pid) for pid in process_cgroup.pids(self._cgroup) if pid not in known]
            found += [process for process in others if process is not None and not process.dead]
        return found

    def ask(self, found: Sequence[Process]) -> None:
        """SIGTERM, once to each.

        The session is asked by process groups, because no fork can slip through: it is either done before
        and the child in the group, or begun anew after the signal was handled (fork(2), ERESTARTNOINTR).
        """
        inside = [process for process in found if process.session == self._waiter.pid]
        for group in {process.group for process in inside if process.group > 1}:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGTERM)
        send(signal.SIGTERM, [process.pid for process in found if process.session != self._waiter.pid])
        wake(found)

    def kill(self) -> None:
        """SIGKILL to each."""
        send(signal.SIGKILL, [process.pid for process in self.processes()])
        if self._cgroup is not None:
            process_cgroup.kill(self._cgroup)

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` once, as soon as nobody is left; never from within this call."""
        self._gone = gone
        self._look_soon()

    def unwatch(self) -> None:
        """`gone` is not to be called any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pidfd is not None:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None

    def _look_soon(self) -> None:
        self.unwatch()
        self._timer = self._loop.call_later(max(0.0, self._look_at - time.monotonic()), self._look)

    def _look(self) -> None:
        self._look_at = time.monotonic() + LOOK_SECONDS
        try:
            left = self.processes()
        except OSError:  # No descriptor is left to look with.
            self._look_soon()
            return
        if not left:
            self._gone()
            return
        # As long as one lives somebody is left, so one is enough to watch. The oldest tends to stay.
        oldest = min(left, key=lambda process: process.started)
        try:
            pidfd = os.pidfd_open(oldest.pid)
        except OSError:  # It has just gone; or no descriptors are left; or an old kernel.
            self._look_soon()
            return
        self._pidfd = pidfd
        self._loop.add_reader(pidfd, self._look_soon)
        with suppress(OSError):
            if (now := read_process(oldest.pid)) is not None and now.started == oldest.started:
                return
        self._look_soon()


def wake(found: Sequence[Process]) -> None:
    """Let those go on that were halted: they would not see a signal."""
    send(signal.SIGCONT, [process.pid for process in found if process.state == "T"])
