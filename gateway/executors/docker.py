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
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from gateway.domain.executor import (
    AttemptKey,
    ExecutorUnavailable,
    Exited,
    Launch,
    Observation,
    OutputChunk,
    Refused,
    Running,
    Unreachable,
    Vanished,
)
from gateway.domain.words import FeatureSupport, OutputChannel
from gateway.executors.docker_container import INSTANCE, JOB, Rules, end_of, key_of, name_of
from gateway.executors.docker_engine import DockerEngine, EngineRefused, EngineTooOld, EngineUnreachable
from gateway.executors.docker_followed import End, Followed, read_end, write_end
from gateway.executors.docker_images import Images
from gateway.executors.docker_log import LogCopy
from gateway.executors.docker_starter import Starter
from gateway.executors.docker_support import SUPPORT, support_of
from gateway.executors.kept_output import KeptFolder

log = logging.getLogger(__name__)

CONNECT_SECONDS = 60.0
"""How long the gateway's start waits for the first list of containers."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
"""Between two tries to reach the engine again."""
LOOK_SECONDS = 30.0
"""How often all containers are listed, in case an event was lost or the connection is dead."""
REPLAY_SECONDS = 60
"""Events so old are read again when the stream is taken up, against gaps and clocks that differ."""
KEEP_SECONDS = 60.0
"""How long an ended container is kept for other gateways that have not seen its end."""
INIT_FAILED = b"[FATAL tini "
"""How the init process begins to say that it could not run the command."""
NOT_FOUND_CODES = (126, 127)


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
        keep_seconds: float = KEEP_SECONDS,
    ) -> None:
        """`instance`: tells the gateway's containers from others; None = one is made up for the folder.

        `keep_seconds`: how long an ended container is kept.
        """
        self._engine = engine
        self._rules = rules
        self._images = images
        self._kept = KeptFolder(folder, output_limit_bytes)
        self._instance = instance or ""
        self._keep_seconds = keep_seconds
        self.reachable_from_anywhere = not engine.is_local
        self.support: Mapping[str, FeatureSupport] = SUPPORT
        self._followed: dict[AttemptKey, Followed] = {}
        self._removed: set[str] = set()
        """Jobs that were removed while the engine did not answer."""
        self._leaving: set[str] = set()
        """Containers that are deleted soon."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._lost: str | None = "it was not reached yet"
        """Why the engine cannot be asked; None when it can."""

    async def open(self, ended: Callable[[AttemptKey], None]) -> None:
        """Connect and take up what runs. Raises ExecutorUnavailable."""
        self._ended = ended
        self._kept.open()
        self._instance = self._instance or self._own_instance()
        self._starter = Starter(self._engine, rules=self._rules, images=self._images, instance=self._instance)
        try:
            info = await self._engine.open()
            if self._rules.network != "none" and not await self._engine.has_network(self._rules.network):
                reason = f"setting DOCKER_NETWORK: Docker has no network {self._rules.network!r}"
                raise ExecutorUnavailable(reason)
        except (EngineUnreachable, EngineRefused, EngineTooOld) as error:
            await self._engine.close()
            raise ExecutorUnavailable(f"Docker at {self._engine.url} cannot be used: {error}") from error
        except ExecutorUnavailable:
            await self._engine.close()
            raise
        self.support = support_of(info)
        for field in [name for name in SUPPORT if self.support[name] is not SUPPORT[name]]:
            log.warning("Docker at %s cannot enforce %s", self._engine.url, field)
        connected = asyncio.Event()
        self._spawn(self._watch(connected))
        self._spawn(self._look_now_and_then())
        try:
            await asyncio.wait_for(connected.wait(), CONNECT_SECONDS)
        except TimeoutError:
            await self.close()
            raise ExecutorUnavailable(f"Docker at {self._engine.url} cannot be used: {self._lost}") from None

    async def close(self) -> None:
        """Let containers run, close all connections."""
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
        return Running() if self._lost is None else Unreachable(f"Docker cannot be reached: {self._lost}")

    async def stop(self, key: AttemptKey, handle: str, *, grace_seconds: int) -> None:
        """The engine sends SIGTERM now and SIGKILL after the grace, whatever becomes of the gateway."""
        self._spawn(self._stop(key, handle, grace_seconds))

    async def output(
        self, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
    ) -> OutputChunk:
        """Read from the copy of the log, see `OutputFile.read`."""
        return self._kept.stream(key, channel).read(offset=offset, limit=limit)

    async def remove(self, job_id: str) -> None:
        """Delete the job's containers and files; containers as soon as the engine answers."""
        for key in [key for key in self._followed if key.job_id == job_id]:
            followed = self._followed.pop(key)
            for task in (followed.copying, followed.ending):
                if task is not None:
                    task.cancel()
        await asyncio.to_thread(self._kept.remove, job_id)
        try:
            for container in await self._engine.list(self._label, f"{JOB}={job_id}"):
                await self._engine.delete(container["Id"])
        except (EngineUnreachable, EngineRefused) as error:
            log.warning("containers of job %s are deleted later: %s", job_id, error)
            self._removed.add(job_id)

    async def kept(self) -> list[str]:
        """Ids of the jobs that have files or containers."""
        found = set(await asyncio.to_thread(self._kept.jobs))
        with suppress(EngineUnreachable):
            keys = [key_of(container["Labels"]) for container in await self._engine.list(self._label)]
            found.update(key.job_id for key in keys if key is not None)
        return sorted(found)

    @property
    def _label(self) -> str:
        return f"{INSTANCE}={self._instance}"

    def _own_instance(self) -> str:
        path = self._kept.path / ".docker-instance"
        if not path.exists():
            path.write_text(secrets.token_hex(8))
        return path.read_text()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

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
        if found["State"]["Running"]:
            self._copy(self._known(key))
        else:
            self._finish(self._known(key))
        return None

    def _copy(self, followed: Followed) -> None:
        """Copy the log of a container that runs."""
        if followed.copying is None and followed.ending is None and followed.end is None:
            followed.copying = self._spawn(self._copy_log(followed))

    async def _copy_log(self, followed: Followed) -> None:
        try:
            await self._read_log(followed, follow=True)
        except (EngineUnreachable, EngineRefused) as error:
            log.debug("the log of %s is read later: %s", followed.name, error)
        except OSError as error:
            log.warning("the output of %s cannot be written: %s", followed.name, error.strerror)
        else:
            # The log of a container is over when the container is, whose event may have come before all this.
            self._finish(followed)
        followed.copying = None

    async def _read_log(self, followed: Followed, *, follow: bool) -> None:
        since = followed.log.begin()
        async with aclosing(self._engine.log(followed.name, follow=follow, since=since)) as chunks:
            async for chunk in chunks:
                began = time.monotonic()
                followed.log.take(chunk)
                # A job that writes without end gets half of the loop's time at most.
                await asyncio.sleep(time.monotonic() - began)

    def _finish(self, followed: Followed) -> None:
        """A container is said to have ended."""
        if followed.ending is None and followed.end is None:
            followed.ending = self._spawn(self._look_at_end(followed))

    async def _look_at_end(self, followed: Followed) -> None:
        """Copy the rest of the log, note the end, tell of it."""
        try:
            end = await self._end(followed)
        except (EngineUnreachable, EngineRefused) as error:
            log.debug("the end of %s is looked at later: %s", followed.name, error)
            end = None
        followed.ending = None
        if end is None:
            return
        followed.end = end
        if followed.observed:
            self._ended(followed.key)
        else:
            self._followed.pop(followed.key, None)

    async def _end(self, followed: Followed) -> End | None:
        """How a container ended; None if it runs."""
        found = await self._engine.inspect(followed.name)
        if found is None:
            return Vanished("its container was deleted while it ran")
        if found["State"]["Running"]:
            return None
        if followed.copying is not None:
            followed.copying.cancel()
            await asyncio.wait([followed.copying])
            followed.copying = None
        end: Exited | Refused = end_of(found["State"])
        try:
            await self._read_log(followed, follow=False)
            end = self._told(followed, end)
            write_end(self._kept, followed.key, end)
        except OSError as error:
            # The container stays: it alone knows its end.
            log.warning("the end of %s cannot be written: %s", followed.name, error.strerror)
            return end
        self._delete_later(followed.name)
        return end

    def _told(self, followed: Followed, end: Exited | Refused) -> Exited | Refused:
        """The end, which may be that there is no such command."""
        if isinstance(end, Refused) or end.exit_code not in NOT_FOUND_CODES:
            return end
        stream = self._kept.stream(followed.key, OutputChannel.STDERR)
        said = stream.read(offset=0, limit=500).data
        if not said.startswith(INIT_FAILED):
            return end
        line = said.decode("utf-8", "replace").splitlines()[0].partition("] ")[2]
        return Refused(reason=f"the image cannot run the command: {line}", passing=False)

    def _delete_later(self, name: str) -> None:
        if name not in self._leaving:
            self._leaving.add(name)
            self._spawn(self._delete(name))

    async def _delete(self, name: str) -> None:
        await asyncio.sleep(self._keep_seconds)
        try:
            await self._engine.delete(name)
        except (EngineUnreachable, EngineRefused) as error:
            # It is found again when all containers are listed.
            log.debug("container %s is deleted later: %s", name, error)
        self._leaving.discard(name)

    # The engine's news.

    async def _watch(self, connected: asyncio.Event) -> None:
        """Hear of ends, as long as the gateway runs."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                since = int(time.time()) - REPLAY_SECONDS
                async with aclosing(self._engine.events(self._label, since=since)) as events:
                    async for event in events:
                        if event is None:
                            await self._look()
                            self._found_again()
                            connected.set()
                            pause = FIRST_PAUSE_SECONDS
                        else:
                            self._happened(event)
                reason = "it closed the connection"
            except (EngineUnreachable, EngineRefused) as error:
                reason = str(error)
            self._lose(reason)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _found_again(self) -> None:
        if self._lost is not None:
            self._lost = None
            for followed in self._followed.values():
                if followed.observed:
                    self._ended(followed.key)

    def _lose(self, reason: str) -> None:
        if self._lost is None:
            log.warning("Docker at %s is out of reach: %s", self._engine.url, reason)
        self._lost = reason

    def _happened(self, event: Mapping[str, Any]) -> None:
        key = key_of(event.get("Actor", {}).get("Attributes"))
        if key in self._followed and event.get("Action") in ("die", "destroy"):
            self._finish(self._followed[key])

    async def _look_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except (EngineUnreachable, EngineRefused) as error:
                self._lose(str(error))
            else:
                self._found_again()

    async def _look(self) -> None:
        """List all containers: copy the logs of those that run, finish those that ended."""
        containers = await self._engine.list(self._label)
        there = set()
        for container in containers:
            key = key_of(container["Labels"])
            if key is None:
                continue
            there.add(key)
            if key.job_id in self._removed:
                await self._engine.delete(container["Id"])
            elif container["State"] == "created":
                # Its start is under way, or comes again.
                continue
            elif container["State"] in ("running", "paused"):
                self._copy(self._known(key))
            elif read_end(self._kept, key) is None:
                self._finish(self._known(key))
            else:
                self._delete_later(name_of(key))
        self._removed.clear()
        for key in self._followed.keys() - there:
            self._finish(self._followed[key])

    async def _stop(self, key: AttemptKey, name: str, grace_seconds: int) -> None:
        deadline = time.monotonic() + grace_seconds
        while True:
            left = max(0, math.ceil(deadline - time.monotonic()))
            try:
                await (self._engine.stop(name, left) if left else self._engine.kill(name))
                return
            except EngineRefused as error:
                # It is gone, or does not run any more.
                log.debug("attempt %d of job %s is not stopped: %s", key.attempt, key.job_id, error)
                return
            except EngineUnreachable:
                await asyncio.sleep(LONGEST_PAUSE_SECONDS)
