"""Clears up after attempts that are over: kills what they left and removes their cgroups."""

import asyncio
import logging
import signal
from pathlib import Path

from gateway.executors import process_cgroup
from gateway.executors.process_folder import AttemptFolder
from gateway.executors.process_session import Waiter, members, processes, send

log = logging.getLogger(__name__)

SWEEP_SECONDS = 0.05
"""Least time between two looks at all processes of the host."""
LONGEST_SECONDS = 1.0
"""The most that a host with very many processes makes of it."""
PAUSE_PER_LOOK = 100
"""How much longer than the look itself the pause after it is at least."""
SWEEPS = 100
"""How often an attempt is looked at before it is given up."""
CLOSING_SWEEPS = 10
"""The same while the gateway closes."""
CLOSING_SECONDS = 0.02
"""Pause between these."""


class Sweeper:
    """Kills what is left of attempts that are over, and removes their cgroups.

    Most leave nothing. To know that takes a look at every process of the host, so one look serves all
    attempts that have ended since the last.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._left: dict[tuple[Waiter, Path | None], tuple[AttemptFolder, int]] = {}
        """The folder of each, and the looks that are left for it."""
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0

    def add(self, waiter: Waiter, cgroup: Path | None, folder: AttemptFolder) -> None:
        """The waiter is gone: clear up after it, soon. Then its attempt's folder is noted to be over."""
        if cgroup is not None and not process_cgroup.remove(cgroup):
            process_cgroup.kill(cgroup)
        self._left[waiter, cgroup] = folder, SWEEPS
        if self._timer is None:
            self._timer = self._loop.call_at(max(self._next_at, self._loop.time()), self.sweep)

    def sweep(self) -> None:
        """Clear up now, and again soon for those that left something."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._left:
            return
        began = self._loop.time()
        try:
            everyone = processes()
        except OSError as error:
            log.warning("what attempts have left is looked at later: %s", error.strerror)
            self._timer = self._loop.call_later(LONGEST_SECONDS, self.sweep)
            return
        took = self._loop.time() - began
        for (waiter, cgroup), (folder, looks) in list(self._left.items()):
            rest = members(waiter, everyone)
            send(signal.SIGKILL, [process.pid for process in rest])
            removed = cgroup is None or process_cgroup.remove(cgroup)
            if cgroup is not None and not removed:
                process_cgroup.kill(cgroup)
            if removed and not rest:
                folder.note_over()
                del self._left[waiter, cgroup]
            elif looks == 1:
                log.warning("processes of an ended attempt withstand SIGKILL: session %d", waiter.pid)
                del self._left[waiter, cgroup]
            else:
                self._left[waiter, cgroup] = folder, looks - 1
        pause = min(max(SWEEP_SECONDS, PAUSE_PER_LOOK * took), LONGEST_SECONDS)
        self._next_at = self._loop.time() + pause
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
