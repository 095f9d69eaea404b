"""The port JobStore over every adapter: scheduled jobs, their secrets, and their runs."""

from datetime import datetime
from typing import Any

import pytest

from gateway.domain.identity import new_job_id
from gateway.domain.ports import Change, JobStore, JobWriter, ScheduleChange
from gateway.domain.record import Position
from gateway.domain.schedules import ScheduledJob, ScheduledJobQuery
from gateway.domain.words import JobStatus, MisfirePolicy, OverlapPolicy
from tests.builders import NOON, a_start, later
from tests.storing import inserted


def a_schedule(**overrides: Any) -> ScheduledJob:
    """A scheduled job of `acme`, due at NOON unless told."""
    values: dict[str, Any] = {
        "id": new_job_id(NOON),
        "organization_id": "acme",
        "cron_expression": "@daily",
        "time_zone": "UTC",
        "paused": False,
        "overlap_policy": OverlapPolicy.SKIP,
        "misfire_policy": MisfirePolicy.RUN_ONCE,
        "job": a_start(),
        "user": "ann",
        "created_at": NOON,
        "modified_at": NOON,
        "next_run_at": NOON,
        "version": 1,
    }
    given = {name: value for name, value in (values | overrides).items() if value is not None}
    return ScheduledJob(**given)


async def insert(store: JobStore, *schedules: ScheduledJob, secrets: dict[str, bytes] | None = None) -> None:
    def work(tx: JobWriter) -> None:
        for schedule in schedules:
            tx.schedules.insert(schedule, secrets or {})

    await store.write(work)


async def page(
    store: JobStore,
    organization_id: str = "acme",
    after: Position | None = None,
    limit: int = 9,
    **query: Any,
) -> list[str]:
    """Ids on a page."""
    wanted = ScheduledJobQuery(**query)
    found = await store.read(
        lambda tx: tx.schedules.page(wanted, organization_id=organization_id, after=after, limit=limit)
    )
    return [stored.id for stored in found]


async def test_a_scheduled_job_comes_back_as_it_was_stored(store: JobStore) -> None:
    schedule = a_schedule(
        name="n",
        description="d\n\u20ac",
        workspace_id="w",
        client_id="c",
        start_at=NOON,
        end_at=later(1),
        last_run_at=later(2),
        last_job_id="j",
        last_error="why",
        modified_by="bob",
    )
    await insert(store, schedule)
    assert await store.read(lambda tx: tx.schedules.schedule(schedule.id)) == schedule
    document = await store.read(lambda tx: tx.schedules.document(schedule.id))
    assert document is not None
    assert (document.id, document.organization_id, document.version) == (schedule.id, "acme", 1)
    assert document.load() == schedule
    assert await store.read(lambda tx: tx.schedules.schedule("none")) is None
    assert await store.read(lambda tx: tx.schedules.document("none")) is None


async def test_a_change_is_seen_whole_and_none_is_made_of_what_is_not_there(store: JobStore) -> None:
    schedule = a_schedule(name="old")
    await insert(store, schedule)
    changed = schedule.with_(name="new", paused=True, next_run_at=None, version=2)
    await store.write(lambda tx: tx.schedules.save(changed))
    assert await store.read(lambda tx: tx.schedules.schedule(schedule.id)) == changed
    assert await page(store, text="old") == []
    assert await page(store, text="new", paused=True) == [schedule.id]
    other = a_schedule()
    with pytest.raises(LookupError):
        await store.write(lambda tx: tx.schedules.save(other))
    with pytest.raises(LookupError):
        await store.write(lambda tx: tx.schedules.delete(other.id))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await insert(store, schedule)


async def test_secrets_stay_are_replaced_and_go(store: JobStore) -> None:
    schedule, other = a_schedule(), a_schedule()
    await insert(store, schedule, secrets={"A": b"a", "B": b"\x00b"})
    await insert(store, other, secrets={"A": b"other"})

    async def secrets(of: ScheduledJob = schedule) -> dict[str, bytes]:
        return await store.read(lambda tx: tx.schedules.secrets(of.id))

    assert await secrets() == {"A": b"a", "B": b"\x00b"}
    await store.write(lambda tx: tx.schedules.save(schedule))
    assert await secrets() == {"A": b"a", "B": b"\x00b"}
    await store.write(lambda tx: tx.schedules.save(schedule, {"B": b"new", "C": b"c"}))
    assert await secrets() == {"B": b"new", "C": b"c"}
    await store.write(lambda tx: tx.schedules.save(schedule, {}))
    assert await secrets() == {}
    await store.write(lambda tx: tx.schedules.save(schedule, {"A": b"a"}))
    await store.write(lambda tx: tx.schedules.delete(schedule.id))
    assert await secrets() == {}
    assert await secrets(other) == {"A": b"other"}


