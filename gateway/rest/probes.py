"""The addresses that are no operations: probes for whoever runs the gateway, and the OpenAPI document."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import ServiceUnavailable
from gateway.http.needs_key import Doorkeeper, NeedsKey
from gateway.http.page import Page
from gateway.http.problem import problem_response
from gateway.http.request_id import request_id_of
from gateway.rest.openapi import openapi_bytes

OPENAPI_PATH = "/openapi.json"

_RETRY_AFTER_SECONDS = 1


def probe_routes(ready: Callable[[], Awaitable[str | None]]) -> list[BaseRoute]:
    """`/livez`, 200 while the process answers, and `/readyz`, 503 while `ready` gives a reason, else 200."""
    alive = Page(lambda: b'{"status":"ok"}', "application/json", {"cache-control": "no-store"})
    return [Route("/livez", alive), Route("/readyz", _Readiness(alive, ready))]


def openapi_routes(
    public_url: str | None = None, *, key_needed_by: Doorkeeper | None = None
) -> list[BaseRoute]:
    """`/openapi.json`, open to everyone, or to those whom the given seam admits."""
    page = Page(lambda: openapi_bytes(public_url), "application/json")
    return [Route(OPENAPI_PATH, NeedsKey(page, key_needed_by) if key_needed_by else page)]


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
