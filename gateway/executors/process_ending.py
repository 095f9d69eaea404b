"""How the processes of an attempt are ended from outside: asked, killed, and cleared away."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from gateway.executors import process_cgroup
from gateway.executors.process_session import Process, Waiter, members, processes, read_process, send

log = logging.getLogger(__name__)

BEGUN_SECONDS = 0.005
"""Pause between looks whether the waiter has begun."""
ASK_AGAIN_SECONDS = (0.02, 0.1, 0.5)
"""Pauses between further looks for processes that have not been asked yet."""
KILL_AGAIN_SECONDS = 0.05
"""First pause before another kill, for what was forked meanwhile; doubles up to a second."""
SWEEP_SECONDS = 0.05
"""Least time between two looks at all processes of the host."""
SWEEPS = 100
"""How often an attempt is looked at before it is given up."""
CLOSING_SWEEPS = 10
"""The same while the gateway closes."""
CLOSING_SECONDS = 0.02
"""Pause between these."""


class Stop:
    """Asks the whole session (and cgroup) of a running attempt to end, and kills it after a grace.

    The waiter gets SIGTERM, too; it outlives that and writes the exit status. It is never killed.
    Until it has begun, which takes a millisecond, it could not outlive it: that is waited for.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        waiter: Waiter,
        cgroup: Path | None,
        *,
        begun: Callable[[], bool],
    ) -> None:
        self._loop = loop
        self._waiter = waiter
        self._cgroup = cgroup
        self._begun = begun
        self._kill_at: float | None = None
        self._asked: set[tuple[int, int]] = set()
        self._ask_timer: asyncio.TimerHandle | None = None
        self._kill_timer: asyncio.TimerHandle | None = None

    def within(self, grace_seconds: int) -> None:
        """Begin, or shorten the grace."""
        self._until(self._loop.time() + grace_seconds)

    def take_over(self, other: "Stop") -> None:
        """Go on with what was begun for another waiter of the same attempt."""
        if other._kill_at is not None:
            self._until(other._kill_at)

    def cancel(self) -> None:
        """The attempt is over, or no longer ours to follow."""
        for timer in (self._ask_timer, self._kill_timer):
            if timer is not None:
                timer.cancel()

    def _until(self, kill_at: float) -> None:
        if self._kill_at is not None and self._kill_at <= kill_at:
            return
        begin = self._kill_at is None
        self._kill_at = kill_at
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        if kill_at <= self._loop.time():
            self._kill(KILL_AGAIN_SECONDS)
            return
        self._kill_timer = self._loop.call_at(kill_at, self._kill, KILL_AGAIN_SECONDS)
        if begin:
            self._ask(ASK_AGAIN_SECONDS)

    def _ask(self, pauses: tuple[float, ...]) -> None:
        if not self._begun():
            self._ask_timer = self._loop.call_later(BEGUN_SECONDS, self._ask, pauses)
            return
        self._ask_waiter()
        for process in self._processes():
            identity = (process.pid, process.started)
            # Between fork and exec the command is a copy of the waiter and deaf to SIGTERM: ask it later.
            if identity in self._asked or self._is_waiters_copy(process.pid):
                continue
            self._asked.add(identity)
            _send_awake(signal.SIGTERM, process)
        if pauses:
            self._ask_timer = self._loop.call_later(pauses[0], self._ask, pauses[1:])

    def _kill(self, pause: float) -> None:
        if not self._begun():
            self._kill_timer = self._loop.call_later(BEGUN_SECONDS, self._kill, pause)
            return
        # If the command is not there yet, this keeps the waiter from starting it.
        self._ask_waiter()
        send(signal.SIGKILL, [process.pid for process in self._processes()])
        if self._cgroup is not None:
            process_cgroup.kill(self._cgroup)
        self._kill_timer = self._loop.call_later(pause, self._kill, min(2 * pause, 1.0))

    def _ask_waiter(self) -> None:
        if self._waiter.is_alive() and (process := read_process(self._waiter.pid)):
            _send_awake(signal.SIGTERM, process)

    def _processes(self) -> list[Process]:
        """All processes of the attempt but the waiter."""
        found = members(self._waiter, processes())
        if self._cgroup is not None:
            known = {process.pid for process in found}
            others = [read_process(pid) for pid in process_cgroup.pids(self._cgroup) if pid not in known]
            found += [process for process in others if process is not None and not process.dead]
        return found

    def _is_waiters_copy(self, pid: int) -> bool:
        line = _command_line(pid)
        return line != b"" and line == _command_line(self._waiter.pid)


class Sweeper:
    """Kills what is left of attempts that are over, and removes their cgroups.

    Most leave nothing. To know that takes a look at every process of the host, so one look serves all
    attempts that have ended since the last.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left: dict[tuple[Waiter, Path | None], int] = {}
        """Looks left for each waiter and cgroup."""
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0

    def add(self, waiter: Waiter, cgroup: Path | None) -> None:
        """The waiter is gone: clear up after it, soon."""
        if cgroup is not None and not process_cgroup.remove(cgroup):
            process_cgroup.kill(cgroup)
        self._left[waiter, cgroup] = SWEEPS
        if self._timer is None:
            self._timer = self._loop.call_at(max(self._next_at, self._loop.time()), self.sweep)

    def sweep(self) -> None:
        """Clear up now, and again soon for those that left something."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._left:
            return
        everyone = processes()
        for (waiter, cgroup), looks in list(self._left.items()):
            rest = members(waiter, everyone)
            send(signal.SIGKILL, [process.pid for process in rest])
            removed = cgroup is None or process_cgroup.remove(cgroup)
            if cgroup is not None and not removed:
                process_cgroup.kill(cgroup)
            if removed and not rest:
                del self._left[waiter, cgroup]
            elif looks == 1:
                log.warning("processes of an ended attempt withstand SIGKILL: session %d", waiter.pid)
                del self._left[waiter, cgroup]
            else:
                self._left[waiter, cgroup] = looks - 1
        self._next_at = self._loop.time() + SWEEP_SECONDS
        if self._left:
            self._timer = self._loop.call_at(self._next_at, self.sweep)

    async def close(self) -> None:
        """Clear up a last time; what is killed just now gets a moment to go, so that its cgroup can."""
        for _ in range(CLOSING_SWEEPS):
            self.sweep()
            if not self._left:
                break
            await asyncio.sleep(CLOSING_SECONDS)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _send_awake(number: signal.Signals, process: Process) -> None:
    """Send a signal, and wake a process that was halted: it would not see the signal."""
    send(number, [process.pid])
    if process.state == "T":
        send(signal.SIGCONT, [process.pid])


def _command_line(pid: int) -> bytes:
    try:
        descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
