"""What stands of container engines have in common: the API, and an image made from busybox.

There is no registry and no network.
"""

import contextlib
import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from gateway.executors.docker_status import RUNNING

SECONDS = 60.0
"""How long anything may take; nothing waits for it when all is well."""
IMAGE = "jobs-test:1"
"""Has busybox, and `echo image command` as its own command."""
API = "http://docker/v1.40"
BUSYBOX = "/bin/busybox"
SEARCHED = f"{os.environ['PATH']}:/usr/sbin:/sbin"
"""Where programs are; the path of a user may lack the daemons'."""


def image_layer() -> bytes:
    """The files of the image, as a tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for folder in ("bin", "tmp", "proc", "sys", "dev", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        archive.add(BUSYBOX, "bin/busybox")
        names = subprocess.run([BUSYBOX, "--list"], check=True, capture_output=True, text=True).stdout
        for name in names.split():
            if name != "busybox":
                entry = tarfile.TarInfo(f"bin/{name}")
                entry.type, entry.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(entry)
    return packed.getvalue()


class EngineStand:
    """One engine behind a socket, which tests may stop, kill and start again."""

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    """What it is made of."""
    tells_memory: ClassVar[bool] = True
    """Whether it tells that a container did not end for lack of memory."""
    variables: ClassVar[frozenset[str]] = frozenset({"HOME", "HOSTNAME", "PATH"})
    """What it gives every container."""

    def __init__(self) -> None:
        # The paths of sockets are short.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name.lower()}-"))
        self.socket = self.folder / "engine.sock"
        self.url = f"unix://{self.socket}"
        self.http = httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), timeout=SECONDS)
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def lacks(cls) -> str | None:
        """What this machine lacks to run it; None if nothing."""
        for program in cls.programs:
            if shutil.which(program, path=SEARCHED) is None:
                return f"{program} is not installed"
        if not Path(BUSYBOX).exists():
            return "busybox-static is not installed"
        return None if os.geteuid() == 0 else f"only root can start {cls.programs[0]}"

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the process that answers."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the engine and wait until it answers."""
        self._process = self.serve()
        self.wait(self._answers, self._process)

    def run(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a process that writes into the stand's log."""
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command, env=os.environ | {"PATH": SEARCHED} | environment, stdout=log, stderr=log
            )

    def wait(self, condition: Callable[[], object], process: subprocess.Popen[bytes] | None = None) -> None:
        """Wait for a condition, as long as a process runs."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            failed = (process and process.poll() is not None) or time.monotonic() > deadline
            assert not failed, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.01)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the engine; containers go on."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(SECONDS)

    def make_image(self) -> None:
        """Import the image."""
        query = {"fromSrc": "-", "repo": IMAGE, "changes": 'CMD ["echo", "image command"]'}
        self.http.post(f"{API}/images/create", params=query, content=image_layer()).raise_for_status()

    def create(self, name: str, body: dict[str, Any]) -> None:
        """Create a container."""
        query = {"name": name}
        self.http.post(f"{API}/containers/create", params=query, json=body).raise_for_status()

    def inspect(self, name: str) -> dict[str, Any]:
        """All about a container."""
        found: dict[str, Any] = self.http.get(f"{API}/containers/{name}/json").raise_for_status().json()
        return found

    def runs(self, name: str) -> bool:
        """Whether a container is there and has not ended."""
        reply = self.http.get(f"{API}/containers/{name}/json")
        if reply.status_code == httpx.codes.NOT_FOUND:
            return False
        return reply.raise_for_status().json()["State"]["Status"] in RUNNING

    def names(self) -> set[str]:
        """Names of all containers."""
        found = self.http.get(f"{API}/containers/json", params={"all": "1"}).raise_for_status().json()
        return {container["Names"][0].removeprefix("/") for container in found}

    def kill(self, name: str) -> None:
        """SIGKILL from outside."""
        self.http.post(f"{API}/containers/{name}/kill").raise_for_status()

    def delete(self, name: str) -> None:
        """Delete a container, running or not."""
        self.http.delete(f"{API}/containers/{name}", params={"force": "1"})

    def delete_image(self, name: str) -> None:
        """Delete an image if it is there."""
        self.http.delete(f"{API}/images/{name}", params={"force": "1"})

    def make_volume(self, name: str) -> None:
        """Create a volume."""
        self.http.post(f"{API}/volumes/create", json={"Name": name}).raise_for_status()

    def close(self) -> None:
        """End everything and delete it."""
        if self._process is not None:
            if self._process.poll() is not None:
                # A test failed while it was ended; its containers run on.
                self.start()
            for name in self.names():
                # podman waits for the end of one that is being stopped.
                self.http.post(f"{API}/containers/{name}/kill")
                self.delete(name)
            self.stop()
        self.http.close()
        self.end_others()
        for line in Path("/proc/mounts").read_text().splitlines():
            if (place := line.split()[1]).startswith(str(self.folder)):
                subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def end_others(self) -> None:
        """End what runs beside the process that answers."""

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket)) != 0:
                return False
        return self.http.get(f"{API}/_ping").status_code == 200


@contextlib.contextmanager
def running(kind: type[EngineStand]) -> Iterator[EngineStand]:
    """An engine that runs. Without one the test is left out, or fails with ENGINES=all."""
    if lack := kind.lacks():
        leave_out = pytest.fail if os.environ.get("ENGINES") == "all" else pytest.skip
        leave_out(f"{kind.name} left out: {lack}")
    stand = kind()
    try:
        stand.start()
        stand.make_image()
        yield stand
    finally:
        stand.close()
