"""The port JobStore over every adapter: dependencies, locks, and what the loops look for."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.domain.ports import JobStore, JobWriter
from gateway.domain.words import DependencyCondition, JobStatus
from tests.builders import NOON, later
from tests.storing import inserted


async def test_dependencies_are_open_until_they_are_decided(store: JobStore) -> None:
    b, a = await inserted(store), await inserted(store)
    older = await inserted(store, created_at=later(1))
    newer = await inserted(store, created_at=later(2))

    def work(tx: JobWriter) -> None:
        tx.depend(newer.job.id, a.job.id, DependencyCondition.ENDED, open=True)
        tx.depend(newer.job.id, b.job.id, DependencyCondition.FINISHED, open=True)
        tx.depend(older.job.id, a.job.id, DependencyCondition.FINISHED, open=True)
        tx.depend(older.job.id, b.job.id, DependencyCondition.FINISHED, open=False)

    await store.write(work)
    assert await store.read(lambda tx: tx.open_dependencies(newer.job.id)) == [a.job.id, b.job.id]
    assert await store.read(lambda tx: tx.open_dependencies(older.job.id)) == [a.job.id]
    assert await store.read(lambda tx: tx.dependents(a.job.id)) == [
        (older.job.id, DependencyCondition.FINISHED),
        (newer.job.id, DependencyCondition.ENDED),
    ]
    assert await store.read(lambda tx: tx.dependents(b.job.id)) == [
        (newer.job.id, DependencyCondition.FINISHED)
    ]
    await store.write(lambda tx: tx.close_dependency(newer.job.id, a.job.id))
    assert await store.read(lambda tx: tx.open_dependencies(newer.job.id)) == [b.job.id]
    assert await store.read(lambda tx: tx.dependents(a.job.id)) == [
        (older.job.id, DependencyCondition.FINISHED)
    ]


async def test_a_dependency_outlives_the_job_it_names(store: JobStore) -> None:
    other = await inserted(store, job_status=JobStatus.FINISHED)
    record = await inserted(store)
    await store.write(
        lambda tx: tx.depend(record.job.id, other.job.id, DependencyCondition.FINISHED, open=True)
    )
    await store.write(lambda tx: tx.delete_job(other.job.id))
    assert await store.read(lambda tx: tx.open_dependencies(record.job.id)) == [other.job.id]


async def test_a_lock_goes_to_the_next_in_its_queue(store: JobStore) -> None:
    one, two, three = [(await inserted(store)).job.id for _ in range(3)]

    def queue(tx: JobWriter) -> None:
        for job_id in (one, two, three):
            tx.take_place(job_id, "acme", "lock")

    await store.write(queue)
    holder = lambda tx: tx.lock_holder("acme", "lock")  # noqa: E731
    assert await store.read(holder) == one
    assert await store.read(lambda tx: [tx.blocking_locks(i) for i in (one, two, three)]) == [
        [],
        ["lock"],
        ["lock"],
    ]
    assert await store.write(lambda tx: tx.give_up_places(two)) == []
    assert await store.write(lambda tx: tx.give_up_places(one)) == [three]
    assert await store.read(holder) == three
    assert await store.read(lambda tx: tx.blocking_locks(three)) == []
    assert await store.write(lambda tx: tx.give_up_places(three)) == []
    assert await store.read(holder) is None
    assert await store.write(lambda tx: tx.give_up_places(three)) == []


async def test_a_place_that_was_given_up_is_taken_again_at_the_end(store: JobStore) -> None:
    one, two = [(await inserted(store)).job.id for _ in range(2)]

    def work(tx: JobWriter) -> Any:
        tx.take_place(one, "acme", "lock")
        tx.take_place(two, "acme", "lock")
        first = tx.give_up_places(one)
        tx.take_place(one, "acme", "lock")
        return first, tx.blocking_locks(one), tx.blocking_locks(two)

    assert await store.write(work) == ([two], ["lock"], [])


async def test_the_same_lock_of_another_organization_is_another_lock(store: JobStore) -> None:
    ours = await inserted(store)
    theirs = await inserted(store, organization_id="other")

    def work(tx: JobWriter) -> Any:
        tx.take_place(ours.job.id, "acme", "lock")
        tx.take_place(theirs.job.id, "other", "lock")
        return tx.lock_holder("acme", "lock"), tx.lock_holder("other", "lock")

    assert await store.write(work) == (ours.job.id, theirs.job.id)


async def test_a_job_that_becomes_first_in_two_queues_is_named_once(store: JobStore) -> None:
    one, two, three = [(await inserted(store)).job.id for _ in range(3)]

    def work(tx: JobWriter) -> list[str]:
        for lock in ("a", "b", "c"):
            tx.take_place(one, "acme", lock)
        for lock in ("a", "b"):
            tx.take_place(two, "acme", lock)
        tx.take_place(three, "acme", "c")
        return tx.give_up_places(one)

    assert await store.write(work) == [two, three]


async def test_a_place_is_taken_once(store: JobStore) -> None:
    one = (await inserted(store)).job.id
    await store.write(lambda tx: tx.take_place(one, "acme", "lock"))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(lambda tx: tx.take_place(one, "acme", "lock"))


async def test_a_job_with_a_place_cannot_be_deleted(store: JobStore) -> None:
    one = (await inserted(store)).job.id
    await store.write(lambda tx: tx.take_place(one, "acme", "lock"))
    with pytest.raises(Exception, match=r"(?i)foreign"):
        await store.write(lambda tx: tx.delete_job(one))
    assert await store.read(lambda tx: tx.lock_holder("acme", "lock")) == one


async def test_the_queue_starts_with_the_largest_priority_then_the_oldest(store: JobStore) -> None:
    low = await inserted(store, priority=1, created_at=later(0))
    new = await inserted(store, priority=5, created_at=later(2))
    old = await inserted(store, priority=5, created_at=later(1), organization_id="other")
    high = await inserted(store, priority=9, created_at=later(3))
    await inserted(store, claimed=True)
    await inserted(store, job_status=JobStatus.WAITING)
    await inserted(store, job_status=JobStatus.RUNNING)
    order = [high.job.id, old.job.id, new.job.id, low.job.id]
    assert await store.read(lambda tx: tx.queue(9)) == order
    assert await store.read(lambda tx: tx.queue(2)) == order[:2]
    assert await store.read(lambda tx: tx.queue(9, skip_organizations=["other", "none"])) == [
        high.job.id,
        new.job.id,
        low.job.id,
    ]
    assert await store.read(lambda tx: tx.queue(2, skip_organizations=["none"])) == order[:2]
    assert await store.read(lambda tx: tx.queue(9, skip_organizations=["acme", "other"])) == []


async def test_due_jobs_come_earliest_first(store: JobStore) -> None:
    waiting = {"job_status": JobStatus.WAITING}
    assert await store.read(lambda tx: tx.next_wake()) is None
    third = await inserted(store, **waiting, wake_at=later(3))
    first = await inserted(store, **waiting, wake_at=later(1))
    second = await inserted(store, **waiting, wake_at=later(2))
    await inserted(store, **waiting)
    await inserted(store, wake_at=later(0))
    assert await store.read(lambda tx: tx.next_wake()) == later(1)
    assert await store.read(lambda tx: tx.due(later(0.999), 9)) == []
    assert await store.read(lambda tx: tx.due(later(2), 9)) == [first.job.id, second.job.id]
    assert await store.read(lambda tx: tx.due(later(9), 2)) == [first.job.id, second.job.id]
    gone = replace(first, job=first.job.with_(job_status=JobStatus.SCHEDULED), wake_at=None)
    await store.write(lambda tx: tx.save_job(gone))
    assert await store.read(lambda tx: tx.next_wake()) == later(2)
    assert await store.read(lambda tx: tx.due(later(9), 9)) == [second.job.id, third.job.id]


async def test_claimed_jobs_are_found_and_counted_by_organization(store: JobStore) -> None:
    held = [
        await inserted(store, claimed=True),
        await inserted(store, claimed=True, job_status=JobStatus.RUNNING, handle="h"),
        await inserted(store, claimed=True, job_status=JobStatus.UNKNOWN, organization_id="other"),
    ]
    await inserted(store)
    found = await store.read(lambda tx: tx.claimed(1))
    assert {record.job.id: record for record in found} == {record.job.id: record for record in held}
    assert await store.read(lambda tx: tx.count_claimed()) == {"acme": 2, "other": 1}
    ended = replace(
        held[0], job=held[0].job.with_(job_status=JobStatus.FAILED, finished_at=NOON), claimed=False, node=0
    )
    await store.write(lambda tx: tx.save_job(ended))
    assert await store.read(lambda tx: tx.count_claimed()) == {"acme": 1, "other": 1}


async def test_only_final_jobs_expire(store: JobStore) -> None:
    second = await inserted(store, job_status=JobStatus.FINISHED, expires_at=later(2))
    first = await inserted(store, job_status=JobStatus.CANCELED, expires_at=later(1))
    await inserted(store, job_status=JobStatus.FAILED)
    runs = await inserted(store, job_status=JobStatus.RUNNING, expires_at=later(0))
    assert await store.read(lambda tx: tx.expired(later(0.5), 9)) == []
    assert await store.read(lambda tx: tx.expired(later(2), 9)) == [first.job.id, second.job.id]
    assert await store.read(lambda tx: tx.expired(later(2), 1)) == [first.job.id]
    ended = replace(runs, job=runs.job.with_(job_status=JobStatus.DIED, finished_at=NOON))
    await store.write(lambda tx: tx.save_job(ended))
    assert (await store.read(lambda tx: tx.expired(later(2), 9)))[0] == runs.job.id


async def test_jobs_that_are_not_final_are_counted_by_organization(store: JobStore) -> None:
    for status in (JobStatus.WAITING, JobStatus.SCHEDULED, JobStatus.RUNNING, JobStatus.FINISHED):
        await inserted(store, job_status=status)
    await inserted(store, organization_id="other")
    counts = await store.read(lambda tx: [tx.count_not_final(name) for name in ("acme", "other", "none")])
    assert counts == [3, 1, 0]
