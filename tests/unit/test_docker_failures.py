"""What the executor of containers does when its engine, or the gateway's disk, fails in an unusual way."""

import asyncio
import errno
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.executor import AttemptKey, Launch, Mount, Running, StartRefused
from gateway.executors import docker
from gateway.executors.docker import DockerExecutor
from gateway.executors.docker_container import Rules, name_of
from gateway.executors.docker_engine import DockerEngine, EngineRefused
from gateway.executors.docker_images import Images
from gateway.executors.docker_news import News
from gateway.executors.docker_starter import Starter
from gateway.executors.kept_output import KeptFolder

LIMIT_SECONDS = 20
"""When a test gives up waiting; nothing takes nearly as long."""


class Engine(DockerEngine):
    """An engine without a daemon: each container that it is asked about runs, and does so for ever."""

    def __init__(self) -> None:
        super().__init__("tcp://engine:2375")
        self.refusals: list[EngineRefused] = []
        """What stops are refused with, in order; then one is carried out."""
        self.stopped = asyncio.Event()

    async def open(self) -> dict[str, Any]:
        return {}

    async def list(self, *labels: str) -> list[dict[str, Any]]:
        return []

    async def inspect(self, name: str) -> dict[str, Any] | None:
        return {"State": {"Status": "running", "Running": True}}

    async def stop(self, name: str, grace_seconds: int) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.stopped.set()

    async def log(self, name: str, *, follow: bool, since: str | None) -> AsyncGenerator[bytes, None]:
        await asyncio.Event().wait()
        yield b""

    async def events(self, label: str, *, since: int) -> AsyncGenerator[dict[str, Any] | None, None]:
        yield None
        await asyncio.Event().wait()


async def test_a_stop_that_the_engine_fails_at_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "STOP_AGAIN_SECONDS", 0)
    engine, key = Engine(), AttemptKey("j", 1)
    executor = DockerExecutor(
        tmp_path,
        engine=engine,
        rules=Rules(volumes={}, log_bytes=1000),
        images=Images(engine, pull="never"),
        output_limit_bytes=1000,
    )
    engine.refusals = [EngineRefused(500, "did not receive an exit event")]
    await executor.open(lambda _: None)
    try:
        assert await executor.observe(key, name_of(key)) == Running()
        await executor.stop(key, name_of(key), grace_seconds=600)
        async with asyncio.timeout(LIMIT_SECONDS):
            await engine.stopped.wait()
    finally:
        await executor.close()


async def test_a_volume_that_is_no_setting_any_more_is_told(tmp_path: Path) -> None:
    engine = Engine()
    starter = Starter(
        engine,
        kept=KeptFolder(tmp_path, 1000),
        rules=Rules(volumes={}, log_bytes=1000),
        images=Images(engine, pull="never"),
        instance="i",
    )
    mount = Mount(name="in", source="data", path="/in")
    launch = Launch(key=AttemptKey("j", 1), commands=(), image="i:1", environment={}, mounts=(mount,))
    with pytest.raises(StartRefused, match="volume 'in': the setting VOLUMES has no 'data'") as refused:
        await starter.start(launch)
    assert not refused.value.passing


async def test_a_failure_that_nobody_thought_of_does_not_end_the_listening() -> None:
    lists: list[Any] = []

    async def listed(containers: list[dict[str, Any]]) -> None:
        lists.append(containers)
        if len(lists) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    news = News(Engine(), "label", happened=lambda _: None, listed=listed, found_again=lambda: None)
    listening = asyncio.create_task(news.listen())
    connected = asyncio.create_task(news.connected.wait())
    await asyncio.wait({listening, connected}, timeout=LIMIT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    assert connected.done()
    assert news.lost is None
    listening.cancel()
    await asyncio.wait({listening})
