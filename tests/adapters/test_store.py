"""The port JobStore over every adapter: units of work, and who hears of them. The rest has its own files."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.domain.errors import JobNotFound, ServiceUnavailable
from gateway.domain.ports import Change, JobStore, JobWriter
from gateway.domain.record import JobRecord
from gateway.domain.words import JobStatus
from tests.builders import NOON, a_record, a_start, an_event
from tests.storing import events_of, insert, inserted, inserts, job_of


async def test_a_unit_of_work_that_raises_leaves_nothing(store: JobStore) -> None:
    record = a_record(tags=("a",))

    def work(tx: JobWriter) -> None:
        tx.insert_job(record, request=a_start(), secrets={"A": b"a"})
        tx.take_place(record.job.id, "acme", "lock")
        tx.open_storage("acme", "s", NOON)
        raise JobNotFound("no")

    with pytest.raises(JobNotFound):
        await store.write(work)
    assert await store.read(lambda tx: (tx.job(record.job.id), tx.lock_holder("acme", "lock"))) == (
        None,
        None,
    )


async def test_a_unit_of_work_returns_what_it_returns(store: JobStore) -> None:
    assert await store.write(lambda tx: tx.has_keys()) is False
    assert await store.read(lambda tx: tx.has_keys()) is False
    assert await store.read(lambda tx: tx.has_keys(), long=True) is False


@pytest.mark.parametrize("long", [False, True])
async def test_an_error_of_a_unit_that_reads_is_the_callers(store: JobStore, long: bool) -> None:
    def work(tx: Any) -> None:
        raise JobNotFound("no")

    with pytest.raises(JobNotFound):
        await store.read(work, long=long)
    assert await store.read(lambda tx: tx.job("x"), long=long) is None


async def test_even_stop_iteration_comes_back(store: JobStore) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await store.write(lambda tx: next(iter(())))


async def test_a_unit_sees_what_it_has_written(store: JobStore) -> None:
    record = a_record(version=1)
    newer = record.with_(job=record.job.with_(version=2, tags=("b",)))

    def work(tx: JobWriter) -> Any:
        tx.insert_job(record, request=a_start(), secrets={})
        first = tx.job(record.job.id)
        tx.save_job(newer)
        return first, tx.job(record.job.id)

    assert await store.write(work) == (record, newer)


async def test_members_of_a_group_fail_alone(store: JobStore) -> None:
    """Handed in together, so that they are committed together: every third one fails after it has written."""
    records = [a_record(tags=(f"t{number}",)) for number in range(60)]

    def work_of(number: int) -> Callable[[JobWriter], int]:
        def work(tx: JobWriter) -> int:
            tx.insert_job(records[number], request=a_start(), secrets={"A": b"a"})
            if number % 3 == 0:
                raise JobNotFound(f"job {number}")
            return number

        return work

    outcomes = await asyncio.gather(*(store.write(work_of(n)) for n in range(60)), return_exceptions=True)
    for number, outcome in enumerate(outcomes):
        stored = await job_of(store, records[number].job.id)
        if number % 3 == 0:
            assert isinstance(outcome, JobNotFound)
            assert str(outcome) == f"job {number}"
            assert stored is None
        else:
            assert outcome == number
            assert stored == records[number]


async def test_many_writers_lose_no_change(store: JobStore) -> None:
    record = await inserted(store)

    def count(tx: JobWriter) -> None:
        now = tx.job(record.job.id)
        assert now is not None
        version = now.job.version + 1
        tx.save_job(now.with_(job=now.job.with_(version=version), event_count=now.event_count + 1))
        tx.add_event(an_event(record.job.id, now.event_count + 1))

    async def caller() -> None:
        for _ in range(10):
            await store.write(count)

    await asyncio.gather(*(caller() for _ in range(20)))
    after = await job_of(store, record.job.id)
    assert after is not None
    assert (after.job.version, after.event_count) == (201, 200)
    events = await store.read(lambda tx: tx.events(record.job.id, after=0, limit=1000))
    assert [int(event.id) for event in events] == list(range(1, 201))


async def test_nothing_is_seen_before_it_is_durable(store: JobStore) -> None:
    """Looks from the event loop while units run: each is seen whole or not at all."""
    first, second = a_record(), a_record()
    await insert(store, first, second)
    stop = False

    def both(number: int) -> Callable[[JobWriter], None]:
        def work(tx: JobWriter) -> None:
            for record in (first, second):
                tx.save_job(record.with_(event_count=number))

        return work

    async def write() -> None:
        nonlocal stop
        for start in range(1, 200, 10):
            await asyncio.gather(*(store.write(both(number)) for number in range(start, start + 10)))
        stop = True

    async def look(long: bool) -> None:
        def work(tx: Any) -> tuple[int, int]:
            return tx.job(first.job.id).event_count, tx.job(second.job.id).event_count

        while not stop:
            one, two = await store.read(work, long=long)
            assert one == two
            await asyncio.sleep(0)

    await asyncio.gather(write(), look(False), look(True))


async def test_what_was_answered_is_there_for_the_next_read(store: JobStore) -> None:
    async def caller() -> None:
        for _ in range(10):
            record = await inserted(store)
            assert await job_of(store, record.job.id) == record
            assert await job_of(store, record.job.id, long=True) == record

    await asyncio.gather(*(caller() for _ in range(10)))


async def test_a_canceled_caller_loses_nothing_and_halves_nothing(store: JobStore) -> None:
    records = [a_record() for _ in range(40)]

    def work_of(record: JobRecord) -> Callable[[JobWriter], None]:
        def work(tx: JobWriter) -> None:
            tx.insert_job(record, request=a_start(), secrets={"A": b"a"})
            tx.add_event(an_event(record.job.id))

        return work

    async def caller(record: JobRecord) -> None:
        await store.write(work_of(record))

    tasks = [asyncio.create_task(caller(record)) for record in records]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    # Of those that were canceled nobody has waited for the end, and more than one thread may write.
    await store.settled()
    for record, outcome in zip(records, outcomes, strict=True):
        assert outcome is None or isinstance(outcome, asyncio.CancelledError)
        kept = await job_of(store, record.job.id)
        events = await events_of(store, record.job.id)
        assert (kept is None, len(events)) in ((True, 0), (False, 1))
        assert outcome is not None or kept is not None


async def test_closing_finishes_what_was_handed_in(store: JobStore) -> None:
    records = [a_record() for _ in range(30)]
    writes = [asyncio.ensure_future(store.write(inserts(record))) for record in records]
    await store.close()
    assert [write.done() and write.exception() for write in writes] == [None] * 30
    await store.open()
    for record in records:
        assert await job_of(store, record.job.id) == record


async def test_a_closed_store_is_unavailable(store: JobStore) -> None:
    await store.close()
    await store.close()
    with pytest.raises(ServiceUnavailable, match="closed"):
        await store.read(lambda tx: tx.has_keys())
    with pytest.raises(ServiceUnavailable, match="closed"):
        await store.write(lambda tx: tx.has_keys())


async def test_listeners_hear_of_durable_changes_alone(store: JobStore) -> None:
    heard: list[Change] = []
    store.listen(heard.append)
    record = await inserted(store)
    job_id = record.job.id
    newer = record.with_(job=record.job.with_(version=2, job_status=JobStatus.RUNNING))

    def fails(tx: JobWriter) -> None:
        tx.save_job(newer)
        raise JobNotFound("no")

    with pytest.raises(JobNotFound):
        await store.write(fails)
    await store.write(lambda tx: tx.save_job(newer))
    await store.write(lambda tx: tx.add_event(an_event(job_id)))
    await store.write(lambda tx: tx.delete_job(job_id))
    assert heard == [
        Change(job_id, 1, JobStatus.SCHEDULED),
        Change(job_id, 2, JobStatus.RUNNING),
        Change(job_id, 0, JobStatus.RUNNING),
    ]


async def test_a_change_is_told_after_it_can_be_read(store: JobStore) -> None:
    loop = asyncio.get_running_loop()
    seen: list[tuple[bool, Any]] = []

    def listener(change: Change) -> None:
        reading = store.read(lambda tx: tx.document(change.job_id))
        seen.append((asyncio.get_running_loop() is loop, asyncio.ensure_future(reading)))

    store.listen(listener)
    record = await inserted(store)
    [(on_loop, reading)] = seen
    assert on_loop
    assert (await reading).id == record.job.id


async def test_a_job_that_changes_twice_in_a_unit_is_told_once(store: JobStore) -> None:
    heard: list[Change] = []
    store.listen(heard.append)
    record = a_record()

    def work(tx: JobWriter) -> None:
        tx.insert_job(record, request=a_start(), secrets={})
        tx.save_job(record.with_(job=record.job.with_(version=2)))

    await store.write(work)
    assert heard == [Change(record.job.id, 2, JobStatus.SCHEDULED)]


async def test_a_listener_that_fails_holds_nobody_up(store: JobStore) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))
    heard: list[Change] = []

    def fails(change: Change) -> None:
        raise RuntimeError("no")

    store.listen(fails)
    store.listen(heard.append)
    await inserted(store)
    assert told == ["a listener of the store failed"]
    assert len(heard) == 1
