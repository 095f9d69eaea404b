"""Two gateways on one PostgreSQL database at the same moment: what one reads in order to write, the other
cannot change meanwhile.

In each test the first transaction has done its work and is still open when the second begins. The second then
waits for a lock, or it does not; both can be seen, so nothing here depends on how fast anything is.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain import attempts
from gateway.domain.access import first_request, remember
from gateway.domain.attempts import Ended
from gateway.domain.call import ENGINE, Call, Caller, Once
from gateway.domain.canceling import erase_job, request_end
from gateway.domain.ending import end_job
from gateway.domain.errors import Conflict, LockHeld, ServiceUnavailable, TooManyRequests
from gateway.domain.executor import Exited
from gateway.domain.job import JobStart
from gateway.domain.outcome import outcome_of_end
from gateway.domain.ports import JobReader, JobWriter
from gateway.domain.record import JobRecord, KeyRecord
from gateway.domain.requests import JobCancellation
from gateway.domain.result_store import Filters, Place
from gateway.domain.results import JobResultWrite
from gateway.domain.schedule_runs import run_due, start_run
from gateway.domain.starting import Order, create_job
from gateway.domain.words import CallProtocol, JobStatus, OverlapPolicy, ResultStatus, Role
from gateway.stores import postgres_commits
from gateway.stores.postgres import PostgresJobStore
from tests.builders import NOON, a_key, a_record, a_start, later
from tests.house import TestHouse, a_house
from tests.pg_stand import PgStand, name_in
from tests.storing import inserted, job_of

Work = Callable[[JobWriter], Any]
RESULT = JobResultWrite(business_partner_id="p", status=ResultStatus.OK)


@dataclass
class Pair:
    """Two gateways on one database."""

    one: TestHouse
    two: TestHouse
    stand: PgStand
    address: str

    @property
    def stores(self) -> tuple[Any, Any]:
        return self.one.house.store, self.two.house.store

    async def overlap(self, first: Work, second: Work) -> tuple[Any, Any]:
        """Run the second unit of work while the first has done its own and is not committed. What became of
        both: results or errors.
        """
        done, go = threading.Event(), threading.Event()

        def held(tx: JobWriter) -> Any:
            found = first(tx)
            done.set()
            assert go.wait(30)
            return found

        earlier = asyncio.ensure_future(self.stores[0].write(held))
        assert await asyncio.to_thread(done.wait, 30)
        later_ = asyncio.ensure_future(self.stores[1].write(second))
        while not later_.done() and not await asyncio.to_thread(self._is_blocked):
            await asyncio.sleep(0)
        go.set()
        outcomes = await asyncio.gather(earlier, later_, return_exceptions=True)
        return outcomes[0], outcomes[1]

    def _is_blocked(self) -> bool:
        """Whether a transaction waits for a lock."""
        sql = f"""SELECT 1 FROM pg_stat_activity
            WHERE datname = '{name_in(self.address)}' AND wait_event_type = 'Lock'"""
        return bool(self.stand.run(sql))

    @property
    def swapped(self) -> "Pair":
        """The same, the other way round."""
        return Pair(self.two, self.one, self.stand, self.address)

    async def record(self, job_id: str) -> JobRecord:
        return await self.one.record(job_id)


@pytest.fixture
def policy() -> dict[str, Any]:
    return {}


@pytest.fixture
async def pair(
    postgres: PgStand, database: str, tmp_path: Path, policy: dict[str, Any]
) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        houses = [
            await stack.enter_async_context(
                a_house(tmp_path, store=PostgresJobStore(database), node=name, **policy)
            )
            for name in ("one", "two")
        ]
        yield Pair(*houses, postgres, database)


def order_of(start: JobStart, **members: Any) -> Order:
    return Order(start=start, user="ann", organization_id="acme", cause=ENGINE, secrets={}, **members)


def starts(house: TestHouse, **members: Any) -> Work:
    """A unit of work that starts a job."""
    return lambda tx: create_job(house.house, tx, order_of(a_start(**members)), NOON).job.id


def ends(house: TestHouse, record: JobRecord) -> Work:
    """A unit of work that has an attempt end well."""

    def work(tx: JobWriter) -> None:
        current = attempts.current(house.house, tx, record.attempt)
        assert current is not None
        ended = Ended(outcome_of_end(current, Exited(exit_code=0)), started=True)
        attempts.finish(house.house, tx, record.attempt, ended, NOON)

    return work


async def running(house: TestHouse, **members: Any) -> JobRecord:
    """A job of acme that runs."""
    store = house.house.store
    job_id = await store.write(starts(house, **members))
    claimed = await store.write(lambda tx: attempts.claim(house.house, tx, job_id, NOON))
    return await store.write(lambda tx: attempts.run(house.house, tx, claimed.attempt, "handle", NOON))


async def test_of_two_changes_of_a_job_none_is_lost(pair: Pair) -> None:
    record = await inserted(pair.stores[0], description="d", name="n")

    def names(**members: Any) -> Work:
        def work(tx: JobWriter) -> None:
            now = tx.job(record.job.id)
            assert now is not None
            tx.save_job(now.with_(job=now.job.with_(version=now.job.version + 1, **members)))

        return work

    assert await pair.overlap(names(name="new"), names(description="new")) == (None, None)
    job = (await pair.record(record.job.id)).job
    assert (job.name, job.description, job.version) == ("new", "new", 3)


async def test_a_job_may_begin_to_depend_on_one_that_ends_at_the_same_moment(pair: Pair) -> None:
    first = await running(pair.one)
    depends = starts(pair.two, job_dependencies=[{"job_id": first.job.id}])
    _, dependent = await pair.overlap(ends(pair.one, first), depends)
    assert (await pair.record(dependent)).job.job_status is JobStatus.SCHEDULED

    second = await running(pair.one)
    depends = starts(pair.one, job_dependencies=[{"job_id": second.job.id}])
    dependent, ended = await pair.overlap(depends, ends(pair.one, second))
    assert ended is None
    assert (await pair.record(dependent)).job.job_status is JobStatus.SCHEDULED


async def test_of_two_that_want_a_lock_at_once_the_later_is_refused(pair: Pair) -> None:
    locks = [{"name": "l", "on_conflict": "REJECT"}]
    holder, refused = await pair.overlap(starts(pair.one, locks=locks), starts(pair.two, locks=locks))
    assert isinstance(refused, LockHeld)
    assert await pair.stores[0].read(lambda tx: tx.lock_holder("acme", "l")) == holder


async def test_of_two_that_wait_for_a_lock_at_once_one_holds_it(pair: Pair) -> None:
    locks = [{"name": "l", "on_conflict": "WAIT"}]
    holder, waits = await pair.overlap(starts(pair.one, locks=locks), starts(pair.two, locks=locks))
    statuses = [(await pair.record(job_id)).job.job_status for job_id in (holder, waits)]
    assert statuses == [JobStatus.SCHEDULED, JobStatus.WAITING]


async def test_of_two_that_take_a_place_at_once_one_comes_first(pair: Pair) -> None:
    one, two = [(await inserted(pair.stores[0])).job.id for _ in range(2)]
    outcomes = await pair.overlap(
        lambda tx: tx.take_place(one, "acme", "l"), lambda tx: tx.take_place(two, "acme", "l")
    )
    assert outcomes == (None, None)
    assert await pair.stores[0].read(lambda tx: [tx.blocking_locks(one), tx.blocking_locks(two)]) == [
        [],
        ["l"],
    ]


async def test_a_lock_goes_on_to_the_next_when_the_one_before_it_is_canceled_meanwhile(pair: Pair) -> None:
    locks = [{"name": "l", "on_conflict": "WAIT"}]
    holder = await running(pair.one, locks=locks)
    second, third = [await pair.stores[0].write(starts(pair.one, locks=locks)) for _ in range(2)]

    def cancel(tx: JobWriter) -> None:
        # Only the places: the job itself would be waited for, too.
        tx.give_up_places(second)

    await pair.overlap(lambda tx: tx.give_up_places(holder.job.id), cancel)
    assert await pair.stores[0].read(lambda tx: tx.lock_holder("acme", "l")) == third


async def test_a_job_that_is_freed_by_two_at_once_is_scheduled(pair: Pair) -> None:
    locks = [{"name": "l", "on_conflict": "WAIT"}]
    holder = await running(pair.one, locks=locks)
    other = await running(pair.one)
    waits = await pair.stores[0].write(
        starts(pair.one, locks=locks, job_dependencies=[{"job_id": other.job.id}])
    )
    outcomes = await pair.overlap(ends(pair.one, holder), ends(pair.one, other))
    assert outcomes == (None, None)
    assert (await pair.record(waits)).job.job_status is JobStatus.SCHEDULED


async def test_an_idempotency_key_that_is_used_twice_at_once_starts_one_job(pair: Pair) -> None:
    caller = Caller(name="ann", role=Role.OPERATOR, organization_id="acme")
    call = Call(
        caller=caller,
        protocol=CallProtocol.REST,
        request_id="r",
        once=Once(operation="startJob", key="k", fingerprint="f"),
    )

    def once(house: TestHouse) -> Work:
        def work(tx: JobWriter) -> Any:
            first = first_request(tx, call)
            if first is not None:
                return first.job_id
            job_id = starts(house)(tx)
            remember(tx, call, NOON, job_id=job_id)
            return job_id

        return work

    first, second = await pair.overlap(once(pair.one), once(pair.two))
    assert first == second
    assert await pair.stores[0].read(lambda tx: tx.count_not_final("acme")) == 1


async def test_of_two_keys_of_one_name_the_later_is_a_conflict(pair: Pair) -> None:
    outcomes = await pair.overlap(
        lambda tx: tx.insert_key(a_key(name="ci")), lambda tx: tx.insert_key(a_key(name="ci"))
    )
    assert isinstance(outcomes[1], Conflict)


async def test_a_key_that_is_used_while_it_is_revoked_stays_revoked(pair: Pair) -> None:
    key = a_key()
    await pair.stores[0].write(lambda tx: tx.insert_key(key))

    def saves(**changes: Any) -> Work:
        def work(tx: JobWriter) -> None:
            found = tx.key(key.id)
            assert found is not None
            tx.save_key(replace(found, **changes))

        return work

    await pair.overlap(saves(revoked_at=NOON), saves(last_used_at=later(1)))
    stored = await pair.stores[0].read(lambda tx: tx.key(key.id))
    assert (stored.revoked_at, stored.last_used_at) == (NOON, later(1))


async def test_two_who_decide_by_all_keys_do_so_one_after_the_other(pair: Pair) -> None:
    def alone(key: KeyRecord) -> Work:
        def work(tx: JobWriter) -> None:
            if not tx.keys():
                tx.insert_key(key)

        return work

    await pair.overlap(alone(a_key()), alone(a_key(organization_id="other")))
    assert len(await pair.stores[0].read(lambda tx: tx.keys())) == 1


async def a_schedule(pair: Pair, policy: OverlapPolicy) -> str:
    """A schedule of acme, due a minute after NOON."""
    made = await pair.one.call(
        "createScheduledJob",
        scheduledJob={
            "cronExpression": "* * * * *",
            "overlapPolicy": policy.value,
            "job": {"dockerImageUrl": "image", "commands": ["run"]},
        },
    )
    return str(made.id)


async def test_a_due_time_gets_one_run_however_many_gateways_look(pair: Pair) -> None:
    schedule_id = await a_schedule(pair, OverlapPolicy.ALLOW)

    def due(house: TestHouse) -> Work:
        return lambda tx: run_due(house.house, tx, schedule_id, now=later(60), since=NOON)

    assert await pair.overlap(due(pair.one), due(pair.two)) == (None, None)
    assert len(await pair.stores[0].read(lambda tx: tx.schedules.open_runs(schedule_id))) == 1


async def test_a_run_that_waits_for_one_that_ends_at_the_same_moment_is_scheduled(pair: Pair) -> None:
    schedule_id = await a_schedule(pair, OverlapPolicy.QUEUE_ONE)

    def run(house: TestHouse) -> Work:
        def work(tx: JobWriter) -> str:
            schedule = tx.schedules.schedule(schedule_id)
            assert schedule is not None
            return start_run(house.house, tx, schedule, cause=ENGINE, now=NOON).job.id

        return work

    for first_ends in (True, False):
        job_id = await pair.stores[0].write(run(pair.one))
        claimed = await pair.stores[0].write(
            lambda tx, job_id=job_id: attempts.claim(pair.one.house, tx, job_id, NOON)
        )
        if first_ends:
            _, following = await pair.overlap(ends(pair.one, claimed), run(pair.two))
        else:
            following, _ = await pair.swapped.overlap(run(pair.two), ends(pair.one, claimed))
        assert (await pair.record(following)).job.job_status is JobStatus.SCHEDULED
        await pair.stores[0].write(
            lambda tx, job_id=following: end_job(
                tx,
                tx.job(job_id),
                JobStatus.CANCELED,
                cause=ENGINE,
                now=NOON,
                message=None,
                retention_days=0,
            )
        )


async def test_ids_of_a_storage_grow_in_the_order_of_commits(pair: Pair) -> None:
    jobs = [(await inserted(pair.stores[0])).job for _ in range(2)]
    await pair.stores[0].write(lambda tx: tx.open_storage("acme", "s", NOON))
    place = Place(organization_id="acme", storage_id="s")

    def write(number: int) -> Work:
        return lambda tx: tx.results.write(jobs[number], "s", [RESULT, RESULT], NOON)

    assert await pair.overlap(write(0), write(1)) == (1, 3)
    assert await pair.stores[0].read(lambda tx: tx.results.count(place, Filters())) == 4


async def test_of_a_job_that_is_deleted_while_it_writes_results_nothing_stays(pair: Pair) -> None:
    job = (await inserted(pair.stores[0], job_status=JobStatus.FINISHED)).job
    await pair.stores[0].write(lambda tx: tx.open_storage("acme", "s", NOON))

    def write(tx: JobWriter) -> int | None:
        return tx.results.write(job, "s", [RESULT], NOON) if tx.job(job.id) else None

    def delete(tx: JobWriter) -> None:
        found = tx.job(job.id)
        assert found is not None
        erase_job(tx, job.id, "acme", actor="ann", action="job.deleted", now=NOON)

    assert await pair.overlap(write, delete) == (1, None)
    place = Place(organization_id="acme", storage_id="s")
    assert await pair.stores[0].read(lambda tx: tx.results.count(place, Filters())) == 0
    assert await pair.stores[0].write(write) is None


async def test_two_who_sweep_at_once_do_not_meet(pair: Pair) -> None:
    job = (await inserted(pair.stores[0])).job

    def prepare(tx: JobWriter) -> None:
        tx.open_storage("acme", "s", NOON)
        tx.results.write(job, "s", [RESULT] * 20, NOON)
        tx.results.remove("acme", job.id)

    await pair.stores[0].write(prepare)
    sweep: Work = lambda tx: tx.results.sweep(15)  # noqa: E731
    assert await pair.overlap(sweep, sweep) == (None, None)
    await pair.stores[0].write(sweep)
    assert not await pair.stores[0].read(lambda tx: tx.results.has_remains())


async def test_a_nonce_that_is_used_twice_at_once_is_good_once(pair: Pair) -> None:
    use: Work = lambda tx: tx.digests.use_nonce("k", "0" * 64, stale_at=NOON)  # noqa: E731
    assert await pair.overlap(use, use) == (True, False)


async def test_a_setting_is_made_once_by_all(pair: Pair) -> None:
    first, second = await pair.overlap(
        lambda tx: tx.setting("key", lambda: b"one"), lambda tx: tx.setting("key", lambda: b"two")
    )
    assert (first, second) == (b"one", b"one")


@pytest.mark.parametrize("policy", [{"max_not_final": 1}])
async def test_of_the_last_place_of_an_organization_there_is_one(pair: Pair) -> None:
    outcomes = await pair.overlap(starts(pair.one), starts(pair.two))
    assert isinstance(outcomes[1], TooManyRequests)


@pytest.mark.parametrize("policy", [{"max_running": 3}])
async def test_two_who_claim_at_once_claim_no_more_than_there_is_room_for(pair: Pair) -> None:
    for _ in range(5):
        await inserted(pair.stores[0])
    first, second = await pair.overlap(pair.one.engine.dispatcher.claim, pair.two.engine.dispatcher.claim)
    assert len({record.job.id for record in (*first, *second)}) == len(first) + len(second) == 3


@pytest.mark.parametrize("policy", [{"max_running_jobs": 3}])
async def test_nodes_claim_side_by_side_and_never_the_same(pair: Pair) -> None:
    ids = [(await inserted(pair.stores[0])).job.id for _ in range(5)]
    first, go = threading.Event(), threading.Event()

    def claims(tx: JobWriter) -> list[JobRecord]:
        found = pair.one.engine.dispatcher.claim(tx)
        first.set()
        assert go.wait(30)
        return found

    ones = asyncio.ensure_future(pair.stores[0].write(claims))
    assert await asyncio.to_thread(first.wait, 30)
    # The other node is not held up by what is not committed yet.
    twos = await asyncio.wait_for(pair.stores[1].write(pair.two.engine.dispatcher.claim), 30)
    go.set()
    claimed = [record.job.id for record in (*await ones, *twos)]
    assert (len(twos), sorted(claimed)) == (2, sorted(ids))


async def test_what_is_stopped_while_it_ends_stays_ended(pair: Pair) -> None:
    record = await running(pair.one)

    def stop(tx: JobWriter) -> None:
        for held in tx.claimed(pair.one.house.node.number):
            request_end(pair.two.house, tx, held, JobCancellation(reason="stops"), cause=ENGINE, now=NOON)

    assert await pair.overlap(ends(pair.one, record), stop) == (None, None)
    assert (await pair.record(record.job.id)).job.job_status is JobStatus.FINISHED


async def test_a_job_of_the_queue_that_another_looks_at_is_claimed_when_it_does_not_any_more(
    pair: Pair,
) -> None:
    """The other changes nothing, so that nothing else would call for a claim."""
    record = await inserted(pair.stores[0], job_status=JobStatus.WAITING)
    claimed: asyncio.Queue[list[str] | None] = asyncio.Queue()
    scheduled = record.with_(job=record.job.with_(job_status=JobStatus.SCHEDULED))
    await pair.stores[0].write(lambda tx: tx.save_job(scheduled))

    def claim(tx: JobWriter) -> list[str]:
        found = tx.queue(9)
        for job_id in found:
            now = tx.job(job_id)
            assert now is not None
            tx.save_job(now.with_(claimed=True, node=pair.two.house.node.number))
        return found

    pair.stores[1].follow_up(lambda change: change.status is JobStatus.SCHEDULED, claim, claimed.put_nowait)
    other = a_record(organization_id="other", job_status=JobStatus.SCHEDULED)
    outcomes = await pair.overlap(
        lambda tx: tx.job(record.job.id),
        lambda tx: tx.insert_job(other, request=a_start(), secrets={}),
    )
    assert outcomes[1] is None
    found: list[str] = []
    while len(found) < 2:
        found += await asyncio.wait_for(claimed.get(), 30) or []
    assert sorted(found) == sorted([record.job.id, other.job.id])


async def test_of_an_organization_that_is_not_skipped_what_another_looks_at_is_claimed_later(
    pair: Pair,
) -> None:
    """As before, where organizations have limits and one of them has reached its own."""
    record = await inserted(pair.stores[0], organization_id="acme", job_status=JobStatus.SCHEDULED)
    found: asyncio.Queue[list[str] | None] = asyncio.Queue()

    def look(tx: JobWriter) -> list[str]:
        return tx.queue(9, skip_organizations=["other"])

    pair.stores[1].follow_up(lambda change: change.status is JobStatus.SCHEDULED, look, found.put_nowait)
    other = a_record(organization_id="other", job_status=JobStatus.SCHEDULED)
    await pair.overlap(
        lambda tx: tx.job(record.job.id),
        lambda tx: tx.insert_job(other, request=a_start(), secrets={}),
    )
    while not (ids := await asyncio.wait_for(found.get(), 30)):
        pass
    assert ids == [record.job.id]


async def test_what_is_passed_over_by_a_claim_that_runs_alone_is_looked_at_again(pair: Pair) -> None:
    record = await inserted(pair.stores[0], job_status=JobStatus.SCHEDULED)
    found: asyncio.Queue[list[str] | None] = asyncio.Queue()
    runs: list[str] = []

    def alone(tx: JobWriter) -> list[str]:
        runs.append("run")
        if len(runs) == 1:
            # Its group is undone, since it has written.
            tx.open_storage("acme", "s", NOON)
            raise Conflict("not now")
        return tx.queue(9)

    pair.stores[1].follow_up(lambda _change: False, lambda tx: tx.queue(9), found.put_nowait)
    outcomes = await pair.overlap(lambda tx: tx.job(record.job.id), alone)
    assert outcomes[1] == []
    while not (ids := await asyncio.wait_for(found.get(), 30)):
        pass
    assert ids == [record.job.id]


async def test_two_who_lock_each_others_jobs_are_both_done_in_the_end(pair: Pair) -> None:
    ids = [(await inserted(pair.stores[0])).job.id for _ in range(2)]
    met = threading.Barrier(2)

    def work_of(order: list[str]) -> Work:
        first_time = [True]

        def work(tx: JobWriter) -> None:
            for job_id in order:
                record = tx.job(job_id)
                assert record is not None
                tx.save_job(record.with_(event_count=record.event_count + 1))
                if first_time.pop() if first_time else False:
                    met.wait(30)

        return work

    stores = pair.stores
    await asyncio.gather(stores[0].write(work_of(ids)), stores[1].write(work_of(ids[::-1])))
    assert [(await pair.record(job_id)).event_count for job_id in ids] == [2, 2]


async def test_who_waits_too_long_for_a_lock_is_told_to_come_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await inserted(pair.stores[0])
    monkeypatch.setattr(postgres_commits, "GROUP_WAIT_MS", 1)
    monkeypatch.setattr(postgres_commits, "ALONE_WAIT_MS", 1)
    held, go = threading.Event(), threading.Event()

    def hold(tx: JobWriter) -> None:
        tx.job(record.job.id)
        held.set()
        assert go.wait(30)

    holding = asyncio.ensure_future(pair.stores[0].write(hold))
    assert await asyncio.to_thread(held.wait, 30)
    with pytest.raises(ServiceUnavailable, match="busy") as caught:
        await pair.stores[1].write(lambda tx: tx.job(record.job.id))
    assert caught.value.retry_after_seconds
    go.set()
    await holding


async def test_many_writers_on_two_gateways_lose_no_change(pair: Pair) -> None:
    jobs = [(await inserted(pair.stores[0])).job.id for _ in range(3)]
    await pair.stores[0].write(lambda tx: tx.open_storage("acme", "s", NOON))

    def work_of(number: int) -> Work:
        def work(tx: JobWriter) -> None:
            for job_id in (jobs[number % 3], jobs[(number + 1) % 3]):
                record = tx.job(job_id)
                assert record is not None
                tx.save_job(record.with_(event_count=record.event_count + 1))
            stored = tx.job(jobs[0])
            assert stored is not None
            tx.results.write(stored.job, "s", [RESULT], NOON)

        return work

    await asyncio.gather(*(pair.stores[number % 2].write(work_of(number)) for number in range(60)))
    counts = [record.event_count for job_id in jobs if (record := await job_of(pair.stores[0], job_id))]
    assert counts == [40, 40, 40]

    def ids(tx: JobReader) -> list[int]:
        place = Place(organization_id="acme", storage_id="s")
        return [int(one.id) for one in tx.results.page(place, Filters(), after=0, limit=100).items]

    assert await pair.stores[1].read(ids) == list(range(1, 61))
