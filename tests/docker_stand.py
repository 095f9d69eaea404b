"""A dockerd of the tests' own, with an image made from busybox: no registry and no network."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

SECONDS = 60.0
"""How long anything may take; nothing waits for it when all is well."""
IMAGE = "jobs-test:1"
"""Has busybox, and `echo image command` as its own command."""
API = "http://docker/v1.40"
BUSYBOX = "/bin/busybox"


def lacks() -> str | None:
    """What this machine lacks to run containers; None if nothing."""
    for tool in ("dockerd", "containerd", "runc", "docker-init"):
        if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            return f"{tool} is not installed"
    if not Path(BUSYBOX).exists():
        return "busybox-static is not installed"
    return None if os.geteuid() == 0 else "only root can start dockerd"


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


class DockerStand:
    """One dockerd, which tests may stop, kill and start again."""

    def __init__(self) -> None:
        # The paths of sockets are short.
        self.folder = Path(tempfile.mkdtemp(prefix="docker-"))
        self.socket = self.folder / "docker.sock"
        self.url = f"unix://{self.socket}"
        self.http = httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), timeout=SECONDS)
        self._process: subprocess.Popen[bytes] | None = None
        # Its own, so that killing dockerd kills nothing else.
        self._containerd = self._run(
            "containerd",
            f"--root={self.folder}/images",
            f"--state={self.folder}/state",
            f"--address={self.folder}/containerd.sock",
            f"--config={self._containerd_config()}",
        )

    def start(self) -> None:
        """Start dockerd and wait until it answers."""
        self._process = self._run(
            "dockerd",
            f"--containerd={self.folder}/containerd.sock",
            f"--data-root={self.folder}/data",
            f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/pid",
            f"--host={self.url}",
            "--iptables=false",
            "--ip6tables=false",
            "--bridge=none",
            "--live-restore",
        )
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.01)

    def _run(self, *command: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def _containerd_config(self) -> Path:
        path = self.folder / "containerd.toml"
        path.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        return path

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End dockerd; containers go on."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(SECONDS)

    def make_image(self) -> None:
        """Import the image."""
        query = {"fromSrc": "-", "repo": "jobs-test", "tag": "1", "changes": 'CMD ["echo", "image command"]'}
        self.http.post(f"{API}/images/create", params=query, content=image_layer()).raise_for_status()

    def create(self, name: str, body: dict[str, Any]) -> None:
        """Create a container."""
        query = {"name": name}
        self.http.post(f"{API}/containers/create", params=query, json=body).raise_for_status()

    def inspect(self, name: str) -> dict[str, Any]:
        """All about a container."""
        found: dict[str, Any] = self.http.get(f"{API}/containers/{name}/json").raise_for_status().json()
        return found

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
                self.delete(name)
            self.stop()
        self.http.close()
        self._containerd.terminate()
        self._containerd.wait(SECONDS)
        for line in Path("/proc/mounts").read_text().splitlines():
            if (place := line.split()[1]).startswith(str(self.folder)):
                subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket)) != 0:
                return False
        return self.http.get(f"{API}/_ping").status_code == 200


@contextlib.contextmanager
def docker_stand() -> Iterator[DockerStand]:
    """A dockerd that runs. Without one the test is left out, or fails with ENGINES=all."""
    if lack := lacks():
        leave_out = pytest.fail if os.environ.get("ENGINES") == "all" else pytest.skip
        leave_out(f"Docker left out: {lack}")
    stand = DockerStand()
    try:
        stand.start()
        stand.make_image()
        yield stand
    finally:
        stand.close()
