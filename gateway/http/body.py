"""Reads a request's body, never more of it than the limit."""

from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

from gateway.domain.errors import BadRequest, PayloadTooLarge


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body.

    It is counted while it is read, because Content-Length may be missing.
    Raises PayloadTooLarge past the limit, BadRequest when the sender went away.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and (len(announced) > 18 or int(announced) > limit_bytes):
        raise _too_large(limit_bytes)
    pieces: list[bytes] = []
    size = 0
    while True:
        # As Starlette's Request.stream, without its two generators.
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise _cut_off()
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        pieces.append(piece)
        if not message.get("more_body", False):
            break
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def body_pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it comes in. Raises BadRequest when the sender goes away."""
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect:
        raise _cut_off() from None


def _cut_off() -> BadRequest:
    return BadRequest("the connection was closed before the body was complete")


def _too_large(limit_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body is longer than the limit of {limit_bytes} bytes")
