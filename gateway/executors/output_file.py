"""A stream that a command writes into a file, bounded by punching out the file's middle.

The command appends to the file itself; nobody stands between. What was punched out is a hole in the file,
found again by lseek(2) with SEEK_DATA and SEEK_HOLE, so offsets stay true and no further file is needed.
"""

import ctypes
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from gateway.domain.executor import OutputChunk

FALLOC_FL_KEEP_SIZE = 0x01
FALLOC_FL_PUNCH_HOLE = 0x02
# A file may be exchanged for a link or a pipe by its job: follow neither, wait for neither.
OPEN_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def can_punch(folder: Path) -> bool:
    """Whether the file system of a folder takes holes."""
    with tempfile.TemporaryFile(dir=folder) as probe:
        probe.truncate(2 * 4096)
        with suppress(OSError):
            _punch(probe.fileno(), 0, 4096)
            return True
    return False


class OutputFile:
    """One stream of one attempt."""

    def __init__(self, path: Path, bound_bytes: int, *, punching: bool) -> None:
        self._path = path
        self._bound = bound_bytes
        self._punching = punching
        self._punched = 0
        """Offset up to which the middle is gone already, as far as this object knows."""

    def trim(self) -> None:
        """Punch out what is past the bound; the first and the last half of the bound stay."""
        if not self._punching:
            return
        try:
            if self._path.lstat().st_size <= self._bound:
                return
            descriptor = os.open(self._path, os.O_RDWR | OPEN_FLAGS)
        except OSError:
            return
        try:
            start, end = self._middle(os.fstat(descriptor))
            if end < self._punched:  # The job has cut its output.
                self._punched = 0
            start = max(start, self._punched)
            if end > start:
                with suppress(OSError):
                    _punch(descriptor, start, end - start)
                    self._punched = end
        finally:
            os.close(descriptor)

    def read(self, *, offset: int, limit: int) -> OutputChunk:
        """At most `limit` bytes from `offset` on, up to the next hole. A negative offset counts from the end.

        From within a hole no data are read, `next_offset` leads out of it; but "the last n bytes" begin
        behind the hole. What does not exist is empty.
        """
        nothing = OutputChunk(data=b"", offset=0, next_offset=0, dropped_bytes=0, size=0)
        try:
            descriptor = os.open(self._path, os.O_RDONLY | OPEN_FLAGS)
        except OSError:
            return nothing
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return nothing
            return self._read(descriptor, offset, limit)
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, offset: int, limit: int) -> OutputChunk:
        status = os.fstat(descriptor)
        size = status.st_size
        start = max(0, size + offset) if offset < 0 else min(offset, size)
        if offset < 0:
            start = self._kept_from(descriptor, status, start)
        data = os.pread(descriptor, max(0, min(limit, size - start)), start)
        # Holes are looked for afterwards: what another thread punches out meanwhile is read as zeros.
        kept = self._kept_from(descriptor, status, start)
        gap = self._gap_from(descriptor, status, start) if start == kept else start
        data = data[: gap - start]
        if start == kept:
            kept = start + len(data)
            if kept == gap:
                kept = self._kept_from(descriptor, status, gap)
        return OutputChunk(
            data=data,
            offset=start,
            next_offset=kept,
            dropped_bytes=kept - start - len(data),
            size=size,
        )

    def _middle(self, status: os.stat_result) -> tuple[int, int]:
        """Start and end of what is past the bound, in whole blocks; empty when nothing is."""
        block = max(4096, status.st_blksize)
        half = self._bound // 2
        start = -(-half // block) * block
        end = (status.st_size - half) // block * block
        return (start, end) if status.st_size > self._bound and end > start else (0, 0)

    def _kept_from(self, descriptor: int, status: os.stat_result, offset: int) -> int:
        """The first byte from `offset` on that is no hole; the size if there is none."""
        size = status.st_size
        if offset >= size:
            return min(offset, size)
        if not self._punching:
            start, end = self._middle(status)
            return end if start <= offset < end else offset
        try:
            return min(size, os.lseek(descriptor, offset, os.SEEK_DATA))
        except OSError:  # ENXIO: a hole up to the end.
            return size

    def _gap_from(self, descriptor: int, status: os.stat_result, offset: int) -> int:
        """Where the next hole begins; the size if there is none."""
        size = status.st_size
        if offset >= size:
            return min(offset, size)
        if not self._punching:
            start, end = self._middle(status)
            return start if offset < start < end else size
        return min(size, os.lseek(descriptor, offset, os.SEEK_HOLE))


def _punch(descriptor: int, offset: int, length: int) -> None:
    mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    if _libc.fallocate(descriptor, mode, offset, length) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
