"""Runs each attempt in a container of its own, through the Docker Engine API.

The container's name is made of job and attempt, so that two are never made; the handle is that name.
Containers carry labels (see `docker_container`), among them that of the gateway's instance: others are left
alone.

One stream of events tells of ends; from time to time, and whenever the stream was cut, one request lists all
containers. While a container runs its log is copied into files (see `docker_log`); when it has ended the rest
is copied, its end is noted beside it (`end`), and a little later the container is deleted. What was noted
goes before what the engine says.
"""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from gateway.domain.executor import (
    AttemptKey,
    End,
    ExecutorUnavailable,
    Launch,
    Observation,
    OutputChunk,
    Refused,
    Running,
    Unreachable,
    Vanished,
)
from gateway.domain.words import FeatureSupport, OutputChannel
from gateway.executors import docker_warden
from gateway.executors.docker_clearing import Clearing
from gateway.executors.docker_container import INSTANCE, Rules, key_of, name_of
from gateway.executors.docker_ending import copy_log, find_end
from gateway.executors.docker_engine import DockerEngine, EngineRefused, EngineTooOld, EngineUnreachable
from gateway.executors.docker_followed import Followed, read_end
from gateway.executors.docker_images import Images
from gateway.executors.docker_log import LogCopy
from gateway.executors.docker_news import News
from gateway.executors.docker_starter import Starter
from gateway.executors.docker_status import RUNNING
from gateway.executors.docker_support import SUPPORT, support_of
from gateway.executors.kept_output import KeptFolder
from gateway.executors.warden import Warden, end_all

log = logging.getLogger(__name__)

CONNECT_SECONDS = 60.0
"""How long the gateway's start waits for the first list of containers."""
BUILT_IN_NETWORKS = ("none", "host")
STOP_AGAIN_SECONDS = 1.0
"""Pause before a stop is tried again that did not reach the engine."""
KEEP_SECONDS = 60.0
"""How long an ended container is kept for other nodes that have not seen its end."""


