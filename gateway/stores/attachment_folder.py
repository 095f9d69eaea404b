"""Keeps attached files in a folder: `<job id>/<attachment id>`, and `incoming/` for what is still coming in.

A file is written in `incoming/` and moved once it is on the disk. Files that have other names than these are
not ours and are left alone. No name comes from a caller.
"""

import asyncio
import errno
import hashlib
import logging
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from io import FileIO
from pathlib import Path
from secrets import token_hex

from gateway.domain.content import Content
from gateway.domain.errors import ServiceUnavailable

WRITE_BYTES = 1024 * 1024
"""As much is held of a file that comes in; then it is written."""
READ_BYTES = 256 * 1024
"""As much is held of a file that goes out."""
MOVE_TRIES = 5
"""Whoever removes a job's last file removes its folder, maybe right before another file is moved there."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_log = logging.getLogger(__name__)


class ReceivedFile:
    """A file in `incoming/`. Implements the port `Received`."""

    def __init__(self, folder: "AttachmentFolder", path: Path, size: int, sha256: str) -> None:
        self._folder = folder
        self._path = path
        self.size = size
        self.sha256 = sha256

    async def keep(self, job_id: str, attachment_id: str) -> None:
        """Move it to its place, durably."""
        place = self._folder.place(job_id, attachment_id)
        with _translated():
            await asyncio.to_thread(_move, self._path, place)


class KeptFile:
    """A file that is open for reading. Implements the port `Kept`: one that is removed meanwhile goes on."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError."""
        self._file = FileIO(path)
        self._size = os.fstat(self._file.fileno()).st_size

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def pieces(self) -> AsyncIterator[bytes]:
        """All bytes."""
        return self.part(0, self._size)

    async def part(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Some of the bytes. Raises EOFError when the file was cut short meanwhile."""
        end = start + length
        while start < end:
            piece = await asyncio.to_thread(
                os.pread, self._file.fileno(), min(READ_BYTES, end - start), start
            )
            if not piece:
                raise EOFError(f"{self._file.name} ends at byte {start}")
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class AttachmentFolder:
    """Implements the port `AttachmentFiles`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._incoming = self.folder / "incoming"

    async def open(self) -> None:
        """Make the folder, empty `incoming/`."""
        await asyncio.to_thread(self._open)

    @asynccontextmanager
    async def receive(self, content: Content) -> AsyncIterator[ReceivedFile]:
        """Write a file into `incoming/`; its content and its digest are on the disk when it is handed out."""
        path = self._incoming / token_hex(16)
        try:
            with _translated(), await asyncio.to_thread(FileIO, path, "x") as file:
                size, digest = await _write(file.write, content)
                await asyncio.to_thread(os.fsync, file.fileno())
            yield ReceivedFile(self, path, size, digest)
        finally:
            # Once kept, it is not here any more.
            path.unlink(missing_ok=True)

    async def read(self, job_id: str, attachment_id: str) -> KeptFile:
        """Open a file. Raises FileNotFoundError."""
        return await asyncio.to_thread(KeptFile, self.place(job_id, attachment_id))

    async def remove(self, job_id: str, attachment_id: str) -> None:
        """Delete a file, and the job's folder with the last one."""
        await self._removed(_remove_file, self.place(job_id, attachment_id))

    async def remove_job(self, job_id: str) -> None:
        """Delete the job's folder."""
        await self._removed(shutil.rmtree, self._of_job(job_id))

    async def kept(self) -> Mapping[str, frozenset[str]]:
        """Look into all folders of jobs."""
        return await asyncio.to_thread(self._kept)

    def place(self, job_id: str, attachment_id: str) -> Path:
        """Where a file lies."""
        return self._of_job(job_id) / _checked(attachment_id)

    def _of_job(self, job_id: str) -> Path:
        return self.folder / _checked(job_id)

    def _open(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            shutil.rmtree(self._incoming)
        self._incoming.mkdir(mode=0o700)

    def _kept(self) -> dict[str, frozenset[str]]:
        return {
            job_id: frozenset(name for name in os.listdir(self.folder / job_id) if _ID.fullmatch(name))
            for job_id in os.listdir(self.folder)
            if _ID.fullmatch(job_id)
        }

    async def _removed(self, remove: Callable[[Path], object], path: Path) -> None:
        """What cannot be removed now is removed at the next start; who asked cannot do anything about it."""
        try:
            await asyncio.to_thread(remove, path)
        except FileNotFoundError:
            pass
        except OSError as error:
            _log.warning("attachments cannot be removed: %s: %s", path, error.strerror)


async def _write(write: Callable[[memoryview], int], content: Content) -> tuple[int, str]:
    """Write all pieces, so that no more than WRITE_BYTES and one piece are held; their size and SHA-256."""
    digest = hashlib.sha256()
    size = held = 0
    pieces: list[bytes] = []

    def work() -> None:
        for piece in pieces:
            digest.update(piece)
            rest = memoryview(piece)
            while rest:
                rest = rest[write(rest) :]

    async for piece in content.pieces():
        pieces.append(piece)
        held += len(piece)
        size += len(piece)
        if held >= WRITE_BYTES:
            await asyncio.to_thread(work)
            pieces.clear()
            held = 0
    await asyncio.to_thread(work)
    return size, digest.hexdigest()


def _move(path: Path, place: Path) -> None:
    folder = place.parent
    for left in reversed(range(MOVE_TRIES)):
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            path.rename(place)
            break
        except FileNotFoundError:
            if not left:
                raise
    # The names are durable only once the folders are, too.
    for changed in (folder, folder.parent):
        descriptor = os.open(changed, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_file(path: Path) -> None:
    path.unlink()
    # Fails while there are others.
    with suppress(OSError):
        path.parent.rmdir()


def _checked(id: str) -> str:
    if not _ID.fullmatch(id):
        raise ValueError(f"not an id of ours: {id!r}")
    return id


@contextmanager
def _translated() -> Iterator[None]:
    """What the disk refuses, as the error that callers are told."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk of the attachments is full" if full else "the attachment cannot be stored"
        raise ServiceUnavailable(reason, retry_after_seconds=30 if full else 10) from error
