"""HTTP on one connection: uvicorn's protocol, with less to do for each request.

What is read, and how, stays uvicorn's and httptools' business. What differs: a short reply leaves in one
piece, its head and body together; a connection has one timer, not a new one after each reply; and nothing is
kept ready for access logs, WebSockets and limits of uvicorn's.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import ASGIApp, Message, Scope
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gateway.domain.errors import BadRequest, InternalServerError, JobsError
from gateway.http.problem import problem_response
from gateway.http.request_id import new_request_id

_COPIED_BYTES = 16384
"""Up to here a body is put together with the head; a longer one is sent behind it instead of being copied."""
_NO_CONTENT = frozenset({204, 304})
"""RFC 9110 section 6.4.1: replies without content. Those to HEAD have none either."""

# RFC 9110 section 5.5: what a field may hold. Anything else might end the head early.
_IN_HEADS = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])

_log = logging.getLogger(__name__)


class WebProtocol(HttpToolsProtocol):
    """One connection."""

    cycle: "Exchange"  # type: ignore[assignment]  # uvicorn's has the same part

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._next: deque[Exchange] = deque()
        self._idle_since: float | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has gone, or it was hung up."""
        self.connections.discard(self)
        if self.cycle is not None:
            self.cycle.disconnect()
        self.flow.resume_writing()
        if exc is None:
            self.transport.close()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
        # Each leads to the other; uvicorn cuts that, too.
        self.parser = None  # type: ignore[assignment]

    def on_headers_complete(self) -> None:
        """Begin a request; its body may follow."""
        scope: Any = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        version = self.parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""
        before = self.cycle
        self.cycle = Exchange(self, scope, keep_alive=version != "1.0" and self.parser.should_keep_alive())
        if before is None or before.response_complete:
            self._begin(self.cycle)
        else:
            # RFC 9112 section 9.3.2: pipelined requests are answered in their order.
            self.flow.pause_reading()
            self._next.append(self.cycle)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body; a sender who is far ahead has to wait."""
        if self.cycle.feed(body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self.cycle.end()

    def on_response_complete(self) -> None:
        """The reply is whole: go on with the next request, which may be there already."""
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._next:
            self._begin(self._next.popleft())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_after(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Hang up if nothing has come in for long enough, else look again when that may be so."""
        left: float = self.timeout_keep_alive
        if self._idle_since is not None:
            left -= self.loop.time() - self._idle_since
            if left <= 0:
                self.transport.close()
                return
        self._look_after(left)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words tell less
        """Answer what is no HTTP, and hang up."""
        self.refuse(BadRequest("this is no HTTP request, or its address is longer than 65535 bytes"))

    def refuse(self, error: JobsError) -> None:
        """Answer what the application could not, and hang up."""
        request_id = new_request_id()
        response = problem_response(
            error, request_id, headers={"x-request-id": request_id, "connection": "close"}
        )
        self.transport.write(_head(response.status_code, response.raw_headers) + b"\r\n" + response.body)
        self.transport.close()

    def _begin(self, exchange: "Exchange") -> None:
        app: Any = self.app
        exchange.task = self.loop.create_task(exchange.run(app))
        self.tasks.add(exchange.task)

    def _unset_keepalive_if_required(self) -> None:
        # Uvicorn would cancel the timer. It goes on here, and sees that the connection is not idle.
        self._idle_since = None

    def _look_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)