async def test_what_is_due_comes_earliest_first(store: JobStore) -> None:
    schedules = [a_schedule(next_run_at=later(seconds)) for seconds in (30, 10, 20, 40)]
    never = [a_schedule(next_run_at=None), a_schedule(next_run_at=None, paused=True)]
    assert await store.read(lambda tx: tx.schedules.next_due()) is None
    await insert(store, *schedules, *never)

    async def due(at: datetime, limit: int = 9) -> list[str]:
        return await store.read(lambda tx: tx.schedules.due(at, limit))

    third, first, second, _ = (schedule.id for schedule in schedules)
    assert await due(later(9.999)) == []
    assert await due(later(10)) == [first]
    assert await due(later(30)) == [first, second, third]
    assert await due(later(99), 2) == [first, second]
    assert await store.read(lambda tx: tx.schedules.next_due()) == later(10)
    await store.write(lambda tx: tx.schedules.delete(first))
    assert await store.read(lambda tx: tx.schedules.next_due()) == later(20)


async def test_a_paused_schedule_is_never_due(store: JobStore) -> None:
    with pytest.raises(Exception, match="paused_is_never_due"):
        await insert(store, a_schedule(paused=True))


async def test_lists_are_in_order_and_go_on_behind_a_position(store: JobStore) -> None:
    schedules = [a_schedule(created_at=later(seconds)) for seconds in (2, 0, 1, 1)]
    await insert(store, *schedules, a_schedule(organization_id="other"))
    ordered = sorted(schedules, key=lambda schedule: (schedule.created_at, schedule.id))
    expected = [schedule.id for schedule in ordered]
    assert await page(store) == expected
    assert await page(store, limit=2) == expected[:2]
    for index, schedule in enumerate(ordered):
        after = Position(schedule.created_at, schedule.id)
        assert await page(store, after=after) == expected[index + 1 :]
    await store.write(lambda tx: tx.schedules.delete(expected[1]))
    gone = Position(ordered[1].created_at, expected[1])
    assert await page(store, after=gone) == expected[2:]


async def test_each_filter_finds_its_schedules(store: JobStore) -> None:
    plain = a_schedule(name="Nightly Curation", description="of Customers")
    paused = a_schedule(name="nightly 100% \u00dcberpr\u00fcfung", paused=True, next_run_at=None)
    await insert(store, plain, paused, a_schedule(organization_id="other", name="nightly"))
    both = [plain.id, paused.id]
    for query, expected in (
        ({}, both),
        ({"paused": True}, both[1:]),
        ({"paused": False}, both[:1]),
        ({"text": "night"}, both),
        ({"text": "NIGHT cust"}, both[:1]),
        ({"text": "\u00fcberpr"}, both[1:]),
        ({"text": "ightly"}, []),
        ({"text": "nightly", "paused": True}, both[1:]),
    ):
        assert await page(store, **query) == expected, query
    assert len(await page(store, "other")) == 1
    assert await page(store, "nobody") == []


async def test_open_runs_are_those_that_have_not_ended_oldest_first(store: JobStore) -> None:
    schedule = a_schedule()
    await insert(store, schedule)
    runs = [
        await inserted(store, scheduled_job_id=schedule.id, job_status=status, created_at=later(-number))
        for number, status in enumerate((JobStatus.WAITING, JobStatus.RUNNING, JobStatus.FINISHED))
    ]
    await inserted(store, scheduled_job_id="other")
    await inserted(store)
    waiting, running, _ = (run.job.id for run in runs)
    assert await store.read(lambda tx: tx.schedules.open_runs(schedule.id)) == [running, waiting]

    def work(tx: JobWriter) -> list[str]:
        ended = runs[1].job.with_(job_status=JobStatus.FAILED, finished_at=NOON)
        tx.save_job(runs[1].with_(job=ended))
        return tx.schedules.open_runs(schedule.id)

    assert await store.write(work) == [waiting]
    await store.write(lambda tx: tx.schedules.delete(schedule.id))
    assert await store.read(lambda tx: tx.schedules.open_runs(schedule.id)) == [waiting]


async def test_each_stored_change_is_told_once_and_no_other(store: JobStore) -> None:
    heard: list[ScheduleChange] = []
    jobs: list[Change] = []
    store.listen_to_schedules(heard.append)
    store.listen(jobs.append)
    schedule = a_schedule()
    told = ScheduleChange(schedule.id)

    def twice(tx: JobWriter) -> None:
        tx.schedules.save(schedule)
        tx.schedules.save(schedule, {"A": b"a"})

    def fails(tx: JobWriter) -> None:
        tx.schedules.save(schedule)
        raise KeyError

    await insert(store, schedule)
    await store.write(twice)
    with pytest.raises(KeyError):
        await store.write(fails)
    await store.write(lambda tx: tx.schedules.delete(schedule.id))
    assert heard == [told] * 3
    assert jobs == []
