"""Multipart bodies: the same parts however the body is cut, clear errors for what is none."""

from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import MalformedMessage
from gateway.http.multipart import MAX_ASIDE_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MultipartReader

Parts = list[tuple[dict[str, str], bytes]]

BOUNDARY = "b-b"
PLAIN = b"--b-b\r\nA: 1\r\nB: 2\r\n\r\nfirst\r\n--b-b\r\n\r\nsecond\r\n--b-b--\r\n"
PARTS: Parts = [({"a": "1", "b": "2"}, b"first"), ({}, b"second")]


async def pieces_of(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(*pieces: bytes, boundary: str = BOUNDARY) -> Parts:
    """All parts of a body that comes in these pieces."""
    reader = MultipartReader(pieces_of(pieces), boundary)
    found: Parts = []
    while (fields := await reader.next_part()) is not None:
        found.append((fields, b"".join([piece async for piece in reader.content()])))
    return found


async def test_a_body_gives_its_parts_however_it_is_cut_in_two() -> None:
    for at in range(len(PLAIN) + 1):
        assert await read(PLAIN[:at], PLAIN[at:]) == PARTS


async def test_a_body_that_comes_byte_by_byte_gives_its_parts() -> None:
    assert await read(*(bytes([byte]) for byte in PLAIN)) == PARTS


async def test_a_body_that_is_cut_short_is_refused_wherever_that_is() -> None:
    whole = PLAIN.removesuffix(b"\r\n")
    for length in range(len(whole)):
        with pytest.raises(MalformedMessage):
            await read(whole[:length])


# Such bytes that boundaries, or what looks like them, come about often.
tricky = st.lists(
    st.sampled_from([b"\r", b"\n", b"-", b"--", b"b", b"b-b", b"\r\n--b-", b"\n--b-b", b"x", b"\0", b"\xff"]),
    max_size=12,
).map(b"".join)
contents = tricky.filter(lambda content: b"\r\n--b-b" not in b"\r\n" + content)


@given(st.lists(contents, max_size=3), st.data())
async def test_any_content_comes_out_as_it_went_in_whatever_the_pieces(
    sent: list[bytes], data: st.DataObject
) -> None:
    body = b"".join(b"--b-b\r\nA: 1\r\n\r\n" + content + b"\r\n" for content in sent) + b"--b-b--"
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=20)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert await read(*pieces) == [({"a": "1"}, content) for content in sent]


@given(st.lists(tricky, max_size=4))
async def test_any_bytes_give_parts_or_a_clear_error_and_no_piece_decides_which(pieces: list[bytes]) -> None:
    async def outcome(*given: bytes) -> Parts | str:
        try:
            return await read(*given)
        except MalformedMessage as error:
            return error.reason

    body = b"--b-b\r\n" + b"".join(pieces)
    assert await outcome(b"--b-b\r\n", *pieces) == await outcome(body)
    assert await outcome(*(bytes([byte]) for byte in body)) == await outcome(body)


async def test_no_more_of_a_content_is_held_than_may_be_a_boundary() -> None:
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b"--b-b\r\n\r\n"
        for _ in range(100):
            taken += 1
            yield b"x" * 100 + b"\r"
        yield b"\n--b-b--"

    reader = MultipartReader(body(), BOUNDARY)
    await reader.next_part()
    size = 0
    async for piece in reader.content():
        size += len(piece)
        assert taken * 101 - size <= 1
    assert size == 100 * 101 - 1
    assert await reader.next_part() is None


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" + PLAIN,
        b"This text is for people.\r\n--b is no boundary\r\n" + PLAIN,
        b"x" * MAX_ASIDE_BYTES + b"\r\n" + PLAIN,
        PLAIN.removesuffix(b"\r\n"),
        PLAIN.removesuffix(b"\r\n") + b" \t",
        PLAIN + b"the end\r\n--b-b\r\n",
        PLAIN.replace(b"--b-b\r\n", b"--b-b \t \r\n"),
        PLAIN.replace(b"A: 1", b"A:1 "),
        PLAIN.replace(b"A: 1", b"a \t:\r\n  1"),
    ],
)
async def test_what_means_nothing_is_skipped(body: bytes) -> None:
    assert await read(body) == PARTS


