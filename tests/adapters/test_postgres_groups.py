"""Units of work that share a transaction in PostgreSQL: what one knows of another, and what fails alone."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from gateway.domain.errors import Conflict
from gateway.domain.ports import Change, JobWriter
from gateway.domain.record import JobRecord
from gateway.domain.words import DependencyCondition, JobStatus
from gateway.stores import postgres_commits
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.postgres_connection import Connection
from tests.builders import NOON, a_record, a_start, an_event
from tests.storing import events_of, inserted, inserts, job_of


class Groups(PostgresJobStore):
    """A store whose first thread can be made to wait; its second one does not help so soon."""

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """All units that are submitted in the block are of one group."""
        begun, go = threading.Event(), threading.Event()

        def first(_tx: JobWriter) -> None:
            begun.set()
            assert go.wait(30)

        waiting = self.write(first)
        assert await asyncio.to_thread(begun.wait, 30)
        try:
            yield
        finally:
            go.set()
        await waiting


@pytest.fixture
async def groups(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Groups]:
    monkeypatch.setattr(postgres_commits, "BESIDE_SECONDS", 60.0)
    monkeypatch.setattr(postgres_commits, "GROUP_SECONDS", 60.0)
    made = Groups(database)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def told_of(store: Groups) -> list[Change]:
    heard: list[Change] = []
    store.listen(heard.append)
    return heard


async def outcomes(group: list[Any]) -> list[Any]:
    return await asyncio.gather(*group, return_exceptions=True)


async def test_a_unit_that_fails_after_it_has_written_fails_alone(groups: Groups) -> None:
    good, bad, last = a_record(), a_record(), a_record()
    heard = told_of(groups)

    def fails(tx: JobWriter) -> None:
        tx.insert_job(bad, request=a_start(), secrets={})
        tx.open_storage("acme", "s", NOON)
        tx.queue(9)
        raise ValueError("too late")

    async with groups.one():
        group = [groups.write(work) for work in (inserts(good), fails, inserts(last))]
    first, failed, third = await outcomes(group)
    assert (first, third) == (None, None)
    assert isinstance(failed, ValueError)
    assert [await job_of(groups, one.job.id) for one in (good, bad, last)] == [good, None, last]
    assert [change.job_id for change in heard] == [good.job.id, last.job.id]


async def test_what_the_database_refuses_fails_alone(groups: Groups) -> None:
    there, good = await inserted(groups), a_record()
    async with groups.one():
        group = [groups.write(work) for work in (inserts(good), inserts(there))]
    stored, refused = await outcomes(group)
    assert stored is None
    assert isinstance(refused, psycopg.errors.UniqueViolation)
    assert await job_of(groups, good.job.id) == good


async def test_a_unit_that_is_refused_before_it_has_written_makes_none_run_again(groups: Groups) -> None:
    record = await inserted(groups, job_status=JobStatus.RUNNING)
    runs: Counter[str] = Counter()

    def counts(tx: JobWriter) -> None:
        runs["others"] += 1
        now = tx.job(record.job.id)
        assert now is not None
        tx.save_job(now.with_(event_count=now.event_count + 1))
        tx.add_event(an_event(record.job.id, now.event_count + 1))

    def refused(tx: JobWriter) -> None:
        now = tx.job(record.job.id)
        assert now is not None
        # Written is what the units before have changed, for the sake of this look; nothing of this one.
        assert tx.queue(9) == []
        tx.save_job(now.with_(event_count=100))
        tx.add_event(an_event(record.job.id, 100))
        raise Conflict("no")

    async with groups.one():
        group = [groups.write(work) for work in (counts, refused, counts)]
    first, conflict, third = await outcomes(group)
    assert (first, third) == (None, None)
    assert isinstance(conflict, Conflict)
    assert runs == {"others": 2}
    stored = await job_of(groups, record.job.id)
    assert stored is not None
    assert stored.event_count == 2
    assert [event.id for event in await events_of(groups, record.job.id)] == ["1", "2"]


async def test_a_job_that_units_of_a_group_change_is_read_once_and_written_once(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await inserted(groups)
    run: Counter[str] = Counter()
    translated = Connection._translated

    def noting(self: Connection, sql: str) -> str:
        run.update(name for name in ("job", "save_jobs") if sql.startswith(groups._queries[name]))
        return translated(self, sql)

    def changes(tx: JobWriter) -> int:
        now = tx.job(record.job.id)
        assert now is not None
        tx.save_job(now.with_(event_count=now.event_count + 1))
        return now.event_count

    async with groups.one():
        monkeypatch.setattr(Connection, "_translated", noting)
        looked = groups.write(lambda tx: tx.job(record.job.id))
        group = [groups.write(changes) for _ in range(3)]
    assert await looked == record
    assert await outcomes(group) == [0, 1, 2]
    assert run == {"job": 1, "save_jobs": 1}
    stored = await job_of(groups, record.job.id)
    assert stored is not None
    assert stored.event_count == 3


async def test_the_jobs_that_units_of_a_group_are_about_are_read_together(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [await inserted(groups) for _ in range(3)]
    ids = [record.job.id for record in records]
    run: Counter[str] = Counter()
    translated = Connection._translated

    def noting(self: Connection, sql: str) -> str:
        run.update(name for name in ("job", "jobs", "tied") if sql.startswith(groups._queries[name]))
        return translated(self, sql)

    def leaves(job_id: str) -> Any:
        return lambda tx: (tx.job(job_id), tx.give_up_places(job_id), tx.dependents(job_id))

    async with groups.one():
        monkeypatch.setattr(Connection, "_translated", noting)
        group = [groups.write(leaves(job_id), about=job_id) for job_id in ids]
        gone = groups.write(lambda tx: tx.job("gone"), about="gone")
    assert await outcomes(group) == [(record, [], []) for record in records]
    assert await gone is None
    # What was not found is looked for once more by who wants it.
    assert run == {"jobs": 1, "tied": 1, "job": 1}


async def test_who_comes_to_depend_on_a_job_in_the_group_in_which_it_ends_is_found(groups: Groups) -> None:
    job_id, other_id = [(await inserted(groups)).job.id for _ in range(2)]

    def depends(tx: JobWriter) -> None:
        assert tx.dependents(job_id) == []
        tx.depend(other_id, job_id, DependencyCondition.ENDED, open=True)

    async with groups.one():
        depending = groups.write(depends)
        dependents = groups.write(lambda tx: tx.dependents(job_id))
    await depending
    assert await dependents == [(other_id, DependencyCondition.ENDED)]


async def test_a_place_that_a_job_takes_in_the_group_in_which_it_ends_is_given_up(groups: Groups) -> None:
    job_id = (await inserted(groups)).job.id

    def takes(tx: JobWriter) -> None:
        assert tx.give_up_places(job_id) == []
        tx.take_place(job_id, "acme", "the lock")

    async with groups.one():
        taking = groups.write(takes)
        giving_up = groups.write(lambda tx: tx.give_up_places(job_id))
    await taking
    await giving_up
    assert await groups.read(lambda tx: tx.lock_holder("acme", "the lock")) is None


async def test_what_a_node_takes_over_is_known_as_its_own_in_the_same_group(groups: Groups) -> None:
    before: int = await groups.write(lambda tx: tx.nodes.join("a", "a", lease_seconds=600))
    record = await inserted(groups, claimed=True, node=before)

    def look(tx: JobWriter) -> JobRecord | None:
        return tx.job(record.job.id)

    async with groups.one():
        group: list[Any] = [
            groups.write(look),
            groups.write(lambda tx: tx.save_job(record.with_(handle="h"))),
            groups.write(lambda tx: tx.nodes.join("a", "a", lease_seconds=600)),
            groups.write(look),
        ]
    then, _, number, now = await outcomes(group)
    assert then == record
    assert now == record.with_(handle="h", node=number)
    assert await job_of(groups, record.job.id) == now


async def test_a_change_is_told_though_a_node_is_removed_after_it(groups: Groups) -> None:
    number: int = await groups.write(lambda tx: tx.nodes.join("a", "a", lease_seconds=600))
    record = await inserted(groups, claimed=True, node=number)
    heard = told_of(groups)

    def work(tx: JobWriter) -> None:
        tx.save_job(record.with_(claimed=False, node=0))
        tx.nodes.remove(number)

    await groups.write(work)
    assert heard == [Change(record.job.id, record.job.version, record.job.job_status)]


async def test_who_claims_finds_the_queue_in_its_order(groups: Groups) -> None:
    priorities = (3, 9, 0, 9, 5)
    records = [
        await inserted(groups, job_status=JobStatus.SCHEDULED, priority=priority) for priority in priorities
    ]
    ids = [records[place].job.id for place in (1, 3, 4, 0, 2)]
    assert await groups.write(lambda tx: tx.queue(9)) == ids
    assert await groups.write(lambda tx: tx.queue(2)) == ids[:2]
    assert await groups.read(lambda tx: tx.queue(9)) == ids


async def test_of_a_unit_that_asks_nothing_the_server_is_told_nothing(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inserted(groups)
    run: list[str] = []
    monkeypatch.setattr(Connection, "run", lambda _self, sql: run.append(sql))
    assert await groups.write(lambda _tx: "nothing") == "nothing"
    assert run == []


async def test_what_waits_behind_a_group_that_takes_long_is_written_beside_it(
    groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_commits, "BESIDE_SECONDS", 0.01)
    records = a_record(), a_record()
    async with groups.one():
        for record in records:
            await groups.write(inserts(record))
    assert [await job_of(groups, record.job.id) for record in records] == list(records)


async def test_who_waits_for_what_is_being_written_waits_for_each_thread(database: str) -> None:
    begun, go = threading.Event(), threading.Event()
    store = PostgresJobStore(database)
    await store.open()
    try:

        def slow(_tx: JobWriter) -> None:
            begun.set()
            assert go.wait(30)

        writing = store.write(slow)
        assert await asyncio.to_thread(begun.wait, 30)
        settled = asyncio.ensure_future(store.settled())
        await asyncio.sleep(0)
        # The other thread has nothing to do; whatever `settled` may have had it write is written before this.
        await store.write(lambda _tx: None)
        await asyncio.sleep(0)
        assert not settled.done()
        go.set()
        await settled
        assert writing.done()
    finally:
        go.set()
        await store.close()
