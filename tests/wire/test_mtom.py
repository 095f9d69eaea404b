"""XOP packages over both SOAP versions: who gets one, and how one may be written.

That attachments go up and down through packages as they do through every other door stands in
test_attachments.py and test_attachment_rules.py.
"""

import httpx
import pytest
from lxml import etree

from gateway.translate.soap_versions import VERSIONS, SoapVersion
from gateway.translate.xml_parsing import MessageParser
from tests.house import TestHouse
from tests.wire.clients import NS, RestClient, SoapClient
from tests.wire.conftest import MAX_BODY_BYTES
from tests.wire.package_stand import ASKED, CONTENT, INCLUDE, Poster
from tests.wire.packages import XOP, included, opened, package
from tests.wire.soap_stand import Said, envelope
from tests.wire.test_attachment_rules import Sent
from tests.wire.test_attachments import attach, job_now
from tests.wire.test_operations import started


async def downloaded(http: httpx.AsyncClient, version: SoapVersion, **headers: str) -> httpx.Response:
    """The reply to readJobAttachment, asked for in a plain envelope."""
    soap = SoapClient(http, version.number)
    job = await started(soap)
    attachment = await attach(soap, job, CONTENT)
    wanted = f"<j:jobId>{job['id']}</j:jobId><j:attachmentId>{attachment['id']}</j:attachmentId>"
    return await http.post(
        "/soap/v2/",
        content=envelope(f"<j:readJobAttachment>{wanted}</j:readJobAttachment>", version),
        headers={"content-type": version.content_type} | headers,
    )


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "multipart/related",
        "text/xml, multipart/related, text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "multipart/*",
        'multipart/related; type="text/xml"',
        f"{ASKED}; q=0",
        f"text/xml, {ASKED}; q=0.000",
        "application/xop+xml",
        'text/xml; a="b, multipart/related; type=application/xop+xml"',
    ],
)
async def test_who_does_not_ask_for_a_package_gets_none(
    http: httpx.AsyncClient, version: SoapVersion, accept: str
) -> None:
    reply = await downloaded(http, version, accept=accept)
    assert (reply.status_code, reply.headers["content-type"]) == (200, version.content_type)
    assert "mime-version" not in reply.headers
    assert b"Include" not in reply.content


@pytest.mark.parametrize(
    "accept",
    [
        ASKED,
        f"{ASKED}; q=0.1, text/xml",
        'text/xml, Multipart/Related; Start-Info="text/xml"; Type="Application/XOP+xml"',
        "*/*, multipart/related;type=application/xop+xml",
    ],
)
async def test_who_asks_for_a_package_gets_one(
    http: httpx.AsyncClient, version: SoapVersion, accept: str
) -> None:
    reply = await downloaded(http, version, accept=accept)
    found, file = opened(reply, version.media_type)
    (include,) = etree.fromstring(found.content).iter(f"{{{XOP}}}Include")
    assert f"<{include.get('href')}>" == file.headers["content-id"].replace("<", "<cid:")
    assert file.content == CONTENT


async def test_no_two_packages_have_the_same_boundary_and_ids(http: httpx.AsyncClient) -> None:
    first, second = [await downloaded(http, VERSIONS[0], accept=ASKED) for _ in range(2)]
    one, other = (opened(reply, "text/xml") for reply in (first, second))
    assert {part.headers["content-id"] for part in one}.isdisjoint(
        part.headers["content-id"] for part in other
    )
    assert (
        first.headers["content-type"].split("boundary")[1]
        != second.headers["content-type"].split("boundary")[1]
    )


async def test_a_package_is_answered_by_one_unless_accept_forbids_it(post: Poster) -> None:
    reply = await post.add(post.root(), included(CONTENT))
    (found,) = opened(reply, post.version.media_type)
    assert etree.fromstring(found.content).findtext(f".//{{{NS}}}size") == str(len(CONTENT))
    reply = await post.add(post.root(), included(CONTENT), headers={"accept": f"{ASKED};q=0"})
    assert reply.headers["content-type"] == post.version.content_type
    assert etree.fromstring(reply.content).findtext(f".//{{{NS}}}size") == str(len(CONTENT))


async def test_an_upload_in_base64_is_answered_by_a_package_if_that_is_asked_for(post: Poster) -> None:
    headers = {"content-type": post.version.content_type, "accept": ASKED}
    reply = await post.http.post("/soap/v2/", content=post.adding("aGVsbG8="), headers=headers)
    assert len(opened(reply, post.version.media_type)) == 1


async def test_operations_without_bytes_and_faults_are_never_packaged(post: Poster) -> None:
    headers = {"content-type": post.version.content_type, "accept": ASKED}
    reply = await post.http.post(
        "/soap/v2/", content=envelope("<j:getServiceInfo/>", post.version), headers=headers
    )
    assert (reply.status_code, reply.headers["content-type"]) == (200, post.version.content_type)
    wrong = post.adding().replace(b"<j:name>a</j:name>", b"")
    reply = await post.add(post.root(wrong), included(b""), headers={"accept": ASKED})
    assert Said(reply).errors == {"attachment/name": "is required"}


