"""Copies of container logs: readings that are cut and taken up again, with the frames that Docker sends."""

import errno
from pathlib import Path

import pytest

from gateway.domain.executor import AttemptKey
from gateway.domain.words import OutputChannel
from gateway.executors.docker_log import MISSING, LogCopy
from gateway.executors.kept_output import KeptFolder, KeptStream

KEY = AttemptKey("job", 1)
STDOUT, STDERR = OutputChannel.STDOUT, OutputChannel.STDERR

Entry = tuple[int, int, bytes]
"""Stream, nanosecond, data."""
ENTRIES: list[Entry] = [
    (1, 100, b"a\n"),
    (1, 100, b"b\n"),
    # The other stream's clock was read before the first one's, and it wrote later.
    (2, 99, b"E\n"),
    (1, 200, b"x" * 30),
    (1, 200, b"y\n"),
    (2, 300, b"F\n"),
    (2, 300, b"G\n"),
    (1, 300, b"\xff\n"),
]
WHOLE = {
    STDOUT: b"".join(data for stream, _, data in ENTRIES if stream == 1),
    STDERR: b"".join(data for stream, _, data in ENTRIES if stream == 2),
}


def frames(entries: list[Entry]) -> bytes:
    """A log as it is sent."""
    return b"".join(
        frame(stream, b"2026-11-26T14:55:38.%09dZ" % nanosecond, data) for stream, nanosecond, data in entries
    )


def frame(stream: int, stamp: bytes, data: bytes) -> bytes:
    """One entry as it is sent."""
    entry = stamp + b" " + data
    return bytes((stream, 0, 0, 0)) + len(entry).to_bytes(4) + entry


def new_folder(path: Path) -> KeptFolder:
    folder = KeptFolder(path, 1 << 20)
    folder.open()
    folder.make(KEY)
    return folder


@pytest.fixture
def kept(tmp_path: Path) -> KeptFolder:
    return new_folder(tmp_path)


def copied(kept: KeptFolder) -> dict[OutputChannel, bytes]:
    return {
        channel: kept.stream(KEY, channel).read(offset=0, limit=1 << 20).data for channel in OutputChannel
    }


@pytest.mark.parametrize("piece", [1, 7, 64, 10_000])
def test_pieces_of_any_size_make_both_streams(kept: KeptFolder, piece: int) -> None:
    copy, sent = LogCopy(kept, KEY), frames(ENTRIES)
    assert copy.begin() is None
    for start in range(0, len(sent), piece):
        copy.take(sent[start : start + piece])
    assert copied(kept) == WHOLE


def test_a_position_that_a_loss_of_power_has_emptied_is_found_again(kept: KeptFolder) -> None:
    LogCopy(kept, KEY).take(frames(ENTRIES[:5]))
    kept.write_note(KEY, "position", "")
    copy = LogCopy(kept, KEY)
    assert copy.begin() is None
    copy.take(frames(ENTRIES))
    assert copied(kept) == WHOLE


@pytest.mark.parametrize("anew", [True, False], ids=["by another gateway", "by the same"])
def test_a_reading_cut_anywhere_is_taken_up_where_it_was(tmp_path: Path, anew: bool) -> None:
    sent = frames(ENTRIES)
    for cut in range(0, len(sent), 3):
        kept = new_folder(tmp_path / str(cut))
        copy = LogCopy(kept, KEY)
        copy.take(sent[:cut])
        if anew:
            copy = LogCopy(kept, KEY)
        copy.begin()
        copy.take(sent)
        assert copied(kept) == WHOLE, f"cut at {cut}"


@pytest.mark.parametrize("count", range(1, len(ENTRIES) + 1))
def test_what_was_written_and_not_noted_is_not_written_again(kept: KeptFolder, count: int) -> None:
    LogCopy(kept, KEY).take(frames(ENTRIES[: count - 1]))
    noted = kept.note(KEY, "position")
    LogCopy(kept, KEY).take(frames(ENTRIES[:count]))
    # As if the gateway had been killed between the two.
    if noted is None:
        (kept.path / "job" / "1" / "position").unlink()
    else:
        kept.write_note(KEY, "position", noted)
    LogCopy(kept, KEY).take(frames(ENTRIES))
    assert copied(kept) == WHOLE


def test_the_log_is_asked_for_from_a_little_before_the_newest_entry(kept: KeptFolder) -> None:
    copy = LogCopy(kept, KEY)
    copy.take(frames(ENTRIES))
    # 2026-11-26T14:55:38Z, ten seconds before.
    assert copy.begin() == LogCopy(kept, KEY).begin() == "1795704928"


def test_times_of_a_host_outside_utc_are_in_order_when_its_clock_is_set_back(kept: KeptFolder) -> None:
    before = frame(1, b"2026-10-25T02:59:59.000000007+02:00", b"before\n")
    after = frame(1, b"2026-10-25T02:00:00.000000003+01:00", b"after\n")
    LogCopy(kept, KEY).take(before)
    copy = LogCopy(kept, KEY)
    # 2026-10-25T00:59:59Z, ten seconds before.
    assert copy.begin() == "1792889989"
    copy.take(before + after)
    assert copied(kept)[STDOUT] == b"before\nafter\n"


def test_where_the_engine_has_dropped_entries_it_is_said(kept: KeptFolder) -> None:
    LogCopy(kept, KEY).take(frames(ENTRIES[:4]))
    LogCopy(kept, KEY).take(frames(ENTRIES[5:]))
    assert copied(kept) == {
        STDOUT: b"a\nb\n" + b"x" * 30 + MISSING + b"\xff\n",
        STDERR: b"E\n" + MISSING + b"F\nG\n",
    }
    LogCopy(kept, KEY).take(frames([*ENTRIES[5:], (1, 400, b"z\n")]))
    assert copied(kept)[STDOUT].endswith(b"\xff\nz\n")


def test_a_quiet_stream_whose_last_entry_is_not_sent_again_lacks_nothing(kept: KeptFolder) -> None:
    LogCopy(kept, KEY).take(frames(ENTRIES[:5]))
    LogCopy(kept, KEY).take(frames(ENTRIES[3:]))
    assert copied(kept) == WHOLE


def test_after_a_full_disk_nothing_is_missing(kept: KeptFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    append = KeptStream.append
    copy = LogCopy(kept, KEY)
    copy.take(frames(ENTRIES[:2]))

    def fail(stream: KeptStream, data: bytes) -> None:
        append(stream, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(KeptStream, "append", fail)
    with pytest.raises(OSError, match="No space left"):
        copy.take(frames(ENTRIES[2:]))
    monkeypatch.undo()
    copy.begin()
    copy.take(frames(ENTRIES))
    assert copied(kept) == WHOLE
