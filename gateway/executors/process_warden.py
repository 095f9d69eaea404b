"""Ends what runs on this host when the node's lease is over, even if the gateway hangs, is halted or is gone.

Another node takes the jobs over then, and none may run twice. A gateway that is halted cannot kill them, so a
small process of its own does, the warden: `python -m gateway.executors.process_warden FOLDER`. It reads

    .lease        when the lease is over, in seconds of CLOCK_BOOTTIME, written anew with each renewal
    .warden.lock  held by the warden: there is one for each folder

and ends when the gateway that started it is gone and the lease is over. A gateway that is started again
meanwhile finds it at work and renews the lease for it, too.
"""

import fcntl
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from gateway.executors import process_cgroup
from gateway.executors.process_folder import AttemptFolder
from gateway.executors.process_session import Process, Waiter, members, processes, read_process, send

LOOK_SECONDS = 0.25
"""How often the lease is read; it is never over later than it said when it was last read."""
KILL_AGAIN_SECONDS = 0.05
"""Pause between two looks for what is left."""


class Warden:
    """The gateway's side: keeps the lease of a folder, and a warden that watches it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
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
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", __name__, str(self._folder)],
                stdin=inner,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(inner)


def watch(folder: Path) -> None:
    """Kill all attempts of a folder whenever its lease is over, until the gateway is gone as well."""
    lock = os.open(folder / ".warden.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    while True:
        left = _lease(folder) - _now()
        if left > 0:
            time.sleep(min(left, LOOK_SECONDS))
        elif kill_all(folder) or not _is_gone(sys.stdin.fileno()):
            time.sleep(KILL_AGAIN_SECONDS)
        else:
            return


def end_all(folder: Path) -> None:
    """Kill all that runs of the attempts in a folder, and return when nothing is left."""
    while kill_all(folder):
        time.sleep(KILL_AGAIN_SECONDS)


def kill_all(folder: Path) -> bool:
    """Send SIGKILL to all that runs of the attempts in a folder; whether there was anything."""
    everyone = processes()
    found = False
    for attempt in folder.glob("*/*/pid"):
        record = AttemptFolder(attempt.parent).record()
        if record is None:
            continue
        rest = [] if record.waiter is None else _all_of(record.waiter, everyone)
        send(signal.SIGKILL, [process.pid for process in rest])
        in_cgroup = set() if record.cgroup is None else process_cgroup.pids(record.cgroup)
        if record.cgroup is not None and in_cgroup:
            process_cgroup.kill(record.cgroup)
        found = found or bool(rest or in_cgroup)
    return found


def _all_of(waiter: Waiter, everyone: list[Process]) -> list[Process]:
    """The waiter first, so that it starts nothing more, then its session."""
    leader = read_process(waiter.pid) if waiter.is_alive() else None
    return ([leader] if leader is not None else []) + members(waiter, everyone)


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


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
