"""Keeps attached files in PostgreSQL, in pieces, so that every gateway on the database has them.

Each piece is stored by itself as it comes in; a file belongs to nobody until it is kept. What does not go on
coming in, because its gateway has stopped, is removed when a gateway starts an hour or more later.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.domain.content import Content
from gateway.domain.errors import ServiceUnavailable
from gateway.stores.postgres_connection import Connection
from gateway.stores.postgres_pool import Pool

PIECE_BYTES = 256 * 1024
"""The length of all pieces of a file but the last."""

_log = logging.getLogger(__name__)


class PostgresAttachments:
    """Implements the port `AttachmentFiles`."""

    def __init__(self, pool: Pool, queries: Mapping[str, str]) -> None:
        """The pool is opened and closed with the store."""
        self._pool = pool
        self._queries = queries

    async def open(self) -> None:
        """Remove what earlier gateways had only begun to receive."""
        await self.run("discard_old_files")

    @asynccontextmanager
    async def receive(self, content: Content) -> AsyncIterator["ReceivedRows"]:
        """Store a file piece by piece; all of it is durable when it is handed out."""
        [(file,)] = await self.run("begin_file")
        try:
            size, digest = await self._write(file, content)
            yield ReceivedRows(self, file, size, digest)
        finally:
            # Once kept, it stays. Who is canceled here does not keep the rest from being removed.
            await asyncio.shield(self._removed("discard_file", file=file))

    async def read(self, job_id: str, attachment_id: str) -> "KeptRows":
        """An attachment's bytes. Raises FileNotFoundError."""
        found = await self.run("file", job_id=job_id, attachment_id=attachment_id)
        if not found:
            raise FileNotFoundError(f"attachment {attachment_id} of job {job_id}")
        return KeptRows(self, *found[0])

    async def remove(self, job_id: str, attachment_id: str) -> None:
        """Remove an attachment."""
        await self._removed("remove_file", job_id=job_id, attachment_id=attachment_id)

    async def remove_job(self, job_id: str) -> None:
        """Remove all attachments of a job."""
        await self._removed("remove_files", job_id=job_id)

    async def kept(self) -> Mapping[str, frozenset[str]]:
        """Ids of all attachments that were kept an hour ago or earlier, by the ids of their jobs."""
        found: dict[str, set[str]] = {}
        for job_id, attachment_id in await self.run("kept_files"):
            found.setdefault(job_id, set()).add(attachment_id)
        return {job_id: frozenset(ids) for job_id, ids in found.items()}

    async def run(self, query: str, **values: Any) -> list[Any]:
        """Run a query in a thread; its rows. Each is a transaction of its own that may be run twice."""

        def work(connection: Connection) -> list[Any]:
            cursor = connection.execute(self._queries[query], values)
            return cursor.fetchall() if cursor.description else []

        return await self._pool.use(work)

    async def _write(self, file: int, content: Content) -> tuple[int, str]:
        """Store all pieces, so that no more is held than one of them and one of the sender's."""
        digest = hashlib.sha256()
        size = place = 0
        held = bytearray()
        async for piece in content.pieces():
            digest.update(piece)
            size += len(piece)
            held += piece
            while len(held) >= PIECE_BYTES:
                await self.run("add_piece", file=file, place=place, data=bytes(held[:PIECE_BYTES]))
                del held[:PIECE_BYTES]
                place += 1
        if held:
            await self.run("add_piece", file=file, place=place, data=bytes(held))
        return size, digest.hexdigest()

    async def _removed(self, query: str, **values: Any) -> None:
        """What cannot be removed now is removed at a later start; who asked cannot do anything about it."""
        try:
            await self.run(query, **values)
        except ServiceUnavailable as error:
            _log.warning("attachments cannot be removed: %s: %s", values, error.reason)


class ReceivedRows:
    """A file that has come in. Implements the port `Received`."""

    def __init__(self, attachments: PostgresAttachments, file: int, size: int, sha256: str) -> None:
        self._attachments = attachments
        self._file = file
        self.size = size
        self.sha256 = sha256

    async def keep(self, job_id: str, attachment_id: str) -> None:
        """Give it its name, durably."""
        await self._attachments.run("keep_file", file=self._file, job_id=job_id, attachment_id=attachment_id)


class KeptRows:
    """A file that can be read. Implements the port `Kept`."""

    def __init__(self, attachments: PostgresAttachments, file: int, size: int) -> None:
        self._attachments = attachments
        self._file = file
        self._size = size

    @property
    def size(self) -> int:
        """Length in bytes."""
        return self._size

    def pieces(self) -> AsyncIterator[bytes]:
        """All bytes."""
        return self.part(0, self._size)

    async def part(self, start: int, length: int) -> AsyncIterator[bytes]:
        """Some of the bytes. Raises EOFError when the file was removed meanwhile."""
        end = start + length
        while start < end:
            place, skipped = divmod(start, PIECE_BYTES)
            found = await self._attachments.run("piece", file=self._file, place=place)
            piece = found[0][0][skipped : skipped + end - start] if found else b""
            if not piece:
                raise EOFError(f"attached file {self._file} ends at byte {start}")
            start += len(piece)
            yield piece

    def close(self) -> None:
        """Nothing is held."""
