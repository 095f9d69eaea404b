"""Which core runs what: servers on the first, callers on the last. If there is one core, they share it."""

import os

_CORES = sorted(os.sched_getaffinity(0))

SERVERS = {_CORES[0]}
CALLERS = {_CORES[-1]}
APART = SERVERS != CALLERS
"""Whether servers and callers have a core each."""


def keep_to(cores: set[int], pid: int = 0) -> None:
    """Bind a process to cores, and with it what it starts from now on; 0 = this one."""
    os.sched_setaffinity(pid, cores)
