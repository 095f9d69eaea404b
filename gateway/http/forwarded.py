"""Believes trusted proxies about the address that a request was sent to, and about who sent it.

A proxy hides the scheme, the host and the client of a request, and tells them in headers: `Forwarded`
(RFC 7239), or X-Forwarded-For, -Proto, -Host and -Port. Anyone can send such headers, so:

* They count only when the peer of the connection is a trusted proxy. From anyone else they are ignored.
  A peer without an IP address is not trusted.
* Each proxy writes at the right end of a list what it saw. The list of clients is therefore walked from the
  right, past trusted addresses; the first that is not trusted is the client, and what stands to the left of
  it came from the client and is not looked at. When all are trusted, the leftmost is the client.
* Scheme, host and port are those that the proxy next to the client wrote: the value in the client's place,
  or, where that proxy wrote none, the nearest to the right of it. Without a list of clients that is the
  rightmost value.
* A port in the host goes before X-Forwarded-Port.
* X-Forwarded-Prefix is the path that proxies cut off; the parts that trusted ones wrote are put together. It
  becomes part of addresses that are shown, and never of the path that is served.
* Both families at once must come to the same scheme, host and client. A proxy that writes one and passes the
  other on would let its clients say anything; nobody can tell from here which one it wrote, so the request
  is refused.
* A value that counts and cannot be read is refused with 400, too, never guessed at: an address made of it
  would lead nowhere. So is a Forwarded header that breaks the grammar anywhere, because a quote that a
  client leaves open swallows what the proxy wrote.

Whether the host is one of the gateway's is the guard's to say, of Host as well as of the host found here.
"""

import re
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.domain.errors import BadRequest
from gateway.http.host import DEFAULT_PORTS, host_of, origin_of, port_of, unmapped
from gateway.http.problem import problem_response
from gateway.http.request_id import request_id_of

_FORWARDED = "Forwarded"
_FOR, _PROTO, _HOST, _PORT = _FAMILY = (
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
)
_PREFIX = "X-Forwarded-Prefix"
_VARY = ", ".join(("Host", _FORWARDED, *_FAMILY, _PREFIX))

_KEY = "gateway.forwarded"
"""Where the scope holds a Told; only requests of trusted proxies have it."""

# RFC 7239 section 4. Values with colons or brackets should be quoted; where they are not, they are read, too.
_PAIR = re.compile(
    r"[ \t]*(?:(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)="
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^",;\s]+))[ \t]*)?(?P<end>[;,]|\Z)'
)
# RFC 7239 section 6. An IPv6 address without brackets and port is read before this is tried.
_NODE = re.compile(
    r"(?P<name>\[[^\[\]]+\]|[^:\[\]]+)(?::(?:(?P<port>[0-9]{1,5})|_[A-Za-z0-9._-]+))?", re.ASCII
)
_OBFUSCATED = re.compile(r"unknown|_[A-Za-z0-9._-]+", re.IGNORECASE)
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))(?:[A-Za-z0-9._~@:+-]|%[0-9A-Fa-f]{2})+)*/?")

_Client = tuple[str, int]
"""As in an ASGI scope: address, or what stands for one, and port; 0 = not told."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What trusted proxies told of a request. None = nothing."""

    client: _Client | None = None
    scheme: str | None = None
    host: str | None = None
    """With its port, as a Host header has it."""
    hops: int = 1
    """How many trusted proxies stand before the gateway, as far as the lists tell."""
    prefix: str = ""
    """Path without a slash at its end."""


