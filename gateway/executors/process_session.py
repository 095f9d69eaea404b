"""Processes as /proc shows them: an attempt's waiter, and who belongs to its session.

The waiter leads its session, so the session's number is the waiter's pid.
"""

import errno
import os
import re
import signal
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple, Self

NUMBER = re.compile(r"[0-9]{1,20}")
"""A pid or a start time in a file that a job could have written."""
NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)


@cache
def boot_id() -> str:
    """Names the run of the kernel; pids and start times mean nothing in another one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


class Process(NamedTuple):
    """One line of `/proc/<pid>/stat`, as far as it is of use."""

    pid: int
    started: int
    """Clock ticks since boot. With the pid it names a process for good."""
    parent: int
    group: int
    session: int
    state: str
    """One letter, see proc_pid_stat(5)."""

    @property
    def dead(self) -> bool:
        """Whether only its parent still has to look at it."""
        return self.state in "ZX"


class Waiter(NamedTuple):
    """Who runs an attempt. Its text is the attempt's handle."""

    boot_id: str
    pid: int
    started: int

    @property
    def handle(self) -> str:
        """The text that is stored."""
        return f"{self.boot_id} {self.pid} {self.started}"

    @classmethod
    def parse(cls, handle: str) -> Self | None:
        """Read a handle; None when it is none."""
        words = handle.split()
        if len(words) != 3 or not all(map(NUMBER.fullmatch, words[1:])):
            return None
        waiter = cls(words[0], int(words[1]), int(words[2]))
        # To kill(2), 0 and 1 are no ordinary pids.
        return waiter if waiter.pid > 1 else None

    def is_(self, process: Process) -> bool:
        """Whether a process is the waiter."""
        return (process.pid, process.started) == (self.pid, self.started) and self.boot_id == boot_id()

    def is_alive(self) -> bool:
        """Whether that very process runs, and no other that has its pid by now. Raises OSError, see
        `read_process`.
        """
        process = read_process(self.pid)
        return process is not None and self.is_(process) and not process.dead


def read_process(pid: int) -> Process | None:
    """The process with a pid, None when there is none.

    Raises OSError when no descriptor is left to look with: that says nothing of the process.
    """
    try:
        stat = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError as error:
        if error.errno in NO_DESCRIPTORS:
            raise
        return None
    try:
        # The name in brackets may hold blanks and brackets; the fields count from the last bracket.
        fields = os.read(stat, 4096).rpartition(b")")[2].split()
    except ProcessLookupError:
        return None
    finally:
        os.close(stat)
    return Process(
        pid=pid,
        started=int(fields[19]),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        state=fields[0].decode(),
    )


def processes() -> list[Process]:
    """All processes that can be seen; some ten microseconds each. Raises OSError, see `read_process`."""
    found = (read_process(int(name)) for name in os.listdir("/proc") if name.isdecimal())
    return [process for process in found if process is not None]


def members(waiter: Waiter, among: Iterable[Process]) -> list[Process]:
    """The living processes of a waiter's session, without the waiter.

    The kernel gives out no pid that still names a session. If the session is empty, though, its number may
    come back with another leader: that shows by the start times.
    """
    if waiter.boot_id != boot_id():
        return []
    session = [process for process in among if process.session == waiter.pid]
    if any(process.pid == waiter.pid and process.started != waiter.started for process in session):
        return []
    return [
        process
        for process in session
        if process.pid != waiter.pid and process.started >= waiter.started and not process.dead
    ]


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    """Send a signal; those that are gone, or another user's, are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
