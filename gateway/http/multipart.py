"""Reads a multipart body part by part, as it comes in (RFC 2046 section 5.1).

Of a part's content no more is held than what may be the beginning of a boundary. What the parts mean, their
transfer encodings, and parts within parts are the caller's business.
"""

import re
from collections.abc import AsyncIterator

from gateway.domain.errors import MalformedMessage

MAX_HEADER_BYTES = 8192
"""Of all header fields of a part together."""
MAX_HEADERS = 32
"""Header fields of a part."""
MAX_ASIDE_BYTES = 1024
"""What means nothing: the preamble, the epilogue, and the blanks behind a boundary, each."""

_CRLF = b"\r\n"
# RFC 2046 section 5.1.1: boundary := 0*69<bchars> bcharsnospace
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
# RFC 5322 section 2.2: field = name ":" body; bytes beyond ASCII are let through.
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:([^\x00-\x08\x0a-\x1f\x7f]*)")
_FOLD = re.compile(rb"\r\n[ \t]+")
_AFTER_THE_END = re.compile(rb"[ \t]*(?:\r\n.*)?", re.DOTALL)


class MultipartReader:
    """The parts of one body. Call `next_part`, read its `content` to the end, and so on.

    Whatever is wrong with the body is raised as MalformedMessage.
    """

    def __init__(self, pieces: AsyncIterator[bytes], boundary: str) -> None:
        if not _BOUNDARY.fullmatch(boundary):
            raise MalformedMessage("the boundary must be 1 to 70 characters of those that RFC 2046 allows")
        self._pieces = pieces
        # Section 5.1.1: the line break before a boundary is a part of it.
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # What was read and not handed out yet. The first boundary needs no line break before it.
        self._held = _CRLF
        self._in_preamble = True
        self._in_content = False

    async def next_part(self) -> dict[str, str] | None:
        """The header fields of the next part, by their names in lower case.

        None = the closing boundary came, and then the body's end. It must not be asked for again.
        """
        if self._in_preamble:
            self._in_preamble = False
            await self._skip_preamble()
        assert not self._in_content, "the part before was not read"
        await self._hold(2)
        if self._held.startswith(b"--"):
            await self._read_epilogue()
            return None
        # transport-padding: blanks that a carrier may have added.
        at = await self._find(_CRLF, MAX_ASIDE_BYTES, "what follows a boundary in its line")
        if self._held[:at].strip(b" \t"):
            raise MalformedMessage("a boundary of the multipart body stands inside of a line")
        self._held = self._held[at:]
        # The line break of the boundary's line is kept, so that a part without fields looks no different.
        at = await self._find(_CRLF + _CRLF, MAX_HEADER_BYTES, "the header of a part")
        block, self._held = self._held[:at], self._held[at + len(_CRLF) :]
        if self._delimiter in block:
            raise MalformedMessage("the header of a part does not end before the next boundary")
        self._in_content = True
        return _fields(block)

    async def content(self) -> AsyncIterator[bytes]:
        """The bytes of the part that `next_part` has told of."""
        # Before it stands a line break, which is none of it, but may be that of the next boundary.
        unwanted = len(_CRLF)
        while True:
            at = self._held.find(self._delimiter)
            end = at if at >= 0 else self._end_of_content()
            ready = self._held[unwanted:end]
            if end:
                unwanted = 0
            self._held = self._held[end if at < 0 else at + len(self._delimiter) :]
            self._in_content = at < 0
            if ready:
                yield ready
            if at >= 0:
                return
            await self._read()

    def _end_of_content(self) -> int:
        """Where that begins, in what is held, which may go on as a boundary."""
        # A carriage return stands at the boundary's beginning alone: the last one decides.
        at = self._held.rfind(b"\r", max(0, len(self._held) - len(self._delimiter) + 1))
        if at >= 0 and self._delimiter.startswith(self._held[at:]):
            return at
        return len(self._held)

    async def _skip_preamble(self) -> None:
        length = 0
        async for piece in self.content():
            length += len(piece)
            if length > MAX_ASIDE_BYTES:
                raise MalformedMessage("the multipart body does not begin with its boundary")

    async def _read_epilogue(self) -> None:
        rest = self._held[2:]
        while True:
            if len(rest) > MAX_ASIDE_BYTES:
                raise MalformedMessage("too much follows the closing boundary of the multipart body")
            piece = await anext(self._pieces, None)
            if piece is None:
                break
            rest += piece
        if not _AFTER_THE_END.fullmatch(rest):
            raise MalformedMessage("a boundary of the multipart body stands inside of a line")

    async def _find(self, wanted: bytes, limit_bytes: int, what: str) -> int:
        """Where something begins in what is held; more is read until it is there."""
        start = 0
        while True:
            at = self._held.find(wanted, start)
            if (len(self._held) - len(wanted) if at < 0 else at) > limit_bytes:
                raise MalformedMessage(f"{what} is longer than {limit_bytes} bytes")
            if at >= 0:
                return at
            start = max(0, len(self._held) - len(wanted) + 1)
            await self._read()

    async def _hold(self, count: int) -> None:
        while len(self._held) < count:
            await self._read()

    async def _read(self) -> None:
        piece = await anext(self._pieces, None)
        if piece is None:
            raise MalformedMessage("the multipart body ends before its closing boundary")
        self._held += piece


def _fields(block: bytes) -> dict[str, str]:
    """The header fields in a block of lines, each with the line break before it."""
    # RFC 5322 section 2.2.3: a line that begins with a blank goes on with the line before it.
    nothing, *lines = _FOLD.sub(b" ", block).split(_CRLF)
    if nothing or len(lines) > MAX_HEADERS:
        raise MalformedMessage(f"a part must have at most {MAX_HEADERS} header fields, each in its lines")
    fields: dict[str, str] = {}
    for line in lines:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise MalformedMessage("a header field of a part is none")
        name = found[1].decode("ascii").lower()
        if name in fields:
            raise MalformedMessage(f"a part has the header field '{name}' twice")
        fields[name] = found[2].decode("latin-1").strip(" \t")
    return fields
