"""Results of jobs in every store."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from gateway.domain.job import Job
from gateway.domain.model import dump
from gateway.domain.ports import JobReader, JobStore
from gateway.domain.record import Stored
from gateway.domain.result_store import PAGE_BYTES, Filters, Place, Records
from gateway.domain.results import JobResult, JobResultWrite
from gateway.domain.words import ResultStatus
from tests.builders import NOON, a_job

OK, FAILED = ResultStatus.OK, ResultStatus.FAILED
PLACE = Place(organization_id="acme", storage_id="s")
NOTHING = Filters()


def a_result(**members: Any) -> JobResultWrite:
    """A result to write; with no id given it is partner p's."""
    ids = {"business_partner_id", "data_source_id", "external_id"}
    return JobResultWrite(
        **({} if ids & members.keys() else {"business_partner_id": "p"}) | {"status": OK} | members
    )


async def opened(store: JobStore, *storages: str, organization_id: str = "acme") -> None:
    for storage_id in storages or ("s",):
        await store.write(
            lambda tx, storage_id=storage_id: tx.open_storage(organization_id, storage_id, NOON)
        )


async def written(store: JobStore, job: Job, *records: JobResultWrite, storage_id: str = "s") -> int | None:
    return await store.write(lambda tx: tx.results.write(job, storage_id, records, NOON))


async def listed(
    store: JobStore, filters: Filters = NOTHING, place: Place = PLACE, *, after: int = 0, limit: int = 5000
) -> list[int]:
    """Ids of a page."""
    found = await store.read(lambda tx: tx.results.page(place, filters, after=after, limit=limit))
    return ids_of(found.items)


async def counted(store: JobStore, filters: Filters = NOTHING, place: Place = PLACE) -> int:
    return await store.read(lambda tx: tx.results.count(place, filters))


def ids_of(results: Sequence[Stored[JobResult]]) -> list[int]:
    return [int(result.id) for result in results]


async def test_a_result_reads_back_as_it_was_written(store: JobStore) -> None:
    await opened(store)
    job = a_job(storage_id="s")
    full = a_result(
        business_partner_id='p "1"',
        data_source_id="d\\",
        external_id="é",
        status=FAILED,
        result_data='{"a": "\\u0041 \r\n\t<&>𝄞"}',
        message="",
    )
    assert await written(store, job, full, a_result(data_source_id="d", external_id="e")) == 1
    page = await store.read(lambda tx: tx.results.page(PLACE, NOTHING, after=0, limit=10))
    assert [(result.id, result.version, result.organization_id) for result in page.items] == [
        ("1", 0, "acme"),
        ("2", 0, "acme"),
    ]
    expected = JobResult(
        id="1", job_id=job.id, storage_id="s", created_at=NOON, **full.model_dump(exclude_none=True)
    )
    assert page.items[0].load() == expected
    assert page.items[0].json == dump(expected)
    assert page.items[1].load().data_source_id == "d"


async def test_ids_grow_within_a_storage_whoever_writes(store: JobStore) -> None:
    await opened(store, "s", "t")
    await opened(store, "s", organization_id="other")
    first, second, stranger = a_job(), a_job(), a_job(organization_id="other")
    assert await written(store, first, a_result(), a_result()) == 1
    assert await written(store, first, a_result(), storage_id="t") == 1
    assert await written(store, stranger, a_result()) == 1
    assert await written(store, second, a_result()) == 3
    assert await written(store, first, a_result()) == 4
    assert await listed(store) == [1, 2, 3, 4]
    for job, expected in ((first, [1, 2, 4]), (second, [3]), (stranger, [])):
        place = Place(organization_id="acme", storage_id="s", job_id=job.id)
        assert await listed(store, place=place) == expected
        assert await counted(store, place=place) == len(expected)
    other = Place(organization_id="other", storage_id="s")
    assert (await listed(store, place=other), await counted(store, place=other)) == ([1], 1)


async def test_a_storage_that_is_not_open_takes_and_has_nothing(store: JobStore) -> None:
    await opened(store, organization_id="other")
    job = a_job()
    assert await written(store, job, a_result()) is None
    for place in (PLACE, Place(organization_id="acme", storage_id="s", job_id=job.id)):
        assert (await listed(store, place=place), await counted(store, place=place)) == ([], 0)
    records = Records(job_type=None, partners=("p",), source=None, externals=())
    assert await store.read(lambda tx: tx.results.newest("acme", "s", records)) == []
    assert await store.read(lambda tx: tx.results.some("acme", "s", [1])) == []


async def test_a_write_that_is_undone_gives_no_id_away(store: JobStore) -> None:
    await opened(store)
    job = a_job()

    def work(tx: Any) -> None:
        tx.results.write(job, "s", [a_result()], NOON)
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(work)
    assert await counted(store) == 0
    assert await written(store, job, a_result()) == 1


