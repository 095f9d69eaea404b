"""Nodes on a store that they share: numbers, leases, and what is held."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.domain.node_store import Node
from gateway.domain.ports import JobWriter
from gateway.domain.words import JobStatus
from gateway.stores.postgres import PostgresJobStore
from tests.storing import inserted, job_of


@pytest.fixture
async def shared(database: str) -> AsyncIterator[PostgresJobStore]:
    """A store that nodes may share."""
    made = PostgresJobStore(database)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def joined(store: PostgresJobStore, identity: str, lease_seconds: float = 600) -> int:
    return await store.write(
        lambda tx: tx.nodes.join(identity, f"the {identity}", lease_seconds=lease_seconds)
    )


async def test_each_node_has_a_larger_number_than_those_before_it(shared: PostgresJobStore) -> None:
    first, second = await joined(shared, "a"), await joined(shared, "b")
    await shared.write(lambda tx: tx.nodes.remove(second))
    third, again = await joined(shared, "b"), await joined(shared, "a")
    assert first < second < third < again
    assert await shared.read(lambda tx: tx.nodes.all()) == [
        Node(third, "b", "the b"),
        Node(again, "a", "the a"),
    ]


async def test_who_comes_under_the_same_identity_takes_over_at_once(shared: PostgresJobStore) -> None:
    before, other = await joined(shared, "a"), await joined(shared, "b")
    mine = await inserted(shared, claimed=True, node=before, job_status=JobStatus.RUNNING, handle="h")
    others = await inserted(shared, claimed=True, node=other)
    now = await joined(shared, "a")
    assert [one.job.id for one in await shared.read(lambda tx: tx.claimed(now))] == [mine.job.id]
    assert [one.job.id for one in await shared.read(lambda tx: tx.claimed(other))] == [others.job.id]
    assert not await shared.renew_lease(before, lease_seconds=1)
    assert await shared.read(lambda tx: tx.count_claimed(now)) == {mine.job.organization_id: 1}
    assert await shared.read(lambda tx: tx.count_claimed()) == {mine.job.organization_id: 2}


async def test_a_lease_is_over_when_it_is_not_renewed(shared: PostgresJobStore) -> None:
    kept, lost = await joined(shared, "a", 0), await joined(shared, "b", 0)
    assert await shared.renew_lease(kept, lease_seconds=600)
    assert await shared.write(lambda tx: tx.nodes.lapsed()) == [Node(lost, "b", "the b")]
    await shared.write(lambda tx: tx.nodes.remove(lost))
    assert not await shared.renew_lease(lost, lease_seconds=600)
    assert not await shared.write(lambda tx: tx.nodes.holds(lost))
    assert await shared.write(lambda tx: tx.nodes.holds(kept))


async def test_who_looks_for_lost_nodes_can_be_renewed_meanwhile_though_it_has_lapsed_itself(
    shared: PostgresJobStore,
) -> None:
    own, lost = await joined(shared, "a", 0), await joined(shared, "b", 0)
    loop = asyncio.get_running_loop()
    renewed: list[bool] = []

    def look(tx: JobWriter) -> list[Node]:
        found = tx.nodes.lapsed(besides=own)
        renewal = asyncio.run_coroutine_threadsafe(shared.renew_lease(own, lease_seconds=600), loop)
        renewed.append(renewal.result(30))
        return found

    assert await shared.write(look) == [Node(lost, "b", "the b")]
    assert renewed == [True]


async def test_two_that_look_at_once_are_not_told_of_the_same_lost_node(
    shared: PostgresJobStore, database: str
) -> None:
    await joined(shared, "a", 0)
    other = PostgresJobStore(database)
    await other.open()
    looking, looked = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def held(tx: JobWriter) -> list[Node]:
        found = tx.nodes.lapsed()
        loop.call_soon_threadsafe(looking.set)
        asyncio.run_coroutine_threadsafe(looked.wait(), loop).result(30)
        return found

    try:
        first = asyncio.ensure_future(shared.write(held))
        await looking.wait()
        assert await other.write(lambda tx: tx.nodes.lapsed()) == []
        looked.set()
        assert len(await first) == 1
    finally:
        looked.set()
        await other.close()


async def test_a_node_that_claims_is_not_removed_under_its_hands(
    shared: PostgresJobStore, database: str
) -> None:
    """Otherwise what it claims in this moment would be held by nobody who is ever missed."""
    number = await joined(shared, "a", 0)
    job = await inserted(shared)
    other = PostgresJobStore(database)
    await other.open()
    claiming, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def claim(tx: JobWriter) -> None:
        assert tx.nodes.holds(number)
        loop.call_soon_threadsafe(claiming.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(30)
        record = tx.job(job.job.id)
        assert record is not None
        tx.save_job(record.with_(claimed=True, node=number))

    def rescue(tx: JobWriter) -> list[str]:
        found = [record.job.id for node in tx.nodes.lapsed() for record in tx.claimed(node.number)]
        for node in tx.nodes.lapsed():
            for record in tx.claimed(node.number):
                tx.save_job(record.with_(claimed=False, node=0))
            tx.nodes.remove(node.number)
        return found

    try:
        first = asyncio.ensure_future(shared.write(claim))
        await claiming.wait()
        assert await other.write(rescue) == []
        go_on.set()
        await first
        assert await other.write(rescue) == [job.job.id]
        found = await job_of(shared, job.job.id)
        assert found is not None
        assert not found.claimed
    finally:
        go_on.set()
        await other.close()
