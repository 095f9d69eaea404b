"""What outlives the pod of an attempt: its end, and what it wrote, bounded by dropping the middle.

    <folder>/<job>/<attempt>/stdout   the first and the last part, one behind the other
    <folder>/<job>/<attempt>/end      how it ended and what was dropped; once it is there both are complete

Kubernetes tells the streams of a container not apart: there is no stderr.
"""

import json
from collections import deque
from pathlib import Path
from typing import Any

from gateway.domain.executor import AttemptKey, End, OutputChunk
from gateway.executors.end_note import end_document, end_of_document
from gateway.executors.job_folders import JobFolders

NOTHING = OutputChunk(data=b"", offset=0, next_offset=0, dropped_bytes=0, size=0)


class Log:
    """A stream of bytes of which the first and the last half of a bound are kept."""

    def __init__(self, bound_bytes: int) -> None:
        self._half = max(1, bound_bytes // 2)
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.size = 0
        """Length of the whole stream."""

    def add(self, data: bytes) -> None:
        """The next piece."""
        self.size += len(data)
        room = self._half - len(self._head)
        self._head += data[:room]
        if rest := data[room:]:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
            while self._tail_bytes - len(self._tail[0]) >= self._half:
                self._tail_bytes -= len(self._tail.popleft())

    def parts(self) -> tuple[bytes, bytes]:
        """The first and the last part; between them lies what was dropped, if anything was."""
        return bytes(self._head), b"".join(self._tail)[-self._half :]


def read_parts(head: bytes, tail: bytes, size: int, *, offset: int, limit: int) -> OutputChunk:
    """A piece of a stream of which two parts are left.

    From within the dropped middle no data are read, `next_offset` leads out of it; but "the last n bytes"
    begin behind it.
    """
    resumes = size - len(tail)
    start = max(0, size + offset) if offset < 0 else min(offset, size)
    if len(head) <= start < resumes:
        if offset >= 0:
            return OutputChunk(
                data=b"", offset=start, next_offset=resumes, dropped_bytes=resumes - start, size=size
            )
        start = resumes
    if start < len(head):
        data = head[start : start + limit]
        if len(head) == resumes:
            data += tail[: limit - len(data)]
    else:
        data = tail[start - resumes : start - resumes + limit]
    end = start + len(data)
    following = resumes if end == len(head) and start < len(head) else end
    return OutputChunk(
        data=data, offset=start, next_offset=following, dropped_bytes=following - end, size=size
    )


class Keeper(JobFolders):
    """The folders of all attempts."""

    def keep(self, key: AttemptKey, end: End, log: Log | None) -> None:
        """Write down how an attempt ended and what it wrote."""
        folder = self.attempt(key)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        head, tail = log.parts() if log else (b"", b"")
        _write(folder / "stdout", head + tail)
        document = end_document(end) | {"head": len(head), "size": log.size if log else 0}
        _write(folder / "end", json.dumps(document).encode())

    def end(self, key: AttemptKey) -> End | None:
        """How an attempt ended, if that was written down."""
        document = self._document(key)
        return None if document is None else end_of_document(document)

    def output(self, key: AttemptKey, *, offset: int, limit: int) -> OutputChunk | None:
        """A piece of what an attempt wrote; None if that was not written down."""
        document = self._document(key)
        if document is None:
            return None
        try:
            data = (self.attempt(key) / "stdout").read_bytes()
        except FileNotFoundError:
            return NOTHING
        head = document["head"]
        return read_parts(data[:head], data[head:], document["size"], offset=offset, limit=limit)

    def _document(self, key: AttemptKey) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads((self.attempt(key) / "end").read_bytes())
        except FileNotFoundError:
            return None
        return document


def _write(path: Path, data: bytes) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.replace(path)
