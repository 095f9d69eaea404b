"""What goes over HTTP: a request or a reply, without the connection's own headers."""

from dataclasses import dataclass

JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class RestRequest:
    """A request. `target` is path and query, percent-encoded."""

    method: str
    target: str
    content_type: str | None = None
    """The media type of the body; None = none was told, or there is no body."""
    body: bytes | None = None
    raw: bool = False
    """Whether the body is the bytes of a file, of which each counts."""
    file_name: str | None = None
    """The name in Content-Disposition, which goes with a body of bytes."""
    idempotency_key: str | None = None
    """Idempotency-Key."""
    if_version: int | None = None
    """The version that If-Match names."""


@dataclass(frozen=True, kw_only=True)
class RestReply:
    """A reply. Without a media type it has no body."""

    status: int
    content_type: str | None = None
    body: bytes = b""
