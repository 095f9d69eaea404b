"""What is kept in files of attempts that run elsewhere."""

from pathlib import Path

import pytest

from gateway.domain.executor import AttemptKey
from gateway.domain.words import OutputChannel
from gateway.executors.kept_output import KeptFolder

KEY = AttemptKey("job", 1)
BOUND = 16 * 1024


@pytest.fixture
def kept(tmp_path: Path) -> KeptFolder:
    folder = KeptFolder(tmp_path / "jobs", BOUND)
    folder.open()
    folder.make(KEY)
    return folder


def test_of_a_stream_past_its_bound_head_and_tail_stay(kept: KeptFolder) -> None:
    stream, written = kept.stream(KEY, OutputChannel.STDOUT), b""
    for number in range(1000):
        line = b"%063d\n" % number
        stream.append(line)
        written += line
    head = stream.read(offset=0, limit=1 << 20)
    tail = stream.read(offset=head.next_offset, limit=1 << 20)
    assert head.data == written[: BOUND // 2]
    assert written.endswith(tail.data)
    assert BOUND // 2 <= len(tail.data) < BOUND
    assert head.dropped_bytes + len(head.data) + len(tail.data) == head.size == stream.size == len(written)
    assert (kept.path / "job/1/stdout").stat().st_blocks * 512 <= 2 * BOUND


def test_streams_and_attempts_are_kept_apart_and_go_with_their_job(kept: KeptFolder) -> None:
    other = AttemptKey("job", 2)
    kept.make(other)
    kept.stream(KEY, OutputChannel.STDERR).append(b"one")
    assert kept.stream(KEY, OutputChannel.STDOUT).size == 0
    assert kept.stream(other, OutputChannel.STDERR).read(offset=0, limit=9).data == b""
    assert kept.ids() == ["job"]
    kept.remove("job")
    kept.remove("job")
    assert kept.ids() == []
    assert kept.stream(KEY, OutputChannel.STDERR).read(offset=0, limit=9).size == 0


def test_notes_are_replaced_whole(kept: KeptFolder) -> None:
    assert kept.note(KEY, "end") is None
    for text in ("a long note", "short"):
        kept.write_note(KEY, "end", text, durable=True)
        assert kept.note(KEY, "end") == text
    assert {path.name for path in (kept.path / "job/1").iterdir()} == {"end"}


@pytest.mark.parametrize("job_id", ["..", "a/b", "", ".hidden"])
def test_only_ids_name_folders(kept: KeptFolder, job_id: str) -> None:
    with pytest.raises(ValueError, match="not the id of a job"):
        kept.remove(job_id)
