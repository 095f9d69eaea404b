"""Attachments: who may change them, their limits, and what becomes of two requests at a time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from gateway.domain import attachments
from gateway.domain.executor import Exited
from gateway.domain.house import House
from tests.house import TestHouse
from tests.wire.clients import Answer, Client, RestClient, SoapClient
from tests.wire.conftest import DOORS_FOR_BYTES, client_of
from tests.wire.test_attachments import attach, files_of, folder_of, job_now
from tests.wire.test_errors import expect
from tests.wire.test_operations import started


@pytest.fixture(params=DOORS_FOR_BYTES)
def door(request: pytest.FixtureRequest, http: httpx.AsyncClient) -> Client:
    """Each door in turn."""
    return client_of(request.param, http)


def limited(house: TestHouse, **policy: int) -> None:
    """Set limits of the house."""
    built: House = house.house
    object.__setattr__(built, "policy", replace(built.policy, **policy))


async def test_a_file_has_a_limit(door: Client, house: TestHouse) -> None:
    limited(house, max_attachment_bytes=1000)
    job = await started(door)
    answer = await door.call(
        "addJobAttachment", jobId=job["id"], attachment={"name": "a", "content": b"x" * 1001}
    )
    expect(answer, "PAYLOAD_TOO_LARGE")
    assert "1000 bytes" in answer.reason
    await attach(door, job, b"x" * 1000)
    assert len(files_of(house)) == 1


async def test_the_files_of_a_job_have_a_limit_together(door: Client, house: TestHouse) -> None:
    limited(house, max_attachment_bytes=1000, max_job_attachment_bytes=1500)
    job, other = await started(door), await started(door)
    first = await attach(door, job, b"x" * 1000)
    members = {"name": "a", "content": b"x" * 501}
    answer = await door.call("addJobAttachment", jobId=job["id"], attachment=members)
    expect(answer, "PAYLOAD_TOO_LARGE")
    assert "500 bytes that are left" in answer.reason
    await attach(door, other, b"x" * 501)
    await attach(door, job, b"x" * 500)
    answer = await door.call("addJobAttachment", jobId=job["id"], attachment=members)
    expect(answer, "PAYLOAD_TOO_LARGE")
    await attach(door, job, b"")
    await door.call("deleteJobAttachment", jobId=job["id"], attachmentId=first["id"])
    await attach(door, job, b"x" * 501)


async def test_a_job_has_a_limit_of_attachments(
    door: Client, house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MAX_ATTACHMENTS", 2)
    job = await started(door, attachments=[{"name": "a", "uri": "s3://a"}])
    await attach(door, job)
    answer = await door.call("addJobAttachment", jobId=job["id"], attachment={"name": "a", "content": b"x"})
    expect(answer, "VALIDATION_FAILED", ("attachment",))


async def test_the_limits_are_told(door: Client) -> None:
    limits = {limit["name"]: limit["value"] for limit in (await door.call("getServiceInfo")).value["limits"]}
    assert limits["MAX_ATTACHMENT_BYTES"] == 100 * 2**20
    assert limits["MAX_JOB_ATTACHMENT_BYTES"] == 2**30


class Sent:
    """A body that is sent piece by piece; tells how much of it was taken."""

    def __init__(self, *pieces: bytes | asyncio.Event) -> None:
        self.pieces = pieces
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, asyncio.Event):
                await piece.wait()
                continue
            self.taken += len(piece)
            yield piece


async def test_an_announced_length_past_the_limit_is_refused_unread(
    rest: RestClient, house: TestHouse
) -> None:
    limited(house, max_attachment_bytes=1000)
    job = await started(rest)
    body = Sent(b"x" * 1001)
    reply = await rest.http.post(
        f"/v2/jobs/{job['id']}/attachments?name=a", content=body, headers={"Content-Length": "1001"}
    )
    assert (reply.json()["technicalKey"], body.taken) == ("PAYLOAD_TOO_LARGE", 0)


async def test_a_length_that_is_not_announced_is_counted(rest: RestClient, house: TestHouse) -> None:
    limited(house, max_attachment_bytes=1000)
    job = await started(rest)
    url = f"/v2/jobs/{job['id']}/attachments?name=a"
    body = Sent(*[b"x" * 300] * 20)
    reply = await rest.http.post(url, content=body)
    assert (reply.json()["technicalKey"], body.taken) == ("PAYLOAD_TOO_LARGE", 1200)
    assert files_of(house) == set()
    assert (await rest.http.post(url, content=Sent(*[b"x" * 250] * 4))).json()["size"] == 1000


async def test_if_match_guards_both_changes(door: Client, house: TestHouse) -> None:
    job = await started(door)
    members = {"name": "a", "content": b"x"}
    stale = job["version"] + 7
    answer = await door.call("addJobAttachment", jobId=job["id"], attachment=members, if_version=stale)
    expect(answer, "PRECONDITION_FAILED")
    assert files_of(house) == set()
    answer = await door.call(
        "addJobAttachment", jobId=job["id"], attachment=members, if_version=job["version"]
    )
    attachment = answer.value
    call = {"jobId": job["id"], "attachmentId": attachment["id"]}
    answer = await door.call("deleteJobAttachment", **call, if_version=job["version"])
    expect(answer, "PRECONDITION_FAILED")
    assert (await door.call("deleteJobAttachment", **call, if_version=job["version"] + 1)).key is None


async def test_a_repeat_gets_the_first_reply_and_stores_nothing_twice(
    door: Client, rest: RestClient, soap: SoapClient, house: TestHouse
) -> None:
    job = await started(door)
    members = {"name": "a", "contentType": "text/csv", "content": b"hello"}
    call = {"jobId": job["id"], "attachment": members, "idempotency_key": "k", "if_version": job["version"]}
    first = await door.call("addJobAttachment", **call)
    assert first.key is None
    for again in (rest, soap):
        assert (await again.call("addJobAttachment", **call)).value == first.value
    assert (await job_now(door, job))["attachments"] == [first.value]
    assert len(files_of(house)) == 1


@pytest.mark.parametrize("other", [{"content": b"hellp"}, {"name": "b"}, {"contentType": "text/html"}])
async def test_another_file_under_the_same_key_is_refused(
    door: Client, house: TestHouse, other: dict[str, Any]
) -> None:
    job = await started(door)
    members = {"name": "a", "contentType": "text/csv", "content": b"hello"}
    call = {"jobId": job["id"], "idempotency_key": "k"}
    assert (await door.call("addJobAttachment", **call, attachment=members)).key is None
    answer = await door.call("addJobAttachment", **call, attachment=members | other)
    expect(answer, "IDEMPOTENCY_KEY_REUSED")
    assert len(files_of(house)) == 1


async def test_a_refused_file_uses_up_no_key(door: Client, house: TestHouse) -> None:
    limited(house, max_attachment_bytes=4)
    job = await started(door)
    call = {"jobId": job["id"], "idempotency_key": "k"}
    answer = await door.call("addJobAttachment", **call, attachment={"name": "a", "content": b"hello"})
    expect(answer, "PAYLOAD_TOO_LARGE")
    assert (
        await door.call("addJobAttachment", **call, attachment={"name": "a", "content": b"x"})
    ).key is None


async def test_a_repeat_while_the_first_comes_in_is_told_so(
    rest: RestClient, soap: SoapClient, house: TestHouse
) -> None:
    job = await started(rest)
    go = asyncio.Event()
    body = Sent(b"hel", go, b"lo")
    first = asyncio.create_task(
        rest.http.post(
            f"/v2/jobs/{job['id']}/attachments?name=a", content=body, headers={"Idempotency-Key": "k"}
        )
    )
    while not body.taken:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    call = {"jobId": job["id"], "idempotency_key": "k", "attachment": {"name": "a", "content": b"hello"}}
    for again in (rest, soap):
        expect(await again.call("addJobAttachment", **call), "IDEMPOTENCY_KEY_IN_USE")
    go.set()
    reply = await first
    assert reply.status_code == 201
    for again in (rest, soap):
        assert (await again.call("addJobAttachment", **call)).value == reply.json()
    assert len(files_of(house)) == 1


async def test_the_job_may_be_deleted_while_a_file_comes_in(rest: RestClient, house: TestHouse) -> None:
    job = await started(rest)
    await house.tick()
    await house.end(job["id"], Exited(exit_code=0))
    go = asyncio.Event()
    body = Sent(b"hel", go, b"lo")
    upload = asyncio.create_task(rest.http.post(f"/v2/jobs/{job['id']}/attachments?name=a", content=body))
    while not body.taken:
        await asyncio.sleep(0)
    assert (await rest.call("deleteJob", jobId=job["id"])).key is None
    go.set()
    assert (await upload).json()["technicalKey"] == "JOB_NOT_FOUND"
    assert files_of(house) == set()
    assert not list(folder_of(house).glob("*-*"))


async def test_who_may_do_what(door: Client, house: TestHouse, keys: dict[str, str]) -> None:
    job = (
        await door.call("startJob", job={"dockerImageUrl": "i", "commands": ["c"]}, key=keys["operator"])
    ).value
    await house.tick()
    token = house.executor.started[-1].environment["JOB_TOKEN"]
    other = (
        await door.call("startJob", job={"dockerImageUrl": "i", "commands": ["c"]}, key=keys["operator"])
    ).value
    add = {"attachment": {"name": "a", "content": b"x"}}

    async def tell(operation: str, key: str | None, **parts: Any) -> Answer:
        return await door.call(operation, key=key, **({"jobId": job["id"]} | parts))

    expect(await tell("addJobAttachment", None, **add), "UNAUTHORIZED")
    expect(await tell("addJobAttachment", keys["reader"], **add), "FORBIDDEN")
    expect(await tell("addJobAttachment", keys["stranger"], **add), "JOB_NOT_FOUND")
    expect(await tell("addJobAttachment", token, jobId=other["id"], **add), "FORBIDDEN")
    attachment = (await tell("addJobAttachment", token, **add)).value
    assert (await door.call("getJob", jobId=job["id"], key=token)).value["modifiedBy"] == "job"
    one = {"attachmentId": attachment["id"]}
    expect(await tell("readJobAttachment", None, **one), "UNAUTHORIZED")
    expect(await tell("readJobAttachment", keys["stranger"], **one), "JOB_NOT_FOUND")
    expect(await tell("readJobAttachment", token, jobId=other["id"], **one), "FORBIDDEN")
    for key in (keys["reader"], keys["admin"], token):
        assert (await tell("readJobAttachment", key, **one)).value["content"] == b"x"
    expect(await tell("deleteJobAttachment", keys["reader"], **one), "FORBIDDEN")
    expect(await tell("deleteJobAttachment", token, **one), "FORBIDDEN")
    expect(await tell("deleteJobAttachment", keys["stranger"], **one), "JOB_NOT_FOUND")
    assert (await tell("deleteJobAttachment", keys["operator"], **one)).key is None
    await house.end(job["id"], Exited(exit_code=0))
    expect(await tell("addJobAttachment", token, **add), "UNAUTHORIZED")
    assert (await tell("addJobAttachment", keys["operator"], **add)).key is None


async def test_a_token_that_ends_while_its_file_comes_in_adds_nothing(
    rest: RestClient, house: TestHouse, keys: dict[str, str]
) -> None:
    start = await rest.call("startJob", job={"dockerImageUrl": "i", "commands": ["c"]}, key=keys["operator"])
    job = start.value
    await house.tick()
    token = house.executor.started[-1].environment["JOB_TOKEN"]
    go = asyncio.Event()
    body = Sent(b"hel", go, b"lo")
    upload = asyncio.create_task(
        rest.http.post(f"/v2/jobs/{job['id']}/attachments?name=a", content=body, headers={"X-API-KEY": token})
    )
    while not body.taken:
        await asyncio.sleep(0)
    await house.end(job["id"], Exited(exit_code=0))
    go.set()
    assert (await upload).json()["technicalKey"] == "UNAUTHORIZED"
    assert files_of(house) == set()


async def test_an_unauthorized_body_is_not_read(rest: RestClient, keys: dict[str, str]) -> None:
    body = Sent(b"x")
    reply = await rest.http.post("/v2/jobs/x/attachments?name=a", content=body)
    assert (reply.status_code, body.taken) == (401, 0)
