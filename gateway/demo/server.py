"""Gateways of the demo's own: on free ports, with data folders that go away."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30.0


@contextmanager
def running_gateway() -> Iterator[str]:
    """Start `gateway serve`, give its base address, and stop it at the end. Raises RuntimeError when it does
    not start.
    """
    with tempfile.TemporaryDirectory(prefix="jobs-gateway-demo-") as folder:
        gateway = GatewayProcess("serve", Path(folder))
        try:
            yield gateway.address()
        finally:
            gateway.stop()


class GatewayProcess:
    """`gateway serve` or `gateway work`, with the data folder `data` and a log in a folder."""

    def __init__(self, command: str, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """Start it. `settings` are variables of the environment."""
        folder.mkdir(exist_ok=True)
        self.data = folder / "data"
        self._log = folder / "log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        # The demo's jobs are its own, so it may run them as root where it is root.
        user = {"GATEWAY_JOB_USER": "root"} if os.geteuid() == 0 else {}
        own = {"GATEWAY_DATA": str(self.data), "GATEWAY_PORT": "0"}
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the command is our own
                [sys.executable, "-m", "gateway", command],
                env=kept | user | own | dict(settings or {}),
                stdout=output,
                stderr=output,
            )

    def address(self) -> str:
        """Where it serves, once it does. Raises RuntimeError when it does not."""
        told = self.data / "address"
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if told.exists() and (address := told.read_text().strip()):
                return address
            time.sleep(0.02)
        raise RuntimeError(f"the gateway did not start:\n{self._log.read_text()}")

    def kill(self) -> None:
        """As a crash: kill -9."""
        self._process.kill()
        self._process.wait(START_SECONDS)

    def stop(self) -> None:
        """Stop it, unless it was killed. Raises RuntimeError when it does not end well."""
        if self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        if self._process.wait(START_SECONDS) != 0:
            code = self._process.returncode
            raise RuntimeError(f"the gateway ended with exit code {code}:\n{self._log.read_text()}")
