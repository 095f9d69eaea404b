"""Streams in files whose middle is punched out."""

import os
from pathlib import Path

import pytest

from gateway.domain.executor import OutputChunk
from gateway.executors.output_file import OutputFile, can_punch

BOUND = 64 * 1024
HALF = BOUND // 2
BLOCK = 4096


@pytest.fixture(params=[True, False], ids=["punching", "not punching"])
def punching(request: pytest.FixtureRequest, tmp_path: Path) -> bool:
    if request.param and not can_punch(tmp_path):
        pytest.skip("the file system of the temporary folder takes no holes")
    return bool(request.param)


def lines(count: int) -> bytes:
    """Lines of 16 bytes, each other than all before."""
    return b"".join(b"line %010d\n" % number for number in range(count))


def read_all(output: OutputFile, limit: int) -> list[OutputChunk]:
    """The stream from its start, piece by piece."""
    chunks = [output.read(offset=0, limit=limit)]
    while chunks[-1].next_offset < chunks[-1].size:
        chunks.append(output.read(offset=chunks[-1].next_offset, limit=limit))
    return chunks


def test_what_is_within_the_bound_stays_whole(tmp_path: Path, punching: bool) -> None:
    path, written = tmp_path / "stdout", lines(BOUND // 16)
    path.write_bytes(written)
    output = OutputFile(path, BOUND, punching=punching)
    output.trim()

    assert b"".join(chunk.data for chunk in read_all(output, 1000)) == written
    assert sum(chunk.dropped_bytes for chunk in read_all(output, 1000)) == 0


def test_the_middle_is_dropped_and_said_so(tmp_path: Path, punching: bool) -> None:
    path, written = tmp_path / "stdout", lines(100_000)
    path.write_bytes(written)
    output = OutputFile(path, BOUND, punching=punching)
    output.trim()

    chunks = read_all(output, 5000)
    dropped = sum(chunk.dropped_bytes for chunk in chunks)
    kept = b"".join(chunk.data for chunk in chunks)
    assert len(kept) + dropped == len(written)
    assert BOUND <= len(kept) <= BOUND + 2 * BLOCK
    assert all(written[chunk.offset :].startswith(chunk.data) for chunk in chunks)
    assert kept[:HALF] == written[:HALF]
    assert kept[-HALF:] == written[-HALF:]
    if punching:
        assert path.stat().st_blocks * 512 <= BOUND + 4 * BLOCK


def test_the_hole_grows_with_the_stream_and_is_found_by_another_reader(
    tmp_path: Path, punching: bool
) -> None:
    path, written = tmp_path / "stdout", lines(200_000)
    output = OutputFile(path, BOUND, punching=punching)
    with path.open("ab", buffering=0) as stream:
        for start in range(0, len(written), 100_000):
            stream.write(written[start : start + 100_000])
            output.trim()
            assert [
                c.data for c in read_all(output, 9999) if not written[c.offset :].startswith(c.data)
            ] == []

    chunks = read_all(OutputFile(path, BOUND, punching=punching), 1 << 20)
    assert [chunk.offset for chunk in chunks] == [0, chunks[0].next_offset]
    assert len(chunks[0].data) == HALF
    assert chunks[0].dropped_bytes == chunks[0].next_offset - HALF
    assert chunks[1].data == written[chunks[1].offset :]


def test_offsets_within_the_hole_lead_out_of_it(tmp_path: Path, punching: bool) -> None:
    path, written = tmp_path / "stdout", lines(100_000)
    path.write_bytes(written)
    output = OutputFile(path, BOUND, punching=punching)
    output.trim()
    tail = output.read(offset=0, limit=1 << 20).next_offset

    inside = output.read(offset=HALF + 10, limit=100)
    assert inside == OutputChunk(
        data=b"",
        offset=HALF + 10,
        next_offset=tail,
        dropped_bytes=tail - HALF - 10,
        size=len(written),
    )
    last = output.read(offset=-(len(written) - HALF - 10), limit=100)
    assert (last.offset, last.data) == (tail, written[tail : tail + 100])


def test_offsets_past_either_end_are_moved_to_it(tmp_path: Path, punching: bool) -> None:
    path = tmp_path / "stdout"
    path.write_bytes(b"0123456789")
    output = OutputFile(path, BOUND, punching=punching)

    past = OutputChunk(data=b"", offset=10, next_offset=10, dropped_bytes=0, size=10)
    assert output.read(offset=99, limit=5) == past
    assert output.read(offset=10, limit=5) == past
    assert output.read(offset=-99, limit=5).data == b"01234"
    assert output.read(offset=-3, limit=5).data == b"789"
    assert output.read(offset=2, limit=0).next_offset == 2


def test_what_does_not_exist_or_is_no_file_is_empty(tmp_path: Path, punching: bool) -> None:
    empty = OutputChunk(data=b"", offset=0, next_offset=0, dropped_bytes=0, size=0)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")

    for name in ("missing", "link", "pipe"):
        output = OutputFile(tmp_path / name, BOUND, punching=punching)
        output.trim()
        assert output.read(offset=0, limit=5) == empty


def test_a_stream_that_is_cut_and_grows_again_is_bounded_again(tmp_path: Path, punching: bool) -> None:
    path, written = tmp_path / "stdout", lines(100_000)
    path.write_bytes(written)
    output = OutputFile(path, BOUND, punching=punching)
    output.trim()
    path.write_bytes(b"")
    output.trim()
    path.write_bytes(written[: len(written) // 2])
    output.trim()

    assert sum(len(chunk.data) for chunk in read_all(output, 9999)) <= BOUND + 2 * BLOCK


def test_what_is_punched_out_during_a_read_is_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not can_punch(tmp_path):
        pytest.skip("the file system of the temporary folder takes no holes")
    path, written = tmp_path / "stdout", lines(100_000)
    path.write_bytes(written)
    output = OutputFile(path, BOUND, punching=True)
    read = os.pread

    def punched_first(descriptor: int, size: int, offset: int) -> bytes:
        OutputFile(path, BOUND, punching=True).trim()
        return read(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", punched_first)
    first = output.read(offset=0, limit=len(written))
    assert first.data == written[:HALF]
    assert first.next_offset - first.dropped_bytes == HALF
    path.write_bytes(written)
    inside = output.read(offset=len(written) // 2, limit=100)
    assert inside.data == b""
    assert written[inside.next_offset :].startswith(output.read(offset=inside.next_offset, limit=100).data)
