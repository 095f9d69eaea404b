"""HTTP on one connection, spoken byte by byte."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

import gateway.web
from tests.adapters.test_web import serving


@asynccontextmanager
async def connected(app):
    async with serving(app) as run:
        reader, writer = await asyncio.open_connection(run.listener.host, run.listener.port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def read_reply(reader, *, method="GET"):
    """Status line, header fields and body of the next reply."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in head[1:-2])
    length = 0 if method == "HEAD" else int(fields.get("content-length", 0))
    return head[0], fields, await reader.readexactly(length)


def request(method="GET", path="/", *fields, body=b""):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *fields]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answering(body, *, status=200, fields=(), length=None):
    async def app(scope, receive, send):
        size = len(body) if length is None else length
        headers = [(b"content-length", b"%d" % size), *fields]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def echo(scope, receive, send):
    """Tells the path and the body."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    text = scope["path"].encode() + b" " + body
    await answering(text)(scope, receive, send)


async def test_a_connection_takes_one_request_after_the_other():
    async with connected(echo) as (reader, writer):
        for path in ("/one", "/two%20"):
            writer.write(request("GET", path))
            status, fields, body = await read_reply(reader)
            assert status == "HTTP/1.1 200 OK"
            assert "connection" not in fields
            assert body.decode() == f"{path.replace('%20', ' ')} "


async def test_requests_that_come_at_once_are_answered_in_their_order():
    first_may_end = asyncio.Event()

    async def app(scope, receive, send):
        if scope["path"] == "/1":
            await first_may_end.wait()
        await echo(scope, receive, send)

    async with connected(app) as (reader, writer):
        writer.write(b"".join(request("GET", f"/{number}") for number in (1, 2, 3)))
        await writer.drain()
        first_may_end.set()
        assert [(await read_reply(reader))[2] for _ in range(3)] == [b"/1 ", b"/2 ", b"/3 "]


async def test_a_body_longer_than_is_read_ahead_comes_whole():
    body = bytes(range(256)) * 2000
    async with connected(echo) as (reader, writer):
        writer.write(request("POST", "/", f"Content-Length: {len(body)}", body=body))
        assert (await read_reply(reader))[2] == b"/ " + body


async def test_what_comes_of_a_body_behind_the_reply_is_passed_over():
    half = b"x" * 200_000
    async with connected(answering(b"enough")) as (reader, writer):
        writer.write(request("POST", "/", f"Content-Length: {2 * len(half)}", body=half))
        assert (await read_reply(reader))[2] == b"enough"
        writer.write(half + request())
        assert (await read_reply(reader))[2] == b"enough"


async def test_a_sender_that_waits_for_leave_gets_it_when_the_body_is_asked_for():
    async with connected(echo) as (reader, writer):
        writer.write(request("POST", "/", "Content-Length: 4", "Expect: 100-continue"))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await read_reply(reader))[2] == b"/ body"


async def test_a_reply_without_a_length_is_sent_in_chunks():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece, more in ((b"one", True), (b"", True), (b"three", False)):
            await send({"type": "http.response.body", "body": piece, "more_body": more})

    async with connected(app) as (reader, writer):
        writer.write(request())
        _, fields, _ = await read_reply(reader)
        assert fields["transfer-encoding"] == "chunked"
        assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"


async def test_a_reply_to_head_has_the_length_and_no_body():
    async with connected(answering(b"four")) as (reader, writer):
        for _ in range(2):
            writer.write(request("HEAD"))
            _, fields, _ = await read_reply(reader, method="HEAD")
            assert fields["content-length"] == "4"


@pytest.mark.parametrize("last", ["Connection: close", None], ids=["asked for", "HTTP/1.0"])
async def test_the_server_hangs_up_behind_the_last_reply(last):
    asked = request("GET", "/", *([last] if last else []))
    if last is None:
        asked = asked.replace(b"HTTP/1.1", b"HTTP/1.0")
    async with connected(answering(b"bye")) as (reader, writer):
        writer.write(asked)
        _, fields, body = await read_reply(reader)
        assert (fields["connection"], body) == ("close", b"bye")
        assert await reader.read() == b""


async def test_an_idle_connection_is_hung_up(monkeypatch):
    monkeypatch.setattr(gateway.web, "KEEP_ALIVE_SECONDS", 0.01)
    async with connected(answering(b"well")) as (reader, writer):
        writer.write(request())
        assert (await read_reply(reader))[2] == b"well"
        assert await reader.read() == b""


async def test_a_request_under_way_is_no_idleness():
    async def app(scope, receive, send):
        protocol = receive.__self__._protocol
        protocol.timeout_keep_alive = 0
        protocol.timeout_keep_alive_handler()
        await answering(b"well")(scope, receive, send)

    async with connected(app) as (reader, writer):
        writer.write(request())
        assert (await read_reply(reader))[2] == b"well"
        assert await reader.read() == b""


async def test_the_application_is_told_that_the_caller_has_gone():
    gone = asyncio.Event()

    async def app(scope, receive, send):
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        gone.set()

    async with connected(app) as (_, writer):
        writer.write(request())
        writer.close()
        await gone.wait()


@pytest.mark.parametrize(
    "field", [(b"x-name", b"a\r\nx-other: b"), (b"x-name\r\nx-other", b"b"), (b"x-name", b"\0")]
)
async def test_no_field_of_a_reply_can_begin_another(field):
    async with connected(answering(b"", fields=[field])) as (reader, writer):
        writer.write(request())
        assert b"x-other" not in await reader.read()


@pytest.mark.parametrize("length", [3, 5], ids=["longer", "shorter"])
async def test_a_body_of_another_length_than_was_announced_is_not_sent_whole(length):
    async with connected(answering(b"four", length=length)) as (reader, writer):
        writer.write(request())
        assert not (await reader.read()).endswith(b"four")


async def test_what_the_application_fails_to_answer_is_a_problem():
    async def app(scope, receive, send):
        raise RuntimeError("no")

    async with connected(app) as (reader, writer):
        writer.write(request())
        status, fields, body = await read_reply(reader)
        assert status == "HTTP/1.1 500 Internal Server Error"
        assert json.loads(body)["requestId"] == fields["x-request-id"]
        assert await reader.read() == b""
