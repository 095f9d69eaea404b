"""The port JobStore over every adapter: jobs, their history, and the rules that the database repeats."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain.job import Job
from gateway.domain.model import dump
from gateway.domain.parts import JobMetric
from gateway.domain.ports import JobStore, JobWriter
from gateway.domain.queries import JobQuery
from gateway.domain.record import JobRecord, StopReason
from gateway.domain.words import FINAL, DependencyCondition, JobStatus
from tests.builders import NOON, a_job, a_key, a_record, a_start, an_event, later
from tests.storing import insert, inserted, job_of


async def test_a_stored_job_is_read_as_it_was_written(store: JobStore) -> None:
    record = a_record(
        name="",
        description="two\nlines",
        metrics=(JobMetric(name="m", value=Decimal("123456789012345.123456789")),),
        event_count=7,
        wake_at=later(1.001),
        claimed=True,
        handle="boot:1:2",
        token_hash="a" * 64,
        stop=StopReason.TIMEOUT,
        stop_grace_seconds=0,
    )
    await insert(store, record)
    assert await job_of(store, record.job.id) == record


async def test_a_document_is_what_replies_show(store: JobStore) -> None:
    record = await inserted(store, name="ünï", version=3)
    document = await store.read(lambda tx: tx.document(record.job.id))
    assert document is not None
    assert (document.model, document.id, document.organization_id, document.version) == (
        Job,
        record.job.id,
        "acme",
        3,
    )
    assert document.json == dump(record.job)
    assert document.load() == record.job


async def test_a_job_that_is_not_there_is_none(store: JobStore) -> None:
    def look(tx: Any) -> list[Any]:
        return [
            tx.job("x"),
            tx.document("x"),
            tx.request("x"),
            tx.secrets("x"),
            tx.events("x", after=0, limit=9),
            tx.open_dependencies("x"),
            tx.dependents("x"),
            tx.blocking_locks("x"),
        ]

    assert await store.read(look) == [None, None, None, {}, [], [], [], []]


async def test_the_request_and_the_secrets_are_kept_beside_the_job(store: JobStore) -> None:
    record, start = a_record(), a_start(name="n", tags=("a",))
    secrets = {"A": b"\x00\xff", "B": b""}
    await store.write(lambda tx: tx.insert_job(record, request=start, secrets=secrets))
    assert await store.read(lambda tx: tx.request(record.job.id)) == start
    assert await store.read(lambda tx: tx.secrets(record.job.id)) == secrets


async def test_a_saved_job_replaces_the_one_before(store: JobStore) -> None:
    record = await inserted(store, wake_at=NOON, job_status=JobStatus.WAITING)
    changed = replace(
        record,
        job=record.job.with_(job_status=JobStatus.RUNNING, version=2, name="new"),
        wake_at=None,
        claimed=True,
        node=1,
        handle="h",
    )
    await store.write(lambda tx: tx.save_job(changed))
    assert await job_of(store, record.job.id) == changed


async def test_what_is_not_stored_cannot_be_changed(store: JobStore) -> None:
    works: list[Callable[[JobWriter], Any]] = [
        lambda tx: tx.save_job(a_record(id="missing")),
        lambda tx: tx.delete_job("missing"),
        lambda tx: tx.add_event(an_event("missing")),
        lambda tx: tx.depend("missing", "other", DependencyCondition.ENDED, open=True),
        lambda tx: tx.save_key(a_key(id="missing")),
    ]
    for work in works:
        with pytest.raises(LookupError, match="missing"):
            await store.write(work)


async def test_an_id_is_given_once(store: JobStore) -> None:
    record = await inserted(store, name="first")
    with pytest.raises(Exception, match=r"(?i)unique"):
        await insert(store, a_record(id=record.job.id, name="second"))
    assert await job_of(store, record.job.id) == record


async def test_deleting_removes_all_that_belongs_to_a_job(store: JobStore) -> None:
    other = await inserted(store)
    record = a_record(job_status=JobStatus.FINISHED, tags=("a",), name="word", expires_at=NOON)
    job_id = record.job.id

    def work(tx: JobWriter) -> None:
        tx.insert_job(record, request=a_start(), secrets={"A": b"a"})
        tx.add_event(an_event(job_id))
        tx.depend(job_id, other.job.id, DependencyCondition.ENDED, open=True)
        tx.delete_job(job_id)

    await store.write(work)

    def look(tx: Any) -> list[Any]:
        return [
            tx.job(job_id),
            tx.document(job_id),
            tx.request(job_id),
            tx.secrets(job_id),
            tx.events(job_id, after=0, limit=9),
            tx.open_dependencies(job_id),
            tx.dependents(other.job.id),
            tx.expired(later(1), 9),
        ]

    assert await store.read(look) == [None, None, None, {}, [], [], [], []]
    assert await job_of(store, other.job.id) == other


async def test_a_deleted_id_can_be_stored_anew_with_nothing_of_the_old(store: JobStore) -> None:
    record = a_record(tags=("a",), name="old", labels=[{"name": "l", "value": "v"}])

    def work(tx: JobWriter) -> None:
        tx.insert_job(record, request=a_start(), secrets={"A": b"a"})
        tx.add_event(an_event(record.job.id))
        tx.delete_job(record.job.id)
        tx.insert_job(record, request=a_start(), secrets={})

    await store.write(work)
    assert await store.read(lambda tx: tx.events(record.job.id, after=0, limit=9)) == []
    assert await store.read(lambda tx: tx.secrets(record.job.id)) == {}


async def test_the_history_is_read_in_pieces(store: JobStore) -> None:
    record = await inserted(store)
    other = await inserted(store)
    events = [an_event(record.job.id, number, message=f"m{number}") for number in range(1, 13)]

    def work(tx: JobWriter) -> None:
        for event in events:
            tx.add_event(event)
        tx.add_event(an_event(other.job.id))

    await store.write(work)
    assert await store.read(lambda tx: tx.events(record.job.id, after=0, limit=5)) == events[:5]
    assert await store.read(lambda tx: tx.events(record.job.id, after=5, limit=5)) == events[5:10]
    assert await store.read(lambda tx: tx.events(record.job.id, after=10, limit=5)) == events[10:]
    assert await store.read(lambda tx: tx.events(record.job.id, after=12, limit=5)) == []


async def test_an_entry_of_the_history_is_written_once(store: JobStore) -> None:
    record = await inserted(store)
    await store.write(lambda tx: tx.add_event(an_event(record.job.id, 1)))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(lambda tx: tx.add_event(an_event(record.job.id, 1)))


@pytest.mark.parametrize("status", [s for s in JobStatus if s is not JobStatus.CREATED])
async def test_a_final_job_has_an_end_and_no_other_has(store: JobStore, status: JobStatus) -> None:
    wrong = a_record(job_status=status).job.with_(finished_at=None if status in FINAL else NOON)
    with pytest.raises(Exception, match="final_has_finished_at"):
        await insert(store, JobRecord(job=wrong))
    await inserted(store, job_status=status)


@pytest.mark.parametrize("status", sorted(FINAL))
async def test_a_final_job_stays_final(store: JobStore, status: JobStatus) -> None:
    record = await inserted(store, job_status=status)
    again = record.job.with_(job_status=JobStatus.RUNNING, finished_at=None)
    with pytest.raises(Exception, match="never leaves its status"):
        await store.write(lambda tx: tx.save_job(JobRecord(job=again)))
    renamed = replace(record, job=record.job.with_(name="new", version=2))
    await store.write(lambda tx: tx.save_job(renamed))


@pytest.mark.parametrize("status", [JobStatus.WAITING, JobStatus.PERSISTED, *sorted(FINAL)])
async def test_no_executor_holds_a_job_that_waits_or_is_final(store: JobStore, status: JobStatus) -> None:
    with pytest.raises(Exception, match="claimed_is_held"):
        await inserted(store, job_status=status, claimed=True)


@pytest.mark.parametrize(
    "members", [{"priority": 10}, {"priority": -1}, {"version": 0}, {"job_status": JobStatus.CREATED}]
)
async def test_a_job_outside_the_rules_is_not_stored(store: JobStore, members: dict[str, Any]) -> None:
    job = a_job().with_(**members)
    with pytest.raises(Exception, match=r"(?i)check"):
        await insert(store, JobRecord(job=job))
    assert await store.read(lambda tx: tx.job(job.id)) is None


async def test_an_id_is_given_once_in_a_unit_too(store: JobStore) -> None:
    record = a_record()
    with pytest.raises(Exception, match=r"(?i)unique"):
        await insert(store, record, record)
    assert await job_of(store, record.job.id) is None


async def test_a_unit_that_ignores_a_broken_rule_fails_all_the_same(store: JobStore) -> None:
    fine = a_record()

    def work(tx: JobWriter) -> None:
        tx.insert_job(fine, request=a_start(), secrets={})
        try:
            tx.insert_job(a_record(job=a_job(priority=1).with_(priority=10)), request=a_start(), secrets={})
            tx.queue(1)
        except Exception:
            tx.open_storage("acme", "s", NOON)

    with pytest.raises(Exception, match=r"(?i)constraint"):
        await store.write(work)
    assert await job_of(store, fine.job.id) is None


async def test_all_that_reads_sees_what_the_unit_has_done(store: JobStore) -> None:
    other = await inserted(store)
    record = a_record(claimed=False, tags=("a",), expires_at=NOON, job_status=JobStatus.FINISHED, name="word")
    queued = a_record()
    waiting = a_record(job_status=JobStatus.WAITING, wake_at=NOON)
    held = a_record(claimed=True, organization_id="third")

    def work(tx: JobWriter) -> None:
        def put(new: JobRecord) -> str:
            tx.insert_job(new, request=a_start(name="n"), secrets={"A": b"a"})
            tx.add_event(an_event(new.job.id))
            return new.job.id

        assert tx.document(put(record)) is not None
        tx.save_job(replace(record, job=record.job.with_(version=9)))
        document = tx.document(record.job.id)
        assert document is not None
        assert document.version == 9
        assert put(queued) in tx.queue(9, skip_organizations=["other"])
        put(waiting)
        assert tx.due(NOON, 9) == [waiting.job.id]
        assert tx.next_wake() == NOON
        assert tx.expired(NOON, 9) == [record.job.id]
        put(held)
        assert [one.job.id for one in tx.claimed(1)] == [held.job.id]
        assert tx.count_claimed() == {"third": 1}
        assert tx.count_not_final("acme") == 3
        query = JobQuery(tag=("a",), text="word")
        assert len(tx.jobs(query, organization_id="acme", after=None, limit=9)) == 1
        assert tx.count_jobs(query, organization_id="acme") == 1
        tx.save_job(replace(record, job=record.job.with_(tags=(), version=10)))
        assert tx.count_jobs(query, organization_id="acme") == 0
        assert tx.request(queued.job.id) == a_start(name="n")
        assert tx.secrets(queued.job.id) == {"A": b"a"}
        tx.add_event(an_event(queued.job.id, 2))
        assert len(tx.events(queued.job.id, after=0, limit=9)) == 2
        tx.depend(queued.job.id, other.job.id, DependencyCondition.ENDED, open=True)
        assert tx.open_dependencies(queued.job.id) == [other.job.id]

    await store.write(work)
