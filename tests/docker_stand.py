"""A dockerd of the tests' own."""

import subprocess
from pathlib import Path

from tests.engine_stand import SECONDS, EngineStand


class DockerStand(EngineStand):
    """One dockerd, with a containerd of its own, so that killing dockerd kills nothing else."""

    name = "Docker"
    programs = ("dockerd", "containerd", "runc", "docker-init")

    def __init__(self) -> None:
        super().__init__()
        self._containerd = self.run(
            "containerd",
            f"--root={self.folder}/images",
            f"--state={self.folder}/state",
            f"--address={self.folder}/containerd.sock",
            f"--config={self._containerd_config()}",
        )

    def serve(self) -> subprocess.Popen[bytes]:
        """Start dockerd; its containers outlive it."""
        return self.run(
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

    def end_others(self) -> None:
        """End containerd."""
        self._containerd.terminate()
        self._containerd.wait(SECONDS)

    def _containerd_config(self) -> Path:
        path = self.folder / "containerd.toml"
        path.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        return path
