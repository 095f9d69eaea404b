"""What trusted proxies are believed, what others are not, and what the guard makes of it."""

import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway.http.forwarded import Forwarded, address_of, vary_of
from gateway.http.guard import Guard

PROXY = ("10.0.0.1", 40000)
TRUSTED = ("10.0.0.0/8", "fd00::/8")
HOSTS = ("jobs.example.org", "2001:db8::7", "box")

Header = tuple[str, str]


class Seen:
    """What an application behind the middleware is told, or how the request was refused."""

    status = 200
    detail = ""
    address = ""
    client: Any = None
    vary = ""


async def ask(
    *headers: Header,
    client: Any = PROXY,
    trusted: tuple[str, ...] = TRUSTED,
    host: str = "box:8080",
    public_url: str | None = None,
    has_keys: bool = True,
) -> Seen:
    seen = Seen()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.address = address_of(scope, public_url)
        seen.client = scope["client"]
        seen.vary = vary_of(scope)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            seen.status = message["status"]
        else:
            seen.detail = json.loads(message["body"])["detail"]

    guarded = Guard(
        app,
        listening_host="127.0.0.1",
        allowed_hosts=[f"[{name}]" if ":" in name else name for name in HOSTS],
        has_keys=lambda: has_keys,
    )
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "client": client,
        "server": ("127.0.0.1", 8080),
        "headers": [
            (name.lower().encode(), value.encode("latin-1")) for name, value in [("Host", host), *headers]
        ],
    }
    await Forwarded(guarded, trusted=trusted)(scope, receive, send)
    return seen


def x(name: str, value: str) -> Header:
    return f"X-Forwarded-{name}", value


def forwarded(value: str) -> Header:
    return "Forwarded", value


BOX = "http://box:8080"
PUBLIC = "https://jobs.example.org"
PUBLIC_HTTP = "http://jobs.example.org"


@pytest.mark.parametrize(
    ("headers", "client", "address"),
    [
        # Nothing said: the connection's own.
        ([], PROXY, BOX),
        # X-Forwarded-*.
        ([x("For", "192.0.2.7")], ("192.0.2.7", 0), BOX),
        ([x("For", "192.0.2.7:1234")], ("192.0.2.7", 1234), BOX),
        ([x("For", "2001:db8::1")], ("2001:db8::1", 0), BOX),
        ([x("For", "[2001:DB8::1]:99")], ("2001:db8::1", 99), BOX),
        ([x("For", "::ffff:192.0.2.7")], ("192.0.2.7", 0), BOX),
        ([x("For", "unknown")], ("unknown", 0), BOX),
        ([x("Proto", "HTTPS")], PROXY, "https://box:8080"),
        ([x("Proto", "https"), x("Host", "jobs.example.org")], PROXY, PUBLIC),
        ([x("Host", "[2001:db8::7]:444")], PROXY, "http://[2001:db8::7]:444"),
        ([x("Host", "jobs.example.org"), x("Port", "8443")], PROXY, "http://jobs.example.org:8443"),
        ([x("Host", "jobs.example.org:1"), x("Port", "2")], PROXY, "http://jobs.example.org:1"),
        ([x("Host", "jobs.example.org"), x("Port", "443"), x("Proto", "https")], PROXY, PUBLIC),
        ([x("Host", "jobs.example.org"), x("Port", "80")], PROXY, "http://jobs.example.org"),
        ([x("Host", "jobs.example.org"), x("Port", "443")], PROXY, "http://jobs.example.org:443"),
        ([x("Prefix", "/jobs/")], PROXY, BOX + "/jobs"),
        ([x("Prefix", "/")], PROXY, BOX),
        # Empty members and lines do not count.
        ([x("For", " , 192.0.2.7, ,"), x("For", ""), x("Host", "")], ("192.0.2.7", 0), BOX),
        # Forwarded.
        ([forwarded("for=192.0.2.7")], ("192.0.2.7", 0), BOX),
        ([forwarded('For="[2001:DB8::1]:4711"')], ("2001:db8::1", 4711), BOX),
        ([forwarded('for="192.0.2.7:_port"')], ("192.0.2.7", 0), BOX),
        ([forwarded("for=_hidden.1")], ("_hidden.1", 0), BOX),
        ([forwarded("for=unknown;proto=https")], ("unknown", 0), "https://box:8080"),
        ([forwarded('PROTO=https;HOST="jobs.example.org:8443"')], PROXY, PUBLIC + ":8443"),
        ([forwarded("proto=https; host=jobs.example.org:8443 ;by=_us")], PROXY, PUBLIC + ":8443"),
        ([forwarded(r'host="jobs\.example.org";secret="a,b;c\"d"')], PROXY, "http://jobs.example.org"),
        ([forwarded(";;host=jobs.example.org;, ,")], PROXY, "http://jobs.example.org"),
        ([forwarded("")], PROXY, BOX),
        ([forwarded("host=jobs.example.org"), x("Prefix", "/a")], PROXY, "http://jobs.example.org/a"),
    ],
)
async def test_a_trusted_proxy_is_believed(headers: list[Header], client: Any, address: str) -> None:
    seen = await ask(*headers)
    assert (seen.status, seen.client, seen.address) == (200, client, address)


