"""A relay between a client and the gateway that keeps what goes through it."""

import gzip
import http.client
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

SECONDS = 60.0
# RFC 9110 section 7.6.1: these are about one connection, of which there are two here.
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request and its reply, as they went over the wire. Header names are in small letters."""

    method: str
    target: str
    request_headers: Mapping[str, str]
    request: bytes
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> bytes:
        """The body without its Content-Encoding."""
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body


class Recorder:
    """Listens on a free port of the loopback, hands each request to `upstream` and the reply back.

    Requests go on as they came, `Host` included. Needs Content-Length, which every known client stack sends.
    """

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        exchanges: list[Exchange] = []

        class Relay(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = SECONDS

            def log_message(self, *_: Any) -> None:
                """Nothing is printed."""

            def relay(self) -> None:
                sent = {name.lower(): value for name, value in self.headers.items()}
                request = self.rfile.read(int(sent.get("content-length", 0)))
                connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=SECONDS)
                try:
                    connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in sent.items():
                        if name not in _HOP:
                            connection.putheader(name, value)
                    connection.endheaders(request)
                    reply = connection.getresponse()
                    body = reply.read()
                finally:
                    connection.close()
                headers = {name.lower(): value for name, value in reply.getheaders()}
                exchanges.append(
                    Exchange(
                        method=self.command,
                        target=self.path,
                        request_headers=sent,
                        request=request,
                        status=reply.status,
                        headers=headers,
                        body=body,
                    )
                )
                self.send_response_only(reply.status, reply.reason)
                for name, value in (headers | {"content-length": str(len(body))}).items():
                    if name not in _HOP:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = relay  # noqa: N815

        self.exchanges = exchanges
        """What went through, oldest first."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.01])

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Recorder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