class DockerExecutor:
    """Starts, follows and stops containers. Implements the port `Executor`."""

    name = "docker"
    isolation = "container"
    queues = False

    def __init__(
        self,
        folder: Path,
        *,
        engine: DockerEngine,
        rules: Rules,
        images: Images,
        output_limit_bytes: int,
        instance: str | None = None,
        keep_seconds: float | None = None,
    ) -> None:
        """`instance`: tells the gateway's containers from others; None = one is made up for the folder.

        `keep_seconds`: how long an ended container is kept; None = for other nodes that can reach it.
        """
        self._engine = engine
        self._rules = rules
        self._images = images
        self._kept = KeptFolder(folder, output_limit_bytes)
        self._instance = instance or ""
        self.reachable_from_anywhere = not engine.is_local
        self.support: Mapping[str, FeatureSupport] = SUPPORT
        self._followed: dict[AttemptKey, Followed] = {}
        if keep_seconds is None:
            keep_seconds = 0.0 if engine.is_local else KEEP_SECONDS
        self._clearing = Clearing(engine, keep_seconds=keep_seconds, spawn=self._spawn)
        self._tasks: set[asyncio.Task[None]] = set()
        self._warden: Warden | None = None

    async def open(self, ended: Callable[[AttemptKey], None]) -> None:
        """Connect and take up what runs. Raises ExecutorUnavailable."""
        self._ended = ended
        self._kept.open()
        self._instance = self._instance or self._own_instance()
        self._warden = Warden(self._kept.path, docker_warden.__name__, self._engine.socket_path, self._label)
        self._starter = Starter(
            self._engine,
            kept=self._kept,
            rules=self._rules,
            images=self._images,
            instance=self._instance,
        )
        try:
            info = await self._engine.open()
            network = self._rules.network
            if network not in BUILT_IN_NETWORKS and not await self._engine.has_network(network):
                raise ExecutorUnavailable(f"setting DOCKER_NETWORK: Docker has no network {network!r}")
        except (EngineUnreachable, EngineRefused, EngineTooOld) as error:
            await self._engine.close()
            raise ExecutorUnavailable(f"Docker at {self._engine.url} cannot be used: {error}") from error
        except ExecutorUnavailable:
            await self._engine.close()
            raise
        self.support = support_of(info)
        for field in [name for name in SUPPORT if self.support[name] is not SUPPORT[name]]:
            log.warning("Docker at %s cannot enforce %s", self._engine.url, field)
        self._news = News(
            self._engine,
            self._label,
            happened=self._happened,
            listed=self._listed,
            found_again=self._found_again,
        )
        self._spawn(self._news.listen())
        self._spawn(self._news.look_now_and_then())
        try:
            await asyncio.wait_for(self._news.connected.wait(), CONNECT_SECONDS)
        except TimeoutError:
            await self.close()
            reason = f"Docker at {self._engine.url} cannot be used: {self._news.lost}"
            raise ExecutorUnavailable(reason) from None

    async def close(self) -> None:
        """Let containers run, close all connections."""
        if self._warden is not None:
            self._warden.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._followed.clear()
        await self._engine.close()

    async def start(self, launch: Launch) -> str:
        """Make and start the container unless it is there; its name."""
        if read_end(self._kept, launch.key) is None:
            await self._starter.start(launch)
            self._copy(self._known(launch.key))
        return name_of(launch.key)

    async def observe(self, key: AttemptKey, handle: str) -> Observation:
        """What was told of the container; the engine is asked only about one that is not followed yet."""
        if key not in self._followed:
            seen = read_end(self._kept, key) or await self._find(key, handle)
            if seen is not None:
                return seen
        followed = self._followed[key]
        followed.observed = True
        if followed.end is not None:
            del self._followed[key]
            return followed.end
        lost = self._news.lost
        return Running() if lost is None else Unreachable(f"Docker cannot be reached: {lost}")

    async def stop(self, key: AttemptKey, handle: str, *, grace_seconds: int) -> None:
        """The engine sends SIGTERM now and SIGKILL after the grace, whatever becomes of the gateway."""
        self._spawn(self._stop(key, handle, grace_seconds))

    def keeps(self, job_id: str) -> bool:
        """Whether the job has files."""
        return self._kept.has(job_id)

    async def output(
        self, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
    ) -> OutputChunk:
        """Read from the copy of the log, see `OutputFile.read`."""
        return self._kept.stream(key, channel).read(offset=offset, limit=limit)

    def lease(self, seconds: float) -> None:
        """Have a warden kill all containers when the time is over, if no other node reaches them."""
        if self._engine.is_local and self._warden is not None:
            try:
                self._warden.renew(seconds)
            except OSError as error:
                log.warning("the lease of the node could not be written: %s", error.strerror)

    async def abandon(self) -> None:
        """Follow nothing any more; kill all containers, if no other node reaches them."""
        for followed in self._followed.values():
            followed.forget()
        self._followed.clear()
        if self._engine.is_local:
            await end_all(partial(docker_warden.find_all, self._engine.socket_path, self._label))

    async def remove(self, job_id: str) -> None:
        """Delete the job's containers and files; containers as soon as the engine answers."""
        for key in [key for key in self._followed if key.job_id == job_id]:
            self._followed.pop(key).forget()
        await asyncio.to_thread(self._kept.remove, job_id)
        await self._clearing.remove(job_id, self._label)

    async def kept(self) -> list[str]:
        """Ids of the jobs that have files or containers."""
        found = set(await asyncio.to_thread(self._kept.ids))
        with suppress(EngineUnreachable, EngineRefused):
            keys = [key_of(container["Labels"]) for container in await self._engine.list(self._label)]
            found.update(key.job_id for key in keys if key is not None)
        return sorted(found)

    @property
    def _label(self) -> str:
        return f"{INSTANCE}={self._instance}"

    def _own_instance(self) -> str:
        path = self._kept.path / ".docker-instance"
        if not path.exists():
            new = path.with_name(f"{path.name}.new")
            new.write_text(secrets.token_hex(8))
            new.replace(path)
        return path.read_text()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("following a container failed", exc_info=error)

    def _known(self, key: AttemptKey) -> Followed:
        """The attempt in memory."""
        followed = self._followed.get(key)
        if followed is None:
            self._kept.make(key)
            followed = Followed(key=key, name=name_of(key), log=LogCopy(self._kept, key))
            self._followed[key] = followed
        return followed

    async def _find(self, key: AttemptKey, handle: str) -> End | Unreachable | None:
        """Look for a container that is not followed; None: it is followed now."""
        try:
            found = await self._engine.inspect(handle)
            if key in self._followed:
                return None
            if found is None:
                return read_end(self._kept, key) or Vanished("its container is gone")
            if found["State"]["Status"] == "created":
                await self._engine.delete(handle)
                return Refused(reason="Docker did not start the container", passing=True)
        except (EngineUnreachable, EngineRefused) as error:
            return Unreachable(f"Docker cannot be reached: {error}")
        if found["State"]["Status"] in RUNNING:
            self._copy(self._known(key))
        else:
            self._finish(self._known(key), witnessed=False)
        return None

    def _copy(self, followed: Followed) -> None:
        """Copy the log of a container that runs."""
        if followed.copying is None and followed.ending is None and followed.end is None:
            followed.copying = self._spawn(self._copy_log(followed))

    async def _copy_log(self, followed: Followed) -> None:
        try:
            await copy_log(self._engine, followed, follow=True)
        except (EngineUnreachable, EngineRefused) as error:
            log.debug("the log of %s is read later: %s", followed.name, error)
        except OSError as error:
            log.warning("the output of %s cannot be written: %s", followed.name, error.strerror)
        else:
            # The log of a container is over when the container is, whose event may have come before all this.
            self._finish(followed, witnessed=self._news.lost is None)
        finally:
            followed.copying = None

    def _finish(self, followed: Followed, *, witnessed: bool) -> None:
        """A container is said to have ended; `witnessed`: just now, while the engine was listened to."""
        if followed.ending is None and followed.end is None:
            followed.ending = self._spawn(self._look_at_end(followed, witnessed=witnessed))

    async def _look_at_end(self, followed: Followed, *, witnessed: bool) -> None:
        """Copy the rest of the log, note the end, tell of it."""
        try:
            end = await find_end(self._engine, self._kept, followed, witnessed=witnessed)
        except (EngineUnreachable, EngineRefused) as error:
            log.debug("the end of %s is looked at later: %s", followed.name, error)
            return
        finally:
            # Whatever failed, it is looked at again when all containers are listed.
            followed.ending = None
        if end is None:
            return
        if read_end(self._kept, followed.key) is not None:
            self._clearing.delete_later(followed.name)
        followed.end = end
        if followed.observed:
            self._ended(followed.key)
        else:
            self._followed.pop(followed.key, None)

    def _happened(self, event: Mapping[str, Any]) -> None:
        """An event: some tell that a container is over."""
        key = key_of(event.get("Actor", {}).get("Attributes"))
        if key in self._followed and event.get("Action") in ("die", "destroy"):
            self._finish(self._followed[key], witnessed=True)

    async def _listed(self, containers: list[dict[str, Any]]) -> None:
        """All containers: copy the logs of those that run, finish those that ended."""
        there, due = set(), self._clearing.due
        for container in containers:
            key = key_of(container["Labels"])
            if key is None:
                continue
            there.add(key)
            if key.job_id in due:
                await self._clearing.discard(container)
            elif container["State"] == "created":
                # Its start is under way, or comes again.
                continue
            elif container["State"] in RUNNING:
                self._copy(self._known(key))
            elif read_end(self._kept, key) is None:
                self._finish(self._known(key), witnessed=False)
            else:
                self._clearing.delete_later(name_of(key))
        self._clearing.done(due)
        for key in self._followed.keys() - there:
            self._finish(self._followed[key], witnessed=False)

    def _found_again(self) -> None:
        """What could not be asked about can be again."""
        for followed in self._followed.values():
            if followed.observed:
                self._ended(followed.key)

    async def _stop(self, key: AttemptKey, name: str, grace_seconds: int) -> None:
        deadline = time.monotonic() + grace_seconds
        while True:
            left = max(0, math.ceil(deadline - time.monotonic()))
            try:
                await (self._engine.stop(name, left) if left else self._engine.kill(name))
                return
            except EngineRefused as error:
                log.info("attempt %d of job %s is not stopped: %s", key.attempt, key.job_id, error)
                # 404 and 409: it is gone, or does not run any more. A failure of the engine's tells neither.
                if error.status < 500 or key not in self._followed:
                    return
            except EngineUnreachable as error:
                log.info("attempt %d of job %s is not stopped yet: %s", key.attempt, key.job_id, error)
            await asyncio.sleep(STOP_AGAIN_SECONDS)
