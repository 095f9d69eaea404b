"""A little reverse proxy: serves under a path of its own, which it cuts off, and adds headers to requests."""

import http.client
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host"})


class ReverseProxy:
    """Context manager. `headers` makes the headers that it adds, from the client's address and Host."""

    def __init__(
        self, upstream: str, *, prefix: str = "", headers: Callable[[str, str], dict[str, str]]
    ) -> None:
        self.requests: list[str] = []
        """The request lines that came."""
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy.requests.append(self.requestline)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                connection = http.client.HTTPConnection(upstream, timeout=60)
                sent = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                sent |= headers(self.client_address[0], self.headers["Host"])
                connection.request(self.command, self.path.removeprefix(prefix), body, sent)
                reply = connection.getresponse()
                content = reply.read()
                connection.close()
                self.send_response(reply.status)
                for name, value in reply.getheaders():
                    if name.lower() not in HOP_BY_HOP | {"content-length"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the name that http.server calls

            def log_message(self, *_: object) -> None:
                """Tell nobody."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}{prefix}"

    def __enter__(self) -> "ReverseProxy":
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
