"""Reads a request's body, never more of it than the limit."""

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
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            pieces.append(piece)
    except ClientDisconnect:
        raise BadRequest("the connection was closed before the body was complete") from None
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _too_large(limit_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"the body is longer than the limit of {limit_bytes} bytes")
