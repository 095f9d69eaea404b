"""A gateway as a real process, which tests may kill and start again on the same data folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import zeep
from zeep.transports import Transport

from tests.wire.valid import check, seen

SECONDS = 60.0
"""How long anything may take; nothing waits for it when all is well."""


def plain_environment(*, traced: bool = False) -> dict[str, str]:
    """The caller's environment without settings of a gateway.

    Unless it is to be `traced`, coverage measures nothing in it: that doubles the time of each start,
    and what a start does is traced by test_cli.py.
    """
    left_out = "GATEWAY_" if traced else ("GATEWAY_", "COVERAGE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(left_out)}


class CheckedTransport(Transport):
    """zeep's way to a gateway, on which each reply is checked."""

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> Any:
        """Post an envelope."""
        reply = super().post(address, message, headers)
        check(reply.content, reply.headers, reply.status_code)
        return reply


class GatewayProcess:
    """Starts `gateway serve` on a free port. `program` replaces it by a script with a fault built in."""

    def __init__(self, data: Path, **settings: str) -> None:
        self.data = data
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(timeout=SECONDS, event_hooks={"response": [seen]})

    def start(self, program: Path | None = None) -> "GatewayProcess":
        """Start it and wait until it serves, or has ended."""
        told = self.data / "address"
        told.unlink(missing_ok=True)
        environment = plain_environment()
        if os.geteuid() == 0:
            environment["GATEWAY_JOB_USER"] = "root"
        module = ["-m", "gateway"] if program is None else [str(program)]
        command = [sys.executable, *module, "serve", "--port", "0", "--data", str(self.data)]
        log = self.data.with_name("gateway.log")
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=environment | self.settings, stdout=output, stderr=output
            )
        wait_until(lambda: self.ended or (told.exists() and told.read_text().endswith("\n")))
        if not self.ended:
            self.http.base_url = httpx.URL(told.read_text().strip())
            wait_until(lambda: self.ended or self._is_ready())
        return self

    def _is_ready(self) -> bool:
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def ended(self) -> bool:
        """Whether the process is over."""
        return self.process is None or self.process.poll() is not None

    def kill(self) -> None:
        """As a crash: kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(SECONDS)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def close(self) -> None:
        """End whatever is left."""
        self.http.close()
        if not self.ended:
            self.kill()

    def soap(self) -> Any:
        """The operations, through zeep and the live WSDL."""
        transport = CheckedTransport()
        return zeep.Client(
            f"{self.http.base_url}/soap/v2/?wsdl".replace("//soap", "/soap"), transport=transport
        ).service

    def start_job(self, *command: str, **members: Any) -> dict[str, Any]:
        """startJob over REST."""
        body = {"dockerImageUrl": "none", "commands": list(command)} | members
        reply = self.http.post("/v2/jobs", json=body)
        assert reply.status_code == 201, reply.text
        job: dict[str, Any] = reply.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        """getJob over REST."""
        job: dict[str, Any] = self.http.get(f"/v2/jobs/{job_id}").raise_for_status().json()
        return job

    def final(self, job_id: str) -> dict[str, Any]:
        """The job once it is final."""
        while True:
            reply = self.http.get(f"/v2/jobs/{job_id}/wait", params={"timeoutSeconds": 30})
            job: dict[str, Any] = reply.raise_for_status().json()
            if "finishedAt" in job:
                return job

    def output(self, job_id: str) -> str:
        """What the job wrote to standard output."""
        return str(self.http.get(f"/v2/jobs/{job_id}/output").raise_for_status().json()["content"])

    def statuses(self, job_id: str) -> list[str]:
        """The statuses that the job went through."""
        events = self.http.get(f"/v2/jobs/{job_id}/events", params={"limit": 100}).json()["events"]
        return [event["toStatus"] for event in events if "toStatus" in event]


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait for something that happens elsewhere. Fails when it has not happened after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
