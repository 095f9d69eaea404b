"""The web server: uvicorn, told by an event when to stop. Signals are not its business."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.domain.errors import BadRequest
from gateway.http.problem import problem_response
from gateway.http.request_id import new_request_id
from gateway.listener import Listener, refusal_of

FINISH_SECONDS = 10
"""How long requests that have begun may take when the server stops."""
KEEP_ALIVE_SECONDS = 75
TICK_SECONDS = 1.0
"""How often the Date header is renewed."""


class _Protocol(HttpToolsProtocol):
    """Reads HTTP. What it cannot read never comes to the application, and is a problem all the same."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words tell less
        """Answer and hang up."""
        request_id = new_request_id()
        response = problem_response(
            BadRequest("this is no HTTP request, or its address is longer than 65535 bytes"),
            request_id,
            headers={"x-request-id": request_id, "connection": "close"},
        )
        lines = [b"HTTP/1.1 400 Bad Request", *(b": ".join(header) for header in response.raw_headers)]
        self.transport.write(b"\r\n".join([*lines, b"", bytes(response.body)]))
        self.transport.close()


class WebServer(uvicorn.Server):
    """Serves one application on one socket."""

    def __init__(self, app: ASGIApp, listener: Listener) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=FINISH_SECONDS,
                # Whom to believe is decided by gateway.http.forwarded.
                proxy_headers=False,
            )
        )
        self._listener = listener
        self._stop = asyncio.Event()
        self._ready: Callable[[], None]
        self._stopping: Callable[[], None]

    async def run_until(
        self, stop: asyncio.Event, *, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        """Serve until the event is set, and finish what has begun.

        `ready` is called when connections are taken, `stopping` before they no longer are. Raises Refusal
        when the socket cannot listen.
        """
        self._stop, self._ready, self._stopping = stop, ready, stopping
        await self.serve(sockets=[self._listener.socket])

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections."""
        try:
            await super().startup(sockets)
        except OSError as error:
            # Two sockets may be bound to one port before either listens.
            raise refusal_of(error, self._listener.host, self._listener.port) from None
        self._ready()

    async def main_loop(self) -> None:
        """Wait for the stop, and keep the Date header right meanwhile."""
        while not self._stop.is_set():
            # Uvicorn renews the header when the counter is a multiple of 10.
            await self.on_tick(0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), TICK_SECONDS)
        self._stopping()
