"""The domain put together for tests: a store in memory, a scripted executor, a clock that stands still."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from gateway.contract.credentials import Credentials
from gateway.contract.registry import OPERATIONS
from gateway.contract.seam import Request, Seam
from gateway.domain.call import IfMatch
from gateway.domain.catalogue import Catalogue, JobType
from gateway.domain.executor import AttemptKey
from gateway.domain.house import House, OwnNode, Policy
from gateway.domain.job import Job, JobEvent
from gateway.domain.parts import RetryPolicy
from gateway.domain.ports import JobStore
from gateway.domain.record import JobRecord, Stored
from gateway.domain.words import CallProtocol, FeatureSupport, JobTypeFeature
from gateway.engine.engine import Engine
from gateway.executors.scripted import ScriptedExecutor
from gateway.stores.attachment_folder import AttachmentFolder
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.sqlite import SqliteJobStore
from gateway.vault import FileVault, StoreSealer
from tests.clock import FakeClock
from tests.pg_stand import shared_stand

OPERATION = {operation.name: operation for operation in OPERATIONS}

TYPES = (
    JobType(type="GENERIC_JOB", name="Generic", features_on=(JobTypeFeature.CANCELLABLE,)),
    JobType(type="STUBBORN_JOB", name="Stubborn", description="Cannot be canceled while it runs."),
    JobType(
        type="TYPICAL_JOB",
        name="Typical",
        features_on=(JobTypeFeature.CANCELLABLE,),
        commands=("typical", "command"),
        timeout_seconds=77,
        cancel_grace_seconds=7,
        retry_policy=RetryPolicy(max_attempts=4),
    ),
)


@dataclass
class TestHouse:
    """A house with its engine, whose loops tick by hand."""

    __test__ = False

    house: House
    engine: Engine
    executor: ScriptedExecutor
    clock: FakeClock
    seam: Seam

    async def call(
        self,
        name: str,
        *,
        secret: str | None = None,
        idempotency_key: str | None = None,
        if_versions: set[int] | None = None,
        **parts: Any,
    ) -> Any:
        """Call an operation through the seam, as a door does."""
        request = Request(
            protocol=CallProtocol.REST,
            request_id="request-1",
            credentials=Credentials(secret=secret),
            idempotency_key=idempotency_key,
            if_match=None if if_versions is None else IfMatch(frozenset(if_versions)),
        )
        call = await self.seam.admit(OPERATION[name], request)
        reply = await self.seam.run(OPERATION[name], call, parts)
        return reply.load() if isinstance(reply, Stored) else reply

    async def start(self, **members: Any) -> Job:
        """startJob with what matters to a test."""
        call = {name: members.pop(name) for name in ("secret", "idempotency_key") if name in members}
        job: Job = await self.call(
            "startJob", job={"dockerImageUrl": "image", "commands": ["run"]} | members, **call
        )
        return job

    async def job(self, job_id: str) -> Job:
        """The job as it is now."""
        return (await self.record(job_id)).job

    async def record(self, job_id: str) -> JobRecord:
        """The job with the engine's part."""
        record = await self.house.store.read(lambda tx: tx.job(job_id))
        assert record is not None
        return record

    async def history(self, job_id: str) -> list[JobEvent]:
        """All entries of the job's history."""
        return await self.house.store.read(lambda tx: tx.events(job_id, after=0, limit=1000))

    async def statuses(self, job_id: str) -> list[str]:
        """The statuses that the job went through."""
        return [str(event.to_status) for event in await self.history(job_id) if event.to_status]

    async def key(self, job_id: str) -> AttemptKey:
        """The key of the job's latest attempt."""
        return (await self.record(job_id)).attempt

    async def tick(self) -> None:
        """Let each loop have its turn, until nothing moves any more."""
        for _ in range(3):
            await self.engine.scheduler.tick()
            await self.engine.promoter.tick()
            await self.engine.dispatcher.tick()
            await self.engine.monitor.tick()

    async def end(self, job_id: str, observation: Any) -> Job:
        """Have the latest attempt end, and the engine see it."""
        self.executor.end(await self.key(job_id), observation)
        await self.tick()
        return await self.job(job_id)

    def restarted(self) -> "TestHouse":
        """Another engine on the same store and executor, as after a restart."""
        return TestHouse(self.house, Engine(self.house), self.executor, self.clock, Seam(self.house))


def _a_store() -> JobStore:
    """A store of the kind that GATEWAY_TEST_STORE names: sqlite (in memory, the default) or postgres."""
    if os.environ.get("GATEWAY_TEST_STORE") == "postgres":
        return PostgresJobStore(shared_stand().database())
    return SqliteJobStore.in_memory()


@asynccontextmanager
async def a_house(
    tmp_path: Any,
    support: dict[str, FeatureSupport] | None = None,
    *,
    store: JobStore | None = None,
    node: str = "sole",
    executor: ScriptedExecutor | None = None,
    **policy: Any,
) -> AsyncIterator[TestHouse]:
    """A house whose store, executor and clock are the test's own; the store is opened and closed here.

    `node`: its identity among those that share the store.
    """
    store, clock = store or _a_store(), FakeClock()
    executor = executor or ScriptedExecutor(support or {})
    await store.open()
    try:
        sealing_key = await store.write(lambda tx: tx.setting("sealing_key", lambda: b"s" * 32))
        house = House(
            store=store,
            executor=executor,
            attachments=AttachmentFolder(tmp_path / "attachments"),
            clock=clock,
            vault=FileVault(tmp_path / "secret.key"),
            sealer=StoreSealer(sealing_key),
            catalogue=Catalogue(TYPES),
            node=OwnNode(identity=node, name=node),
            exchange=store.exchange if isinstance(store, PostgresJobStore) else None,
            policy=Policy(
                **{"api_url": "http://127.0.0.1:8080", "soap_url": "http://127.0.0.1:8080/soap/v2/"} | policy
            ),
        )
        engine = Engine(house)
        await engine.take_over()
        yield TestHouse(house, engine, executor, clock, Seam(house))
    finally:
        await store.close()
