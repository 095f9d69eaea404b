"""Requests as bytes, and one reply at a time: for checks, not for measuring."""

import re
import socket
from dataclasses import dataclass
from typing import Self

NAMESPACE = "urn:jobs-gateway:v2"
HOST = "127.0.0.1"
_SECONDS = 120.0
"""How long a reply may take."""

LENGTH = re.compile(rb"(?i)\r\ncontent-length: *([0-9]+)")
_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
    '<{name} xmlns="' + NAMESPACE + '">{children}</{name}></soap:Body></soap:Envelope>'
)


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    head: bytes
    body: bytes


def get(path: str, **headers: str) -> bytes:
    """A GET; `accept_encoding` becomes the header Accept-Encoding."""
    return _head("GET", path, headers)


def send(path: str, body: bytes, *, method: str = "POST", **headers: str) -> bytes:
    """A request with a body, which is JSON unless `content_type` says otherwise."""
    described = {"content_type": "application/json", "content_length": str(len(body))} | headers
    return _head(method, path, described) + body


def soap(operation: str, children: str = "", **headers: str) -> bytes:
    """A call of an operation in SOAP 1.1; `children` = what its element holds."""
    envelope = _ENVELOPE.format(name=operation, children=children).encode()
    return send("/soap/v2/", envelope, content_type="text/xml; charset=utf-8", **headers)


class Line:
    """A connection that stays open."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), _SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> Reply:
        """Send a request and read the reply. Raises RuntimeError unless it is a success."""
        self._socket.sendall(request)
        received = b""
        while True:
            head, found, body = received.partition(b"\r\n\r\n")
            length = LENGTH.search(head)
            if found and length and len(body) >= int(length[1]):
                break
            piece = self._socket.recv(1 << 20)
            if not piece:
                raise RuntimeError(f"the server hung up after {received[:200]!r}")
            received += piece
        status = int(head[9:12])
        if status >= 300:
            raise RuntimeError(f"{request[:100]!r} was answered {status}: {body[:500]!r}")
        return Reply(status, head, body)


def ask(port: int, request: bytes) -> Reply:
    """Send one request over a connection of its own. Raises RuntimeError unless it is a success."""
    with Line(port) as line:
        return line.ask(request)


def _head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()
