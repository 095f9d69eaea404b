"""Bodies are counted while they are read."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from gateway.domain.errors import BadRequest, PayloadTooLarge
from gateway.http.body import read_body


def request(*pieces: bytes, length: bytes | None = None, cut: bool = False) -> tuple[Request, list[Message]]:
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": cut or i < len(pieces) - 1}
        for i, piece in enumerate(pieces)
    ]
    if cut:
        messages.append({"type": "http.disconnect"})

    async def receive() -> Message:
        return messages.pop(0)

    headers = [(b"content-length", length)] if length is not None else []
    return Request({"type": "http", "method": "POST", "headers": headers}, receive), messages


async def test_a_body_may_come_in_pieces_up_to_the_limit() -> None:
    assert await read_body(request(b"abc", b"de")[0], 5) == b"abcde"
    assert await read_body(request(b"")[0], 5) == b""


async def test_reading_stops_past_the_limit() -> None:
    http, left = request(b"abc", b"def", b"never")
    with pytest.raises(PayloadTooLarge):
        await read_body(http, 5)
    assert len(left) == 1


@pytest.mark.parametrize("length", [b"6", b"9" * 5000])
async def test_an_announced_body_past_the_limit_is_not_read(length: bytes) -> None:
    http, left = request(b"abcdef", length=length)
    with pytest.raises(PayloadTooLarge):
        await read_body(http, 5)
    assert len(left) == 1


async def test_a_sender_that_goes_away_is_no_surprise() -> None:
    with pytest.raises(BadRequest):
        await read_body(request(b"abc", cut=True)[0], 5)
