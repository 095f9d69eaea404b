"""Keeps web pages of other sites, and names that were bent to this address, away from the gateway.

Any page that a browser shows can make it send requests to a gateway that it can reach. Three rules stop
that, on every path and for every method: the Host header must name this gateway, and so must the host that a
trusted proxy forwards; the page that sent the request must be the gateway's own; and a gateway without keys
is not served through a proxy.
Who the caller is and what they may do is decided elsewhere.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from inspect import isawaitable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.errors import BadRequest, Forbidden, JobsError, MisdirectedRequest
from gateway.http.forwarded import forwarded_host
from gateway.http.host import bracketed, host_of, origin_of
from gateway.http.problem import problem_response
from gateway.http.request_id import request_id_of

_EXPOSED = (
    "Accept-Ranges, Content-Disposition, Content-Range, ETag, Link, Location, Repr-Digest, Retry-After, "
    "X-Request-Id"
)
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_ALLOWED = (
    "Accept, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, If-Range, Range, "
    "SOAPAction, X-API-KEY, X-Request-Id"
)
_PREFLIGHT_SECONDS = "600"

_BROWSER_OR_PROXY = (b"origin", b"sec-fetch-site", b"forwarded", b"via")


class Guard:
    """ASGI middleware that refuses what no honest client sends.

    `listening_host` is the address that the server listens on; `public_url` the address that callers use;
    `allowed_hosts` further names for the Host header; `cors_origins` origins such as `https://example.org`
    whose pages may call; `has_keys` tells whether any API key exists, and may be a coroutine function.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        listening_host: str,
        has_keys: Callable[[], bool | Awaitable[bool]],
        public_url: str | None = None,
        allowed_hosts: Iterable[str] = (),
        cors_origins: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._has_keys = has_keys
        public = urlsplit(public_url) if public_url else None
        names = ["localhost", *allowed_hosts, *([public.netloc.rpartition("@")[2]] if public else [])]
        self._hosts = frozenset(host for name in names if (host := host_of(name)) is not None)
        listening = listening_host.strip("[]")
        self._listening = host_of(f"[{listening}]" if ":" in listening else listening)
        self._public_origin = origin_of(f"{public.scheme}://{public.netloc}") if public else None
        self._is_ours = lru_cache(maxsize=1024)(self._compare)
        self._cors = frozenset(origin for name in cors_origins if (origin := origin_of(name)) is not None)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on, or answer it with 400, 403 or 421."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        hosts = []
        suspicious = False
        for name, value in scope["headers"]:
            if name == b"host":
                hosts.append(value)
            elif name in _BROWSER_OR_PROXY or name.startswith(b"x-forwarded-"):
                suspicious = True
        error = self._check_host(scope, hosts)
        if error is None and not suspicious:
            return self._app(scope, receive, self._varying(send) if self._cors else send)
        return self._look_closely(error, scope, receive, send)

    async def _look_closely(
        self, error: JobsError | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        headers = Headers(scope=scope)
        if error is None:
            error = await self._check_proxy(headers)
        if error is None:
            error = self._check_origin(scope, headers)
        if error is not None:
            await problem_response(error, request_id_of(headers))(scope, receive, send)
            return
        origin = headers.get("origin")
        if origin is None or origin_of(origin) not in self._cors:
            await self._app(scope, receive, self._varying(send) if self._cors else send)
        elif scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight()(scope, receive, self._varying(send, origin))
        else:
            await self._app(scope, receive, self._varying(send, origin))

    def _check_host(self, scope: Scope, hosts: list[bytes]) -> JobsError | None:
        # RFC 9112 section 3.2: a missing, a second or a malformed Host is answered with 400.
        if len(hosts) != 1:
            return BadRequest(f"a request has one Host header, not {len(hosts)}")
        given = hosts[0].decode("latin-1")
        server = scope.get("server")
        address = None if server is None else server[0]
        # A page whose name was bent to this address may say of itself that it came through a proxy; its
        # Host tells it apart all the same.
        for name in (given, forwarded_host(scope)):
            if name is None or self._is_ours(name, address):
                continue
            if host_of(given) is None:
                return BadRequest("the Host header is no host")
            return MisdirectedRequest(f"this gateway is not called {name}; see the setting ALLOWED_HOSTS")
        return None

    def _compare(self, name: str, address: str | None) -> bool:
        """Whether a host is this gateway, which was reached at an address."""
        host = host_of(name)
        if host is None:
            return False
        if host in self._hosts or host == self._listening:
            return True
        # Behind 0.0.0.0 or ::, the address that this connection was made to.
        return address is not None and not isinstance(host, str) and host == host_of(bracketed(address))

    async def _check_proxy(self, headers: Headers) -> JobsError | None:
        proxied = [
            name for name in headers if name in ("forwarded", "via") or name.startswith("x-forwarded-")
        ]
        if not proxied:
            return None
        has_keys = self._has_keys()
        if isawaitable(has_keys):
            has_keys = await has_keys
        if has_keys:
            return None
        return Forbidden(f"a gateway without keys is not served through a proxy (header {proxied[0]})")

    def _check_origin(self, scope: Scope, headers: Headers) -> JobsError | None:
        given = headers.getlist("origin")
        if given:
            own = origin_of(f"{scope['scheme']}://{forwarded_host(scope) or headers['host']}")
            for text in given:
                origin = origin_of(text)
                if origin is None or (origin not in self._cors and origin not in (own, self._public_origin)):
                    return Forbidden("pages of other origins may not call; see the setting CORS_ORIGINS")
            if origin_of(given[0]) in self._cors:
                return None
        if headers.get("sec-fetch-site", "").strip().lower() == "cross-site":
            return Forbidden("pages of other sites may not call; see the setting CORS_ORIGINS")
        return None

    @staticmethod
    def _varying(send: Send, origin: str | None = None) -> Send:
        """Adds the CORS headers for an origin that may call; caches must keep origins apart."""

        async def send_varying(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"vary", b"Origin")]
                if origin is not None:
                    headers.append((b"access-control-allow-origin", origin.encode("latin-1")))
                    headers.append((b"access-control-expose-headers", _EXPOSED.encode()))
                message = {**message, "headers": headers}
            await send(message)

        return send_varying


def _preflight() -> Response:
    return Response(
        status_code=204,
        headers={
            "access-control-allow-methods": _METHODS,
            "access-control-allow-headers": _ALLOWED,
            "access-control-max-age": _PREFLIGHT_SECONDS,
        },
    )
