"""Which hosts, pages and proxies the guard lets through, and that every reply carries an id."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from gateway.http.guard import Guard
from gateway.http.request_id import RequestIds


class Reply:
    def __init__(self, sent: list[Message]) -> None:
        self.status = sent[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in sent[1:])

    @property
    def key(self) -> str | None:
        return json.loads(self.body)["technicalKey"] if self.status >= 400 else None


async def ask(app: Any, *headers: tuple[str, str], server: str = "127.0.0.1", method: str = "GET") -> Reply:
    scope: Scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": "/any/path",
        "server": (server, 8080),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await RequestIds(app)(scope, receive, send)
    return Reply(sent)


def guard(**settings: Any) -> Guard:
    given: Mapping[str, Any] = {"listening_host": "127.0.0.1", "has_keys": lambda: True, **settings}
    return Guard(PlainTextResponse("through"), **given)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8080", "localhost", "LOCALHOST:1", "localhost.", "jobs.example.org", "other:99"],
)
async def test_the_names_of_the_gateway_are_let_through(host: str) -> None:
    app = guard(public_url="https://Jobs.Example.org/base", allowed_hosts=["other"])
    assert (await ask(app, ("Host", host))).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.2", "10.0.0.1:8080", "[::1]", "localhost.evil.example", "2130706433"]
)
async def test_another_name_is_misdirected_on_every_path(host: str) -> None:
    reply = await ask(guard(), ("Host", host))
    assert (reply.status, reply.key) == (421, "MISDIRECTED_REQUEST")


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["localhost", "localhost"],
        ["localhost", "evil.example"],
        [""],
        ["a b"],
        ["user@localhost"],
        ["[::1"],
        ["localhost:x"],
        ["localhost:99999"],
        ["[zz]"],
    ],
)
async def test_a_missing_doubled_or_malformed_host_is_a_bad_request(hosts: list[str]) -> None:
    reply = await ask(guard(), *(("Host", host) for host in hosts))
    assert (reply.status, reply.key) == (400, "BAD_REQUEST")


async def test_behind_any_address_the_one_that_answered_is_let_through() -> None:
    app = guard(listening_host="0.0.0.0")
    assert (await ask(app, ("Host", "192.168.1.5:8080"), server="192.168.1.5")).status == 200
    assert (await ask(app, ("Host", "192.168.1.6:8080"), server="192.168.1.5")).status == 421
    assert (await ask(app, ("Host", "box.lan"), server="192.168.1.5")).status == 421


async def test_ipv6_addresses_are_compared_as_addresses() -> None:
    app = guard(listening_host="::1")
    assert (await ask(app, ("Host", "[0:0:0:0:0:0:0:1]:8080"), server="::1")).status == 200
    any_address = guard(listening_host="::")
    assert (await ask(any_address, ("Host", "[2001:DB8::1]"), server="2001:db8::1")).status == 200
    assert (await ask(any_address, ("Host", "10.0.0.1"), server="::ffff:10.0.0.1")).status == 200


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Anything"])
async def test_without_keys_no_proxy_may_stand_before_the_gateway(header: str) -> None:
    async def no_keys() -> bool:
        return False

    reply = await ask(guard(has_keys=no_keys), ("Host", "localhost"), (header, "1.1 proxy"))
    assert (reply.status, reply.key) == (403, "FORBIDDEN")
    assert (await ask(guard(), ("Host", "localhost"), (header, "1.1 proxy"))).status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost:8080",
        "HTTP://LOCALHOST:8080",
        "https://jobs.example.org",
        "https://jobs.example.org:443",
    ],
)
async def test_pages_of_the_gateway_itself_may_call(origin: str) -> None:
    app = guard(public_url="https://jobs.example.org")
    reply = await ask(app, ("Host", "localhost:8080"), ("Origin", origin), ("Sec-Fetch-Site", "same-origin"))
    assert reply.status == 200
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    "headers",
    [
        [("Origin", "https://evil.example")],
        [("Origin", "http://localhost:9999")],
        [("Origin", "https://localhost:8080")],
        [("Origin", "null")],
        [("Origin", "")],
        [("Origin", "http://localhost:8080"), ("Origin", "https://evil.example")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "Cross-Site"), ("Origin", "http://localhost:8080")],
    ],
)
async def test_pages_of_others_may_not_call(headers: list[tuple[str, str]]) -> None:
    reply = await ask(guard(), ("Host", "localhost:8080"), *headers)
    assert (reply.status, reply.key) == (403, "FORBIDDEN")


async def test_named_origins_may_call_and_are_told_so() -> None:
    app = guard(cors_origins=["https://app.example.org/"])
    headers = [("Host", "localhost"), ("Sec-Fetch-Site", "cross-site")]
    reply = await ask(app, *headers, ("Origin", "https://app.example.org"))
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == "https://app.example.org"
    assert "ETag" in reply.headers["access-control-expose-headers"]
    assert reply.headers["vary"] == "Origin"
    assert (await ask(app, *headers, ("Origin", "https://app.example.org:8443"))).status == 403
    assert (await ask(app, ("Host", "localhost"))).headers["vary"] == "Origin"


async def test_a_preflight_is_answered_for_named_origins_alone() -> None:
    app = guard(cors_origins=["https://app.example.org"])
    asked = [("Host", "localhost"), ("Access-Control-Request-Method", "PATCH")]
    reply = await ask(app, *asked, ("Origin", "https://app.example.org"), method="OPTIONS")
    assert (reply.status, reply.body) == (204, b"")
    assert "PATCH" in reply.headers["access-control-allow-methods"]
    assert "X-API-KEY" in reply.headers["access-control-allow-headers"]
    assert reply.headers["access-control-allow-origin"] == "https://app.example.org"
    assert (await ask(app, *asked, ("Origin", "https://evil.example"), method="OPTIONS")).status == 403


async def test_every_reply_carries_the_request_id_that_the_doors_see() -> None:
    seen: list[bytes] = []

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(value for name, value in scope["headers"] if name == b"x-request-id")
        await PlainTextResponse("done")(scope, receive, send)

    assert (await ask(door, ("X-Request-Id", "mine-1"))).headers["x-request-id"] == "mine-1"
    made = (await ask(door, ("X-Request-Id", "not usable"))).headers["x-request-id"]
    again = (await ask(door, ("X-Request-Id", "a"), ("X-Request-Id", "b"))).headers["x-request-id"]
    assert seen == [b"mine-1", made.encode(), again.encode()]
    assert (await ask(guard(), ("Host", "evil"), ("X-Request-Id", "r"))).headers["x-request-id"] == "r"


async def test_an_unexpected_exception_is_logged_and_told_as_an_id(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("the secret of the house")

    with caplog.at_level(logging.ERROR):
        reply = await ask(broken, ("X-Request-Id", "r-1"))
    assert (reply.status, reply.key) == (500, "INTERNAL_SERVER_ERROR")
    assert json.loads(reply.body)["requestId"] == "r-1"
    assert b"secret" not in reply.body
    assert "the secret of the house" in caplog.text


async def test_an_exception_in_the_middle_of_a_reply_breaks_it_off() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("late")

    with pytest.raises(RuntimeError, match="late"):
        await ask(broken)


async def test_other_kinds_of_events_pass() -> None:
    passed: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["type"])

    outer = RequestIds(Guard(app, listening_host="127.0.0.1", has_keys=lambda: False))
    await outer({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert passed == ["lifespan"]
