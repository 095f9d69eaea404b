"""Deletes containers: those that have ended after a while, and those of jobs that are gone.

What the engine cannot be told now is found again when all containers are listed.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from gateway.executors.docker_container import JOB
from gateway.executors.docker_engine import DockerEngine, EngineRefused, EngineUnreachable

log = logging.getLogger(__name__)


class Clearing:
    """The containers that are to go."""

    def __init__(
        self,
        engine: DockerEngine,
        *,
        keep_seconds: float,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`keep_seconds`: how long an ended container is kept. `spawn` runs a task beside the others."""
        self._engine = engine
        self._keep_seconds = keep_seconds
        self._spawn = spawn
        self._removed: set[str] = set()
        """Jobs that were removed while the engine did not answer."""
        self._leaving: set[str] = set()
        """Containers that are deleted soon."""

    async def remove(self, job_id: str, label: str) -> None:
        """Delete a job's containers with a label, as soon as the engine answers."""
        try:
            for container in await self._engine.list(label, f"{JOB}={job_id}"):
                await self.discard(container)
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("containers of job %s are deleted later: %s", job_id, error)
            self._removed.add(job_id)

    @property
    def due(self) -> frozenset[str]:
        """Jobs whose containers are to be deleted now that the engine answers."""
        return frozenset(self._removed)

    def done(self, due: frozenset[str]) -> None:
        """These are deleted."""
        self._removed -= due

    async def discard(self, container: Mapping[str, Any]) -> None:
        """Delete a container of a list; podman would wait for the end of one that is being stopped."""
        if container["State"] == "stopping":
            await self._engine.kill(container["Id"])
        await self._engine.delete(container["Id"])

    def delete_later(self, name: str) -> None:
        """Delete a container that has ended, when it was kept long enough."""
        if name not in self._leaving:
            self._leaving.add(name)
            self._spawn(self._delete(name))

    async def _delete(self, name: str) -> None:
        await asyncio.sleep(self._keep_seconds)
        try:
            await self._engine.delete(name)
        except (EngineUnreachable, EngineRefused) as error:
            log.debug("container %s is deleted later: %s", name, error)
        self._leaving.discard(name)