@pytest.mark.parametrize(
    ("number", "kind", "root_type"),
    [
        (
            "1.1",
            'multipart/related; type="application/xop+xml";start="<http://tempuri.org/0>";boundary="uuid:1+id=1";'
            'start-info="text/xml"',
            'application/xop+xml;charset=utf-8;type="text/xml"',
        ),
        (
            "1.2",
            'multipart/related;start="<http://tempuri.org/0>";type="application/xop+xml";boundary="uuid:1+id=1";'
            r'start-info="application/soap+xml;action=\"urn:x\""',
            r'application/xop+xml;charset=utf-8;type="application/soap+xml;action=\"urn:x\""',
        ),
        (
            "1.2",
            "Multipart/Related; boundary=uuid:1+id=1; type=application/xop+xml; start=<http://tempuri.org/0>"
            '; start-info="application/soap+xml"; action="urn:x"',
            'Application/XOP+XML; charset="UTF-8"; type="application/soap+xml"',
        ),
    ],
)
async def test_a_content_type_may_be_written_in_every_way(
    http: httpx.AsyncClient, rest: RestClient, number: str, kind: str, root_type: str
) -> None:
    (version,) = (version for version in VERSIONS if version.number == number)
    post = Poster(http, version, await started(rest))
    changed = post.root().but(content_type=root_type, content_id="<http://tempuri.org/0>")
    body = package(changed, included(CONTENT), boundary="uuid:1+id=1", before=b"\r\n")
    reply = await post.send(body, headers={"content-type": kind})
    assert reply.status_code == 200, reply.text
    assert await post.kept() == [CONTENT]


@pytest.mark.parametrize(
    ("href", "content_id"),
    [
        ("cid:content@test", "<content@test>"),
        ("CID:content%40test", "<content@test>"),
        (" cid:content@test\n", "content@test"),
        ("cid:http%3A%2F%2Ftempuri.org%2F1", "<http://tempuri.org/1>"),
        ("cid:a@http%3A%2F%2Fb", "<a@http%3A%2F%2Fb>"),
        ("cid:a%25b", "<a%b>"),
    ],
)
async def test_a_part_is_referred_to_by_its_content_id(post: Poster, href: str, content_id: str) -> None:
    wanted = post.adding(INCLUDE.replace("cid:content%40test", href))
    reply = await post.add(post.root(wanted), included(CONTENT).but(content_id=content_id))
    assert reply.status_code == 200, reply.text
    assert await post.kept() == [CONTENT]


@pytest.mark.parametrize("change", ["no start", "no ids of the root", "no encodings", "7bit", "blanks"])
async def test_what_need_not_be_there_need_not_be_there(post: Poster, change: str) -> None:
    first, second, parameters = post.root(), included(CONTENT), {}
    match change:
        case "no start":
            parameters = {"start": None}
        case "no ids of the root":
            first, parameters = first.but(content_id=None), {"start": None}
        case "no encodings":
            first = first.but(content_transfer_encoding=None)
            second = second.but(content_transfer_encoding=None, content_type=None)
        case "7bit":
            first, second = (part.but(content_transfer_encoding="7BIT") for part in (first, second))
        case "blanks":
            first = post.root(post.adding(f"\n  {INCLUDE}\n"))
    reply = await post.add(first, second, **parameters)
    assert reply.status_code == 200, reply.text
    assert await post.kept() == [CONTENT]


@pytest.mark.parametrize(("charset", "encoding"), [("utf-16", "utf-16"), ("iso-8859-15", "iso-8859-15")])
async def test_the_charset_of_the_root_part_counts(post: Poster, charset: str, encoding: str) -> None:
    text = post.adding().decode().replace("<j:name>a<", "<j:name>é<")
    kind = f'application/xop+xml; charset={charset}; type="{post.version.media_type}"'
    reply = await post.add(post.root(text.encode(encoding)).but(content_type=kind), included(CONTENT))
    assert reply.status_code == 200, reply.text
    (attachment,) = (await job_now(RestClient(post.http), post.job))["attachments"]
    assert attachment["name"] == "é"


async def test_a_package_may_be_its_root_part_alone(post: Poster) -> None:
    reply = await post.add(post.root(post.adding("aGVsbG8=")))
    assert reply.status_code == 200, reply.text
    (attachment,) = (await job_now(RestClient(post.http), post.job))["attachments"]
    call = f"<j:jobId>{post.job['id']}</j:jobId><j:attachmentId>{attachment['id']}</j:attachmentId>"
    wanted = envelope(f"<j:readJobAttachment>{call}</j:readJobAttachment>", post.version)
    _, file = opened(await post.add(post.root(wanted)), post.version.media_type)
    assert file.content == b"hello"


async def test_a_package_may_come_byte_by_byte(post: Poster) -> None:
    body = package(post.root(), included(CONTENT), before=b"aside\r\n", after=b"aside")
    reply = await post.send(Sent(*(bytes([byte]) for byte in body)))
    assert reply.status_code == 200, reply.text
    assert await post.kept() == [CONTENT]


async def test_tags_of_packages_are_not_learned_since_each_has_its_own(
    post: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[bytes] = []
    monkeypatch.setattr(MessageParser, "learn", lambda _parser, body: learned.append(body))
    assert (await post.add(post.root(), included(CONTENT))).status_code == 200
    headers = {"content-type": post.version.content_type}
    plain = post.adding("eA==")
    assert (await post.http.post("/soap/v2/", content=plain, headers=headers)).status_code == 200
    assert learned == [plain]


async def test_a_content_longer_than_an_envelope_may_be_is_taken(post: Poster, house: TestHouse) -> None:
    content = CONTENT * (MAX_BODY_BYTES // len(CONTENT) + 2)
    assert (await post.add(post.root(), included(content))).status_code == 200
    assert await post.kept() == [content]
