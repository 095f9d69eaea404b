"""Processing logs in every store."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from gateway.domain.log_store import Log
from gateway.domain.ports import JobStore
from gateway.domain.processing_logs import ProcessingLogEntry, ProcessingLogEntryWrite
from gateway.domain.result_store import PAGE_BYTES, Filters
from gateway.domain.words import ProcessingLogId, ResultStatus
from tests.adapters.test_store_results import a_result
from tests.builders import NOON, a_job, later

OK, FAILED = ResultStatus.OK, ResultStatus.FAILED
LOG = Log(organization_id="acme", storage_id="s", id=ProcessingLogId.CURATION_LOG)
NOTHING = Filters()


def an_entry(**members: Any) -> ProcessingLogEntryWrite:
    """An entry to write; with no id given it is about partner p."""
    ids = {"business_partner_id", "data_source_id", "external_id"}
    return ProcessingLogEntryWrite(
        **({} if ids & members.keys() else {"business_partner_id": "p"}) | {"status": OK} | members
    )


async def written(
    store: JobStore, *entries: ProcessingLogEntryWrite, log: Log = LOG, at: datetime = NOON
) -> int:
    return await store.write(lambda tx: tx.logs.write(log, entries, at))


async def listed(store: JobStore, filters: Filters = NOTHING, log: Log = LOG) -> list[int]:
    found = await store.read(lambda tx: tx.logs.page(log, filters, after=0, limit=5000, data=None))
    assert not found.more
    return [int(entry.id) for entry in found.items]


async def counted(store: JobStore, filters: Filters = NOTHING, log: Log = LOG) -> int:
    return await store.read(lambda tx: tx.logs.count(log, filters))


async def swept(store: JobStore) -> None:
    while await store.read(lambda tx: tx.logs.has_remains()):
        await store.write(lambda tx: tx.logs.sweep(3))


async def test_an_entry_reads_back_as_it_was_written(store: JobStore) -> None:
    full = an_entry(
        job_id="no job at all",
        business_partner_id='p "1"',
        data_source_id="d\\",
        external_id="é",
        status=FAILED,
        result_data='{"a": "\\u0041 \r\n\t<&>𝄞"}',
        message="",
    )
    assert await written(store, full, an_entry(), an_entry(result_data="")) == 1
    expected = ProcessingLogEntry(
        id="1",
        processing_log_id=LOG.id,
        storage_id="s",
        created_at=NOON,
        **full.model_dump(exclude_none=True),
    )
    shown: list[tuple[Callable[[str], str] | None, list[str | None]]] = [
        (str, [full.result_data, None, ""]),
        (lambda text: text[:1], ["{", None, ""]),
        (None, [None, None, None]),
    ]
    for data, texts in shown:
        page = await store.read(lambda tx, data=data: tx.logs.page(LOG, NOTHING, after=0, limit=3, data=data))
        assert [entry.load().result_data for entry in page.items] == texts
        assert page.items[0].load() == expected.with_(result_data=texts[0])
        first = page.items[0]
        assert (first.id, first.version, first.organization_id) == ("1", 0, "acme")
        assert all(json.loads(entry.json) for entry in page.items)


async def test_the_first_write_opens_the_storage_and_ids_are_shared_with_results(store: JobStore) -> None:
    job = a_job()
    assert await store.write(lambda tx: tx.results.write(job, "s", [a_result()], NOON)) is None
    assert await written(store, an_entry(), an_entry()) == 1
    assert await store.write(lambda tx: tx.results.write(job, "s", [a_result()], NOON)) == 3
    assert await written(store, an_entry()) == 4
    other = replace(LOG, id=ProcessingLogId.OVERLAP_LOG)
    assert await written(store, an_entry(), log=other) == 5
    assert (await listed(store), await listed(store, log=other)) == ([1, 2, 4], [5])
    for elsewhere in (replace(LOG, organization_id="other"), replace(LOG, storage_id="t")):
        assert (await listed(store, log=elsewhere), await counted(store, log=elsewhere)) == ([], 0)
        assert await written(store, an_entry(), log=elsewhere) == 1


def fits(entry: ProcessingLogEntry, filters: Filters) -> bool:
    return (
        (not filters.partners or entry.business_partner_id in filters.partners)
        and (not filters.sources or entry.data_source_id in filters.sources)
        and (not filters.externals or entry.external_id in filters.externals)
        and filters.status in (None, entry.status)
        and (filters.created_after is None or entry.created_at >= filters.created_after)
        and (filters.created_before is None or entry.created_at < filters.created_before)
    )


def filters_of(rnd: random.Random) -> Filters:
    """Some filters, most of which fit something."""

    def some(letter: str, of: int) -> tuple[str, ...]:
        return tuple(f"{letter}{rnd.randrange(of)}" for _ in range(rnd.choice([0, 0, 1, 2, 9])))

    return Filters(
        partners=some("p", 12),
        sources=some("d", 4),
        externals=some("e", 12),
        status=rnd.choice([None, OK, FAILED]),
        created_after=later(rnd.randrange(40)) if rnd.random() < 0.3 else None,
        created_before=later(rnd.randrange(40)) if rnd.random() < 0.3 else None,
    )


def a_mixture(rnd: random.Random) -> ProcessingLogEntryWrite:
    ids = {"data_source_id": f"d{rnd.randrange(3)}", "external_id": f"e{rnd.randrange(8)}"}
    if rnd.random() < 0.5:
        ids["business_partner_id"] = f"p{rnd.randrange(10)}"
    return an_entry(**ids, status=rnd.choice([OK, OK, FAILED]))


@pytest.mark.parametrize("seed", range(4))
async def test_every_mixture_of_filters_and_removals(store: JobStore, seed: int) -> None:
    """Pages and totals are what a look at each entry would give, also while removals are being swept."""
    rnd = random.Random(seed)
    order = sorted(range(40), key=lambda second: second if seed % 2 else rnd.random())
    for second in order:
        await written(store, *[a_mixture(rnd) for _ in range(rnd.choice([1, 9]))], at=later(second))
        await written(store, an_entry(), log=replace(LOG, id=ProcessingLogId.OVERLAP_LOG))
    everything: list[ProcessingLogEntry] = []

    async def check() -> None:
        for _ in range(25):
            filters = filters_of(rnd)
            expected = [int(entry.id) for entry in everything if fits(entry, filters)]
            assert await listed(store, filters) == expected, filters
            assert await counted(store, filters) == len(expected), filters
        assert await counted(store) == len(everything)

    whole = await store.read(lambda tx: tx.logs.page(LOG, NOTHING, after=0, limit=5000, data=None))
    everything[:] = [entry.load() for entry in whole.items]
    await check()
    for _ in range(6):
        removal = replace(filters_of(rnd), status=None, created_after=None)
        if rnd.random() < 0.4:
            removal = Filters(created_before=later(rnd.randrange(15)))
        if removal == NOTHING:
            continue
        assert await store.write(lambda tx, removal=removal: tx.logs.remove(LOG, removal)) is bool(everything)
        everything[:] = [entry for entry in everything if not fits(entry, removal)]
        again = a_mixture(rnd)
        number = await written(store, again, at=later(50))
        page = await store.read(
            lambda tx, number=number: tx.logs.page(LOG, NOTHING, after=number - 1, limit=1, data=str)
        )
        everything.append(page.items[0].load())
        if rnd.random() < 0.5:
            await store.write(lambda tx: tx.logs.sweep(rnd.randrange(1, 20)))
        await check()
    await swept(store)
    await check()
    other = replace(LOG, id=ProcessingLogId.OVERLAP_LOG)
    assert (len(await listed(store, log=other)), await counted(store, log=other)) == (40, 40)


async def test_a_clock_that_was_put_back_hides_nothing(store: JobStore) -> None:
    await written(store, an_entry(), at=later(100))
    await written(store, an_entry(), at=later(0))
    await written(store, an_entry(), at=later(50))
    assert await listed(store, Filters(created_after=later(50))) == [1, 3]
    assert await listed(store, Filters(created_before=later(100))) == [2, 3]
    await store.write(lambda tx: tx.logs.remove(LOG, Filters(created_before=later(50))))
    assert await listed(store) == [1, 3]
    await swept(store)
    assert (await listed(store), await counted(store)) == ([1, 3], 2)


async def test_a_page_ends_before_it_is_longer_than_its_bytes(store: JobStore) -> None:
    await written(store, *[an_entry(result_data="é" * 65535)] * 100)
    whole = await store.read(lambda tx: tx.logs.page(LOG, NOTHING, after=0, limit=5000, data=str))
    assert whole.more
    assert PAGE_BYTES - 140_000 < sum(len(entry.json) for entry in whole.items) <= PAGE_BYTES
    bare = await store.read(lambda tx: tx.logs.page(LOG, NOTHING, after=0, limit=5000, data=None))
    assert (len(bare.items), bare.more) == (100, False)


async def test_an_empty_log_has_nothing_to_remove(store: JobStore) -> None:
    assert await store.write(lambda tx: tx.logs.remove(LOG, Filters(partners=("p",)))) is False
    await store.write(lambda tx: tx.logs.sweep(5))
    assert not await store.read(lambda tx: tx.logs.has_remains())


async def test_what_may_take_long_is_told(store: JobStore) -> None:
    await written(store, an_entry())
    one = Filters(partners=("p",))
    for filters, counted_, expected in ((NOTHING, True, False), (one, False, False), (one, True, True)):
        assert (
            await store.read(
                lambda tx, f=filters, c=counted_: tx.logs.takes_long(LOG, f, limit=100, counted=c)
            )
            is expected
        )
    await store.write(lambda tx: tx.logs.remove(LOG, Filters(partners=("q",))))
    assert await store.read(lambda tx: tx.logs.takes_long(LOG, NOTHING, limit=100, counted=False))