@pytest.mark.parametrize(
    "headers",
    [
        [x("For", "192.0.2.7"), x("Proto", "https"), x("Host", "jobs.example.org"), x("Port", "1")],
        [x("Prefix", "/elsewhere")],
        [forwarded("for=192.0.2.7;proto=https;host=jobs.example.org")],
        [x("Host", "evil.example"), forwarded('for="'), x("Proto", "gopher")],
    ],
)
@pytest.mark.parametrize(
    ("client", "trusted"),
    [
        (PROXY, ()),
        (PROXY, ("10.0.0.2", "fd00::/8")),
        (("192.0.2.1", 1), TRUSTED),
        (("2001:db8::1", 1), TRUSTED),
        (None, TRUSTED),
        (("", 0), TRUSTED),
        (("unix:/run/gateway.sock", 0), TRUSTED),
    ],
)
async def test_nobody_else_is(headers: list[Header], client: Any, trusted: tuple[str, ...]) -> None:
    seen = await ask(*headers, client=client, trusted=trusted)
    assert (seen.status, seen.client, seen.address) == (200, client, BOX)
    assert seen.vary == "Host"


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1"])
async def test_proxies_are_known_by_address_however_it_is_written(peer: str) -> None:
    seen = await ask(x("Proto", "https"), client=(peer, 1))
    assert seen.address == "https://box:8080"
    assert set(seen.vary.split(", ")) == {
        "Host",
        "Forwarded",
        *(f"X-Forwarded-{name}" for name in ("For", "Proto", "Host", "Port", "Prefix")),
    }


@pytest.mark.parametrize(
    ("headers", "client", "address"),
    [
        # What a client sent stands to the left of what the proxy wrote.
        ([x("For", "127.0.0.1, 192.0.2.7")], "192.0.2.7", BOX),
        ([x("For", "10.9.9.9, 192.0.2.7")], "192.0.2.7", BOX),
        ([x("For", "nonsense"), x("For", "192.0.2.7")], "192.0.2.7", BOX),
        ([x("For", "192.0.2.7"), x("Proto", "https, http")], "192.0.2.7", BOX),
        ([x("For", "192.0.2.7"), x("Proto", "gopher"), x("Proto", "https")], "192.0.2.7", "https://box:8080"),
        ([x("For", "192.0.2.7"), x("Host", "evil.example, jobs.example.org")], "192.0.2.7", PUBLIC_HTTP),
        ([x("For", "192.0.2.7"), x("Prefix", "/evil, /jobs")], "192.0.2.7", BOX + "/jobs"),
        ([forwarded("for=10.9.9.9;host=evil.example, for=192.0.2.7")], "192.0.2.7", BOX),
        (
            [forwarded("for=_x;proto=gopher;host=<>"), forwarded("for=192.0.2.7;proto=https")],
            "192.0.2.7",
            "https://box:8080",
        ),
        # The first proxy hides the client: what stands to the left cannot be its.
        (
            [forwarded("for=1.1.1.1;host=evil.example, for=_hidden;proto=https")],
            "_hidden",
            "https://box:8080",
        ),
        ([forwarded("for=1.1.1.1;host=evil.example, proto=https")], "10.0.0.1", "https://box:8080"),
        # Two trusted proxies: what the outer one wrote counts, where it wrote something.
        ([x("For", "1.1.1.1, 192.0.2.7, 10.0.0.2")], "192.0.2.7", BOX),
        ([x("For", "192.0.2.7, 10.0.0.2"), x("Proto", "http, https, http")], "192.0.2.7", "https://box:8080"),
        ([x("For", "192.0.2.7, 10.0.0.2"), x("Proto", "https")], "192.0.2.7", "https://box:8080"),
        (
            [x("For", "192.0.2.7, 10.0.0.2"), x("Host", "evil.example, jobs.example.org, box:8080")],
            "192.0.2.7",
            PUBLIC_HTTP,
        ),
        (
            [x("For", "192.0.2.7, 10.0.0.2"), x("Prefix", "/evil, /outer"), x("Prefix", "/inner")],
            "192.0.2.7",
            BOX + "/outer/inner",
        ),
        (
            [
                forwarded(
                    'for=192.0.2.7;proto=https;host=jobs.example.org, for="[fd00::2]";proto=http;host=box'
                )
            ],
            "192.0.2.7",
            PUBLIC,
        ),
        (
            [forwarded("for=192.0.2.7;proto=https, for=10.0.0.2;proto=http;host=jobs.example.org")],
            "192.0.2.7",
            PUBLIC,
        ),
        # Trusted all the way: the leftmost asked.
        ([x("For", "10.0.0.3, 10.0.0.2"), x("Proto", "https, http")], "10.0.0.3", "https://box:8080"),
        ([forwarded("for=10.0.0.3;host=jobs.example.org, for=10.0.0.2;host=box")], "10.0.0.3", PUBLIC_HTTP),
    ],
)
async def test_lists_are_walked_from_the_right(headers: list[Header], client: str, address: str) -> None:
    seen = await ask(*headers)
    assert (seen.status, seen.client[0], seen.address) == (200, client, address)


