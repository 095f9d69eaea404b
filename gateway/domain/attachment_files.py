"""The port to where attached files lie. Which job has which of them stands in the store."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from gateway.domain.content import Content, Kept


class Received(Protocol):
    """A file that has come in whole and belongs to nobody yet."""

    size: int
    """Length in bytes."""
    sha256: str
    """SHA-256 of the bytes, in hexadecimal."""

    async def keep(self, job_id: str, attachment_id: str) -> None:
        """Make it a job's attachment: durable, under its name, when this returns.

        Raises ServiceUnavailable when that fails.
        """


class AttachmentFiles(Protocol):
    """Keeps attached files by the ids of job and attachment, which are UUIDs that the server made."""

    async def open(self) -> None:
        """Get ready, and remove what an earlier gateway had only begun to receive."""

    def receive(self, content: Content) -> AbstractAsyncContextManager[Received]:
        """Take bytes in, piece by piece. What is not kept by the end of the context is removed.

        Raises ServiceUnavailable when there is no room, and whatever reading the content raises.
        """

    async def read(self, job_id: str, attachment_id: str) -> Kept:
        """An attachment's bytes. Raises FileNotFoundError."""

    async def remove(self, job_id: str, attachment_id: str) -> None:
        """Remove an attachment; one that is not there is no error."""

    async def remove_job(self, job_id: str) -> None:
        """Remove all attachments of a job."""

    async def kept(self) -> Mapping[str, frozenset[str]]:
        """Ids of all attachments, by the ids of their jobs."""
