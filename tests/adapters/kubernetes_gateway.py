"""A Kubernetes executor that is open on a stand-in cluster, and what tests ask of it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.domain.executor import (
    AttemptKey,
    End,
    Exited,
    Launch,
    Observation,
    Pending,
    Running,
)
from gateway.domain.words import OutputChannel
from gateway.executors.kubernetes import KubernetesExecutor
from gateway.executors.kubernetes_access import access_by_file
from gateway.executors.kubernetes_manifest import Maker
from tests.kubernetes_stand import NAMESPACE, KubernetesStand

LIMIT_SECONDS = 20
"""When a test gives up waiting; nothing takes nearly as long."""
SUCCEEDED = Exited(exit_code=0, out_of_memory=False)
TERMINATED = Exited(exit_code=143, signal=15, out_of_memory=False)
KILLED = Exited(exit_code=137, signal=9, out_of_memory=False)


class Gateway:
    """An executor that is open, and what a test asks of it."""

    def __init__(self, executor: KubernetesExecutor) -> None:
        self.executor = executor
        self.told = asyncio.Event()
        self.calls: list[AttemptKey] = []

    def ended(self, key: AttemptKey) -> None:
        self.calls.append(key)
        self.told.set()

    async def start(self, **members: Any) -> tuple[AttemptKey, str]:
        launch = a_launch(**members)
        return launch.key, await self.executor.start(launch)

    async def observe(self, key: AttemptKey, handle: str | None = None) -> Observation:
        handle = handle or f"{NAMESPACE}/job-{key.job_id}-{key.attempt}"
        return await self.executor.observe(key, handle)

    async def seen(self, key: AttemptKey, wanted: Callable[[Observation], bool]) -> Observation:
        """What the attempt is seen to do once it is what a test waits for. Looks only when told to."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                self.told.clear()
                seen = await self.observe(key)
                if wanted(seen):
                    return seen
                await self.told.wait()

    async def end_of(self, key: AttemptKey) -> Observation:
        return await self.seen(key, lambda seen: isinstance(seen, End))

    async def running(self, key: AttemptKey) -> None:
        await self.seen(key, lambda seen: seen == Running())

    async def pending(self, key: AttemptKey, reason: str) -> None:
        await self.seen(key, lambda seen: isinstance(seen, Pending) and reason in (seen.reason or ""))

    async def output(self, key: AttemptKey, offset: int = 0, limit: int = 1 << 20) -> bytes:
        chunk = await self.executor.output(key, OutputChannel.STDOUT, offset=offset, limit=limit)
        return chunk.data


@asynccontextmanager
async def a_gateway(stand: KubernetesStand, folder: Path, **options: Any) -> AsyncIterator[Gateway]:
    """An open executor. `options` are its own, those of its maker as `maker`, or say who it is."""
    maker = Maker(namespace=NAMESPACE, **{"instance": "ours", **options.pop("maker", {})})
    user = {name: options.pop(name) for name in ("token", "tokenFile") if name in options}
    executor = KubernetesExecutor(
        folder / "jobs",
        access=access_by_file(stand.kubeconfig(folder / "kubeconfig", **user)),
        maker=maker,
        **{"output_limit_bytes": 1 << 20, **options},
    )
    gateway = Gateway(executor)
    await executor.open(gateway.ended)
    try:
        yield gateway
    finally:
        await executor.close()


def a_launch(**members: Any) -> Launch:
    key = AttemptKey(str(uuid.uuid4()), 1)
    own = {"JOB_TOKEN": "token", "PLAIN": "x"}
    launch: dict[str, Any] = {"key": key, "commands": ("run", "it"), "image": "image:1", "environment": own}
    return Launch(**{**launch, "secrets": frozenset({"JOB_TOKEN"}), **members})


async def until(condition: Callable[[], Any]) -> None:
    """Something that the cluster is seen to have done in the end."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.005)
