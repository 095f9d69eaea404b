"""The warden of processes, see `warden`: `python -m gateway.executors.process_warden FOLDER`."""

import signal
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from gateway.executors import process_cgroup
from gateway.executors.process_folder import AttemptFolder
from gateway.executors.process_session import Process, Waiter, members, processes, read_process, send
from gateway.executors.warden import watch


def kill_all(folder: Path, started: Iterable[Waiter] = ()) -> bool:
    """Send SIGKILL to all that runs of the attempts in a folder; whether there was anything, or may be.

    `started`: waiters that may not have written yet who they are.
    """
    try:
        everyone = processes()
        found = [_kill(waiter, None, everyone) for waiter in started]
        for attempt in folder.glob("*/*/pid"):
            record = AttemptFolder(attempt.parent).record()
            if record is not None:
                found.append(_kill(record.waiter, record.cgroup, everyone))
    except OSError:
        # What runs cannot be known: it is looked again.
        return True
    return any(found)


def _kill(waiter: Waiter | None, cgroup: Path | None, everyone: list[Process]) -> bool:
    """Kill what runs of an attempt; whether there was anything."""
    rest = [] if waiter is None else _all_of(waiter, everyone)
    send(signal.SIGKILL, [process.pid for process in rest])
    in_cgroup = set() if cgroup is None else process_cgroup.pids(cgroup)
    if cgroup is not None and in_cgroup:
        process_cgroup.kill(cgroup)
    return bool(rest or in_cgroup)


def _all_of(waiter: Waiter, everyone: list[Process]) -> list[Process]:
    """The waiter first, so that it starts nothing more, then its session."""
    leader = read_process(waiter.pid) if waiter.is_alive() else None
    return ([leader] if leader is not None else []) + members(waiter, everyone)


if __name__ == "__main__":
    watch(Path(sys.argv[1]), partial(kill_all, Path(sys.argv[1])))
