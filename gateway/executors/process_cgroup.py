"""A cgroup (v2) per attempt, where the gateway may make one: it holds also what leaves the session.

No controller is needed or switched on. Where there is no such cgroup, everything goes on without.

They are threaded cgroups where that can be had (kernel's cgroup-v2, "Threads"): into one of these a process
with one thread moves itself at once, by `cgroup.threads`. A move by `cgroup.procs` waits for all processors
to pass a quiet point, 10 to 20 ms, and the command with it.
"""

import os
import re
import signal
import zlib
from contextlib import suppress
from pathlib import Path

from gateway.executors.process_session import send


def find_parent(folder: Path) -> Path | None:
    """Make the cgroup that holds those of the attempts in a folder, below the gateway's own.

    None where cgroup v2 is missing or closed to us.
    """
    with suppress(OSError, ValueError):
        own = _own_cgroup()
        # Each gateway has its own: what another has made this instant must not be taken for left over.
        parent = own / f"jobs-gateway-{zlib.crc32(bytes(folder)):08x}"
        parent.mkdir(exist_ok=True)
        _make_threaded(parent)
        # To move a process, the cgroup that is above both the old and the new one must be open, too.
        if os.access(own / "cgroup.procs", os.W_OK) and os.access(parent / "cgroup.procs", os.W_OK):
            _remove_leftovers(parent)
            return parent
    return None


def create(parent: Path, name: str) -> Path | None:
    """Make an attempt's cgroup; None when that fails."""
    cgroup = parent / name
    with suppress(OSError):
        # The parent too: another executor on the same folder removes it, when empty, as it closes.
        cgroup.mkdir(parents=True, exist_ok=True)
        _make_threaded(cgroup)
        return cgroup
    return None


def pids(cgroup: Path) -> set[int]:
    """The processes in the cgroup; dead ones are not listed."""
    with suppress(OSError):
        # A threaded cgroup lists threads alone.
        threads = (cgroup / "cgroup.threads").read_text("ascii").split()
        return {pid for thread in threads if (pid := _process_of(thread)) is not None}
    return set()


def kill(cgroup: Path) -> None:
    """SIGKILL to all in the cgroup. It is frozen first: what is frozen forks no more, but can be killed.

    `cgroup.kill` would do the same in one step, but not in a threaded cgroup.
    """
    _write(cgroup / "cgroup.freeze", "1")
    killed: set[int] = set()
    # What a fork that was under way has made shows with the next look, frozen.
    while found := pids(cgroup) - killed:
        send(signal.SIGKILL, found)
        killed |= found


def remove(cgroup: Path) -> bool:
    """Remove the cgroup; False while somebody is in it."""
    try:
        cgroup.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _make_threaded(cgroup: Path) -> None:
    """Have a threaded cgroup; it stays as it is where there are processes or controllers in the way."""
    _write(cgroup / "cgroup.type", "threaded")


def _write(file: Path, text: str) -> None:
    """Write into a file of a cgroup, as far as it is there and takes it; nothing is created."""
    with suppress(OSError):
        descriptor = os.open(file, os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def _process_of(thread: str) -> int | None:
    """The process that a thread belongs to; None when it has gone."""
    try:
        found = re.search(rb"^Tgid:\s*([0-9]+)$", Path(f"/proc/{thread}/status").read_bytes(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def _own_cgroup() -> Path:
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::/")), "/")
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        # proc_pid_mountinfo(5): "id parent major:minor root mount-point options ... - type source options"
        before, _, after = line.partition(" - ")
        root, mount_point = before.split()[3:5]
        if after.split()[0] == "cgroup2" and Path(own).is_relative_to(root):
            return Path(mount_point) / Path(own).relative_to(root)
    raise ValueError("no cgroup2 is mounted that shows our own cgroup")


def _remove_leftovers(parent: Path) -> None:
    """Remove what a killed gateway left; those with a process in them cannot be removed."""
    for cgroup in parent.iterdir():
        if cgroup.is_dir():
            remove(cgroup)
