"""Bytes of any length, in pieces, so that they need not fit into memory."""

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

PIECE_BYTES = 1024 * 1024
"""Pieces that are made here are no longer than this."""


@runtime_checkable
class Content(Protocol):
    """Bytes on their way in. They may be read once."""

    @property
    def size(self) -> int | None:
        """Length in bytes, as it was announced; None = nobody said."""

    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, from the first to the last."""


class Kept(Content, Protocol):
    """Bytes that are kept, on their way out. They may be read again and again, until they are closed."""

    @property
    def size(self) -> int:
        """Length in bytes."""

    def part(self, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes, `start` bytes from the beginning; both lie within the size."""

    def close(self) -> None:
        """Let go of them; may be called again."""


class InMemory:
    """Bytes that are in memory whole, such as those of a SOAP message. Implements `Kept`."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self.data)

    def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, from the first to the last."""
        return self.part(0, len(self.data))

    async def part(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Some of the bytes."""
        for at in range(start, start + length, PIECE_BYTES):
            yield self.data[at : min(at + PIECE_BYTES, start + length)]

    def close(self) -> None:
        """Nothing is held."""
