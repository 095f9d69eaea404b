"""Long replies over SOAP: whole as short ones are, and other callers get their turn meanwhile."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from lxml import etree

from gateway.domain.model import dump
from gateway.domain.record import Stored
from gateway.domain.results import JobResult, JobResultPage
from gateway.soap import reply_members
from gateway.translate.soap_versions import VERSIONS, SoapVersion
from tests.wire.soap_stand import NS, Stand

LIST = "<j:listStorageResults><j:storageId>s</j:storageId></j:listStorageResults>"


def a_page(length: int) -> JobResultPage:
    results = [
        JobResult.read(
            {
                "id": str(number),
                "jobId": "0198f2ab-7c1e-7000-8000-0123456789ab",
                "storageId": "s",
                "businessPartnerId": f"<{number}>",
                "status": "OK",
                "createdAt": "2026-11-23T15:06:07.123Z",
            }
        )
        for number in range(length)
    ]
    stored = tuple(Stored(JobResult, result.id, "default", 0, dump(result)) for result in results)
    return JobResultPage.model_construct(limit=5000, values=stored)


@pytest.fixture
async def turns() -> AsyncIterator[list[int]]:
    """Grows by one with each turn that another task gets."""
    had: list[int] = []

    async def other() -> None:
        while True:
            had.append(1)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    yield had
    task.cancel()


async def test_others_have_their_turn(turns: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_members, "_STEP_SECONDS", 0)
    stand = Stand()
    stand.seam.replies["listStorageResults"] = a_page(1000)
    # The first message of its kind is parsed in a thread, and others have many turns meanwhile.
    assert (await stand.body(LIST)).status_code == 200
    turns.clear()
    assert (await stand.body(LIST)).status_code == 200
    assert len(turns) >= 1000


@pytest.mark.parametrize("version", VERSIONS, ids=["1.1", "1.2"])
@pytest.mark.parametrize("length", [0, 1, 200, 201, 1000])
async def test_a_page_of_any_length_is_whole(length: int, version: SoapVersion) -> None:
    stand = Stand()
    stand.seam.replies["listStorageResults"] = a_page(length)
    reply = await stand.body(LIST, version)
    page = next(etree.fromstring(reply.content).iter(f"{{{NS}}}page"))
    assert [value.findtext(f"{{{NS}}}businessPartnerId") for value in page.iter(f"{{{NS}}}values")] == [
        f"<{number}>" for number in range(length)
    ]
    assert page.findtext(f"{{{NS}}}limit") == "5000"


@pytest.mark.parametrize(
    ("accepted", "coded"), [("gzip, deflate", "gzip"), ("identity", None), ("gzip;q=0", None), (None, None)]
)
async def test_a_long_reply_is_compressed_for_who_asks(accepted: str | None, coded: str | None) -> None:
    stand = Stand()
    stand.seam.replies["listStorageResults"] = a_page(100)
    if accepted is None:
        del stand.http.headers["accept-encoding"]
    else:
        stand.http.headers["accept-encoding"] = accepted
    reply = await stand.body(LIST)
    assert reply.headers.get("content-encoding") == coded
    assert reply.headers["vary"] == "Accept-Encoding"
    assert (int(reply.headers["content-length"]) < len(reply.content)) == (coded == "gzip")
    assert reply.content.count(b"<businessPartnerId>") == 100


async def test_a_short_reply_is_never_compressed() -> None:
    stand = Stand()
    stand.seam.replies["listStorageResults"] = a_page(0)
    stand.http.headers["accept-encoding"] = "gzip"
    reply = await stand.body(LIST)
    assert "content-encoding" not in reply.headers
    assert "vary" not in reply.headers
