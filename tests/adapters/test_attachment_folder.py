"""The folder of attachments: durable before it is kept, nothing left of what is not, little held."""

import asyncio
import errno
import hashlib
import logging
import os
import stat
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.domain.content import InMemory
from gateway.domain.errors import BadRequest, ServiceUnavailable
from gateway.stores import attachment_folder
from gateway.stores.attachment_folder import WRITE_BYTES, AttachmentFolder

JOB, OTHER = "0199a6f2-4c1e-7d3a-9b5e-2f6c8d1e7a40", "0199a6f2-4c1e-7d3a-9b5e-2f6c8d1e7a41"


class Pieces:
    """Content in pieces, which may end with an error."""

    size = None

    def __init__(self, pieces: Iterable[bytes], error: Exception | None = None) -> None:
        self._pieces = pieces
        self._error = error

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._error:
            raise self._error


@pytest.fixture
async def folder(tmp_path: Path) -> AttachmentFolder:
    """A folder that is ready."""
    made = AttachmentFolder(tmp_path / "data" / "attachments")
    await made.open()
    return made


async def put(folder: AttachmentFolder, job_id: str, content: bytes) -> str:
    """Keep a new attachment; its id."""
    attachment_id = str(uuid4())
    async with folder.receive(InMemory(content)) as received:
        await received.keep(job_id, attachment_id)
    return attachment_id


async def read_all(folder: AttachmentFolder, job_id: str, attachment_id: str) -> bytes:
    """All bytes of an attachment."""
    content = await folder.read(job_id, attachment_id)
    try:
        return b"".join([piece async for piece in content.pieces()])
    finally:
        content.close()


def everything(folder: AttachmentFolder) -> list[str]:
    """All that lies in the folder but for `incoming` itself."""
    paths = (str(path.relative_to(folder.folder)) for path in folder.folder.rglob("*"))
    return sorted(path for path in paths if path != "incoming")


