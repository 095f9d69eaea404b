"""Things made in a live gateway, for one call that an example envelope asks for."""

import itertools
import re
from typing import Any

from gateway.contract.operation import Operation
from gateway.soap.examples import EXAMPLES
from tests.e2e.gateway_process import GatewayProcess

RUNNING = frozenset({"cancelJob", "reportJobProgress"})
"""Operations on a job that runs; the others' has ended."""

_numbers = itertools.count(1)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")


class Scene:
    """A job, one that it depends on, a storage, an attachment and a schedule."""

    def __init__(self, gateway: GatewayProcess, operation: Operation) -> None:
        number = next(_numbers)
        self._storage, self._lock = f"storage-{number}", f"lock-{number}"
        other = gateway.final(gateway.start_job("run")["id"])
        command = "stay" if operation.name in RUNNING else "run"
        job = gateway.start_job(command, resultStorageId=self._storage)["id"]
        if command == "run":
            gateway.final(job)
        else:
            self._wait_until_it_runs(gateway, job)
        self._real = {
            EXAMPLES["jobId"]: job,
            EXAMPLES["dependentJobId"]: other["id"],
            EXAMPLES["storageId"]: self._storage,
            EXAMPLES["attachmentId"]: self._attachment(gateway, job),
            EXAMPLES["scheduledJobId"]: self._schedule(gateway),
            ">customers<": f">{self._lock}<",
            # Tests must not grow old.
            "2027-": "2097-",
        }

    @staticmethod
    def _wait_until_it_runs(gateway: GatewayProcess, job: str) -> None:
        shown: dict[str, Any] = {}
        while shown.get("jobStatus") != "RUNNING":
            query = {"version": shown.get("version", 0), "timeoutSeconds": 30}
            shown = gateway.http.get(f"/v2/jobs/{job}/wait", params=query).raise_for_status().json()

    @staticmethod
    def _attachment(gateway: GatewayProcess, job: str) -> str:
        path, content = f"/v2/jobs/{job}/attachments?name=%C3%A4%20%22.bin", bytes(range(256))
        reply = gateway.http.post(path, content=content, headers={"Content-Type": "application/x-test; a=b"})
        return str(reply.raise_for_status().json()["id"])

    @staticmethod
    def _schedule(gateway: GatewayProcess) -> str:
        schedule = {"cronExpression": "@yearly", "job": {"dockerImageUrl": "i", "commands": ["run"]}}
        reply = gateway.http.post("/v2/scheduledjobs", json={"scheduledJob": schedule})
        return str(reply.raise_for_status().json()["id"])

    def about(self, envelope: str) -> str:
        """An example envelope about the things of this scene."""
        for example, real in self._real.items():
            envelope = envelope.replace(example, real)
        return envelope

    def told(self, text: str) -> str:
        """What is said about the things of this scene, as it is said about those of any other."""
        text = text.replace(self._storage, "storage").replace(self._lock, "lock")
        return _ID.sub("id", _INSTANT.sub("instant", text))
