"""Kills the containers of a Docker that only this host reaches when the node's lease is over.

Another node takes the jobs over then, and none may run twice. A gateway that hangs or is halted cannot kill
them, so a small process of its own does: `python -m gateway.executors.docker_warden FOLDER SOCKET LABEL`. It
reads

    .docker-lease    when the lease is over, in seconds of CLOCK_BOOTTIME, written anew with each renewal
    .docker-warden   locked by the warden: there is one for each folder

and ends when the gateway that started it is gone and the lease is over. It does without the client library,
whose memory it would need for nothing.
"""

import fcntl
import http.client
import json
import os
import select
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlencode

LOOK_SECONDS = 0.25
"""How often the lease is read, and after its end how often it is looked for what runs."""
ANSWER_SECONDS = 10.0


class Warden:
    """The gateway's side: keeps the lease of a folder, and a warden that watches it."""

    def __init__(self, folder: Path, socket_path: str, label: str) -> None:
        self._folder = folder
        self._arguments = [str(folder), socket_path, label]
        self._process: subprocess.Popen[bytes] | None = None
        self._gateway: int | None = None
        """The end of a pipe that closes with the gateway."""

    def renew(self, seconds: float) -> None:
        """The lease is good for so long from now on. Raises OSError."""
        new = self._folder / ".docker-lease.new"
        new.write_text(f"{_now() + seconds:.3f}\n", "ascii")
        new.replace(self._folder / ".docker-lease")
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
                [sys.executable, "-m", __name__, *self._arguments],
                stdin=inner,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(inner)


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket of the file system."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(self._path)


def kill_all(socket_path: str, label: str) -> bool:
    """Send SIGKILL to all containers with a label that run; whether there may be more."""
    filters = json.dumps({"label": [label], "status": ["running", "paused"]})
    try:
        with closing(_Connection(socket_path)) as connection:
            connection.request("GET", f"/containers/json?{urlencode({'filters': filters})}")
            found = json.load(connection.getresponse())
            for container in found:
                connection.request("POST", f"/containers/{container['Id']}/kill")
                connection.getresponse().read()
            return bool(found)
    except (OSError, http.client.HTTPException, ValueError):
        # What runs cannot be known: it is looked again.
        return True


def end_all(socket_path: str, label: str) -> None:
    """Kill all containers with a label, and return when none runs."""
    while kill_all(socket_path, label):
        time.sleep(LOOK_SECONDS)


def watch(folder: Path, socket_path: str, label: str) -> None:
    """Kill all containers whenever the folder's lease is over, until the gateway is gone as well, or all of
    the folder.
    """
    lock = os.open(folder / ".docker-warden", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    while folder.exists():
        left = _lease(folder) - _now()
        if left <= 0 and not kill_all(socket_path, label) and _is_gone(sys.stdin.fileno()):
            return
        time.sleep(LOOK_SECONDS if left <= 0 else min(left, LOOK_SECONDS))


def _lease(folder: Path) -> float:
    """When the lease is over; one that cannot be read is."""
    with suppress(OSError, ValueError):
        return float((folder / ".docker-lease").read_text("ascii"))
    return 0.0


def _is_gone(pipe: int) -> bool:
    """Whether the gateway at the other end of the pipe is gone."""
    readable, _, _ = select.select([pipe], [], [], 0)
    return bool(readable)


def _now() -> float:
    # It goes on while the machine sleeps.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


if __name__ == "__main__":
    watch(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