async def test_lines_of_a_field_that_goes_on_are_joined() -> None:
    body = b'--b\r\nContent-Type: a/b;\r\n\tc="d";\r\n e=f\r\n\r\n\r\n--b--'
    assert await read(body, boundary="b") == [({"content-type": 'a/b; c="d"; e=f'}, b"")]


async def test_a_part_may_end_where_its_header_ends() -> None:
    # RFC 2046 section 5.1.1: body-part := MIME-part-headers [CRLF *OCTET]
    assert await read(b"--b\r\nA: 1\r\n\r\n--b--", boundary="b") == [({"a": "1"}, b"")]


@pytest.mark.parametrize("boundary", ["b", "a b", "x" * 70, "'()+_,-./:=?", "0 1"])
async def test_a_boundary_may_be_what_the_standard_allows(boundary: str) -> None:
    body = f"--{boundary}\r\n\r\ncontent\r\n--{boundary}--".encode()
    assert await read(body, boundary=boundary) == [({}, b"content")]


@pytest.mark.parametrize("boundary", ["", " ", "b ", "x" * 71, "a\r\nb", "a\tb", "a*b", "ä", "b\n"])
async def test_another_boundary_is_refused(boundary: str) -> None:
    with pytest.raises(MalformedMessage, match="boundary must be"):
        await read(b"", boundary=boundary)


WRONG = {
    "nothing": (b"", "ends before"),
    "no boundary": (b"x\r\n--c--\r\n", "ends before"),
    "a long preamble": (b"x" * (MAX_ASIDE_BYTES + 1) + b"\r\n" + PLAIN, "does not begin"),
    "a long epilogue": (PLAIN + b"x" * MAX_ASIDE_BYTES, "too much follows"),
    "text behind a boundary": (PLAIN.replace(b"--b-b\r\nA", b"--b-bx\r\nA"), "inside of a line"),
    "a boundary that goes on in a content": (
        PLAIN.replace(b"first", b"first\r\n--b-bc"),
        "inside of a line",
    ),
    "text behind the closing boundary": (PLAIN.removesuffix(b"\r\n") + b"x", "inside of a line"),
    "a line break of one character": (PLAIN.replace(b"\r\n", b"\n"), "ends before"),
    "endless blanks behind a boundary": (
        b"--b-b" + b" " * MAX_ASIDE_BYTES + b" " + PLAIN.removeprefix(b"--b-b"),
        "longer than 1024 bytes",
    ),
    "a long header": (PLAIN.replace(b"A: 1", b"A: " + b"1" * MAX_HEADER_BYTES), "longer than 8192 bytes"),
    "an endless header": (b"--b-b\r\n" + b"x" * (MAX_HEADER_BYTES + 10), "longer than 8192 bytes"),
    "many fields": (
        PLAIN.replace(b"A: 1", b"\r\n".join(b"A%d: 1" % place for place in range(MAX_HEADERS))),
        "at most 32 header fields",
    ),
    "a field twice": (PLAIN.replace(b"B: 2", b"a: 2"), "the header field 'a' twice"),
    "a field without a colon": (PLAIN.replace(b"A: 1", b"A"), "a header field of a part is none"),
    "a field without a name": (PLAIN.replace(b"A: 1", b": 1"), "a header field of a part is none"),
    "a field with a line break": (PLAIN.replace(b"A: 1", b"A: 1\n2"), "a header field of a part is none"),
    "a field with a NUL": (PLAIN.replace(b"A: 1", b"A: \0"), "a header field of a part is none"),
    "a first line that goes on": (PLAIN.replace(b"A: 1", b" A: 1"), "each in its lines"),
    "a boundary among fields": (
        b"--b-b\r\nA: 1\r\n--b-b: x\r\n\r\n\r\n--b-b--",
        "does not end before the next boundary",
    ),
}


@pytest.mark.parametrize(("body", "reason"), WRONG.values(), ids=WRONG)
async def test_what_is_wrong_is_told(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedMessage, match=reason):
        await read(body)
    with pytest.raises(MalformedMessage, match=reason):
        await read(*(bytes([byte]) for byte in body))


async def test_as_many_fields_as_the_limit_are_read() -> None:
    fields = b"\r\n".join(b"A%d: 1" % place for place in range(MAX_HEADERS))
    ((found, _),) = await read(b"--b-b\r\n" + fields + b"\r\n\r\n\r\n--b-b--")
    assert len(found) == MAX_HEADERS