class Exchange:
    """One request and its reply, as ASGI has them."""

    def __init__(self, protocol: WebProtocol, scope: Scope, *, keep_alive: bool) -> None:
        self._protocol = protocol
        self._scope = scope
        self._transport = protocol.transport
        self._flow = protocol.flow
        self.task: asyncio.Task[None]
        self.keep_alive = keep_alive
        self.disconnected = False
        # The request: what of its body has come and was not taken, and whether there are news of it.
        self._to_continue = protocol.expect_100_continue
        self._body = bytearray()
        self._more_body = True
        self._news = False
        self._woken: asyncio.Event | None = None
        # The reply: its head, until it leaves; and how much of the announced body is missing, None = chunked.
        self._started = False
        self._head = b""
        self._missing: int | None = None
        self.response_complete = False

    def feed(self, body: bytes) -> int:
        """A piece of the body has come; the size of what was not taken yet. Behind the reply none is kept."""
        if self.response_complete:
            return 0
        self._body += body
        self._wake()
        return len(self._body)

    def end(self) -> None:
        """The body has come whole."""
        self._more_body = False
        self._wake()

    def disconnect(self) -> None:
        """The connection is gone."""
        self.disconnected = not self.response_complete
        self._wake()

    async def run(self, app: ASGIApp) -> None:
        """Have the application answer."""
        try:
            await app(self._scope, self.receive, self.send)
            if not self.response_complete and not self.disconnected:
                raise RuntimeError("the application did not answer to the end")
        except BaseException as error:  # also of a stop that does not wait any longer
            _log.error("a request failed", exc_info=error)
            if self._started:
                self._transport.close()
            elif not self.disconnected:
                self.response_complete = True
                self._protocol.refuse(InternalServerError("something unexpected happened"))
        finally:
            self._protocol.tasks.discard(self.task)

    async def receive(self) -> Message:
        """The next piece of the request, or that the other side has gone."""
        if self._to_continue and not self._transport.is_closing():
            self._to_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if not (self._news or self.disconnected or self.response_complete):
            self._flow.resume_reading()
            self._woken = self._woken or asyncio.Event()
            await self._woken.wait()
            self._woken.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        self._news = False
        body = bytes(self._body)
        self._body.clear()
        return {"type": "http.request", "body": body, "more_body": self._more_body}

    async def send(self, message: Message) -> None:
        """Send the head of the reply, or a piece of its body."""
        if self._flow.write_paused and not self.disconnected:
            await self._flow.drain()
        if self.disconnected:
            return
        wanted = "http.response.body" if self._started else "http.response.start"
        if message["type"] != wanted or self.response_complete:
            raise RuntimeError(f"{message['type']} is not what comes next in a reply")
        if self._started:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
        else:
            self._start(message["status"], message.get("headers", ()))

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Make the head; it leaves with the first piece of the body."""
        self._started = True
        self._to_continue = False
        fields = [*self._protocol.server_state.default_headers, *headers]
        given = dict(fields)
        if b"content-length" in given:
            self._missing = int(given[b"content-length"])
        elif self._scope["method"] == "HEAD" or status in _NO_CONTENT:
            self._missing = 0
        else:
            fields.append((b"transfer-encoding", b"chunked"))
        if given.get(b"connection") == b"close":
            self.keep_alive = False
        elif not self.keep_alive:
            fields.append((b"connection", b"close"))
        self._head = _head(status, fields) + b"\r\n"

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self._scope["method"] == "HEAD":
            body, self._missing = b"", 0
        if self._missing is None:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            body += b"" if more else b"0\r\n\r\n"
        else:
            self._missing -= len(body)
            if self._missing < 0 or (self._missing and not more):
                raise RuntimeError("the body of a reply is longer or shorter than its Content-Length")
        head, self._head = self._head, b""
        if head and len(body) > _COPIED_BYTES:
            self._transport.write(head)
            self._transport.write(body)
        elif head or body:
            self._transport.write(head + body)
        if more:
            return
        self.response_complete = True
        self._wake()
        if not self.keep_alive:
            self._transport.close()
        self._protocol.on_response_complete()

    def _wake(self) -> None:
        self._news = True
        if self._woken is not None:
            self._woken.set()


def _head(status: int, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The status line and the header fields. Raises RuntimeError when one of these is none."""
    lines = [b"%b: %b\r\n" % field for field in fields]
    head = STATUS_LINE[status] + b"".join(lines)
    if head.translate(None, _IN_HEADS) != b"\r\n" * (len(lines) + 1):
        raise RuntimeError("a header field holds control characters")
    return head
