"""How a running attempt is ended from outside: asked, given its grace, killed."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.executors.process_folder import AttemptFolder
from gateway.executors.process_rest import Rest, wake
from gateway.executors.process_session import Process, Waiter, boot_id, read_process, send

BEGIN_SECONDS = 0.005
"""First pause between looks whether there is anybody to ask or to kill; doubles up to LONGEST_SECONDS."""
LONGEST_SECONDS = 0.1
KILL_AGAIN_SECONDS = 0.05
"""First pause before another kill, for what was forked meanwhile; doubles up to a second."""
LAST_PAUSE_SECONDS = 1.0
TIMER_SECONDS = 0.001
"""Timers of an event loop count in whole milliseconds, cut off; a grace is not to be shorter than said."""


class Stop:
    """Asks the whole session (and cgroup) of an attempt to end, and kills it after a grace.

    Each process is asked once: what its handler starts to clean up is left alone until the grace is over.

    The waiter gets SIGTERM, too; it outlives that and writes the exit status. It is never killed.
    Until it has begun, which takes a millisecond, it could not outlive it: that is waited for.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, waiter: Waiter, cgroup: Path | None, folder: AttemptFolder
    ) -> None:
        self._loop = loop
        self._waiter = waiter
        self._rest = Rest(loop, waiter, cgroup)
        self._folder = folder
        self._kill_at: float | None = None
        """When the grace is over, on the monotonic clock."""
        self._asked = False
        """Whether all were asked."""
        self._gone: Callable[[], None] | None = None
        self._ask_timer: asyncio.TimerHandle | None = None
        self._kill_timer: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> bool:
        """Whether somebody wants the attempt to end."""
        return self._kill_at is not None

    def within(self, grace_seconds: float) -> None:
        """Begin, or shorten the grace."""
        self._until(time.monotonic() + grace_seconds)
        if self._asked and self._kill_at is not None:
            self._folder.note_stop(self._waiter, self._kill_at)

    def resume(self) -> None:
        """Go on with what an earlier gateway began, if it did."""
        kill_at = self._folder.kill_at(self._waiter) if self._waiter.boot_id == boot_id() else None
        if kill_at is not None:
            self._asked = True
            self._until(kill_at)

    def take_over(self, other: "Stop") -> None:
        """Go on with what was begun by another for the same attempt, maybe for another waiter."""
        if other._kill_at is not None:
            self._asked |= other._asked and other._waiter == self._waiter
            self._until(other._kill_at)

    def await_rest(self, gone: Callable[[], None]) -> None:
        """The waiter has ended: call `gone` once nothing is left, or what is left withstands SIGKILL."""
        self._gone = gone
        self._rest.watch(self._end)

    def cancel(self) -> None:
        """The attempt is over, or no longer ours to follow."""
        for timer in (self._ask_timer, self._kill_timer):
            if timer is not None:
                timer.cancel()
        self._rest.unwatch()

    def _until(self, kill_at: float) -> None:
        if self._kill_at is not None and self._kill_at <= kill_at:
            return
        begin = self._kill_at is None and not self._asked
        self._kill_at = kill_at
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        left = kill_at - time.monotonic()
        if left <= 0:
            self._kill(KILL_AGAIN_SECONDS)
            return
        self._kill_timer = self._loop.call_later(left + TIMER_SECONDS, self._kill, KILL_AGAIN_SECONDS)
        if begin:
            self._ask(BEGIN_SECONDS)

    def _ask(self, pause: float) -> None:
        with suppress(OSError):  # No descriptor is left to look with.
            if self._has_begun():
                # If the command is not there yet, this keeps the waiter from starting it.
                self._ask_waiter()
                found = self._rest.processes()
                if not self._has_lost() and self._can_be_asked(found):
                    self._rest.ask(found)
                    self._asked = True
                    if self._kill_at is not None:
                        self._folder.note_stop(self._waiter, self._kill_at)
                    return
        self._ask_timer = self._loop.call_later(pause, self._ask, min(2 * pause, LONGEST_SECONDS))

    def _kill(self, pause: float) -> None:
        if not self._killed():
            self._kill_timer = self._loop.call_later(BEGIN_SECONDS, self._kill, pause)
            return
        if self._gone is not None and pause >= LAST_PAUSE_SECONDS:
            self._end()
            return
        self._kill_timer = self._loop.call_later(pause, self._kill, min(2 * pause, LAST_PAUSE_SECONDS))

    def _killed(self) -> bool:
        """Kill all; False when nobody has begun, or no descriptor is left to look with."""
        try:
            if not self._has_begun():
                return False
            self._ask_waiter()
            self._rest.kill()
        except OSError:
            return False
        return True

    def _end(self) -> None:
        self.cancel()
        self._folder.forget_stop()
        if self._gone is not None:
            self._gone()

    def _has_begun(self) -> bool:
        """Whether the waiter can be sent SIGTERM, or is gone."""
        return self._folder.record() is not None or not self._waiter.is_alive()

    def _has_lost(self) -> bool:
        """Whether another waiter runs the attempt. Both have one cgroup, so what that one runs is found here,
        too; it is asked by the stop that takes over from this one.
        """
        record = self._folder.record()
        return record is not None and record.waiter not in (None, self._waiter)

    def _ask_waiter(self) -> None:
        if self._waiter.is_alive() and (process := read_process(self._waiter.pid)):
            send(signal.SIGTERM, [process.pid])
            wake([process])

    def _can_be_asked(self, found: list[Process]) -> bool:
        """Whether the command is there. Between fork and exec it is a copy of the waiter, deaf to SIGTERM."""
        commands = [process for process in found if process.parent == self._waiter.pid]
        if not commands:
            return not self._waiter.is_alive()
        return _command_line(commands[0].pid) != _command_line(self._waiter.pid)


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
