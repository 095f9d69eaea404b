"""The warden of processes, see `warden`: `python -m gateway.executors.process_warden FOLDER`."""

import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.executors import process_cgroup
from gateway.executors.process_folder import AttemptFolder
from gateway.executors.process_session import Process, Waiter, members, processes, send
from gateway.executors.warden import Kill, look_again, watch


def find_all(folder: Path, started: Iterable[Waiter] = ()) -> Kill | None:
    """What runs of the attempts in a folder, and may go on; None when there is nothing.

    `started`: waiters that may not have written yet who they are.
    """
    attempts = [AttemptFolder(path.parent) for path in folder.glob("*/*/pid")]
    begun = [(attempt, attempt.record()) for attempt in attempts if not attempt.is_over()]
    try:
        # Behind the records: what they name is there, or has been.
        everyone = processes()
        found = [_of(waiter, None, everyone) for waiter in started]
        for attempt, record in begun:
            if record is None or record.waiter is None:
                continue
            found.append(running := _of(record.waiter, record.cgroup, everyone))
            if running is None:
                attempt.note_over()
    except OSError:
        return look_again
    left = [attempt for attempt in found if attempt is not None]
    return partial(_kill, left) if left else None


@dataclass(frozen=True)
class _Attempt:
    """What runs of an attempt."""

    pids: tuple[int, ...]
    cgroup: Path | None


def _of(waiter: Waiter, cgroup: Path | None, everyone: list[Process]) -> _Attempt | None:
    # The waiter first, so that it starts nothing more.
    leader = [process for process in everyone if waiter.is_(process) and not process.dead]
    pids = tuple(process.pid for process in (*leader, *members(waiter, everyone)))
    if cgroup is not None and not process_cgroup.pids(cgroup):
        cgroup = None
    return _Attempt(pids, cgroup) if pids or cgroup else None


def _kill(found: list[_Attempt]) -> None:
    for attempt in found:
        send(signal.SIGKILL, attempt.pids)
        if attempt.cgroup is not None:
            process_cgroup.kill(attempt.cgroup)


if __name__ == "__main__":
    watch(Path(sys.argv[1]), partial(find_all, Path(sys.argv[1])))
