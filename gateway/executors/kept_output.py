"""What the gateway keeps of attempts that run elsewhere, in files: `<folder>/<job>/<attempt>/`.

`stdout` and `stderr` are written by the gateway and bounded like those of processes, see `output_file`. An
executor may keep small notes of its own beside them.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path

from gateway.domain.executor import AttemptKey, OutputChunk
from gateway.domain.words import OutputChannel
from gateway.executors.job_folders import JobFolders
from gateway.executors.output_file import OutputFile, can_punch

log = logging.getLogger(__name__)


class KeptStream:
    """One stream of one attempt. Its file is as long as the whole stream, with the dropped middle."""

    def __init__(self, path: Path, bound_bytes: int, *, punching: bool) -> None:
        self._path = path
        self._bound = bound_bytes
        self._file = OutputFile(path, bound_bytes, punching=punching)

    @property
    def size(self) -> int:
        """Bytes that were appended so far."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, data: bytes) -> None:
        """Write behind what is there, and drop what of the middle is past the bound. Raises OSError."""
        with self._path.open("ab", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            size = file.tell()
        if size > self._bound:
            self._file.trim()

    def read(self, *, offset: int, limit: int) -> OutputChunk:
        """At most `limit` bytes from `offset` on, see `OutputFile.read`."""
        return self._file.read(offset=offset, limit=limit)


class KeptFolder(JobFolders):
    """The files of all attempts."""

    def __init__(self, folder: Path, bound_bytes: int) -> None:
        super().__init__(folder)
        self._bound = bound_bytes
        self._punching = True

    def open(self) -> None:
        """Make the folder."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._punching = can_punch(self.path)
        if not self._punching:
            log.warning("output is not bounded on disk: the file system of %s takes no holes", self.path)

    def make(self, key: AttemptKey) -> None:
        """Make the attempt's folder."""
        self.attempt(key).mkdir(mode=0o700, parents=True, exist_ok=True)

    def stream(self, key: AttemptKey, channel: OutputChannel) -> KeptStream:
        """One stream of an attempt, written or not."""
        path = self.attempt(key) / channel.value.lower()
        return KeptStream(path, self._bound, punching=self._punching)

    def note(self, key: AttemptKey, name: str) -> str | None:
        """A note; None if there is none."""
        with suppress(FileNotFoundError):
            return (self.attempt(key) / name).read_text("utf-8")
        return None

    def write_note(self, key: AttemptKey, name: str, text: str, *, durable: bool = False) -> None:
        """Write a note, whole or not at all. `durable`: it outlives a loss of power. Raises OSError."""
        path = self.attempt(key) / name
        new = path.with_name(f".{name}")
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        new.replace(path)
