"""The port AttachmentFiles over every adapter; what concerns a folder alone has a file of its own."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.domain.attachment_files import AttachmentFiles
from gateway.domain.content import InMemory
from gateway.domain.errors import BadRequest
from gateway.stores.attachment_folder import AttachmentFolder
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.postgres_attachments import PIECE_BYTES, PostgresAttachments
from tests.pg_stand import PgStand

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


@asynccontextmanager
async def attachments_of(database: str) -> AsyncIterator[PostgresAttachments]:
    """Attachments in a database, ready."""
    store = PostgresJobStore(database)
    await store.open()
    try:
        await store.attachments.open()
        yield store.attachments
    finally:
        await store.close()


@pytest.fixture
async def in_postgres(database: str) -> AsyncIterator[PostgresAttachments]:
    """Attachments in a database."""
    async with attachments_of(database) as ready:
        yield ready


@pytest.fixture(params=["folder", "postgres"])
async def files(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AttachmentFiles]:
    """An adapter that is ready and has no files."""
    if request.param == "postgres":
        async with attachments_of(request.getfixturevalue("database")) as ready:
            yield ready
        return
    folder = AttachmentFolder(tmp_path / "attachments")
    await folder.open()
    yield folder


async def put(files: AttachmentFiles, job_id: str, content: bytes) -> str:
    """Keep a new attachment; its id."""
    attachment_id = str(uuid4())
    async with files.receive(InMemory(content)) as received:
        await received.keep(job_id, attachment_id)
    return attachment_id


async def read_all(files: AttachmentFiles, job_id: str, attachment_id: str) -> bytes:
    """All bytes of an attachment."""
    content = await files.read(job_id, attachment_id)
    try:
        return b"".join([piece async for piece in content.pieces()])
    finally:
        content.close()


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b""],
        [b"a", b"", b"bc"],
        [b"x" * PIECE_BYTES],
        [b"y" * (2 * PIECE_BYTES + 1)],
        [bytes([number]) * 65_536 for number in range(40)],
    ],
)
async def test_what_came_in_is_read_again(files: AttachmentFiles, pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    attachment_id = str(uuid4())
    async with files.receive(Pieces(pieces)) as received:
        assert received.size == len(whole)
        assert received.sha256 == hashlib.sha256(whole).hexdigest()
        await received.keep(JOB, attachment_id)
    content = await files.read(JOB, attachment_id)
    assert content.size == len(whole)
    content.close()
    assert await read_all(files, JOB, attachment_id) == whole


async def test_a_part_is_read(files: AttachmentFiles) -> None:
    whole = bytes(range(256)) * 4096
    content = await files.read(JOB, await put(files, JOB, whole))
    for start, length in ((0, 0), (0, 1), (255, 3), (1, 300_000), (2**20 - 1, 1), (PIECE_BYTES - 1, 2)):
        part = b"".join([piece async for piece in content.part(start, length)])
        assert part == whole[start : start + length]
    content.close()
    content.close()


async def test_a_file_that_is_not_there_is_told(files: AttachmentFiles) -> None:
    kept = await put(files, JOB, b"x")
    for job_id, attachment_id in ((JOB, OTHER), (OTHER, kept)):
        with pytest.raises(FileNotFoundError):
            await files.read(job_id, attachment_id)


async def test_removing_takes_what_was_named(files: AttachmentFiles) -> None:
    first, second, other = [
        await put(files, job_id, content) for job_id, content in ((JOB, b"1"), (JOB, b"2"), (OTHER, b"3"))
    ]
    await files.remove(JOB, first)
    await files.remove(JOB, first)
    with pytest.raises(FileNotFoundError):
        await files.read(JOB, first)
    assert await read_all(files, JOB, second) == b"2"
    for _ in range(2):
        await files.remove_job(JOB)
        with pytest.raises(FileNotFoundError):
            await files.read(JOB, second)
    assert await read_all(files, OTHER, other) == b"3"


def rows(postgres: PgStand, database: str) -> tuple[int, int]:
    """How many files and pieces the tables have."""
    address = postgres.at(database)
    [(found,)] = address.run("SELECT count(*) FROM jobs_gateway.attachment_files")
    [(pieces,)] = address.run("SELECT count(*) FROM jobs_gateway.attachment_pieces")
    return found, pieces


async def test_what_is_not_kept_leaves_no_rows(
    in_postgres: PostgresAttachments, postgres: PgStand, database: str
) -> None:
    async with in_postgres.receive(InMemory(b"x" * (PIECE_BYTES + 1))):
        assert rows(postgres, database) == (1, 2)
    assert rows(postgres, database) == (0, 0)
    with pytest.raises(BadRequest):
        async with in_postgres.receive(Pieces([b"x" * PIECE_BYTES], BadRequest("gone"))):
            raise AssertionError("nobody comes here")
    assert rows(postgres, database) == (0, 0)


async def test_what_is_canceled_leaves_no_rows(
    in_postgres: PostgresAttachments, postgres: PgStand, database: str
) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * PIECE_BYTES
        begun.set()
        await asyncio.Event().wait()

    content: Any = Pieces([])
    content.pieces = endless

    async def receive() -> None:
        async with in_postgres.receive(content):
            raise AssertionError("nobody comes here")

    task = asyncio.create_task(receive())
    await asyncio.wait_for(begun.wait(), 30)
    assert rows(postgres, database) == (1, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows(postgres, database) == (0, 0)


async def test_removing_leaves_no_rows(
    in_postgres: PostgresAttachments, postgres: PgStand, database: str
) -> None:
    await put(in_postgres, JOB, b"x" * (3 * PIECE_BYTES))
    assert rows(postgres, database) == (1, 3)
    await in_postgres.remove_job(JOB)
    assert rows(postgres, database) == (0, 0)


async def test_what_others_receive_and_have_just_kept_is_left_alone(
    in_postgres: PostgresAttachments, postgres: PgStand, database: str
) -> None:
    """A gateway that starts removes old remains alone; what is young may be another's."""
    stand = postgres.at(database)
    kept = await put(in_postgres, JOB, b"1")
    async with in_postgres.receive(InMemory(b"x")):
        await in_postgres.open()
        assert rows(postgres, database) == (2, 2)
        assert await in_postgres.kept() == {}
        stand.run("UPDATE jobs_gateway.attachment_files SET touched_at = touched_at - interval '2 hours'")
        assert await in_postgres.kept() == {JOB: frozenset({kept})}
        await in_postgres.open()
        assert rows(postgres, database) == (1, 1)


async def test_a_file_that_is_removed_while_it_is_read_is_an_error(in_postgres: PostgresAttachments) -> None:
    content = await in_postgres.read(JOB, await put(in_postgres, JOB, b"x" * (2 * PIECE_BYTES)))
    pieces = content.pieces()
    assert len(await anext(pieces)) == PIECE_BYTES
    await in_postgres.remove_job(JOB)
    with pytest.raises(EOFError):
        await anext(pieces)
