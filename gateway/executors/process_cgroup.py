"""A cgroup (v2) per attempt, where the gateway may make one: it holds also what leaves the session.

No controller is needed or switched on. Where there is no such cgroup, everything goes on without.
"""

import os
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
        return cgroup
    return None


def pids(cgroup: Path) -> list[int]:
    """Who is in the cgroup; dead ones are not listed."""
    with suppress(OSError):
        return [int(line) for line in (cgroup / "cgroup.procs").read_text("ascii").split()]
    return []


def kill(cgroup: Path) -> None:
    """SIGKILL to all in the cgroup."""
    try:
        # Linux 5.14 and later; forks cannot run from it. No creation: the cgroup may be gone.
        descriptor = os.open(cgroup / "cgroup.kill", os.O_WRONLY)
    except OSError:
        send(signal.SIGKILL, pids(cgroup))
        return
    with suppress(OSError):
        os.write(descriptor, b"1")
    os.close(descriptor)


def remove(cgroup: Path) -> bool:
    """Remove the cgroup; False while somebody is in it."""
    try:
        cgroup.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


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