def filters_of(rnd: random.Random) -> Filters:
    """Some filters, most of which fit something."""

    def some(letter: str, most: int) -> tuple[str, ...]:
        return tuple(f"{letter}{rnd.randrange(12)}" for _ in range(rnd.choice([0, 0, 1, 2, most])))

    return Filters(
        partners=some("p", 9),
        sources=some("d", 1),
        externals=some("e", 9),
        status=rnd.choice([None, OK, FAILED]),
    )


def fits(result: JobResult, filters: Filters) -> bool:
    return (
        (not filters.partners or result.business_partner_id in filters.partners)
        and (not filters.sources or result.data_source_id in filters.sources)
        and (not filters.externals or result.external_id in filters.externals)
        and filters.status in (None, result.status)
    )


def a_mixture(rnd: random.Random, count: int) -> Iterator[JobResultWrite]:
    for _ in range(count):
        known = rnd.random()
        ids = {"business_partner_id": f"p{rnd.randrange(10)}"} if known < 0.8 else {}
        if known > 0.3:
            ids |= {"data_source_id": f"d{rnd.randrange(3)}", "external_id": f"e{rnd.randrange(8)}"}
        yield a_result(**ids, status=rnd.choice([OK, OK, FAILED]))


@pytest.mark.parametrize("seed", range(3))
async def test_every_mixture_of_filters_finds_what_a_look_at_each_would(store: JobStore, seed: int) -> None:
    """Pages, totals and newest results, also while removed results are still being swept."""
    rnd = random.Random(seed)
    await opened(store, "s", "t")
    jobs = [a_job(type=kind) for kind in ("A", "B", None, "A")]
    for _ in range(30):
        await written(store, rnd.choice(jobs), *a_mixture(rnd, rnd.choice([1, 7, 40])))
        await written(store, rnd.choice(jobs), a_result(), storage_id="t")
    whole = await store.read(lambda tx: tx.results.page(PLACE, NOTHING, after=0, limit=5000))
    everything = [result.load() for result in whole.items]
    gone = rnd.choice(jobs)
    for step in range(4):
        if step == 1:
            removed = sum(result.job_id == gone.id for result in everything)
            assert await store.write(lambda tx: tx.results.remove("acme", gone.id, "s")) == removed
            everything = [result for result in everything if result.job_id != gone.id]
        elif step == 2:
            await store.write(lambda tx: tx.results.sweep(rnd.randrange(1, 50)))
        elif step == 3:
            while await store.read(lambda tx: tx.results.has_remains()):
                await store.write(lambda tx: tx.results.sweep(50))
        for _ in range(40):
            await check(store, rnd, everything, jobs)


async def check(store: JobStore, rnd: random.Random, everything: list[JobResult], jobs: list[Job]) -> None:
    filters, job = filters_of(rnd), rnd.choice([None, *jobs])
    place = Place(organization_id="acme", storage_id="s", job_id=job.id if job else None)
    inside = [result for result in everything if job is None or result.job_id == job.id]
    expected = [int(result.id) for result in inside if fits(result, filters)]
    assert await counted(store, filters, place) == len(expected)
    assert await counted(store, place=place) == len(inside)
    limit, found, after = rnd.choice([1, 3, 50, 5000]), [], 0
    while True:
        page = await store.read(
            lambda tx, after=after: tx.results.page(place, filters, after=after, limit=limit)
        )
        found += ids_of(page.items)
        if not page.more:
            break
        assert len(page.items) == limit
        after = found[-1]
    assert found == expected, filters
    records = Records(
        job_type=rnd.choice([None, "A", "B", "C"]),
        partners=filters.partners,
        source=f"d{rnd.randrange(3)}",
        externals=filters.externals,
    )
    newest = await store.read(lambda tx: tx.results.newest("acme", "s", records))
    assert ids_of(newest) == newest_of(everything, records, jobs)


def newest_of(everything: list[JobResult], records: Records, jobs: list[Job]) -> list[int]:
    types = {job.id: job.type for job in jobs}
    inside = [r for r in everything if records.job_type in (None, types[r.job_id])]
    tests: list[Callable[[JobResult], bool]] = [
        *(lambda r, p=p: r.business_partner_id == p for p in records.partners),
        *(lambda r, e=e: (r.data_source_id, r.external_id) == (records.source, e) for e in records.externals),
    ]
    found = [max((int(r.id) for r in inside if test(r)), default=0) for test in tests]
    return list(dict.fromkeys(id_ for id_ in found if id_))