@pytest.mark.parametrize(
    "pieces", [[], [b""], [b"a"], [b"a", b"", b"bc"], [b"x" * (2 * WRITE_BYTES + 1)], [b"x" * 65536] * 40]
)
async def test_what_came_in_is_read_again(folder: AttachmentFolder, pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    attachment_id = str(uuid4())
    async with folder.receive(Pieces(pieces)) as received:
        assert received.size == len(whole)
        assert received.sha256 == hashlib.sha256(whole).hexdigest()
        await received.keep(JOB, attachment_id)
    assert await read_all(folder, JOB, attachment_id) == whole
    assert everything(folder) == sorted([JOB, f"{JOB}/{attachment_id}"])


async def test_a_part_is_read(folder: AttachmentFolder) -> None:
    content = await folder.read(JOB, await put(folder, JOB, bytes(range(256)) * 4096))
    for start, length in ((0, 0), (0, 1), (255, 3), (1, 300_000), (2**20 - 1, 1)):
        part = b"".join([piece async for piece in content.part(start, length)])
        assert part == (bytes(range(256)) * 4096)[start : start + length]
    content.close()
    content.close()


async def test_no_more_is_held_than_a_buffer_and_a_piece(folder: AttachmentFolder) -> None:
    held = 0
    most = 0

    class Piece(bytes):
        def __new__(cls) -> "Piece":
            nonlocal held, most
            held += 100_000
            most = max(most, held)
            return super().__new__(cls, bytes(100_000))

        def __del__(self) -> None:
            nonlocal held
            held -= 100_000

    async with folder.receive(Pieces(Piece() for _ in range(300))) as received:
        assert received.size == 30_000_000
    assert most <= WRITE_BYTES + 3 * 100_000


async def test_what_is_not_kept_is_removed(folder: AttachmentFolder) -> None:
    async with folder.receive(InMemory(b"x")):
        assert len(everything(folder)) == 1
    assert everything(folder) == []
    with pytest.raises(BadRequest):
        async with folder.receive(Pieces([b"x"], BadRequest("gone"))):
            raise AssertionError("nobody comes here")
    assert everything(folder) == []


async def test_what_is_cancelled_is_removed(folder: AttachmentFolder) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * WRITE_BYTES
        await asyncio.Event().wait()

    content: Any = Pieces([])
    content.pieces = endless

    async def receive() -> None:
        async with folder.receive(content):
            raise AssertionError("nobody comes here")

    task = asyncio.create_task(receive())
    while not [path for path in folder.folder.rglob("incoming/*") if path.stat().st_size]:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert everything(folder) == []


async def test_a_file_is_on_the_disk_before_it_is_kept_and_its_name_when_it_is(
    folder: AttachmentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_fsync(descriptor: int) -> None:
        steps.append("fsync " + os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def note_rename(self: Path, target: Path) -> Path:
        steps.append(f"rename {target}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    attachment_id = await put(folder, JOB, b"x")
    received, *rest = steps
    assert received.startswith(f"fsync {folder.folder}/incoming/")
    assert rest == [
        f"rename {folder.folder}/{JOB}/{attachment_id}",
        f"fsync {folder.folder}/{JOB}",
        f"fsync {folder.folder}",
    ]


async def test_opening_removes_what_was_coming_in_and_nothing_else(folder: AttachmentFolder) -> None:
    attachment_id = await put(folder, JOB, b"x")
    (folder.folder / "incoming" / "half").write_bytes(b"x")
    (folder.folder / "notes.txt").write_text("the operator's")
    again = AttachmentFolder(folder.folder)
    await again.open()
    assert everything(again) == sorted([JOB, f"{JOB}/{attachment_id}", "notes.txt"])
    assert await again.kept() == {JOB: frozenset({attachment_id})}


async def test_removing_takes_the_last_files_folder_along(folder: AttachmentFolder) -> None:
    first, second = await put(folder, JOB, b"1"), await put(folder, JOB, b"2")
    await folder.remove(JOB, first)
    assert await folder.kept() == {JOB: frozenset({second})}
    with pytest.raises(FileNotFoundError):
        await folder.read(JOB, first)
    await folder.remove(JOB, second)
    assert everything(folder) == []
    await folder.remove(JOB, second)


async def test_removing_a_job_takes_all_its_files(folder: AttachmentFolder) -> None:
    kept = await put(folder, OTHER, b"1")
    await put(folder, JOB, b"1")
    await put(folder, JOB, b"2")
    for _ in range(2):
        await folder.remove_job(JOB)
        assert await folder.kept() == {OTHER: frozenset({kept})}


async def test_what_is_being_read_can_be_removed(folder: AttachmentFolder) -> None:
    content = await folder.read(JOB, await put(folder, JOB, b"hello"))
    await folder.remove_job(JOB)
    assert b"".join([piece async for piece in content.pieces()]) == b"hello"
    content.close()


async def test_a_file_that_gets_shorter_while_it_is_read_is_an_error(folder: AttachmentFolder) -> None:
    attachment_id = await put(folder, JOB, b"hello")
    content = await folder.read(JOB, attachment_id)
    os.truncate(folder.place(JOB, attachment_id), 2)
    with pytest.raises(EOFError):
        [piece async for piece in content.pieces()]
    content.close()


async def test_the_folder_may_go_right_before_a_file_is_moved_there(
    folder: AttachmentFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename
    times = 0

    def rename_late(self: Path, target: Path) -> Path:
        nonlocal times
        times += 1
        if times < 3:
            target.parent.rmdir()
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", rename_late)
    attachment_id = await put(folder, JOB, b"x")
    assert await read_all(folder, JOB, attachment_id) == b"x"


@pytest.mark.parametrize(
    "wrong", ["", ".", "..", "incoming", "link-1", "../" + JOB, JOB.upper() + "x", JOB + "\n"]
)
async def test_no_other_name_reaches_the_disk(folder: AttachmentFolder, wrong: str) -> None:
    for ids in ((JOB, wrong), (wrong, JOB)):
        with pytest.raises(ValueError, match="not an id of ours"):
            await folder.read(*ids)
        with pytest.raises(ValueError, match="not an id of ours"):
            await folder.remove(*ids)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.ENOSPC, "is full"), (errno.EDQUOT, "is full"), (errno.EIO, "cannot be stored")],
)
async def test_a_disk_that_refuses_is_a_passing_error(
    folder: AttachmentFolder, monkeypatch: pytest.MonkeyPatch, number: int, reason: str
) -> None:
    def refuse(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ServiceUnavailable, match=reason) as caught:
        await put(folder, JOB, b"x")
    assert caught.value.retry_after_seconds
    assert everything(folder) == []


async def test_what_cannot_be_removed_is_told_in_the_log(
    folder: AttachmentFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attachment_id = await put(folder, JOB, b"x")

    def refuse(_path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(attachment_folder, "_remove_file", refuse)
    with caplog.at_level(logging.WARNING):
        await folder.remove(JOB, attachment_id)
    assert "Permission denied" in caplog.text


async def test_nobody_else_may_look_into_it(folder: AttachmentFolder) -> None:
    old = os.umask(0o077)
    try:
        attachment_id = await put(folder, JOB, b"x")
    finally:
        os.umask(old)
    for path in (folder.folder, folder.folder / "incoming", folder.folder / JOB):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.place(JOB, attachment_id).stat().st_mode) == 0o600
