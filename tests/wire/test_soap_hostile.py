"""Hostile and odd input, in memory: the table over both versions, and what is seen from inside alone."""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from gateway.http.routes import Routes
from gateway.rest.door import not_found
from gateway.soap.door import soap_door
from gateway.translate import xml_parsing as parsing
from gateway.translate.soap_versions import SOAP11, SOAP12, VERSIONS, SoapVersion
from gateway.translate.xml_parsing import MessageParser
from tests.house import TestHouse
from tests.wire.conftest import SeamOfTheTest
from tests.wire.hostile import ENVELOPES, LIMIT, ROWS, UNSAYABLE, Row, about, pieces, saved
from tests.wire.hostile_reply import check
from tests.wire.soap_stand import BASE, Said, Stand, envelope

each_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.number)
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture(scope="module")
def door() -> tuple[SeamOfTheTest, ASGIApp]:
    """The SOAP door with the limit of the table."""
    seam: Any = SeamOfTheTest()
    soap = soap_door(seam, public_url=None, max_body_bytes=LIMIT)
    return seam, Routes(soap, otherwise=not_found)


@pytest.fixture
async def soap_http(
    house: TestHouse, door: tuple[SeamOfTheTest, ASGIApp]
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that door, with the house of the test behind it."""
    seam, app = door
    seam.seam = house.seam
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE) as client:
        yield client


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for piece in pieces(body):
        yield piece


@each_version
@each_row
async def test_each_case_gets_its_answer(
    row: Row, version: SoapVersion, soap_http: httpx.AsyncClient, house: TestHouse
) -> None:
    job = await house.start()
    body = about(row.body(version), job=job.id)
    response = await soap_http.request(
        row.method,
        "/soap/v2/",
        content=in_pieces(body) if row.chunked else body,
        headers=row.header(version),
    )
    check(row, version, response)


def test_every_saved_envelope_stands_in_the_table() -> None:
    files = {file.read_bytes(): file.name for file in ENVELOPES.iterdir()}
    sent = {row.message() for row in ROWS}
    assert [name for content, name in files.items() if content not in sent] == []
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len(files) == len(list(ENVELOPES.iterdir()))


@pytest.mark.parametrize("text", UNSAYABLE)
async def test_what_xml_cannot_say_is_refused_over_rest_too(http: httpx.AsyncClient, text: str) -> None:
    body = f'{{"dockerImageUrl": "i", "commands": ["a{text}"], "description": "a{text}"}}'
    reply = await http.post("/v2/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["technicalKey"]) == (400, "VALIDATION_FAILED")
    assert {error["pointer"] for error in reply.json()["errors"]} == {"/commands/0", "/description"}


@pytest.mark.parametrize(
    ("name", "read"),
    [("nil-false", {"name": "n"}), ("nil-true", {"name": None})],
)
async def test_nil_clears_and_no_nil_does_not(stand: Stand, name: str, read: dict[str, Any]) -> None:
    await stand.post(saved(name))
    ((operation, parts),) = stand.seam.ran
    assert (operation, parts["fields"]) == ("updateJobFields", read)


async def test_what_is_no_request_never_comes_to_the_seam(stand: Stand) -> None:
    for row in ROWS:
        if row.answer.key == "MALFORMED_MESSAGE" and row.method == "POST":
            await stand.post(row.message(), headers=row.header(SOAP11))
    assert stand.seam.requests == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_405_at_either_path(stand: Stand, method: str) -> None:
    reply = await stand.http.request(method, "/soap/v2")
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


async def test_options_tells_the_methods(stand: Stand) -> None:
    reply = await stand.http.options("/soap/v2/")
    assert (reply.status_code, reply.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")


@pytest.mark.parametrize("action", [None, "", '""', '"urn:jobs-gateway:v2:deleteJob"', "nonsense"])
async def test_soap_action_is_never_looked_at(stand: Stand, action: str | None) -> None:
    headers = {} if action is None else {"soapaction": action}
    reply = await stand.post(envelope("<j:getServiceInfo/>"), headers=headers)
    assert (reply.status_code, stand.seam.ran) == (200, [("getServiceInfo", {})])


async def test_what_a_fault_repeats_is_cut() -> None:
    stand = Stand(max_body_bytes=LIMIT)
    said = Said(await stand.post(envelope(f"<j:{'a' * 40_000}/>")))
    assert (said.key, len(said.reason)) == ("UNKNOWN_OPERATION", 2000)
    said = Said(await stand.post(envelope(f"<j:getJob><j:{'a' * 40_000}/></j:getJob>")))
    assert {len(path) for path in said.errors if path and path != "jobId"} == {2000}


async def test_few_of_the_headers_that_are_not_understood_are_named(stand: Stand) -> None:
    blocks = "".join(f'<h:a{number} xmlns:h="urn:h" s:mustUnderstand="1"/>' for number in range(60))
    said = Said(await stand.body("<j:getServiceInfo/>", SOAP12, header=blocks))
    assert len(list(said.root.iter(f"{{{SOAP12.namespace}}}NotUnderstood"))) == 10
    assert said.reason.count("urn:h") == 10


async def threads_of(parser: MessageParser, message: bytes, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the threads that a message is parsed in, without their numbers."""
    names: set[str] = set()
    real = parsing._parse

    def parse(*given: Any) -> Any:
        names.add(re.sub(r"_\d+$", "", threading.current_thread().name))
        return real(*given)

    monkeypatch.setattr(parsing, "_parse", parse)
    await parser.parse(message, None)
    return names


async def test_names_of_strangers_go_with_the_thread_that_met_them(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = MessageParser()
    known = envelope("<j:getServiceInfo/>")
    assert await threads_of(parser, known, monkeypatch) == {"xml-parser"}
    parser.learn(known)
    assert await threads_of(parser, known, monkeypatch) == {threading.current_thread().name}
    assert await threads_of(parser, envelope("<j:stranger/>"), monkeypatch) == {"xml-parser"}
    assert await threads_of(parser, envelope("<j:getServiceInfo/>" * 3000), monkeypatch) == {"xml-parser"}
    for thread in threading.enumerate():
        if thread.name.startswith("xml-parser"):
            thread.join(60)
            assert not thread.is_alive()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Big messages are not parsed before an event is set; another event tells that one has begun."""
    begun, go_on = threading.Event(), threading.Event()
    real = parsing._parse

    def parse(body: bytes, *given: Any) -> Any:
        if len(body) > 100_000:
            begun.set()
            assert go_on.wait(60)
        return real(body, *given)

    monkeypatch.setattr(parsing, "_parse", parse)
    yield begun, go_on
    go_on.set()


async def test_others_are_answered_while_a_big_message_is_parsed(
    stand: Stand, held: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = held
    await stand.body("<j:getServiceInfo/>")
    big = asyncio.create_task(stand.body(f"<j:getJob><j:jobId>{'a' * 200_000}</j:jobId></j:getJob>"))
    assert await asyncio.to_thread(begun.wait, 60)
    assert (await stand.body("<j:getServiceInfo/>")).status_code == 200
    assert not big.done()
    go_on.set()
    assert (await big).status_code == 200


async def test_a_caller_who_gives_up_leaves_nothing_behind(
    stand: Stand, held: tuple[threading.Event, threading.Event]
) -> None:
    begun, go_on = held
    big = asyncio.create_task(stand.body(f"<j:getJob><j:jobId>{'a' * 200_000}</j:jobId></j:getJob>"))
    assert await asyncio.to_thread(begun.wait, 60)
    big.cancel()
    with pytest.raises(asyncio.CancelledError):
        await big
    go_on.set()
    assert (await stand.body("<j:getServiceInfo/>")).status_code == 200
    assert [name for name, _ in stand.seam.ran] == ["getServiceInfo"]
