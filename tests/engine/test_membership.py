"""Nodes that share a database: who holds what, and what becomes of it when a node is lost."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.executor import AttemptKey, Exited, Launch
from gateway.domain.words import JobStatus
from gateway.executors.scripted import ScriptedExecutor
from gateway.stores.postgres import PostgresJobStore
from tests.house import TestHouse, a_house
from tests.pg_stand import PgStand

S = JobStatus
Two = tuple[TestHouse, TestHouse]


class Local(ScriptedExecutor):
    """Only its own node reaches what it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.reachable_from_anywhere = False
        self.leases: list[float] = []
        self.abandoned = 0
        self.ready, self.gone = asyncio.Event(), asyncio.Event()
        self.ready.set()
        self.gone.set()

    async def start(self, launch: Launch) -> str:
        await self.ready.wait()
        return await super().start(launch)

    def lease(self, seconds: float) -> None:
        self.leases.append(seconds)

    async def abandon(self) -> None:
        self.abandoned += 1
        await self.gone.wait()


@pytest.fixture
async def local(postgres: PgStand, tmp_path: Path) -> AsyncIterator[Two]:
    """Two nodes, each with an executor of its own."""
    address = postgres.database()
    async with AsyncExitStack() as stack:
        stack.callback(postgres.drop, address)
        houses = [
            await stack.enter_async_context(
                a_house(tmp_path, store=PostgresJobStore(address), node=name, executor=Local())
            )
            for name in ("one", "two")
        ]
        yield houses[0], houses[1]


@pytest.fixture
async def joint(postgres: PgStand, tmp_path: Path) -> AsyncIterator[Two]:
    """Two nodes with one engine that both reach."""
    address, executor = postgres.database(), ScriptedExecutor()
    async with AsyncExitStack() as stack:
        stack.callback(postgres.drop, address)
        houses = [
            await stack.enter_async_context(
                a_house(tmp_path, store=PostgresJobStore(address), node=name, executor=executor)
            )
            for name in ("one", "two")
        ]
        yield houses[0], houses[1]


async def lapse(house: TestHouse) -> None:
    """The lease of the node is over, which it does not know."""
    number = house.house.node.number
    assert await house.house.store.renew_lease(number, lease_seconds=-1)


async def belongs(house: TestHouse) -> None:
    """Its turn to look after the nodes."""
    await house.engine.membership.tick()
    await house.engine.heir.tick()


async def test_a_job_that_only_the_lost_node_reached_died_with_it(local: Two) -> None:
    one, two = local
    job = await one.start()
    await one.tick()
    assert (await one.job(job.id)).job_status is S.RUNNING
    await belongs(two)
    assert (await two.job(job.id)).job_status is S.RUNNING
    await lapse(one)
    await belongs(two)
    died = await two.job(job.id)
    assert (died.job_status, died.message) == (S.DIED, "its node one was lost")


async def test_its_next_attempt_runs_on_another_node(local: Two) -> None:
    one, two = local
    job = await one.start(retryPolicy={"maxAttempts": 2, "backoffSeconds": 0})
    await one.tick()
    await lapse(one)
    await belongs(two)
    two.engine.dispatcher.look()
    await two.tick()
    running = await two.record(job.id)
    assert (running.job.job_status, running.job.attempt) == (S.RUNNING, 2)
    assert running.node == two.house.node.number
    assert [launch.key for launch in two.executor.started] == [AttemptKey(job.id, 2)]


async def test_what_all_nodes_reach_goes_on_and_is_started_once(joint: Two) -> None:
    one, two = joint
    job = await one.start()
    await one.tick()
    await lapse(one)
    await belongs(two)
    assert (await two.job(job.id)).job_status is S.RUNNING
    ended = await two.end(job.id, Exited(exit_code=0))
    assert (ended.job_status, ended.attempt) == (S.FINISHED, 1)
    assert len(one.executor.started) == 1


async def test_what_a_lost_node_still_writes_of_its_jobs_is_refused(joint: Two) -> None:
    one, two = joint
    job = await one.start()
    await one.tick()
    key = await one.key(job.id)
    await lapse(one)
    await belongs(two)
    before = await two.record(job.id)
    # The lost node sees the end first, and does not know that it is lost.
    one.executor.show(key, Exited(exit_code=3))
    one.engine.monitor.ended(key)
    await one.engine.monitor.tick()
    assert await two.record(job.id) == before
    two.engine.monitor.ended(key)
    await two.engine.monitor.tick()
    assert (await two.job(job.id)).exit_code == 3


async def test_a_node_that_has_lost_its_lease_lets_go_and_comes_back_under_a_new_number(local: Two) -> None:
    one, two = local
    await one.start()
    await one.tick()
    before = one.house.node.number
    await lapse(one)
    await belongs(two)
    await belongs(one)
    assert one.house.node.number == 0
    assert isinstance(one.executor, Local)
    assert one.executor.abandoned == 1
    waiting = await one.start()
    one.engine.dispatcher.look()
    await one.tick()
    assert (await one.job(waiting.id)).job_status is S.SCHEDULED
    await belongs(one)
    assert one.house.node.number > before
    one.engine.dispatcher.look()
    await one.tick()
    assert (await one.job(waiting.id)).job_status is S.RUNNING


