"""The operations on attachments: files of a job that the gateway keeps, beside links to files elsewhere.

A file is durable before its row, and removed after it: a gateway that stops in between leaves a file without
a row, which the next start removes, and never a row without its file.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from gateway.domain.access import changeable, commit_reply, edit, visible
from gateway.domain.call import Call, Cause
from gateway.domain.content import Content
from gateway.domain.errors import (
    AttachmentNotFound,
    PayloadTooLarge,
    Problem,
    Unauthorized,
    ValidationFailed,
)
from gateway.domain.history import save
from gateway.domain.house import House
from gateway.domain.identity import job_key
from gateway.domain.job import Job
from gateway.domain.parts import Attachment, AttachmentContent, AttachmentUpload
from gateway.domain.ports import JobReader, JobWriter
from gateway.domain.record import JobRecord

MAX_ATTACHMENTS = 1000


async def add_job_attachment(
    house: House, call: Call, *, job_id: str, attachment: AttachmentUpload
) -> Attachment:
    """Attach a file to a job, which keeps it until the attachment or the job is deleted. Works in every
    status. The limits MAX_ATTACHMENT_BYTES (of one file) and MAX_JOB_ATTACHMENT_BYTES (of all files of a job)
    are told by getServiceInfo; a job has at most 1000 attachments.
    """
    room = await house.store.read(lambda tx: _room_before(house, tx, call, job_id))
    content = _Bounded(attachment.content, room, _too_large(house, room))
    async with house.attachments.receive(content) as received:
        once = call.once
        if once is not None:
            told = f"{once.fingerprint} {received.sha256}".encode()
            call = replace(call, once=replace(once, fingerprint=house.sealer.fingerprint(told)))
        key, attachment_id = job_key(job_id), str(uuid4())

        def work(tx: JobWriter, now: datetime) -> Attachment:
            record = _fillable(tx, call, job_id)
            room = _room(house, record.job)
            if received.size > room:
                raise _too_large(house, room)
            made = Attachment(
                id=attachment_id,
                name=attachment.name,
                content_type=attachment.content_type,
                size=received.size,
                sha256=received.sha256,
                created_at=now,
            )
            job = record.job.with_(attachments=(*record.job.attachments, made))
            save(tx, record.with_(job=job), cause=Cause.of(call), at=now)
            return made

        await received.keep(key, attachment_id)
        try:
            reply = await commit_reply(house, call, Attachment, work)
        except Exception:
            # Nothing was stored. When the call is cancelled instead, that is not known: then the file stays.
            await house.attachments.remove(key, attachment_id)
            raise
        if reply.id != attachment_id:
            await house.attachments.remove(key, attachment_id)
    return reply


async def read_job_attachment(
    house: House, call: Call, *, job_id: str, attachment_id: str
) -> AttachmentContent:
    """Read a stored attachment: its bytes as they were sent, with the media type that the sender named. A
    link has no bytes here: its `uri` is never fetched, and reading it is ATTACHMENT_NOT_FOUND.
    """
    job, found = await house.store.read(lambda tx: _find(tx, call, job_id, attachment_id))
    if found.uri is not None:
        raise AttachmentNotFound(
            f"attachment '{attachment_id}' of job {job.id} is a link; its file lies elsewhere, at its uri"
        )
    try:
        content = await house.attachments.read(job.id, found.id)
    except FileNotFoundError:
        # It is no error if it was deleted meanwhile.
        await house.store.read(lambda tx: _find(tx, call, job_id, attachment_id))
        raise
    if content.size != found.size:
        content.close()
        raise OSError(f"the file of attachment {found.id} has {content.size} bytes, not {found.size}")
    shown = {name: getattr(found, name) for name in ("name", "content_type", "size", "sha256")}
    return AttachmentContent.model_construct(**shown, content=content)


async def delete_job_attachment(house: House, call: Call, *, job_id: str, attachment_id: str) -> None:
    """Remove an attachment from a job and delete its file; of a link only the link. Works in every status."""
    stored = False

    def change(_tx: JobWriter, record: JobRecord, _now: datetime) -> JobRecord:
        nonlocal stored
        gone = _of(record.job, attachment_id)
        stored = gone.uri is None
        left = tuple(other for other in record.job.attachments if other is not gone)
        return record.with_(job=record.job.with_(attachments=left))

    changed = await edit(house, call, job_id, change)
    if stored:
        await house.attachments.remove(changed.id, attachment_id)


class _Bounded:
    """Content that ends with an error where it grows too long."""

    def __init__(self, content: Content, limit_bytes: int, refusal: PayloadTooLarge) -> None:
        if content.size is not None and content.size > limit_bytes:
            raise refusal
        self.size = content.size
        self._content = content
        self._limit_bytes = limit_bytes
        self._refusal = refusal

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes, counted."""
        size = 0
        async for piece in self._content.pieces():
            size += len(piece)
            if size > self._limit_bytes:
                raise self._refusal
            yield piece


def _find(tx: JobReader, call: Call, job_id: str, attachment_id: str) -> tuple[Job, Attachment]:
    job = visible(tx, call, job_id).job
    return job, _of(job, attachment_id)


def _of(job: Job, attachment_id: str) -> Attachment:
    for attachment in job.attachments:
        if attachment.id == attachment_id:
            return attachment
    raise AttachmentNotFound(f"job {job.id} has no attachment '{attachment_id}'")


def _fillable(tx: JobReader, call: Call, job_id: str) -> JobRecord:
    """A job that the caller may attach a file to, still: sending one can take longer than an attempt."""
    record = changeable(tx, call, job_id)
    attempt = call.caller.attempt
    if attempt is not None and (record.attempt != attempt or record.token_hash is None):
        raise Unauthorized("the token belongs to no running attempt")
    if len(record.job.attachments) >= MAX_ATTACHMENTS:
        detail = f"the job has {len(record.job.attachments)} attachments; the limit is {MAX_ATTACHMENTS}"
        raise ValidationFailed(detail, problems=[Problem(("attachment",), detail)])
    return record


def _room_before(house: House, tx: JobReader, call: Call, job_id: str) -> int:
    """How many bytes to take in at most. A repeat is read whole, since only its bytes tell that it is one."""
    once = call.once
    if once is not None and tx.remembered(call.caller.organization_id, once.operation, once.key):
        return house.policy.max_attachment_bytes
    return _room(house, _fillable(tx, call, job_id).job)


def _room(house: House, job: Job) -> int:
    """How many bytes the next file of a job may have."""
    used = sum(attachment.size or 0 for attachment in job.attachments)
    left = house.policy.max_job_attachment_bytes - used
    return max(0, min(house.policy.max_attachment_bytes, left))


def _too_large(house: House, room: int) -> PayloadTooLarge:
    policy = house.policy
    if room == policy.max_attachment_bytes:
        return PayloadTooLarge(f"the attachment is longer than the limit of {room} bytes")
    return PayloadTooLarge(
        f"the attachment is longer than the {room} bytes that are left of the job's "
        f"{policy.max_job_attachment_bytes} bytes of attachments"
    )
