"""The REST door: HTTP request -> parts of an operation -> the seam -> HTTP reply."""

from collections.abc import Iterable
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.seam import Request
from gateway.domain.call import Call
from gateway.domain.errors import (
    BadRequest,
    JobsError,
    MethodNotAllowed,
    NotFound,
    Problem,
    UnsupportedMediaType,
)
from gateway.domain.words import CallProtocol
from gateway.http.body import read_body
from gateway.http.compress import LEAST_BYTES, accepts_gzip, compressed
from gateway.http.credentials import credentials_of
from gateway.http.headers import HttpRequest, RequestHeaders
from gateway.http.preconditions import entity_tag, idempotency_key_of, if_match_of, none_match
from gateway.http.problem import problem_response
from gateway.http.reply import Reply
from gateway.http.request_id import request_id_of
from gateway.rest.negotiation import JSON, check_accept, check_media_type, has_body
from gateway.rest.problems import refusal
from gateway.rest.raw import raw_body, raw_reply
from gateway.rest.table import Binding, RouteTable, location_of, next_link
from gateway.translate.json_reader import body_parts
from gateway.translate.json_writer import write_json
from gateway.translate.refusals import refused

_ALWAYS = (
    # A cache may keep a reply for its caller, and must ask each time whether it still holds.
    (b"cache-control", b"private, no-cache"),
    (b"x-content-type-options", b"nosniff"),
)


class Caller(Protocol):
    """What the door needs of the seam."""

    async def admit(self, operation: Operation, request: Request) -> Call:
        """Authenticate and authorise."""

    async def run(self, operation: Operation, call: Call, parts: dict[str, Any]) -> Any:
        """Validate and run."""


def rest_door(
    seam: Caller,
    *,
    max_body_bytes: int,
    ignored_query_parameters: Iterable[str] = ("utm_*", "_"),
    operations: Iterable[Operation] = OPERATIONS,
) -> "RestDoor":
    """The door to all operations."""
    return RestDoor(RouteTable(operations, ignored=ignored_query_parameters), seam, max_body_bytes)


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI app that answers every path that nobody knows."""
    request_id = request_id_of(Headers(scope=scope))
    error = NotFound(f"there is nothing at {scope['path']}")
    await problem_response(error, request_id)(scope, receive, send)


class RestDoor:
    """ASGI app for the paths of all operations; at every other path there is nothing."""

    def __init__(self, table: RouteTable, seam: Caller, max_body_bytes: int) -> None:
        self._table = table
        self._seam = seam
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        found = self._table.find(_raw_path(scope))
        if found is None:
            await not_found(scope, receive, send)
            return
        resource, path = found
        method = scope["method"]
        binding = resource.bindings.get("GET" if method == "HEAD" else method)
        if binding is not None:
            response = await self._answer(binding, path, scope, receive)
        elif method == "OPTIONS":
            response = Response(status_code=204, headers={"allow": resource.methods})
        else:
            error = MethodNotAllowed(f"{method} means nothing here; {resource.methods} do")
            request_id = request_id_of(Headers(scope=scope))
            response = problem_response(error, request_id, headers={"allow": resource.methods})
        if method == "HEAD":
            # RFC 9110 section 9.3.2: the headers of GET, Content-Length too, and no content.
            response.body = b""
        await response(scope, receive, send)

    async def _answer(
        self, binding: Binding, path: dict[str, str], scope: Scope, receive: Receive
    ) -> Response:
        headers = RequestHeaders(scope)
        request_id = request_id_of(headers)
        try:
            call = await self._seam.admit(binding.operation, _request(binding, headers, request_id))
            parts = await self._parts(binding, path, scope, receive, headers)
            reply = await self._seam.run(binding.operation, call, parts)
            return await _response(binding, path, reply, scope, headers)
        except JobsError as error:
            return refusal(error, binding.operation, request_id)

    async def _parts(
        self, binding: Binding, path: dict[str, str], scope: Scope, receive: Receive, headers: Headers
    ) -> dict[str, Any]:
        parts: dict[str, Any] = dict(path)
        raw_query: bytes = scope["query_string"]
        problems: list[Problem] = []
        query = binding.query.read(raw_query, problems) if raw_query else {}
        # Without a query string, what is missing in it is named as well.
        if binding.has_query and (raw_query or binding.operation.query_required):
            parts["query"] = query
        if binding.raw_body and binding.body:
            # It is read later, in pieces.
            parts |= raw_body(binding.raw_body, binding.body.name, query, HttpRequest(scope, receive))
        elif has_body(headers):
            body = await read_body(HttpRequest(scope, receive), self._max_body_bytes)
            if body and binding.body is None:
                raise BadRequest(f"{binding.operation.name} takes no body")
            if body and binding.body:
                parts |= body_parts(body, binding.body, problems)
        if problems:
            raise refused(binding.operation, parts, problems)
        return parts


def _request(binding: Binding, headers: Headers, request_id: str) -> Request:
    """What the headers say. Raises NotAcceptable, UnsupportedMediaType, BadRequest."""
    if "accept" in headers and binding.operation.reply and not binding.raw_reply:
        check_accept(headers)
    if "content-encoding" in headers:
        raise UnsupportedMediaType("a body with a Content-Encoding is not read")
    if binding.body and not binding.raw_body and has_body(headers):
        check_media_type(headers, patch=binding.takes_patch)
    return Request(
        protocol=CallProtocol.REST,
        request_id=request_id,
        credentials=credentials_of(headers),
        idempotency_key=idempotency_key_of(headers) if binding.takes_idempotency_key else None,
        if_match=if_match_of(headers),
    )


async def _response(
    binding: Binding, path: dict[str, str], reply: Any, scope: Scope, headers: Headers
) -> Response:
    if reply is None:
        return Response(status_code=binding.status)
    if binding.raw_reply:
        return raw_reply(binding.raw_reply, reply, scope["method"], headers)
    body = write_json(reply)
    fields = [*_ALWAYS]
    zipped = False
    if len(body) >= LEAST_BYTES:
        fields.append((b"vary", b"Accept-Encoding"))
        zipped = accepts_gzip(headers)
    if binding.tagged:
        fields.append((b"etag", entity_tag(reply.version, compressed=zipped).encode()))
        if binding.reads and "if-none-match" in headers and not none_match(headers, reply.version):
            return Reply(b"", 304, fields)
    if binding.paged and reply.next_start_after is not None:
        link = next_link(_raw_path(scope), scope["query_string"], reply.next_start_after)
        fields.append((b"link", link.encode()))
    if binding.shown is not None:
        fields.append((b"location", location_of(binding.shown, path, reply.id).encode()))
    if zipped:
        fields.append((b"content-encoding", b"gzip"))
        body = await compressed(body)
    fields.append((b"content-type", JSON.encode()))
    return Reply(body, binding.status, fields)


def _raw_path(scope: Scope) -> bytes:
    """The path as it came, percent-encoded."""
    raw: bytes | None = scope.get("raw_path")
    return raw if raw is not None else scope["path"].encode("utf-8", "replace")
