"""The executor that runs jobs in Slurm, with a real cluster of three nodes."""

import asyncio
import os
import pwd
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.executor import (
    AttemptKey,
    Executor,
    ExecutorUnavailable,
    Exited,
    Launch,
    Observation,
    Pending,
    Refused,
    Resources,
    Running,
    StartRefused,
    Unreachable,
    Vanished,
)
from gateway.domain.words import FeatureSupport, OutputChannel
from gateway.executors import slurm_start
from gateway.executors.process_support import SUPPORT as PROCESS_SUPPORT
from gateway.executors.slurm import SlurmExecutor
from tests.slurm_stand import Slurm, slurm  # noqa: F401

LIMIT_SECONDS = 30
"""When a test gives up waiting; nothing takes nearly as long."""
LONG_SECONDS = 600
"""How long a command runs that is to be ended."""
SUCCEEDED = Exited(exit_code=0)
PATH = "/usr/local/bin:/usr/bin:/bin"


def new_key() -> AttemptKey:
    return AttemptKey(str(uuid.uuid4()), 1)


def launch(*commands: str, **members: Any) -> Launch:
    given = {"key": new_key(), "image": "not-used", "environment": {}} | members
    return Launch(commands=commands, **given)


def script(text: str, **members: Any) -> Launch:
    return launch("/bin/sh", "-c", text, **members)


def needs(**resources: Any) -> Resources:
    return Resources(**resources)


class Gateway:
    """An open executor and what it told."""

    def __init__(self, executor: SlurmExecutor, folder: Path) -> None:
        self.executor = executor
        self.folder = folder
        self.ended: list[AttemptKey] = []
        self._news = asyncio.Event()

    def hear(self, key: AttemptKey) -> None:
        self.ended.append(key)
        self._news.set()

    def attempt(self, key: AttemptKey) -> Path:
        return self.folder / key.job_id / str(key.attempt)

    async def until(self, launched: Launch, handle: str, *kinds: type[Observation]) -> Observation:
        """Look whenever the executor tells that there is something to see, until it is one of these."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                self._news.clear()
                seen = await self.executor.observe(launched.key, handle)
                if isinstance(seen, kinds):
                    return seen
                await self._news.wait()

    async def over(self, launched: Launch, handle: str) -> Observation:
        return await self.until(launched, handle, Exited, Vanished, Refused)

    async def running(self, launched: Launch, sign: str = "here") -> str:
        """Start what writes a word when it runs, and wait for it; the handle."""
        handle = await self.executor.start(launched)
        await self.until(launched, handle, Running)
        await eventually(lambda: sign in self.text(launched.key))
        return handle

    async def ran(self, launched: Launch) -> Observation:
        return await self.over(launched, await self.executor.start(launched))

    def text(self, key: AttemptKey, channel: str = "stdout") -> str:
        path = self.attempt(key) / channel
        return path.read_text("utf-8", "replace") if path.exists() else ""


async def eventually(condition: Any) -> None:
    """Wait for what happens on a node."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(cluster: Slurm, folder: Path, **settings: Any) -> AsyncIterator[Gateway]:
    given = {
        "url": cluster.url,
        "api_version": cluster.version,
        "user": cluster.user,
        "token_file": cluster.token_file,
        "default_path": PATH,
    }
    executor = SlurmExecutor(folder, **(given | settings))
    gateway = Gateway(executor, folder)
    await executor.open(gateway.hear)
    try:
        yield gateway
    finally:
        await executor.close()


@pytest.fixture
async def gateway(slurm: Slurm, tmp_path: Path) -> AsyncIterator[Gateway]:  # noqa: F811
    async with opened(slurm, tmp_path / "shared") as made:
        yield made
        for job_id in await made.executor.kept():
            await made.executor.remove(job_id)


async def test_a_command_runs_and_both_its_streams_and_its_exit_code_are_kept(gateway: Gateway) -> None:
    launched = script("echo out; echo err >&2; exit 7")
    handle = await gateway.executor.start(launched)
    assert await gateway.over(launched, handle) == Exited(exit_code=7)
    assert (gateway.text(launched.key), gateway.text(launched.key, "stderr")) == ("out\n", "err\n")


async def test_the_beginning_and_the_end_are_told(gateway: Gateway) -> None:
    launched = script("echo here; until [ -e go ]; do sleep 0.05; done")
    handle = await gateway.running(launched)
    gateway.ended.clear()
    (gateway.attempt(launched.key) / "work" / "go").touch()
    await eventually(lambda: gateway.ended)
    assert await gateway.executor.observe(launched.key, handle) == SUCCEEDED