async def test_a_node_takes_over_nothing_from_itself(local: Two) -> None:
    one, _ = local
    job = await one.start()
    await one.tick()
    number = one.house.node.number
    await lapse(one)
    await one.engine.heir.tick()
    assert (await one.job(job.id)).job_status is S.RUNNING
    # It has not been lost to anybody, so it can renew.
    await belongs(one)
    assert one.house.node.number == number


async def test_a_lease_is_renewed_while_all_that_is_to_be_written_waits(local: Two) -> None:
    one, two = local
    gate = threading.Event()
    # As long as somebody has locked what they need.
    writes = [one.house.store.write(lambda _tx: gate.wait(30)) for _ in range(4)]
    try:
        await lapse(one)
        await one.engine.membership.tick()
        assert not any(write.done() for write in writes)
        await two.engine.heir.tick()
        assert await two.house.store.read(lambda tx: tx.nodes.lapsed()) == []
        assert one.house.node.number
    finally:
        gate.set()
        await asyncio.gather(*writes)


async def test_what_is_being_started_when_the_lease_is_lost_is_not_started_afterwards(local: Two) -> None:
    one, _ = local
    assert isinstance(one.executor, Local)
    one.executor.ready.clear()
    await one.start()
    await one.tick()
    one.clock.advance(0.75 * 30)
    await one.engine.membership.tick()
    assert one.executor.abandoned == 1
    one.executor.ready.set()
    assert one.engine.dispatcher.known == set()
    assert one.executor.started == []


async def test_a_gateway_can_be_stopped_while_it_cannot_kill_what_it_held(
    local: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = local
    executor = one.executor
    assert isinstance(executor, Local)
    executor.gone.clear()
    # The lease is over as soon as it has begun.
    monkeypatch.setattr(executor, "lease", lambda _seconds: one.clock.advance(0.75 * 30))
    engine = one.restarted().engine
    await engine.start()
    await until(lambda: executor.abandoned)
    async with asyncio.timeout(30):
        await engine.stop()


async def test_a_node_that_comes_back_follows_what_it_held_though_nothing_can_be_read_then(
    joint: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = joint
    job = await one.start()
    await one.tick()
    one.clock.advance(0.75 * 30)
    await belongs(one)
    assert one.house.node.number == 0

    async def unreadable(*_: Any, **__: Any) -> Any:
        raise ServiceUnavailable("the database is stopping")

    with monkeypatch.context() as patch, suppress(ServiceUnavailable):
        patch.setattr(one.house.store, "read", unreadable)
        await belongs(one)
    await belongs(one)
    assert (await one.record(job.id)).node == one.house.node.number
    assert (await one.end(job.id, Exited(exit_code=0))).job_status is S.FINISHED


async def test_a_node_gives_up_when_it_could_not_renew_for_three_quarters_of_its_lease(local: Two) -> None:
    one, _ = local
    await belongs(one)
    assert isinstance(one.executor, Local)
    assert one.executor.leases[-1] == pytest.approx(0.75 * 30, abs=1)
    one.clock.advance(0.75 * 30)
    await belongs(one)
    assert (one.house.node.number, one.executor.abandoned) == (0, 1)


async def test_what_was_claimed_and_maybe_started_is_not_run_again_as_the_same_attempt(local: Two) -> None:
    one, two = local
    job = await one.start()
    claimed = await one.house.store.write(one.engine.dispatcher.claim)
    assert [record.job.id for record in claimed] == [job.id]
    await lapse(one)
    await belongs(two)
    assert (await two.job(job.id)).job_status is S.DIED
    assert two.executor.started == []


async def test_a_node_that_leaves_hands_over_at_once_what_others_reach(joint: Two) -> None:
    one, two = joint
    job = await one.start()
    await one.tick()
    await one.engine.membership.leave()
    await belongs(two)
    assert (await two.record(job.id)).node == two.house.node.number


async def test_a_job_that_calls_another_gateway_is_heard_of_where_it_is_watched(
    local: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stores.postgres_exchange.GATHER_SECONDS", 0.0)
    one, two = local
    job = await one.start(heartbeatTimeoutSeconds=10)
    await one.tick()
    token = one.executor.started[0].environment["JOB_TOKEN"]
    one.clock.advance(9)
    await two.call("getJob", secret=token, jobId=job.id)
    await until(lambda: one.house.heartbeats.last(job.id) == one.clock.monotonic())
    one.clock.advance(9)
    await one.tick()
    assert (await one.job(job.id)).job_status is S.RUNNING


async def test_what_a_node_keeps_of_a_job_goes_when_another_gateway_deletes_it(local: Two) -> None:
    one, two = local
    job = await one.start()
    await one.tick()
    await one.end(job.id, Exited(exit_code=0))
    await two.call("deleteJob", jobId=job.id)
    await until(lambda: job.id in one.executor.removed)


async def until(condition: Callable[[], object]) -> None:
    """Wait for news from the other node."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)
