"""What the gateway keeps of attempts that run elsewhere, in files: `<folder>/<job>/<attempt>/`.

`stdout` and `stderr` are written by the gateway and bounded like those of processes, see `output_file`. An
executor may keep small notes of its own beside them.
"""

import logging
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

from gateway.domain.executor import AttemptKey, OutputChunk
from gateway.domain.words import OutputChannel
from gateway.executors.output_file import OutputFile, can_punch

log = logging.getLogger(__name__)

JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What may name a folder; ids are UUIDs."""


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


class KeptFolder:
    """The files of all attempts."""

    def __init__(self, folder: Path, bound_bytes: int) -> None:
        self.path = folder.absolute()
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
        self._attempt(key).mkdir(mode=0o700, parents=True, exist_ok=True)

    def stream(self, key: AttemptKey, channel: OutputChannel) -> KeptStream:
        """One stream of an attempt, written or not."""
        path = self._attempt(key) / channel.value.lower()
        return KeptStream(path, self._bound, punching=self._punching)

    def note(self, key: AttemptKey, name: str) -> str | None:
        """A note; None if there is none."""
        with suppress(FileNotFoundError):
            return (self._attempt(key) / name).read_text("utf-8")
        return None

    def write_note(self, key: AttemptKey, name: str, text: str, *, durable: bool = False) -> None:
        """Write a note, whole or not at all. `durable`: it outlives a loss of power. Raises OSError."""
        path = self._attempt(key) / name
        new = path.with_name(f".{name}")
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        new.replace(path)

    def has(self, job_id: str) -> bool:
        """Whether anything is kept of a job."""
        return self._job(job_id).is_dir()

    def jobs(self) -> list[str]:
        """Ids of the jobs of which something is kept."""
        return [name for name in os.listdir(self.path) if JOB_ID.fullmatch(name)]

    def remove(self, job_id: str) -> None:
        """Delete all that is kept of a job."""
        with suppress(FileNotFoundError):
            shutil.rmtree(self._job(job_id))

    def _job(self, job_id: str) -> Path:
        if not JOB_ID.fullmatch(job_id):
            raise ValueError(f"not the id of a job: {job_id!r}")
        return self.path / job_id

    def _attempt(self, key: AttemptKey) -> Path:
        return self._job(key.job_id) / str(key.attempt)