async def test_results_are_read_by_their_ids_in_the_order_asked_for(store: JobStore) -> None:
    await opened(store)
    gone, kept = a_job(), a_job()
    await written(store, gone, a_result())
    await written(store, kept, *[a_result()] * 4)
    await store.write(lambda tx: tx.results.remove("acme", gone.id))
    some = await store.read(lambda tx: tx.results.some("acme", "s", [4, 1, 2, 77]))
    assert ids_of(some) == [4, 2]


async def test_removing_takes_a_job_out_of_one_storage_or_of_all(store: JobStore) -> None:
    await opened(store, "s", "t")
    job = a_job()
    for storage_id in ("s", "t"):
        await written(store, job, *[a_result()] * 3, storage_id=storage_id)
    remove = store.write
    assert await remove(lambda tx: tx.results.remove("other", job.id)) == 0
    assert await remove(lambda tx: tx.results.remove("acme", job.id, "nowhere")) == 0
    assert await remove(lambda tx: tx.results.remove("acme", job.id, "t")) == 3
    assert (await listed(store), await counted(store)) == ([1, 2, 3], 3)
    assert await remove(lambda tx: tx.results.remove("acme", job.id)) == 3
    assert await remove(lambda tx: tx.results.remove("acme", job.id)) == 0
    assert (await listed(store), await counted(store)) == ([], 0)
    assert await written(store, job, a_result()) == 4
    assert (await listed(store), await counted(store)) == ([4], 1)


async def test_sweeping_goes_step_by_step_and_ends(store: JobStore) -> None:
    await opened(store)
    jobs = [a_job() for _ in range(3)]
    for job in jobs:
        await written(store, job, *[a_result()] * 4)
    assert not await store.read(lambda tx: tx.results.has_remains())
    for job in jobs[:2]:
        await store.write(lambda tx, job=job: tx.results.remove("acme", job.id))
    steps = 0
    while await store.read(lambda tx: tx.results.has_remains()):
        await store.write(lambda tx: tx.results.sweep(3))
        assert await listed(store) == [9, 10, 11, 12]
        steps += 1
    assert steps == 4
    await store.write(lambda tx: tx.results.sweep(3))
    assert (await listed(store), await counted(store)) == ([9, 10, 11, 12], 4)


async def test_a_page_ends_before_it_is_longer_than_its_bytes(store: JobStore) -> None:
    await opened(store)
    job = a_job()
    long = a_result(result_data="x" * 65535)
    await written(store, job, *[long] * 300)
    found: list[int] = []
    pages = 0
    more = True
    while more:
        after = found[-1] if found else 0
        page = await store.read(
            lambda tx, after=after: tx.results.page(PLACE, NOTHING, after=after, limit=5000)
        )
        size = sum(len(result.json) for result in page.items)
        assert size <= PAGE_BYTES
        assert not page.more or size > PAGE_BYTES - 70_000
        found += ids_of(page.items)
        more, pages = page.more, pages + 1
    assert (found, pages) == (list(range(1, 301)), 3)


async def test_pages_repeat_and_skip_nothing_while_others_write(store: JobStore) -> None:
    await opened(store)
    job = a_job()
    await written(store, job, *[a_result()] * 5)
    found: list[int] = []
    for _ in range(4):
        found += await listed(store, after=found[-1] if found else 0, limit=3)
        await written(store, a_job(), *[a_result()] * 2)
    assert found == list(range(1, 13))[: len(found)]
    assert len(found) >= 11


@pytest.mark.parametrize("after", [2**40, 2**63])
async def test_nothing_comes_behind_the_largest_id(store: JobStore, after: int) -> None:
    await opened(store, "s", "t")
    for storage_id in ("s", "t"):
        await written(store, a_job(), a_result(), storage_id=storage_id)
    assert await listed(store, after=after) == []


async def test_what_may_take_long_is_told(store: JobStore) -> None:
    await opened(store)
    job = a_job()
    await written(store, job, a_result())
    run = Place(organization_id="acme", storage_id="s", job_id=job.id)
    one = Filters(partners=("p",))

    def long(place: Place, filters: Filters, limit: int, counted: bool) -> Callable[[JobReader], bool]:
        return lambda tx: tx.results.takes_long(place, filters, limit=limit, counted=counted)

    for place, filters, limit, total, expected in (
        (PLACE, NOTHING, 100, True, False),
        (PLACE, one, 100, False, False),
        (PLACE, one, 100, True, True),
        (PLACE, NOTHING, 5000, False, True),
        (PLACE, Filters(partners=("p",) * 2, sources=("d",)), 100, False, True),
        (PLACE, Filters(externals=tuple(f"e{n}" for n in range(500))), 100, False, True),
        (run, NOTHING, 100, True, False),
        (run, one, 100, False, True),
    ):
        assert await store.read(long(place, filters, limit, total)) is expected
    await store.write(lambda tx: tx.results.remove("acme", job.id))
    assert await store.read(long(PLACE, NOTHING, 100, False))
