"""The port JobStore over every adapter: lists of jobs, compared with a look at every job."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.domain.job import Job
from gateway.domain.parts import Label
from gateway.domain.ports import JobReader, JobStore, JobWriter
from gateway.domain.queries import JobQuery, words
from gateway.domain.record import JobRecord, Position, Stored
from gateway.domain.words import DependencyCondition, JobStatus
from tests.builders import a_record, later
from tests.storing import count_of, insert, inserted, page_of, pages

SCHEDULES = ("019ab6f0-0000-7000-8000-00000000000a", "019ab6f0-0000-7000-8000-00000000000b")
NAMES = (
    None,
    "",
    "Check ISO codes",
    "ÉTÉ report 2026",
    "checklist; alphabet",
    "alpha alpine",
    "x_y, z-check",
)


def matches(job: Job, query: JobQuery, depends_on: dict[str, set[str]]) -> bool:
    """Whether a job passes every filter: the contract, read word by word."""
    have = words(f"{job.name or ''} {job.description or ''}", least=1)
    labels = {f"{label.name}={label.value or ''}" for label in job.labels}
    tags = set(query.tag)
    return all(
        (
            query.user in (None, job.user),
            query.storage_id in (None, job.storage_id),
            query.scheduled_job_id in (None, job.scheduled_job_id),
            not query.job_type or job.type in query.job_type,
            not query.job_status or job.job_status in query.job_status,
            not tags or (tags <= set(job.tags) if query.all_tags else bool(tags & set(job.tags))),
            set(query.label) <= labels,
            query.created_after is None or job.created_at >= query.created_after,
            query.created_before is None or job.created_at < query.created_before,
            query.dependent_job_id is None or query.dependent_job_id in depends_on.get(job.id, ()),
            all(any(word.startswith(start) for word in have) for start in words(query.text or "")),
        )
    )


def some_records(chance: random.Random, number: int) -> Iterator[JobRecord]:
    """Jobs with few different values, so that filters find some of them; many at the same instant."""
    for _ in range(number):
        name = chance.choice(NAMES)
        yield a_record(
            created_at=later(chance.randrange(12)),
            organization_id=chance.choice(("acme", "acme", "other", "third")),
            user=chance.choice(("ann", "bob")),
            storage_id=chance.choice((None, "s1", "s2")),
            type=chance.choice((None, "A", "B", "C")),
            scheduled_job_id=chance.choice((None, None, *SCHEDULES)),
            job_status=chance.choice([s for s in JobStatus if s is not JobStatus.CREATED]),
            tags=tuple(chance.sample(("t1", "t2", "t3", "a,b"), chance.randrange(4))),
            labels=tuple(
                Label(name=label, **chance.choice(({}, {"value": ""}, {"value": "v"}, {"value": "a=b"})))
                for label in chance.sample(("l", "m", "l=a"), chance.randrange(3))
            ),
            name=name,
            description=chance.choice((None, "of alpha", "checked\nby hand")),
        )


def some_query(chance: random.Random, ids: list[str], filters: int) -> JobQuery:
    """A query with some filters."""
    given: dict[str, Any] = {
        "user": chance.choice(("ann", "bob", "eve")),
        "storage_id": chance.choice(("s1", "s2", "s3")),
        "scheduled_job_id": chance.choice(SCHEDULES),
        "job_type": tuple(chance.choices(("A", "B", "C", "D"), k=chance.randrange(1, 4))),
        "job_status": tuple(chance.choices(list(JobStatus), k=chance.randrange(1, 5))),
        "tag": tuple(chance.choices(("t1", "t2", "t3", "a,b", "none"), k=chance.randrange(1, 4))),
        "label": tuple(
            chance.choices(("l=v", "l=", "m=a=b", "l=a=b", "l=a=", "none="), k=chance.randrange(1, 3))
        ),
        "created_after": later(chance.randrange(12)),
        "created_before": later(chance.randrange(12)),
        "text": chance.choice(("check", "ALP", "été 2026", "check alp", "iso cod", "nothing", "alpha alpha")),
        "dependent_job_id": chance.choice(ids),
    }
    chosen = {name: given[name] for name in chance.sample(list(given), filters)}
    if "dependent_job_id" in chosen:
        chosen |= {"storage_id": "s1", "job_type": ("A", "B", "C")}
    return JobQuery(
        **chosen,
        sort=chance.choice(("createdAt", "+createdAt", "-createdAt")),
        tags_conjunction=chance.choice((False, True)),
    )


@pytest.mark.parametrize("filters", [0, 1, 2, 3])
async def test_a_list_holds_each_job_that_matches_once_and_in_order(store: JobStore, filters: int) -> None:
    chance = random.Random(filters)
    records = list(some_records(chance, 120))
    jobs = [record.job for record in records]
    await insert(store, *records)
    depends_on: dict[str, set[str]] = {}

    def depend(tx: JobWriter) -> None:
        for job in jobs[20:]:
            depends_on[job.id] = {other.id for other in chance.sample(jobs[:4], chance.randrange(3))}
            for other in depends_on[job.id]:
                tx.depend(job.id, other, DependencyCondition.ENDED, open=chance.random() < 0.5)

    await store.write(depend)
    hits = 0
    for round_ in range(150):
        query = some_query(chance, [job.id for job in jobs[:4]], filters)
        organization_id = chance.choice(("acme", "other", None, "none"))
        expected = [
            job.id
            for job in sorted(jobs, key=lambda job: (job.created_at, job.id), reverse=query.descending)
            if organization_id in (None, job.organization_id) and matches(job, query, depends_on)
        ]
        hits += bool(expected)
        limit = chance.choice((1, 2, 7, 200))
        told = (query, organization_id, limit)
        assert await pages(store, query, organization_id, limit=limit, long=round_ % 2 == 0) == expected, told
        count = await count_of(store, query, organization_id)
        assert count == len(expected), told
    assert hits > 20


@pytest.mark.parametrize("organization_id", ["acme", None])
async def test_lists_of_an_empty_store_are_empty(store: JobStore, organization_id: str | None) -> None:
    for query in (JobQuery(), JobQuery(user="ann"), JobQuery(text="word", tag=("a", "b"), job_type=("A",))):
        assert await pages(store, query, organization_id) == []
        assert await count_of(store, query, organization_id) == 0


async def test_a_list_shows_the_documents(store: JobStore) -> None:
    record = await inserted(store, version=4)
    [shown] = await page_of(store, JobQuery(), "acme")
    assert shown == await store.read(lambda tx: tx.document(record.job.id))
    assert (shown.id, shown.version, shown.load()) == (record.job.id, 4, record.job)


async def test_the_querys_own_organization_limit_and_cursor_are_not_looked_at(store: JobStore) -> None:
    record = await inserted(store)
    query = JobQuery(organization_id="other", limit=1, start_after="x")
    assert await pages(store, query, "acme", limit=9) == [record.job.id]


async def test_a_position_needs_no_job_to_be_there(store: JobStore) -> None:
    first, second, third = [await inserted(store, created_at=later(n)) for n in range(3)]
    after = Position(second.job.created_at, second.job.id)
    await store.write(lambda tx: tx.delete_job(second.job.id))
    for sort, expected in (("createdAt", third), ("-createdAt", first)):
        query = JobQuery(sort=sort)
        page = await page_of(store, query, "acme", after=after)
        assert [stored.id for stored in page] == [expected.job.id]


async def test_a_job_is_found_by_what_it_carries_now(store: JobStore) -> None:
    record = await inserted(store, name="old name", tags=("a", "b"))
    queries = [JobQuery(tag=("a",)), JobQuery(tag=("c",)), JobQuery(text="old"), JobQuery(text="new")]

    async def found() -> list[bool]:
        return [bool(await pages(store, query, "acme", limit=9)) for query in queries]

    assert await found() == [True, False, True, False]
    changed = record.job.with_(name=None, description="new words", tags=("b", "c"), version=2)
    await store.write(lambda tx: tx.save_job(JobRecord(job=changed)))
    assert await found() == [False, True, False, True]
    await store.write(lambda tx: tx.delete_job(record.job.id))
    assert await found() == [False, False, False, False]


async def test_a_change_that_is_undone_leaves_the_job_where_it_was_found(store: JobStore) -> None:
    record = await inserted(store, tags=("a",), name="old")

    def fails(tx: JobWriter) -> None:
        tx.save_job(JobRecord(job=record.job.with_(tags=("b",), name="new")))
        raise KeyError

    with pytest.raises(KeyError):
        await store.write(fails)
    for query, expected in ((JobQuery(tag=("a",), text="old"), 1), (JobQuery(tag=("b",)), 0)):
        assert len(await pages(store, query, "acme", limit=9)) == expected


async def test_a_text_that_many_words_begin_with_is_found_all_the_same(store: JobStore) -> None:
    """More words than a query can merge, in one organization and over all."""
    records = [
        a_record(name=f"w00{number:03} w00x", created_at=later(number % 7), organization_id=organization)
        for number in range(150)
        for organization in ("acme", "other")
    ]
    await insert(store, *records)
    for organization_id in ("acme", None):
        expected = [
            record.job.id
            for record in sorted(records, key=lambda record: (record.job.created_at, record.job.id))
            if organization_id in (None, record.job.organization_id)
        ]
        assert await pages(store, JobQuery(text="w00"), organization_id, limit=40) == expected
        count = await count_of(store, JobQuery(text="w00"), organization_id)
        assert count == len(expected)


async def test_lists_over_more_organizations_than_a_query_can_merge_are_whole(store: JobStore) -> None:
    records = [a_record(organization_id=f"o{number}", tags=("a",), user="ann") for number in range(130)]
    await insert(store, *records)
    expected = sorted(record.job.id for record in records)
    scheduled = JobQuery(job_status=(JobStatus.SCHEDULED,))
    for query in (JobQuery(user="ann"), JobQuery(tag=("a", "b")), scheduled):
        assert await pages(store, query, None, limit=50) == expected


async def test_as_many_values_as_the_contract_allows(store: JobStore) -> None:
    many = tuple(f"v{number}" for number in range(100))
    labels = [{"name": value, "value": "x"} for value in many[:50]]
    record = await inserted(store, type="v99", tags=many, labels=labels)
    for query in (
        JobQuery(job_type=many),
        JobQuery(tag=many),
        JobQuery(tag=many, tags_conjunction=True),
        JobQuery(label=tuple(f"{value}=x" for value in many[:50])),
        JobQuery(job_type=many, tag=many, label=("v0=x",), job_status=tuple(JobStatus)),
    ):
        for organization_id in ("acme", None):
            assert await pages(store, query, organization_id, limit=9) == [record.job.id]


@pytest.mark.parametrize(("documents", "expected"), [(0, 1), (1, 2), (2, 3), (5, 5), (9, 5)])
async def test_one_job_more_is_read_when_there_are_bytes_enough(
    store: JobStore, documents: int, expected: int
) -> None:
    await insert(store, *[a_record(created_at=later(second)) for second in range(5)])
    whole = await page_of(store, JobQuery(), "acme")
    enough = sum(len(stored.json) for stored in whole[:documents]) + max(0, documents - len(whole))

    def work(tx: JobReader) -> list[Stored[Job]]:
        return tx.jobs(JobQuery(), organization_id="acme", after=None, limit=9, enough_bytes=enough)

    assert await store.read(work) == whole[:expected]
