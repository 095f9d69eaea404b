"""listJobs with long documents: pages end early, lose nothing, and are read beside the event loop."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.domain import reading
from gateway.domain.queries import JobPage
from tests.house import TestHouse


async def walked(house: TestHouse, **query: Any) -> list[JobPage]:
    """All pages of a list."""
    pages: list[JobPage] = [await house.call("listJobs", query=query)]
    while pages[-1].next_start_after is not None:
        pages.append(await house.call("listJobs", query=query | {"startAfter": pages[-1].next_start_after}))
    return pages


@pytest.mark.parametrize("quick_bytes", [0, 2500, 10**6], ids=["never quick", "begun quick", "quick"])
@pytest.mark.parametrize(("page_bytes", "lengths"), [(1, [1] * 7), (3500, [3, 3, 1]), (10**6, [5, 2])])
async def test_a_page_ends_with_the_job_that_makes_it_long(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch, quick_bytes: int, page_bytes: int, lengths: list[int]
) -> None:
    monkeypatch.setattr(reading, "_QUICK_BYTES", quick_bytes)
    monkeypatch.setattr(reading, "PAGE_BYTES", page_bytes)
    started = [(await house.start(commands=["x" * 900])).id for _ in range(7)]
    pages = await walked(house, limit=5)
    assert [len(page.jobs) for page in pages] == lengths
    assert [job.id for page in pages for job in page.jobs] == sorted(started)


@pytest.mark.parametrize(("quick_bytes", "looks"), [(10**6, [False]), (2500, [False, True])])
async def test_long_documents_are_read_beside_the_loop(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch, quick_bytes: int, looks: list[bool]
) -> None:
    monkeypatch.setattr(reading, "_QUICK_BYTES", quick_bytes)
    for _ in range(7):
        await house.start(commands=["x" * 900])
    store = house.house.store
    read, seen = store.read, []

    def noted(work: Callable[[Any], Any], *, long: bool = False) -> Any:
        if work.__qualname__.startswith("list_jobs."):
            seen.append(long)
        return read(work, long=long)

    monkeypatch.setattr(store, "read", noted)
    assert len((await house.call("listJobs", query={})).jobs) == 7
    assert seen == looks
