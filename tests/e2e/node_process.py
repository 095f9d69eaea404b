"""Gateways that share a database, as real processes: doors that only answer, and nodes that only work."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.gateway_process import SECONDS, GatewayProcess, plain_environment, wait_until

LEASE_SECONDS = 4
"""Short, so that a lost node is missed soon; long enough for a busy machine."""


class NodeProcess:
    """`gateway work` on a database, with a data folder of its own."""

    def __init__(self, name: str, folder: Path, address: str, lease_seconds: int) -> None:
        self.name = name
        self._folder = folder / name
        self._folder.mkdir()
        self._settings = shared_settings(folder, address) | {
            "GATEWAY_DATA": str(self._folder / "data"),
            "GATEWAY_NODE_NAME": name,
            "GATEWAY_MAX_RUNNING_JOBS": "4",
            "GATEWAY_LEASE_SECONDS": str(lease_seconds),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "NodeProcess":
        """Start it; it is at work a moment later."""
        environment = plain_environment()
        with (self._folder / "gateway.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gateway", "work"],
                env=environment | self._settings,
                stdout=log,
                stderr=log,
            )
        return self

    def signal(self, number: int) -> None:
        """Send the gateway, not its jobs, a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """As a crash: kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(SECONDS)

    @property
    def works(self) -> bool:
        """Whether it has said that it runs jobs."""
        return f"node {self.name} runs jobs" in self.log

    @property
    def log(self) -> str:
        """What it has logged."""
        return (self._folder / "gateway.log").read_text()


@contextmanager
def nodes(
    folder: Path, address: str, *names: str, lease_seconds: int = LEASE_SECONDS
) -> Iterator[dict[str, NodeProcess]]:
    """Nodes by their names, at work; whatever is left of them ends with the context."""
    made = {name: NodeProcess(name, folder, address, lease_seconds) for name in names}
    try:
        for node in made.values():
            node.start()
        wait_until(lambda: all(node.works for node in made.values()))
        yield made
    finally:
        for node in made.values():
            node.kill()


@contextmanager
def door(folder: Path, address: str) -> Iterator[GatewayProcess]:
    """A gateway that only answers."""
    (folder / "door").mkdir()
    settings = shared_settings(folder, address) | {"GATEWAY_WORK": "false"}
    made = GatewayProcess(folder / "door" / "data", **settings)
    try:
        yield made.start()
    finally:
        made.close()


def shared_settings(folder: Path, address: str) -> dict[str, str]:
    """What all of them are told."""
    key = folder / "secret.key"
    if not key.exists():
        key.write_text("of all the nodes in this test, and of no other")
        key.chmod(0o600)
    user = {"GATEWAY_JOB_USER": "root"} if os.geteuid() == 0 else {}
    return user | {
        "GATEWAY_STORE": address,
        "GATEWAY_SECRET_KEY_FILE": str(key),
        "GATEWAY_LEASE_SECONDS": str(LEASE_SECONDS),
        "GATEWAY_JOBS_URL": "http://127.0.0.1:9",
        "GATEWAY_LOG_FORMAT": "json",
    }
