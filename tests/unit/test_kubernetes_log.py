"""Streams of which the first and the last part are kept."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.executors.kubernetes_output import Log, read_parts

pieces = st.lists(st.binary(max_size=40), max_size=20)


def logged(parts, bound):
    log = Log(bound)
    for part in parts:
        log.add(part)
    return log


@given(pieces, st.integers(2, 60))
def test_never_more_than_the_bound_is_kept_and_always_both_ends(parts, bound):
    whole, half = b"".join(parts), bound // 2
    log = logged(parts, bound)
    head, tail = log.parts()
    assert log.size == len(whole)
    if len(whole) <= 2 * half:
        assert head + tail == whole
    else:
        assert (head, tail) == (whole[:half], whole[-half:])


@given(pieces, st.integers(2, 60), st.integers(1, 15))
def test_reading_on_gives_all_that_is_kept_and_says_what_is_not(parts, bound, limit):
    whole = b"".join(parts)
    log = logged(parts, bound)
    offset, lost = 0, 0
    while True:
        chunk = read_parts(*log.parts(), log.size, offset=offset, limit=limit)
        assert chunk.offset == offset
        assert chunk.data == whole[offset : offset + len(chunk.data)]
        assert len(chunk.data) <= limit
        assert chunk.next_offset == offset + len(chunk.data) + chunk.dropped_bytes
        lost += chunk.dropped_bytes
        if chunk.next_offset == offset:
            break
        offset = chunk.next_offset
    assert (offset, lost) == (len(whole), max(0, len(whole) - 2 * (bound // 2)))


@given(pieces, st.integers(2, 60), st.integers(1, 100))
def test_the_last_bytes_begin_behind_what_was_dropped(parts, bound, count):
    whole = b"".join(parts)
    log = logged(parts, bound)
    head, tail = log.parts()
    chunk = read_parts(head, tail, log.size, offset=-count, limit=1000)
    kept = len(tail) if log.size > len(head) + len(tail) and count < log.size - len(head) + 1 else None
    if kept is not None:
        assert chunk.data == whole[-min(count, kept) :]
    assert whole[chunk.offset : chunk.offset + len(chunk.data)] == chunk.data


@given(pieces, st.integers(0, 1000))
def test_behind_the_end_there_is_nothing(parts, far):
    log = logged(parts, 40)
    chunk = read_parts(*log.parts(), log.size, offset=log.size + far, limit=10)
    assert (chunk.data, chunk.offset, chunk.next_offset) == (b"", log.size, log.size)
