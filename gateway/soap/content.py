"""Bytes in replies: the envelope is written with a hole, which base64 fills while the reply is sent."""

from base64 import b64encode
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

from gateway.contract.shapes import Kind, shape_of
from gateway.domain.content import Kept
from gateway.domain.model import Model

HOLE = "\x00"
"""Stands for the bytes in the text of an envelope; nothing else in it can be this."""

# Base64 says 3 bytes in 4 characters (RFC 4648 section 4).
_GROUP, _CHARACTERS = 3, 4


def take_out(reply: Any) -> tuple[Any, Kept | None]:
    """The reply with a hole in place of its bytes, and these; None = it has none."""
    name = _name_of_bytes(type(reply)) if isinstance(reply, Model) else None
    return (reply, None) if name is None else (reply.with_(**{name: HOLE}), getattr(reply, name))


def length_with(envelope: bytes, content: Kept) -> int:
    """The length of an envelope whose hole is filled."""
    return len(envelope) - len(HOLE) + -(-content.size // _GROUP) * _CHARACTERS


async def filled(envelope: bytes, content: Kept) -> AsyncIterator[bytes]:
    """An envelope with the content in its hole."""
    before, _, after = envelope.partition(HOLE.encode())
    yield before
    rest = b""
    async for piece in content.pieces():
        joined = rest + piece
        whole = len(joined) // _GROUP * _GROUP
        rest = joined[whole:]
        yield b64encode(joined[:whole])
    yield b64encode(rest) + after


@cache
def _name_of_bytes(model: type[Model]) -> str | None:
    names = [member.name for member in shape_of(model).members if member.kind is Kind.BYTES]
    assert len(names) <= 1, model
    return names[0] if names else None
