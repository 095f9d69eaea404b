"""A reply whose header fields are bytes already: Starlette encodes those of each of its responses anew."""

from collections.abc import Iterable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Reply(Response):
    """A whole body with its header fields, to which Content-Length is added."""

    def __init__(self, body: bytes, status: int, fields: Iterable[tuple[bytes, bytes]]) -> None:
        # What Starlette's own sets. Charset and media type are in the fields.
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [*fields]
        # RFC 9110 section 8.6: in a 304, it would be that of the reply that is left out.
        if status != 304:
            self.raw_headers.append((b"content-length", b"%d" % len(body)))

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        # As Starlette's, without its looks for a background task and for the handshake of a WebSocket.
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})
