"""All jobs of Slurm as they were at one time, asked for by many and fetched by one."""

import asyncio
import time
from collections.abc import Mapping

from gateway.executors.slurm_client import SlurmClient, SlurmRefusal, SlurmUnreachable
from gateway.executors.slurm_reply import SlurmJob


class Listing:
    """The latest list of jobs."""

    def __init__(self, client: SlurmClient) -> None:
        self._client = client
        self._lock = asyncio.Lock()
        self._asked_at = float("-inf")
        self._jobs: Mapping[int, SlurmJob] = {}
        self._failure: SlurmUnreachable | SlurmRefusal | None = None
        """Why there is no list of that time."""

    async def since(self, moment: float) -> Mapping[int, SlurmJob]:
        """The jobs by id, as they were at a moment of the monotonic clock, or later.

        Raises SlurmUnreachable and SlurmRefusal.
        """
        async with self._lock:
            # Those who wait at the lock are served by one request, by one that fails, too: it may take long.
            if self._asked_at < moment:
                await self._ask()
            if self._failure is not None:
                raise self._failure.with_traceback(None)
            return self._jobs

    async def _ask(self) -> None:
        asked_at = time.monotonic()
        try:
            self._jobs = {job.id: job for job in await self._client.jobs()}
            self._failure = None
        except (SlurmUnreachable, SlurmRefusal) as error:
            self._failure = error
        self._asked_at = asked_at
