"""XOP packages piece by piece: what is read when, what a limit stops, and senders and readers who go away."""

from collections.abc import AsyncIterator

import pytest
from lxml import etree
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Scope

from gateway.stores.attachment_folder import AttachmentFolder, KeptFile
from tests.house import TestHouse
from tests.wire.clients import NS, RestClient
from tests.wire.conftest import SeamOfTheTest
from tests.wire.package_stand import ASKED, CONTENT, Poster
from tests.wire.packages import BOUNDARY, content_type, included, package
from tests.wire.soap_stand import Said, envelope
from tests.wire.test_attachment_rules import Sent, limited
from tests.wire.test_attachments import attach, files_of


async def test_the_content_of_a_stranger_or_of_a_wrong_request_is_not_read(
    post: Poster, house: TestHouse, keys: dict[str, str]
) -> None:
    operator = {"X-API-KEY": keys["operator"]}
    unnamed = post.root(post.adding().replace(b"<j:name>a<", b"<j:name><"))
    missing = post.root(post.adding().replace(post.job["id"].encode(), b"x"))
    for first, headers, key in (
        (post.root(), {}, "UNAUTHORIZED"),
        (post.root(), {"X-API-KEY": keys["reader"]}, "FORBIDDEN"),
        (unnamed, operator, "VALIDATION_FAILED"),
        (missing, operator, "JOB_NOT_FOUND"),
    ):
        body = package(first, included(b""))
        # The boundary behind the root part ends it, so it is read.
        at = body.index(b"content-type: application/octet-stream")
        sent = Sent(body[:at], body[at:])
        assert Said(await post.send(sent, headers=headers)).key == key
        assert sent.taken == at
    assert files_of(house) == set()


async def test_a_content_over_the_limit_is_counted(post: Poster, house: TestHouse) -> None:
    limited(house, max_attachment_bytes=1000)
    body = package(post.root(), included(b""))
    at = body.rindex(b"\r\n--" + BOUNDARY.encode())
    sent = Sent(body[:at], *[b"x" * 300] * 20, body[at:])
    assert Said(await post.send(sent)).key == "PAYLOAD_TOO_LARGE"
    assert sent.taken == at + 1200
    assert files_of(house) == set()
    assert (await post.send(Sent(body[:at], *[b"x" * 250] * 4, body[at:]))).status_code == 200
    assert await post.kept() == [b"x" * 1000]


async def test_a_repeat_gets_the_first_reply_unless_its_content_differs(
    post: Poster, house: TestHouse
) -> None:
    headers = {"Idempotency-Key": "k"}
    first, again = [
        await post.add(post.root(), included(CONTENT), headers=headers | {"accept": f"{ASKED};q=0"})
        for _ in range(2)
    ]
    ids = {etree.fromstring(reply.content).findtext(f".//{{{NS}}}id") for reply in (first, again)}
    assert len(ids) == len(files_of(house)) == 1
    other = Said(await post.add(post.root(), included(CONTENT + b"x"), headers=headers))
    assert other.key == "IDEMPOTENCY_KEY_REUSED"
    cut = Said(await post.send(package(post.root(), included(CONTENT), end=b""), headers=headers))
    assert cut.key == "MALFORMED_MESSAGE"
    assert await post.kept() == [CONTENT]


async def test_a_package_that_is_refused_uses_up_no_key(post: Poster) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (
        Said(await post.send(package(post.root(), included(b"x"), end=b""), headers=headers)).key
        == "MALFORMED_MESSAGE"
    )
    assert (await post.add(post.root(), included(CONTENT), headers=headers)).status_code == 200


class GoneAway(OSError):
    """What a server raises when it is told to send to nobody."""


def scope_of(headers: dict[str, str]) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/soap/v2/",
        "raw_path": b"/soap/v2/",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }


async def test_a_sender_who_goes_away_leaves_nothing(
    post: Poster, house: TestHouse, doors: tuple[SeamOfTheTest, ASGIApp]
) -> None:
    body = package(post.root(), included(CONTENT * 100))
    pieces = iter([body[:-1000]])
    said: list[Message] = []

    async def receive() -> Message:
        piece = next(pieces, None)
        if piece is None:
            assert len(files_of(house)) == 1
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": True}

    async def send(message: Message) -> None:
        said.append(message)

    await doors[1](scope_of({"content-type": content_type(post.version.media_type)}), receive, send)
    assert said[0]["status"] == post.version.client_status
    assert b"connection was closed" in said[1]["body"]
    assert files_of(house) == set()
    await post.works()


async def test_a_file_is_closed_when_who_wanted_it_goes_away(
    post: Poster,
    house: TestHouse,
    doors: tuple[SeamOfTheTest, ASGIApp],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attachment = await attach(RestClient(post.http), post.job, CONTENT * 5000)
    call = f"<j:jobId>{post.job['id']}</j:jobId><j:attachmentId>{attachment['id']}</j:attachmentId>"
    wanted = envelope(f"<j:readJobAttachment>{call}</j:readJobAttachment>", post.version)
    files: list[KeptFile] = []
    read = AttachmentFolder.read

    async def remembered(folder: AttachmentFolder, job_id: str, attachment_id: str) -> KeptFile:
        files.append(await read(folder, job_id, attachment_id))
        return files[-1]

    monkeypatch.setattr(AttachmentFolder, "read", remembered)
    sent: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": wanted, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            assert not files[0]._file.closed
            sent.append(len(message["body"]))
            if len(sent) == 3:
                raise GoneAway

    scope = scope_of({"content-type": post.version.content_type, "accept": ASKED})
    with pytest.raises(ClientDisconnect):
        await doors[1](scope, receive, send)
    assert 0 < sum(sent) < len(CONTENT) * 5000
    (file,) = files
    assert file._file.closed


async def test_a_reply_is_sent_piece_by_piece(
    post: Poster, house: TestHouse, doors: tuple[SeamOfTheTest, ASGIApp]
) -> None:
    attachment = await attach(RestClient(post.http), post.job, CONTENT * 3000)
    call = f"<j:jobId>{post.job['id']}</j:jobId><j:attachmentId>{attachment['id']}</j:attachmentId>"
    wanted = envelope(f"<j:readJobAttachment>{call}</j:readJobAttachment>", post.version)

    async def body() -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": wanted, "more_body": False}

    pieces: list[bytes] = []

    async def send(message: Message) -> None:
        pieces.append(message.get("body", b""))

    requests = body()
    scope = scope_of({"content-type": post.version.content_type, "accept": ASKED})
    await doors[1](scope, lambda: anext(requests), send)
    assert CONTENT * 3000 in b"".join(pieces)
    assert max(map(len, pieces)) <= 256 * 1024
