"""A gateway of its own for the demo: on a free port, with a data folder that goes away."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30.0


@contextmanager
def running_gateway() -> Iterator[str]:
    """Start `gateway serve`, give its base address, and stop it at the end. Raises RuntimeError when it does
    not start.
    """
    with tempfile.TemporaryDirectory(prefix="jobs-gateway-demo-") as folder:
        data = Path(folder) / "data"
        log = Path(folder) / "log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
        # The demo's jobs are its own, so it may run them as root where it is root.
        environment = kept | ({"GATEWAY_JOB_USER": "root"} if os.geteuid() == 0 else {})
        command = [sys.executable, "-m", "gateway", "serve", "--port", "0", "--data", str(data)]
        with (
            log.open("wb") as output,
            subprocess.Popen(  # noqa: S603 - the command is our own
                command, env=environment, stdout=output, stderr=output
            ) as server,
        ):
            try:
                yield _address(server, data / "address", log)
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait(START_SECONDS)
        if server.returncode != 0:
            raise RuntimeError(f"the gateway ended with exit code {server.returncode}:\n{log.read_text()}")


def _address(server: "subprocess.Popen[bytes]", told: Path, log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if told.exists() and (address := told.read_text().strip()):
            return address
        time.sleep(0.02)
    raise RuntimeError(f"the gateway did not start:\n{log.read_text()}")