@pytest.mark.parametrize(
    "header",
    [
        *(
            x("For", value)
            for value in ("nonsense", "1.2.3", "1.2.3.4:x", "[::1", "1.2.3.4:65536", "a b", "_")
        ),
        *(x("Proto", value) for value in ("gopher", "wss", "https;", '"https"')),
        *(x("Host", value) for value in ("a b", "a/b", "user@box", "box:99999", "box:x", '"<&', "é", "[zz]")),
        *(x("Port", value) for value in ("0", "65536", "x", "-1", "4 4")),
        *(
            x("Prefix", value)
            for value in ("jobs", "//jobs", "/a//b", "/a/../b", "/.", "/a b", '/"', "/%zz", "/a?b")
        ),
        *(
            forwarded(value)
            for value in (
                "for",
                "for=",
                "=x",
                'for="192.0.2.7',
                "for=a b",
                "for=192.0.2.7;for=192.0.2.8",
                "for=1.2.3",
                'for="[::1"',
                "proto=gopher",
                'proto=""',
                'host="a/b"',
                'host=""',
                'host="<script>"',
                "fo r=192.0.2.7",
                # A quote that the client left open.
                'for="x, for=192.0.2.7;proto=https',
            )
        ),
    ],
)
async def test_what_counts_and_cannot_be_read_is_refused(header: Header) -> None:
    seen = await ask(header)
    assert seen.status == 400
    assert f"the header {header[0]} cannot be read" in seen.detail


@pytest.mark.parametrize(
    ("forwarded_value", "others", "status"),
    [
        (
            "for=192.0.2.7;proto=https;host=jobs.example.org",
            [x("For", "192.0.2.7"), x("Proto", "https"), x("Host", "Jobs.Example.org:443")],
            200,
        ),
        (
            "for=192.0.2.7;proto=https",
            [x("For", "192.0.2.7:99"), x("Proto", "https"), x("Host", "box:8080")],
            200,
        ),
        ("for=192.0.2.8", [x("For", "192.0.2.7")], 400),
        ("for=192.0.2.7;proto=https", [x("For", "192.0.2.7")], 400),
        ("for=192.0.2.7", [x("For", "192.0.2.7"), x("Host", "jobs.example.org")], 400),
        ("for=192.0.2.7;host=jobs.example.org", [x("For", "192.0.2.7"), x("Proto", "http")], 400),
        ("host=jobs.example.org", [x("Port", "81")], 400),
    ],
)
async def test_both_families_must_say_the_same(
    forwarded_value: str, others: list[Header], status: int
) -> None:
    seen = await ask(forwarded(forwarded_value), *others)
    assert seen.status == status
    assert ("contradict" in seen.detail) is (status == 400)


@pytest.mark.parametrize("header", [x("Host", "evil.example"), forwarded("host=evil.example")])
async def test_a_foreign_host_is_misdirected_whoever_forwards_it(header: Header) -> None:
    seen = await ask(header)
    assert seen.status == 421
    assert "evil.example" in seen.detail


async def test_a_host_that_is_forwarded_does_not_hide_a_foreign_one() -> None:
    seen = await ask(x("Host", "jobs.example.org"), host="evil.example")
    assert (seen.status, "evil.example" in seen.detail) == (421, True)


@pytest.mark.parametrize(("origin", "status"), [(PUBLIC, 200), ("http://jobs.example.org", 403), (BOX, 403)])
async def test_pages_of_the_address_that_callers_see_are_the_gateways_own(origin: str, status: int) -> None:
    headers = [x("Proto", "https"), x("Host", "jobs.example.org"), ("Origin", origin)]
    assert (await ask(*headers)).status == status


@pytest.mark.parametrize("client", [PROXY, ("192.0.2.1", 1)])
async def test_without_keys_a_proxy_is_refused_trusted_or_not(client: Any) -> None:
    for header in (x("For", "192.0.2.7"), forwarded("for=192.0.2.7"), x("Prefix", "/a")):
        assert (await ask(header, client=client, has_keys=False)).status == 403


async def test_public_url_goes_before_all_that_is_forwarded() -> None:
    headers = [x("Proto", "http"), x("Host", "jobs.example.org:81"), x("Prefix", "/x")]
    seen = await ask(*headers, public_url="https://public.example.org/base/")
    assert seen.address == "https://public.example.org/base"


async def test_a_host_that_is_forwarded_in_several_lines_is_read_as_one_list() -> None:
    seen = await ask(x("Host", "evil.example"), x("Host", "jobs.example.org"))
    assert seen.address == PUBLIC_HTTP


async def test_other_kinds_of_events_pass() -> None:
    passed: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["type"])

    await Forwarded(app, trusted=TRUSTED)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert passed == ["lifespan"]
