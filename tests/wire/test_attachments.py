"""Attachments over every door: up through each, down through each other, byte for byte."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from gateway.domain.executor import Exited
from tests.house import TestHouse
from tests.wire.clients import Client, RestClient, SoapClient
from tests.wire.conftest import DOORS_FOR_BYTES, MAX_BODY_BYTES, client_of
from tests.wire.test_errors import expect
from tests.wire.test_operations import started

EVERY_BYTE = bytes(range(256))
CONTENTS = {
    "empty": b"",
    "one byte": b"\x00",
    "every byte": EVERY_BYTE * 3 + b"\r\n",
    "no text": b"\xff\xfe<a>&amp;\r\n\x1a",
}
NAMES = [
    "a",
    "report.csv",
    'quo"ted;name=.txt',
    "100%25 'sure' & <more>.txt",
    "Übersicht – 表.csv",
    " x ",
    "𝄞",
]


@pytest.fixture(params=DOORS_FOR_BYTES)
def door(request: pytest.FixtureRequest, http: httpx.AsyncClient) -> Client:
    """Each door in turn."""
    return client_of(request.param, http)


async def attach(
    door: Client, job: dict[str, Any], content: bytes = b"hello", **members: Any
) -> dict[str, Any]:
    answer = await door.call(
        "addJobAttachment", jobId=job["id"], attachment={"name": "a.bin", "content": content} | members
    )
    assert answer.key is None, answer
    attachment: dict[str, Any] = answer.value
    return attachment


async def job_now(door: Client, job: dict[str, Any]) -> dict[str, Any]:
    now: dict[str, Any] = (await door.call("getJob", jobId=job["id"])).value
    return now


def folder_of(house: TestHouse) -> Path:
    """The folder of attachments."""
    files: Any = house.house.attachments
    folder: Path = files.folder
    return folder


def files_of(house: TestHouse) -> set[str]:
    """What lies in the folder of attachments."""
    folder = folder_of(house)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
async def test_what_comes_in_through_a_door_goes_out_through_each_other(
    door: Client, rest: RestClient, soap: SoapClient, house: TestHouse, content: bytes
) -> None:
    job = await started(door)
    added = await door.call(
        "addJobAttachment",
        jobId=job["id"],
        attachment={"name": "a.html", "contentType": "text/html", "content": content},
    )
    assert added.status == (201 if door.protocol == "REST" else 200)
    attachment = added.value
    assert attachment == {
        "id": attachment["id"],
        "name": "a.html",
        "contentType": "text/html",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "createdAt": "2026-11-23T12:00:00.000Z",
    }
    for reader in (rest, soap):
        read = await reader.call("readJobAttachment", jobId=job["id"], attachmentId=attachment["id"])
        assert read.value == {
            "name": "a.html",
            "contentType": "text/html",
            "size": len(content),
            "sha256": attachment["sha256"],
            "content": content,
        }
    shown = await job_now(door, job)
    assert (shown["attachments"], shown["version"]) == ([attachment], job["version"] + 1)
    assert [str(event.kind) for event in await house.history(job["id"])] == ["STATUS", "STATUS"]
    assert files_of(house) == {f"{job['id']}/{attachment['id']}"}


async def test_a_mebibyte_goes_up_by_rest_and_down_through_each_door(
    rest: RestClient, soap: SoapClient
) -> None:
    content = (EVERY_BYTE + b"x") * 4081
    job = await started(rest)
    attachment = await attach(rest, job, content)
    for reader in (rest, soap):
        read = await reader.call("readJobAttachment", jobId=job["id"], attachmentId=attachment["id"])
        assert read.value["content"] == content


async def test_a_body_longer_than_that_of_other_requests_is_taken_over_rest_alone(
    rest: RestClient, soap: SoapClient
) -> None:
    job = await started(rest)
    long = b"x" * (MAX_BODY_BYTES + 1)
    assert (await attach(rest, job, long))["size"] == len(long)
    reply = await soap.http.post("/soap/v2/", content=long, headers={"Content-Type": soap.media_type})
    assert reply.status_code == 413


@pytest.mark.parametrize("name", NAMES)
async def test_names_come_back_as_they_were(
    door: Client, rest: RestClient, soap: SoapClient, name: str
) -> None:
    job = await started(door)
    attachment = await attach(door, job, name=name)
    assert attachment["name"] == name
    for reader in (rest, soap):
        read = await reader.call("readJobAttachment", jobId=job["id"], attachmentId=attachment["id"])
        assert read.value["name"] == name


async def test_a_file_without_a_media_type_is_octets(door: Client, rest: RestClient) -> None:
    job = await started(door)
    attachment = await attach(door, job)
    assert attachment["contentType"] == "application/octet-stream"


@pytest.mark.parametrize(
    "media_type", ["text/plain; charset=ISO-8859-1", "Text/HTML", 'a/b+c;x="y; \\"z\\"";q=1', "a/b;"]
)
async def test_media_types_come_back_as_they_were(
    door: Client, rest: RestClient, soap: SoapClient, media_type: str
) -> None:
    job = await started(door)
    attachment = await attach(door, job, contentType=media_type)
    assert attachment["contentType"] == media_type
    for reader in (rest, soap):
        read = await reader.call("readJobAttachment", jobId=job["id"], attachmentId=attachment["id"])
        assert read.value["contentType"] == media_type


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": "a/b"}, ["name"]),
    ({"name": "a\\b"}, ["name"]),
    ({"name": ".."}, ["name"]),
    ({"name": ""}, ["name"]),
    ({"name": "x" * 256}, ["name"]),
    ({"name": 'a"\r\nSet-Cookie: b=c'}, ["name"]),
    ({"name": "a\u202egpj.exe"}, ["name"]),
    ({"contentType": "text"}, ["contentType"]),
    ({"contentType": "text/"}, ["contentType"]),
    ({"contentType": "text/html; x"}, ["contentType"]),
    ({"contentType": "te xt/html"}, ["contentType"]),
    ({"contentType": "text/html, text/plain"}, ["contentType"]),
    ({"contentType": "a/" + "b" * 254}, ["contentType"]),
    ({"name": "a/b", "contentType": "text", "colour": "red"}, ["name", "contentType", "colour"]),
]


@pytest.mark.parametrize(("members", "wrong"), WRONG, ids=lambda value: str(value)[:40])
async def test_a_wrong_member_is_named_and_nothing_is_kept(
    door: Client, house: TestHouse, members: dict[str, Any], wrong: list[str]
) -> None:
    job = await started(door)
    answer = await door.call(
        "addJobAttachment", jobId=job["id"], attachment={"name": "a", "content": b"x"} | members
    )
    expect(answer, "VALIDATION_FAILED", *[("attachment", name) for name in wrong])
    assert (await job_now(door, job))["version"] == job["version"]
    assert files_of(house) == set()


async def test_a_name_is_required(door: Client) -> None:
    job = await started(door)
    answer = await door.call("addJobAttachment", jobId=job["id"], attachment={"content": b"x"})
    expect(answer, "VALIDATION_FAILED", ("attachment", "name"))


@pytest.mark.parametrize(
    "parameters",
    ["name=a&content=b", "name=a&contentType=text/csv", "name=a&sha256=b", "name=a&name=b", "name=%ff"],
)
async def test_other_query_parameters_are_refused(rest: RestClient, parameters: str) -> None:
    job = await started(rest)
    reply = await rest.http.post(f"/v2/jobs/{job['id']}/attachments?{parameters}", content=b"x")
    assert (reply.status_code, reply.json()["technicalKey"]) == (400, "VALIDATION_FAILED")
    assert reply.json()["errors"]


async def test_parameters_to_ignore_are_ignored(rest: RestClient) -> None:
    job = await started(rest)
    reply = await rest.http.post(f"/v2/jobs/{job['id']}/attachments?utm_source=a&name=b", content=b"x")
    assert reply.status_code == 201


@pytest.mark.parametrize("version", ["1.1", "1.2"])
@pytest.mark.parametrize(
    ("text", "content"),
    [("", b""), ("  \n", b""), ("aGVs\r\n\tbG8 =", b"hello"), ("AAAA", b"\0\0\0"), ("/w==", b"\xff")],
)
async def test_blanks_in_base64_do_not_matter(
    http: httpx.AsyncClient, rest: RestClient, version: str, text: str, content: bytes
) -> None:
    soap = SoapClient(http, version)
    job = await started(soap)
    attachment = await attach(soap, job, content=text)  # type: ignore[arg-type]
    read = await rest.call("readJobAttachment", jobId=job["id"], attachmentId=attachment["id"])
    assert read.value["content"] == content


@pytest.mark.parametrize(
    "text",
    ["a", "ab", "abc", "ab=", "a===", "====", "QR==", "QUJ=", "QUJD=", "QQ==QQ==", "a-_b", "äöüß", "a.bc"],
)
async def test_what_is_no_base64_is_refused(soap: SoapClient, house: TestHouse, text: str) -> None:
    job = await started(soap)
    answer = await soap.call("addJobAttachment", jobId=job["id"], attachment={"name": "a", "content": text})
    expect(answer, "VALIDATION_FAILED", ("attachment", "content"))
    assert files_of(house) == set()


async def test_links_are_shown_and_never_fetched(door: Client, house: TestHouse) -> None:
    job = await started(door, attachments=[{"name": "in.csv", "uri": "http://127.0.0.1:1/in.csv"}])
    (link,) = job["attachments"]
    call = {"jobId": job["id"], "attachmentId": link["id"]}
    answer = await door.call("readJobAttachment", **call)
    expect(answer, "ATTACHMENT_NOT_FOUND")
    assert "is a link" in answer.reason
    assert (await door.call("deleteJobAttachment", **call)).key is None
    assert (await job_now(door, job))["attachments"] == []
    expect(await door.call("deleteJobAttachment", **call), "ATTACHMENT_NOT_FOUND")


async def test_a_deleted_attachment_is_gone_with_its_file(door: Client, house: TestHouse) -> None:
    job = await started(door)
    first, second = await attach(door, job, b"1"), await attach(door, job, b"2")
    answer = await door.call("deleteJobAttachment", jobId=job["id"], attachmentId=first["id"])
    assert (answer.key, answer.status) == (None, 204 if door.protocol == "REST" else 200)
    shown = await job_now(door, job)
    assert (shown["attachments"], shown["version"]) == ([second], job["version"] + 3)
    assert files_of(house) == {f"{job['id']}/{second['id']}"}
    for operation in ("readJobAttachment", "deleteJobAttachment"):
        answer = await door.call(operation, jobId=job["id"], attachmentId=first["id"])
        expect(answer, "ATTACHMENT_NOT_FOUND")


@pytest.mark.parametrize("attachment_id", ["x", "../../gateway.db", "incoming", "%2e%2e", "a" * 300])
async def test_an_id_that_names_nothing_is_not_found(door: Client, attachment_id: str) -> None:
    job = await started(door)
    for operation in ("readJobAttachment", "deleteJobAttachment"):
        answer = await door.call(operation, jobId=job["id"], attachmentId=attachment_id)
        expect(answer, "ATTACHMENT_NOT_FOUND")


async def test_an_attachment_of_another_job_is_not_found(door: Client) -> None:
    job, other = await started(door), await started(door)
    attachment = await attach(door, job)
    for operation in ("readJobAttachment", "deleteJobAttachment"):
        answer = await door.call(operation, jobId=other["id"], attachmentId=attachment["id"])
        expect(answer, "ATTACHMENT_NOT_FOUND")


async def test_deleting_a_job_deletes_its_files(door: Client, house: TestHouse) -> None:
    job, other = await started(door), await started(door)
    await house.tick()
    attachment = await attach(door, job)
    kept = await attach(door, other)
    await house.end(job["id"], Exited(exit_code=0))
    late = await attach(door, job)
    assert len(files_of(house)) == 3
    assert (await door.call("deleteJob", jobId=job["id"])).key is None
    assert files_of(house) == {f"{other['id']}/{kept['id']}"}
    for found in (attachment, late):
        answer = await door.call("readJobAttachment", jobId=job["id"], attachmentId=found["id"])
        expect(answer, "JOB_NOT_FOUND")


async def test_expiry_deletes_the_files_of_the_job(rest: RestClient, house: TestHouse) -> None:
    job = await started(rest, expiresAt="2026-11-23T12:01:00Z")
    await attach(rest, job)
    await house.tick()
    await house.end(job["id"], Exited(exit_code=0))
    house.clock.advance(120)
    await house.engine.pruner.tick()
    assert files_of(house) == set()


async def test_what_is_created_has_a_location(rest: RestClient) -> None:
    job = await started(rest)
    reply = await rest.http.post(f"/v2/jobs/{job['id']}/attachments?name={quote('a b')}", content=b"x")
    assert reply.headers["location"] == f"/v2/jobs/{job['id']}/attachments/{reply.json()['id']}"
    assert (await rest.http.get(reply.headers["location"])).content == b"x"