class Forwarded:
    """ASGI middleware: sets `scheme` and `client` of requests that came through a trusted proxy.

    `trusted` are addresses and networks. What else the proxy told, `forwarded_host` and `address_of` tell.
    """

    def __init__(self, app: ASGIApp, *, trusted: Iterable[str] = ()) -> None:
        self._app = app
        self._networks = tuple(ip_network(network, strict=False) for network in trusted)
        self._is_trusted = lru_cache(maxsize=1024)(self._lies_in_a_network)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on as its client sent it, or answer it with 400."""
        if scope["type"] == "http" and self._networks and self._trusts(scope.get("client")):
            headers = Headers(scope=scope)
            try:
                told = self._read(scope, headers)
            except BadRequest as error:
                return problem_response(error, request_id_of(headers))(scope, receive, send)
            scope = {
                **scope,
                "scheme": told.scheme or scope["scheme"],
                "client": told.client or scope["client"],
                _KEY: told,
            }
        return self._app(scope, receive, send)

    def _trusts(self, client: Sequence[str | int] | None) -> bool:
        return client is not None and self._is_trusted(str(client[0]))

    def _lies_in_a_network(self, text: str) -> bool:
        try:
            address = unmapped(ip_address(text))
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def _read(self, scope: Scope, headers: Headers) -> Told:
        elements = [element for line in headers.getlist(_FORWARDED) for element in _elements(line)]
        lists = {name: _items(headers, name) for name in _FAMILY}
        told = self._by_elements(elements) if elements else Told()
        if any(lists.values()):
            other = self._by_lists(lists, scope, headers)
            if elements and _gist(told, scope, headers) != _gist(other, scope, headers):
                raise BadRequest("the headers Forwarded and X-Forwarded-* contradict each other")
            told = other
        return replace(told, prefix="".join(map(_prefix, _items(headers, _PREFIX)[-told.hops :])))

    def _by_elements(self, elements: list[dict[str, str]]) -> Told:
        counted: list[dict[str, str]] = []
        client: _Client | None = None
        for element in reversed(elements):
            counted.insert(0, element)
            client = _client(element["for"], _FORWARDED) if "for" in element else None
            if not self._trusts(client):
                break
        scheme = next((element["proto"] for element in counted if "proto" in element), None)
        host = next((element["host"] for element in counted if "host" in element), None)
        return Told(
            client=client,
            scheme=None if scheme is None else _scheme(scheme, _FORWARDED),
            host=None if host is None else _host(host, _FORWARDED),
            hops=len(counted),
        )

    def _by_lists(self, lists: dict[str, list[str]], scope: Scope, headers: Headers) -> Told:
        hops = 0
        client: _Client | None = None
        for text in reversed(lists[_FOR]):
            hops += 1
            client = _client(text, _FOR)
            if not self._trusts(client):
                break
        hops = max(hops, 1)
        # The value in the client's place, or the leftmost of a list that does not reach so far.
        protocol, host, port = (next(iter(lists[name][-hops:]), None) for name in (_PROTO, _HOST, _PORT))
        scheme = _scheme(protocol, _PROTO) if protocol else None
        if host:
            host = _host(host, _HOST)
        if port:
            host = _with_port(host or headers.get("host", ""), _port(port), scheme or scope["scheme"])
        return Told(client=client, scheme=scheme, host=host, hops=hops)


def forwarded_host(scope: Scope) -> str | None:
    """The host that a trusted proxy says the client asked for; None when none says so."""
    told: Told | None = scope.get(_KEY)
    return told.host if told else None


def forwarded_prefix(scope: Scope) -> str:
    """The path that trusted proxies have cut off, without a slash at its end."""
    told: Told | None = scope.get(_KEY)
    return told.prefix if told else ""


def address_of(scope: Scope, public_url: str | None = None) -> str:
    """The gateway's address as the sender of a request knows it, without a slash at its end.

    `public_url` goes before all else, then what trusted proxies told, then the Host header.
    """
    if public_url:
        return public_url.rstrip("/")
    host = forwarded_host(scope) or Headers(scope=scope).get("host", "localhost").strip()
    return f"{scope['scheme']}://{host}{forwarded_prefix(scope)}"


def vary_of(scope: Scope) -> str:
    """Vary for a reply that shows `address_of` the request."""
    return _VARY if _KEY in scope else "Host"


def _items(headers: Headers, name: str) -> list[str]:
    """The members of a list header, from all its lines; empty ones do not count (RFC 9110 section 5.6.1)."""
    return [item for line in headers.getlist(name) for part in line.split(",") if (item := part.strip())]


def _elements(line: str) -> list[dict[str, str]]:
    """The elements of a Forwarded header; names in lower case, values without quotes."""
    elements: list[dict[str, str]] = [{}]
    place = 0
    while True:
        found = _PAIR.match(line, place)
        if found is None:
            raise _unreadable(_FORWARDED, line)
        if found["name"]:
            name = found["name"].lower()
            # RFC 7239 section 4: each parameter stands at most once in an element.
            if name in elements[-1]:
                raise _unreadable(_FORWARDED, line)
            quoted = found["quoted"]
            elements[-1][name] = found["plain"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        if not found["end"]:
            return [element for element in elements if element]
        if found["end"] == ",":
            elements.append({})
        place = found.end()


def _client(text: str, header: str) -> _Client:
    """A node (RFC 7239 section 6): an address or what stands for one, and the port."""
    try:
        return str(unmapped(ip_address(text))), 0
    except ValueError:
        found = _NODE.fullmatch(text)
    port = int(found["port"] or 0) if found else 0
    if found is None or port > 65535:
        raise _unreadable(header, text)
    name = found["name"]
    if not _OBFUSCATED.fullmatch(name):
        try:
            name = str(unmapped(ip_address(name.strip("[]"))))
        except ValueError:
            raise _unreadable(header, text) from None
    return name, port


def _scheme(text: str, header: str) -> str:
    if text.lower() not in DEFAULT_PORTS:
        raise _unreadable(header, text)
    return text.lower()


def _host(text: str, header: str) -> str:
    if host_of(text) is None:
        raise _unreadable(header, text)
    return text


def _port(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) <= 65535:
        raise _unreadable(_PORT, text)
    return str(int(text))


def _prefix(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise _unreadable(_PREFIX, text)
    return text.removesuffix("/")


def _with_port(host: str, port: str, scheme: str) -> str:
    if port_of(host) or port == DEFAULT_PORTS.get(scheme):
        return host
    return f"{host.strip().removesuffix(':')}:{port}"


def _gist(told: Told, scope: Scope, headers: Headers) -> object:
    """What one family of headers comes to, in a form in which equal things are equal."""
    origin = f"{told.scheme or scope['scheme']}://{told.host or headers.get('host', '')}"
    return origin_of(origin), told.client[0].lower() if told.client else None


def _unreadable(header: str, text: str) -> BadRequest:
    return BadRequest(f"the header {header} cannot be read: {text!r}")
