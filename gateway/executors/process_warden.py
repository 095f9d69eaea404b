"""The warden of processes, see `warden`: `python -m gateway.executors.process_warden FOLDER`."""

import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.executors import process_cgroup
from gateway.executors.process_folder import AttemptFolder
from gateway.executors.process_session import Process, Waiter, members, processes, read_process, send
from gateway.executors.warden import Kill, look_again, watch


def find_all(folder: Path, started: Iterable[Waiter] = ()) -> Kill | None:
    """What runs of the attempts in a folder, and may go on; None when there is nothing.

    `started`: waiters that may not have written yet who they are.
    """
    try:
        everyone = processes()
        found = [_of(waiter, None, everyone) for waiter in started]
        for attempt in folder.glob("*/*/pid"):
            record = AttemptFolder(attempt.parent).record()
            if record is not None:
                found.append(_of(record.waiter, record.cgroup, everyone))
    except OSError:
        return look_again
    running = [attempt for attempt in found if attempt is not None]
    return partial(_kill, running) if running else None


@dataclass(frozen=True)
class _Attempt:
    """What runs of an attempt."""

    pids: tuple[int, ...]
    cgroup: Path | None


def _of(waiter: Waiter | None, cgroup: Path | None, everyone: list[Process]) -> _Attempt | None:
    pids = () if waiter is None else tuple(process.pid for process in _session(waiter, everyone))
    if cgroup is not None and not process_cgroup.pids(cgroup):
        cgroup = None
    return _Attempt(pids, cgroup) if pids or cgroup else None


def _session(waiter: Waiter, everyone: list[Process]) -> list[Process]:
    """The waiter first, so that it starts nothing more, then the others."""
    leader = read_process(waiter.pid) if waiter.is_alive() else None
    return ([leader] if leader is not None else []) + members(waiter, everyone)


def _kill(found: list[_Attempt]) -> None:
    for attempt in found:
        send(signal.SIGKILL, attempt.pids)
        if attempt.cgroup is not None:
            process_cgroup.kill(attempt.cgroup)


if __name__ == "__main__":
    watch(Path(sys.argv[1]), partial(find_all, Path(sys.argv[1])))
