"""The addresses that are no operations: probes for whoever runs the gateway, and the OpenAPI document."""

from collections.abc import Awaitable, Callable
from functools import lru_cache

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.domain.errors import ServiceUnavailable
from gateway.http.forwarded import forwarded_prefix
from gateway.http.needs_key import Doorkeeper, NeedsKey
from gateway.http.page import Page
from gateway.http.problem import problem_response
from gateway.http.request_id import request_id_of
from gateway.rest.openapi import openapi_bytes

OPENAPI_PATH = "/openapi.json"

_RETRY_AFTER_SECONDS = 1
_DOCUMENTS = 8
"""How many are kept; they differ only in what trusted proxies have cut off from the path."""


def probe_pages(ready: Callable[[], Awaitable[str | None]]) -> dict[str, ASGIApp]:
    """`/livez`, 200 while the process answers, and `/readyz`, 503 while `ready` gives a reason, else 200."""
    alive = Page(lambda: b'{"status":"ok"}', "application/json", {"cache-control": "no-store"})
    return {"/livez": alive, "/readyz": _Readiness(alive, ready)}


def openapi_pages(
    public_url: str | None = None, *, key_needed_by: Doorkeeper | None = None
) -> dict[str, ASGIApp]:
    """`/openapi.json`, open to everyone, or to those whom the given seam admits."""
    document = _Document(public_url)
    return {OPENAPI_PATH: NeedsKey(document, key_needed_by) if key_needed_by else document}


class _Document:
    """The OpenAPI document; the server that it names is relative to where it was found, or PUBLIC_URL."""

    def __init__(self, public_url: str | None) -> None:
        self._public_url = public_url
        self._page = lru_cache(maxsize=_DOCUMENTS)(self._make)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._page(self._public_url or forwarded_prefix(scope))(scope, receive, send)

    @staticmethod
    def _make(server: str) -> Page:
        headers = {"vary": "Accept-Encoding, X-Forwarded-Prefix"}
        return Page(lambda: openapi_bytes(server or None), "application/json", headers)


class _Readiness:
    def __init__(self, page: Page, ready: Callable[[], Awaitable[str | None]]) -> None:
        self._page = page
        self._ready = ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = await self._ready() if scope["method"] in ("GET", "HEAD") else None
        if reason is None:
            await self._page(scope, receive, send)
            return
        error = ServiceUnavailable(reason, retry_after_seconds=_RETRY_AFTER_SECONDS)
        response = problem_response(error, request_id_of(Headers(scope=scope)))
        if scope["method"] == "HEAD":
            response.body = b""
        await response(scope, receive, send)
