"""An executor of containers as the tests use it: open, and telling what it was told."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.domain.executor import AttemptKey, Exited, Launch, Mount, Observation, Resources, Running
from gateway.domain.words import OutputChannel
from gateway.executors.docker import DockerExecutor
from gateway.executors.docker_container import Rules, name_of
from gateway.executors.docker_engine import DockerEngine
from gateway.executors.docker_images import Images
from tests.engine_stand import IMAGE, EngineStand

LIMIT_SECONDS = 20
"""When a test gives up waiting; nothing takes nearly as long."""
MIB = 1024 * 1024


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not reached: {what}"
        await asyncio.sleep(0.005)


def new_key() -> AttemptKey:
    return AttemptKey(str(uuid.uuid4()), 1)


def launch(
    *commands: str,
    key: AttemptKey | None = None,
    image: str = IMAGE,
    environment: Mapping[str, str] | None = None,
    resources: Resources | None = None,
    mounts: tuple[Mount, ...] = (),
) -> Launch:
    return Launch(
        key=key or new_key(),
        commands=commands,
        image=image,
        environment=environment or {},
        organization_id="acme",
        resources=resources or Resources(),
        mounts=mounts,
    )


def script(text: str, **members: Any) -> Launch:
    return launch("sh", "-c", text, **members)


class Gateway:
    """An open executor and what it told."""

    def __init__(self, executor: DockerExecutor, stand: EngineStand) -> None:
        self.executor = executor
        self.stand = stand
        self.ended: Counter[AttemptKey] = Counter()
        self.succeeded = self.exited(0)
        self.killed = self.exited(137, signal=9)
        self.terminated = self.exited(143, signal=15)

    def exited(self, exit_code: int, *, signal: int | None = None) -> Exited:
        """An end that is not for lack of memory, as this engine tells it."""
        out_of_memory = False if self.stand.tells_memory else None
        return Exited(exit_code=exit_code, signal=signal, out_of_memory=out_of_memory)

    def told(self, key: AttemptKey) -> None:
        self.ended[key] += 1

    async def end_of(self, key: AttemptKey) -> Observation:
        """Wait until the attempt is over, by being told."""
        while True:
            before = self.ended[key]
            seen = await self.executor.observe(key, name_of(key))
            if not isinstance(seen, Running):
                return seen
            await until(lambda before=before: self.ended[key] > before, "the end of the attempt")

    async def run(self, launched: Launch) -> Observation:
        await self.executor.start(launched)
        return await self.end_of(launched.key)

    async def text(self, key: AttemptKey, channel: OutputChannel = OutputChannel.STDOUT) -> str:
        return (await self.executor.output(key, channel, offset=0, limit=1 << 20)).data.decode()

    async def output_of(self, launched: Launch) -> str:
        """What the command writes; it must succeed."""
        seen = await self.run(launched)
        assert seen == self.succeeded, await self.text(launched.key, OutputChannel.STDERR)
        return await self.text(launched.key)

    async def says(self, key: AttemptKey, text: str) -> None:
        """Wait until the attempt has written a text."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while text not in (said := await self.text(key)):
            assert time.monotonic() < deadline, f"{text!r} not in the output {said!r}"
            await asyncio.sleep(0.005)

    async def gone(self, key: AttemptKey) -> None:
        """Wait until the attempt's container is deleted."""
        await until(lambda: name_of(key) not in self.stand.names(), "the container is deleted")


@asynccontextmanager
async def gateway(
    stand: EngineStand,
    folder: Path,
    *,
    rules: Mapping[str, Any] | None = None,
    images: Mapping[str, Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Gateway]:
    engine = DockerEngine(stand.url)
    executor = DockerExecutor(
        folder,
        engine=engine,
        rules=Rules(**({"volumes": {}, "log_bytes": 100 * MIB} | dict(rules or {}))),
        images=Images(engine, **({"pull": "never"} | dict(images or {}))),
        **({"output_limit_bytes": MIB, "keep_seconds": 0.0} | settings),
    )
    opened = Gateway(executor, stand)
    await executor.open(opened.told)
    try:
        yield opened
    finally:
        await executor.close()
