"""Serves a document that is the same for everyone, such as a page or a description of the service."""

import gzip
import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.domain.errors import MethodNotAllowed
from gateway.http.compress import LEAST_BYTES, accepts_gzip
from gateway.http.problem import problem_response
from gateway.http.request_id import request_id_of

_ALLOW = "GET, HEAD, OPTIONS"


class Page:
    """ASGI app that serves one document; `load` gives its bytes when they are first needed."""

    def __init__(
        self, load: Callable[[], bytes], media_type: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self._load = load
        self._media_type = media_type
        self._headers = {
            "cache-control": "no-cache",
            "vary": "Accept-Encoding",
            "x-content-type-options": "nosniff",
            **(headers or {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._response(scope["method"], Headers(scope=scope))(scope, receive, send)

    def _response(self, method: str, headers: Headers) -> Response:
        if method == "OPTIONS":
            return Response(status_code=204, headers={"allow": _ALLOW})
        if method not in ("GET", "HEAD"):
            error = MethodNotAllowed(f"{method} means nothing here; {_ALLOW} do")
            return problem_response(error, request_id_of(headers), headers={"allow": _ALLOW})
        zipped = len(self._plain) >= LEAST_BYTES and accepts_gzip(headers)
        tag = f'"{self._digest}{"-gzip" if zipped else ""}"'
        fields = {**self._headers, "etag": tag}
        if self._digest in headers.get("if-none-match", ""):
            return Response(status_code=304, headers=fields)
        if zipped:
            fields["content-encoding"] = "gzip"
        response = Response(self._zipped if zipped else self._plain, 200, fields, media_type=self._media_type)
        if method == "HEAD":
            response.body = b""
        return response

    @cached_property
    def _plain(self) -> bytes:
        return self._load()

    @cached_property
    def _zipped(self) -> bytes:
        return gzip.compress(self._plain, mtime=0)

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self._plain).hexdigest()[:32]
