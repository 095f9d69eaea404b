"""Talks to slurmrestd. What it cannot be asked is SlurmUnreachable, what Slurm refuses is SlurmRefusal."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from gateway.executors.slurm_reply import (
    UNKNOWN_JOB,
    SlurmFault,
    SlurmJob,
    read_faults,
    read_job,
    read_number,
)
from gateway.executors.slurm_request import FIRST_WITH_OBJECTS

TIMEOUT = httpx.Timeout(20.0, connect=5.0)
LONG_REPLY_BYTES = 256 * 1024
"""Longer replies are parsed in a thread, so that others are served meanwhile."""
UNIX = "unix://"

# Slurm's numbers of what is wrong between its own parts, and with the token: none tells of the job.
_COMMUNICATION = {
    -1,
    *range(1001, 1009),
    *range(1800, 1804),
    2027,
    2131,
    *range(5000, 5006),
    *range(6000, 6009),
}

# Nodes and partitions that are down or reserved, limits of how much one may have at a time, a controller that
# is busy or restarts.
_PASSING = {2016, 2019, 2037, 2050, 2052, 2055, 2056, 2068, 2070, 2080, 2101, 2105, 2118, 2120, 2125, 7000}


class SlurmUnreachable(Exception):
    """Slurm cannot be asked at the moment. Whether it did what was asked is not known."""


class SlurmRefusal(Exception):
    """Slurm understood and refuses."""

    def __init__(self, faults: list[SlurmFault]) -> None:
        super().__init__("; ".join(fault.text for fault in faults))
        self.numbers = {fault.number for fault in faults}

    @property
    def passing(self) -> bool:
        """Whether the same may be taken later."""
        return self.numbers <= _PASSING

    @property
    def unknown_job(self) -> bool:
        """Whether there is no such job, or none any more."""
        return UNKNOWN_JOB in self.numbers


class SlurmClient:
    """One user at one slurmrestd. Opens a connection for each request: slurmrestd closes idle ones."""

    def __init__(self, url: str, *, version: int, user: str, token_file: Path) -> None:
        """`url`: an http address, or `unix://` and the path of a socket."""
        self._version = version
        self._user = user
        self._token_file = token_file
        self._token: tuple[tuple[int, int, int], str] | None = None
        """The token and what its file looked like then."""
        socket = url.removeprefix(UNIX) if url.startswith(UNIX) else None
        self._http = httpx.AsyncClient(
            base_url=f"{'http://slurmrestd' if socket else url}/slurm/v0.0.{version}",
            transport=httpx.AsyncHTTPTransport(
                uds=socket, limits=httpx.Limits(max_connections=10, max_keepalive_connections=0)
            ),
            timeout=TIMEOUT,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def ping(self) -> str:
        """The version of Slurm."""
        document = await self._ask("GET", "/ping")
        slurm = (document.get("meta") or {}).get("slurm") or (document.get("meta") or {}).get("Slurm") or {}
        return str(slurm.get("release", "of unknown version"))

    async def jobs(self) -> list[SlurmJob]:
        """All jobs that Slurm knows and the user may see: also ended ones, until MinJobAge has passed."""
        path = "/jobs/" if self._version >= FIRST_WITH_OBJECTS else "/jobs"
        document = await self._ask("GET", path)
        return [read_job(job) for job in document.get("jobs") or ()]

    async def submit(self, body: Mapping[str, Any]) -> tuple[int, list[SlurmFault]]:
        """The new job's id, and what Slurm holds against it although it took it."""
        document = await self._ask("POST", "/job/submit", body)
        result = document.get("result") or {}
        job_id = read_number(document.get("job_id")) or read_number(result.get("job_id"))
        if job_id is None:
            raise SlurmUnreachable("slurmrestd took a job without telling its id")
        return job_id, read_faults(document)

    async def signal(self, job_id: int, name: str) -> None:
        """Send a signal to all processes of a job that runs. SIGKILL cancels it, whether it runs or not."""
        # Up to v0.0.38 this is how it always is.
        flags = {"flags": "FULL_JOB"} if self._version >= FIRST_WITH_OBJECTS else {}
        await self._ask("DELETE", f"/job/{job_id}", parameters={"signal": name, **flags})

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        headers = {"X-SLURM-USER-NAME": self._user, "X-SLURM-USER-TOKEN": self._read_token()}
        try:
            reply = await self._http.request(method, path, json=body, params=parameters, headers=headers)
        except (httpx.HTTPError, OSError) as error:
            raise SlurmUnreachable(
                f"slurmrestd does not answer: {str(error) or type(error).__name__}"
            ) from error
        if reply.status_code == 401:
            raise SlurmUnreachable(
                f"slurmrestd refuses user {self._user!r} with the token of {self._token_file}"
            )
        if reply.status_code == 404:
            raise SlurmUnreachable(f"slurmrestd does not speak v0.0.{self._version} of its API")
        document = await self._read(reply)
        faults = read_faults(document)
        if reply.is_success and (not faults or (method == "POST" and "job_id" in document)):
            return document
        if not faults or any(fault.number in _COMMUNICATION for fault in faults):
            said = "; ".join(fault.text for fault in faults) or f"HTTP status {reply.status_code}"
            raise SlurmUnreachable(f"slurmrestd cannot ask Slurm, or the token is not good: {said}")
        raise SlurmRefusal(faults)

    async def _read(self, reply: httpx.Response) -> dict[str, Any]:
        try:
            if len(reply.content) > LONG_REPLY_BYTES:
                document = await asyncio.to_thread(json.loads, reply.content)
            else:
                document = json.loads(reply.content)
        except ValueError as error:
            said = reply.text[:200].strip()
            raise SlurmUnreachable(
                f"no reply of slurmrestd, HTTP status {reply.status_code}: {said}"
            ) from error
        if not isinstance(document, dict):
            raise SlurmUnreachable(f"no reply of slurmrestd, HTTP status {reply.status_code}")
        return document

    def _read_token(self) -> str:
        """The token; its file is read anew when it has changed, because tokens expire and are replaced."""
        try:
            status = self._token_file.stat()
            looks = (status.st_mtime_ns, status.st_ino, status.st_size)
            if self._token is None or self._token[0] != looks:
                text = self._token_file.read_text("ascii").strip().removeprefix("SLURM_JWT=")
                self._token = (looks, text)
        except (OSError, UnicodeDecodeError) as error:
            raise SlurmUnreachable(f"SLURM_TOKEN_FILE {self._token_file} cannot be read: {error}") from error
        token = self._token[1]
        if not token or not token.isprintable() or " " in token:
            raise SlurmUnreachable(f"SLURM_TOKEN_FILE {self._token_file} holds no token")
        return token
