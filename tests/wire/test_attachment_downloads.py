"""What HTTP alone knows of an attachment: ranges, tags, and headers that keep a browser from running it."""

import base64
import hashlib
from typing import Any

import httpx
import pytest

from tests.house import TestHouse
from tests.wire.clients import RestClient
from tests.wire.test_attachments import attach, folder_of
from tests.wire.test_operations import started

DIGITS = b"0123456789"
SHA256 = hashlib.sha256(DIGITS).hexdigest()
TAG = f'"{SHA256}"'


async def uploaded(rest: RestClient, content: bytes = DIGITS, **members: Any) -> str:
    """The path of an attachment."""
    job = await started(rest)
    attachment = await attach(rest, job, content, **members)
    return f"/v2/jobs/{job['id']}/attachments/{attachment['id']}"


async def test_a_download_can_be_saved_but_not_run(rest: RestClient) -> None:
    path = await uploaded(rest, b"<script>alert(1)</script>", contentType="text/html", name="a.html")
    reply = await rest.http.get(path, headers={"Accept": "text/html", "Accept-Encoding": "gzip"})
    assert reply.status_code == 200
    digest = hashlib.sha256(reply.content).digest()
    assert dict(reply.headers) == {
        "content-type": "text/html",
        "content-length": "25",
        "content-disposition": 'attachment; filename="a.html"',
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox",
        "cache-control": "private, no-cache",
        "accept-ranges": "bytes",
        "etag": f'"{digest.hex()}"',
        "repr-digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "x-request-id": reply.headers["x-request-id"],
    }


@pytest.mark.parametrize("media_type", ["image/svg+xml", "text/plain", "application/json", "text/xml"])
@pytest.mark.parametrize("accept", ["application/json", "image/png", "*/*;q=0"])
async def test_no_type_is_guessed_nor_changed_for_accept(
    rest: RestClient, media_type: str, accept: str
) -> None:
    path = await uploaded(rest, b"%PDF-1.4", contentType=media_type)
    reply = await rest.http.get(path, headers={"Accept": accept})
    assert reply.headers["content-type"] == media_type
    assert reply.headers["content-disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("report.csv", 'attachment; filename="report.csv"'),
        ("a b;c,d.txt", 'attachment; filename="a b;c,d.txt"'),
        (
            'say "hi".txt',
            "attachment; filename=\"say _hi_.txt\"; filename*=UTF-8''say%20%22hi%22.txt",
        ),
        ("100%.txt", "attachment; filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        (
            "Übersicht – 表.csv",
            'attachment; filename="_bersicht _ _.csv"; '
            "filename*=UTF-8''%C3%9Cbersicht%20%E2%80%93%20%E8%A1%A8.csv",
        ),
        ("é'*().x", "attachment; filename=\"_'*().x\"; filename*=UTF-8''%C3%A9%27%2A%28%29.x"),
    ],
)
async def test_the_file_name_is_proposed(rest: RestClient, name: str, disposition: str) -> None:
    path = await uploaded(rest, name=name)
    assert (await rest.http.get(path)).headers["content-disposition"] == disposition


@pytest.mark.parametrize(
    ("asked", "part", "content"),
    [
        ("bytes=0-0", "0-0", b"0"),
        ("bytes=0-9", "0-9", DIGITS),
        ("bytes=2-5", "2-5", b"2345"),
        ("bytes=7-", "7-9", b"789"),
        ("bytes=7-99", "7-9", b"789"),
        ("bytes=9-" + "9" * 50, "9-9", b"9"),
        ("bytes=-3", "7-9", b"789"),
        ("bytes=-10", "0-9", DIGITS),
        ("bytes=-99", "0-9", DIGITS),
        ("Bytes= 2-5 ", "2-5", b"2345"),
    ],
)
async def test_a_range_is_sent_alone(rest: RestClient, asked: str, part: str, content: bytes) -> None:
    reply = await rest.http.get(await uploaded(rest), headers={"Range": asked})
    assert (reply.status_code, reply.content) == (206, content)
    assert reply.headers["content-range"] == f"bytes {part}/10"
    assert reply.headers["content-length"] == str(len(content))
    assert reply.headers["etag"] == TAG
    for name in ("content-disposition", "x-content-type-options", "content-security-policy", "content-type"):
        assert name in reply.headers


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=" + "9" * 100 + "-"])
async def test_a_range_behind_the_end_is_refused(rest: RestClient, asked: str) -> None:
    reply = await rest.http.get(await uploaded(rest), headers={"Range": asked})
    assert (reply.status_code, reply.content) == (416, b"")
    assert reply.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=5-2",
        "bytes=-",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "bytes 0-1",
        "lines=0-1",
        "",
        "bytes=0-1;",
        "bytes=٠-١",
    ],
)
async def test_a_range_that_means_nothing_here_gets_all(rest: RestClient, asked: str) -> None:
    reply = await rest.http.get(await uploaded(rest), headers={"Range": asked.encode()})
    assert (reply.status_code, reply.content) == (200, DIGITS)
    assert "content-range" not in reply.headers


