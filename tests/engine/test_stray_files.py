"""A start removes files that no job knows, and leaves those that one does."""

from uuid import uuid4

from gateway.domain.content import InMemory
from gateway.domain.parts import Attachment
from tests.house import TestHouse


async def _put(house: TestHouse, job_id: str, attachment_id: str) -> None:
    """A file without a row."""
    async with house.house.attachments.receive(InMemory(b"x")) as received:
        await received.keep(job_id, attachment_id)


async def _attached(house: TestHouse, job_id: str) -> Attachment:
    """A file with its row."""
    made: Attachment = await house.call(
        "addJobAttachment", jobId=job_id, attachment={"name": "a", "content": b"hello"}
    )
    return made


async def test_a_start_removes_strays_alone(house: TestHouse) -> None:
    job = await house.start(attachments=[{"name": "a", "uri": "s3://a"}])
    bare, gone = await house.start(), str(uuid4())
    kept = await _attached(house, job.id)
    for job_id in (job.id, bare.id, gone):
        await _put(house, job_id, str(uuid4()))
    assert len(await house.house.attachments.kept()) == 3
    await house.restarted().engine.take_over()
    assert await house.house.attachments.kept() == {job.id: frozenset({kept.id})}
    assert [attachment.id for attachment in (await house.job(job.id)).attachments] == ["link-1", kept.id]


async def test_a_rerun_takes_links_along_but_no_files(house: TestHouse) -> None:
    job = await house.start(attachments=[{"name": "a", "uri": "s3://a"}])
    await _attached(house, job.id)
    await house.call("cancelJob", jobId=job.id)
    again = await house.call("rerunJob", jobId=job.id)
    assert [attachment.id for attachment in again.attachments] == ["link-1"]
