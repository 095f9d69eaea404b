"""A warden: ends what only this host reaches when the node's lease is over, whatever became of the gateway.

Another node takes the jobs over then, and none may run twice. A gateway that is halted cannot kill them, so a
small process of its own does. In the folder of an executor it reads

    .lease        when the lease is over, in seconds of CLOCK_BOOTTIME, written anew with each renewal
    .warden.lock  held by the warden: there is one for each folder

and it ends when the gateway that started it is gone and the lease is over. A gateway that is started again
meanwhile finds it at work and renews the lease for it, too.
"""

import asyncio
import fcntl
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LOOK_SECONDS = 0.25
"""How often the lease is read; it is never over later than it said when it was last read."""
KILL_AGAIN_SECONDS = 0.05
"""Pause between two looks for what is left."""
LAST_LOOKS = 10
"""How often a warden finds nothing before it ends: what the gateway started last may not show at once."""
Kill = Callable[[], object]
"""Kills all that was found."""


class Warden:
    """The gateway's side: keeps the lease of a folder, and a warden that watches it."""

    def __init__(self, folder: Path, module: str, *arguments: str) -> None:
        """`module` is run as the warden, with the folder and the arguments."""
        self._folder = folder
        self._command = [sys.executable, "-m", module, str(folder), *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._gateway: int | None = None
        """The end of a pipe that closes with the gateway."""

    def renew(self, seconds: float) -> None:
        """The lease is good for so long from now on. Raises OSError."""
        new = self._folder / ".lease.new"
        new.write_text(f"{_now() + seconds:.3f}\n", "ascii")
        new.replace(self._folder / ".lease")
        if self._process is None or self._process.poll() is not None:
            self._start()

    def close(self) -> None:
        """Leave the warden to itself: it ends with the lease."""
        if self._gateway is not None:
            os.close(self._gateway)
            self._gateway = None
        # It is to outlive this process, so nobody waits for it.
        if self._process is not None:
            self._process.returncode = 0
            self._process = None

    def _start(self) -> None:
        self.close()
        inner, self._gateway = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is our own
                self._command, stdin=inner, stdout=subprocess.DEVNULL, start_new_session=True
            )
        finally:
            os.close(inner)


def watch(folder: Path, look: Callable[[], Kill | None]) -> None:
    """The warden's side: kill all whenever the folder's lease is over, until the gateway is gone as well, or
    the folder. `look` finds what there is; None = nothing.
    """
    lock = os.open(folder / ".warden.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    looks = LAST_LOOKS
    while folder.exists() and looks:
        left = _lease(folder) - _now()
        if left > 0:
            time.sleep(min(left, LOOK_SECONDS))
            continue
        kill = look()
        if kill is not None and _lease(folder) <= _now():
            # It was not renewed before they were found, so none of them was started after that.
            kill()
        looks = looks - 1 if kill is None and _is_gone(sys.stdin.fileno()) else LAST_LOOKS
        time.sleep(KILL_AGAIN_SECONDS)


async def end_all(look: Callable[[], Kill | None]) -> None:
    """Kill all, and return when nothing is left."""
    while (kill := await asyncio.to_thread(look)) is not None:
        await asyncio.to_thread(kill)
        await asyncio.sleep(KILL_AGAIN_SECONDS)


def look_again() -> None:
    """What to kill when it cannot be known what there is."""


def _lease(folder: Path) -> float:
    """When the lease is over; one that cannot be read is."""
    with suppress(OSError, ValueError):
        return float((folder / ".lease").read_text("ascii"))
    return 0.0


def _is_gone(pipe: int) -> bool:
    """Whether the gateway at the other end of the pipe is gone."""
    readable, _, _ = select.select([pipe], [], [], 0)
    return bool(readable)


def _now() -> float:
    # It goes on while the machine sleeps.
    return time.clock_gettime(time.CLOCK_BOOTTIME)