async def test_ranges_of_nothing(rest: RestClient) -> None:
    path = await uploaded(rest, b"")
    assert (await rest.http.get(path, headers={"Range": "bytes=0-"})).status_code == 416
    assert (await rest.http.get(path, headers={"Range": "bytes=-5"})).status_code == 200


@pytest.mark.parametrize(
    ("if_range", "status"),
    [(TAG, 206), ('"other"', 200), (f"W/{TAG}", 200), ("Mon, 23 Nov 2026 12:00:00 GMT", 200), (SHA256, 200)],
)
async def test_if_range_asks_for_the_part_of_this_file_alone(
    rest: RestClient, if_range: str, status: int
) -> None:
    path = await uploaded(rest)
    reply = await rest.http.get(path, headers={"Range": "bytes=2-5", "If-Range": if_range})
    assert reply.status_code == status
    assert reply.content == (b"2345" if status == 206 else DIGITS)


@pytest.mark.parametrize(
    ("asked", "status"),
    [(TAG, 304), (f"W/{TAG}", 304), (f'"a", {TAG}', 304), ("*", 304), ('"a"', 200), ("nonsense", 200)],
)
async def test_a_file_that_the_caller_has_is_not_sent_again(
    rest: RestClient, asked: str, status: int
) -> None:
    path = await uploaded(rest)
    reply = await rest.http.get(path, headers={"If-None-Match": asked, "Range": "bytes=99-"})
    assert reply.status_code == (status if status == 304 else 416)
    reply = await rest.http.get(path, headers={"If-None-Match": asked})
    assert (reply.status_code, reply.content) == (status, b"" if status == 304 else DIGITS)
    assert reply.headers["etag"] == TAG


async def test_head_has_the_headers_of_get(rest: RestClient) -> None:
    path = await uploaded(rest, contentType="text/csv")
    get, head = await rest.http.get(path), await rest.http.head(path, headers={"Range": "bytes=2-5"})
    assert (head.status_code, head.content) == (200, b"")
    for reply in (get, head):
        del reply.headers["x-request-id"]
    assert head.headers == get.headers


async def test_options_tells_the_methods(rest: RestClient) -> None:
    path = await uploaded(rest)
    assert (await rest.http.options(path)).headers["allow"] == "DELETE, GET, HEAD, OPTIONS"
    reply = await rest.http.put(path, content=b"x")
    assert (reply.status_code, reply.json()["technicalKey"]) == (405, "METHOD_NOT_ALLOWED")


async def test_a_body_with_a_content_encoding_is_refused(rest: RestClient) -> None:
    job = await started(rest)
    url = f"/v2/jobs/{job['id']}/attachments?name=a"
    reply = await rest.http.post(url, content=b"x", headers={"Content-Encoding": "gzip"})
    assert (reply.status_code, reply.json()["technicalKey"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    two = httpx.Headers([("Content-Type", "a/b"), ("Content-Type", "c/d")])
    reply = await rest.http.post(url, content=b"x", headers=two)
    assert (reply.status_code, reply.json()["technicalKey"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_the_reply_to_an_upload_must_be_acceptable(rest: RestClient) -> None:
    job = await started(rest)
    url = f"/v2/jobs/{job['id']}/attachments?name=a"
    reply = await rest.http.post(url, content=b"x", headers={"Accept": "text/html"})
    assert (reply.status_code, reply.json()["technicalKey"]) == (406, "NOT_ACCEPTABLE")


async def test_a_file_that_was_damaged_is_not_sent(rest: RestClient, house: TestHouse) -> None:
    path = await uploaded(rest)
    (file,) = (file for file in folder_of(house).rglob("*-*") if file.is_file())
    file.write_bytes(b"012345678")
    assert (await rest.http.get(path)).json()["technicalKey"] == "INTERNAL_SERVER_ERROR"
    file.unlink()
    assert (await rest.http.get(path)).json()["technicalKey"] == "INTERNAL_SERVER_ERROR"
    assert (await rest.http.delete(path)).status_code == 204
