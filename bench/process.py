"""Servers as processes: started on the servers' core, asked whether they are ready, stopped by their id."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import cores
from bench.http import HOST

ROOT = Path(__file__).resolve().parent.parent
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class Process:
    """A process that serves others."""

    def __init__(
        self, arguments: list[str], *, log: Path, environment: dict[str, str], ready: Callable[[], bool]
    ) -> None:
        """Start `python` with the arguments and wait until it is ready. Raises RuntimeError."""
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=_environment() | environment,
                stdout=output,
                stderr=output,
                # Its jobs are its children's children: they stay on its core, too.
                preexec_fn=lambda: cores.keep_to(cores.SERVERS),  # noqa: PLW1509 - no threads here
            )
        self._await(ready)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def processor_seconds(self) -> float:
        """Processor time that its threads have used so far."""
        tasks = Path(f"/proc/{self.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    @property
    def resident_bytes(self) -> int:
        """Its resident memory."""
        return 1024 * self._status("VmRSS")

    @property
    def threads(self) -> int:
        """How many threads it has."""
        return self._status("Threads")

    def stop(self) -> None:
        """End it, unless it has ended; by force if it takes too long."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _status(self, name: str) -> int:
        found = re.search(rf"^{name}:\s*([0-9]+)", Path(f"/proc/{self.pid}/status").read_text(), re.MULTILINE)
        assert found is not None, name
        return int(found[1])

    def _await(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"a server did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)


class Server(Process):
    """A process that takes connections."""

    def __init__(self, arguments: list[str], *, port: int, log: Path, environment: dict[str, str]) -> None:
        """Start `python` with the arguments and wait until it takes connections. Raises RuntimeError."""
        self.port = port
        super().__init__(arguments, log=log, environment=environment, ready=lambda: _listens(port))


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def _environment() -> dict[str, str]:
    """This process's, without settings of a gateway."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
