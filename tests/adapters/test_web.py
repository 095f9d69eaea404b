"""The web server on a real socket: ready, serving, finishing what has begun."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import httpx
import pytest

from gateway.listener import Listener
from gateway.refusal import Refusal
from gateway.web import WebServer

SECONDS = 20


class Run:
    """A server in a task, and what it told."""

    def __init__(self, app, *, listener=None):
        self.listener = listener or Listener("127.0.0.1", 0)
        self.stop = asyncio.Event()
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()
        web = WebServer(app, self.listener)
        run = web.run_until(self.stop, ready=self.ready.set, stopping=self.stopping.set)
        self.task = asyncio.create_task(run)


@asynccontextmanager
async def serving(app, **options):
    run = Run(app, **options)
    async with asyncio.timeout(SECONDS):
        await run.ready.wait()
        yield run
        run.stop.set()
        await run.task
    assert run.stopping.is_set()


async def reply(send, text):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


async def show_scope(scope, receive, send):
    await reply(send, f"{scope['scheme']} {scope['client'][0]}")


async def test_it_serves_and_stops():
    async with serving(show_scope) as run, httpx.AsyncClient() as client:
        answer = await client.get(run.listener.url)
        assert answer.text == "http 127.0.0.1"
        assert "date" in answer.headers
        assert "server" not in answer.headers


async def test_a_request_that_has_begun_is_finished():
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope, receive, send):
        begun.set()
        await go_on.wait()
        await reply(send, "done")

    async with serving(slow) as run, httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(run.listener.url))
        await begun.wait()
        run.stop.set()
        await run.stopping.wait()
        go_on.set()
        assert (await request).text == "done"


async def test_headers_of_proxies_are_left_to_the_application():
    headers = {"x-forwarded-for": "192.0.2.7", "x-forwarded-proto": "https"}
    async with serving(show_scope) as run, httpx.AsyncClient() as client:
        assert (await client.get(run.listener.url, headers=headers)).text == "http 127.0.0.1"


async def test_a_port_that_another_listens_on_meanwhile_is_refused():
    listener = Listener("127.0.0.1", 0)
    other = socket.socket()
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind(("127.0.0.1", listener.port))
    other.listen()
    try:
        run = Run(show_scope, listener=listener)
        with pytest.raises(Refusal, match="port in use"):
            await run.task
        assert not run.ready.is_set()
    finally:
        other.close()
        listener.close()


@pytest.mark.parametrize(
    "request_line", [b"nonsense", b"GET /" + b"x" * 70_000 + b" HTTP/1.1"], ids=["nonsense", "long"]
)
async def test_what_is_no_http_is_a_problem_as_well(request_line):
    async with serving(show_scope) as run:
        reader, writer = await asyncio.open_connection(run.listener.host, run.listener.port)
        writer.write(request_line + b"\r\nHost: localhost\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
    status, *headers = head.decode().split("\r\n")
    problem = json.loads(body)
    assert status == "HTTP/1.1 400 Bad Request"
    assert "content-type: application/problem+json" in headers
    assert f"x-request-id: {problem['requestId']}" in headers
    assert (problem["technicalKey"], problem["code"]) == ("BAD_REQUEST", 40000000)
    assert "65535 bytes" in problem["detail"]
