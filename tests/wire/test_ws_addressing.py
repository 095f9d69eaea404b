"""WS-Addressing: replies tell which message they belong to, in the version of the standard that it used."""

from typing import Any

import httpx
import pytest
from lxml import etree

from gateway.domain.errors import JobNotFound
from gateway.translate.soap_versions import SOAP11, VERSIONS, SoapVersion
from tests.wire.soap_stand import NS, Said, Stand, envelope

W3C = "http://www.w3.org/2005/08/addressing"
SUBMITTED = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
ANONYMOUS = {W3C: f"{W3C}/anonymous", SUBMITTED: f"{SUBMITTED}/role/anonymous"}
GET_JOB = "<j:getJob><j:jobId>a</j:jobId></j:getJob>"


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture(params=VERSIONS, ids=["1.1", "1.2"])
def version(request: pytest.FixtureRequest) -> SoapVersion:
    found: SoapVersion = request.param
    return found


@pytest.fixture(params=ANONYMOUS, ids=["2005", "2004"])
def namespace(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def addressed(namespace: str, flags: str = "", **blocks: str) -> str:
    """Header blocks of WS-Addressing, whose prefix is `a`."""
    return "".join(
        f'<a:{name} xmlns:a="{namespace}" {flags}>{inner}</a:{name}>' for name, inner in blocks.items()
    )


def told(reply: httpx.Response, namespace: str) -> dict[str, str | None]:
    """The blocks of WS-Addressing in a reply."""
    root: Any = etree.fromstring(reply.content)
    header = root[0]
    assert etree.QName(header).localname == "Header"
    assert not [block for block in header if len(block)]
    return {
        etree.QName(block).localname: block.text
        for block in header
        if etree.QName(block).namespace == namespace
    }


async def test_a_reply_names_its_request(stand: Stand, version: SoapVersion, namespace: str) -> None:
    header = addressed(
        namespace,
        f'xmlns:e="{version.namespace}" e:mustUnderstand="1"',
        To="http://localhost:8080/soap/v2/",
        Action="urn:jobs-gateway:v2:getJob",
        MessageID=" urn:uuid:1 ",
        ReplyTo=f"<a:Address> {ANONYMOUS[namespace]} </a:Address>",
        FaultTo=f"<a:Address>{ANONYMOUS[namespace]}</a:Address>",
        From="<a:Address>urn:me</a:Address>",
        RelatesTo="urn:uuid:0",
    )
    first = told(await stand.body(GET_JOB, version, header=header), namespace)
    assert first.pop("MessageID", "").startswith("urn:uuid:")
    assert first == {"Action": "urn:jobs-gateway:v2:Jobs:getJobResponse", "RelatesTo": "urn:uuid:1"}


async def test_each_reply_has_an_id_of_its_own(stand: Stand) -> None:
    header = addressed(W3C, MessageID="urn:uuid:1")
    ids = [told(await stand.body(GET_JOB, header=header), W3C)["MessageID"] for _ in range(2)]
    assert len(set(ids)) == 2


async def test_a_fault_names_its_request(stand: Stand, version: SoapVersion, namespace: str) -> None:
    stand.seam.error = JobNotFound("no")
    reply = await stand.body(GET_JOB, version, header=addressed(namespace, MessageID="urn:a?b&amp;c"))
    assert Said(reply).key == "JOB_NOT_FOUND"
    blocks = told(reply, namespace)
    assert blocks["Action"] == "urn:jobs-gateway:v2:Jobs:getJob:Fault:JobsFault"
    assert blocks["RelatesTo"] == "urn:a?b&c"


async def test_a_fault_of_no_known_operation_names_its_request(stand: Stand, namespace: str) -> None:
    reply = await stand.body("<j:fly/>", header=addressed(namespace, MessageID="urn:uuid:1"))
    assert Said(reply).key == "UNKNOWN_OPERATION"
    action = {W3C: f"{W3C}/soap/fault", SUBMITTED: f"{SUBMITTED}/fault"}[namespace]
    assert (told(reply, namespace)["Action"], told(reply, namespace)["RelatesTo"]) == (action, "urn:uuid:1")


async def test_who_does_not_use_it_is_not_answered_with_it(stand: Stand) -> None:
    reply = await stand.body(GET_JOB, header=f'<j:idempotencyKey xmlns:j="{NS}">k</j:idempotencyKey>')
    assert (reply.status_code, b"addressing" in reply.content) == (200, False)


async def test_a_message_without_id_is_answered(stand: Stand) -> None:
    blocks = told(await stand.body(GET_JOB, header=addressed(W3C, Action="urn:x")), W3C)
    assert set(blocks) == {"Action", "MessageID"}


async def test_blocks_for_another_actor_do_not_matter(stand: Stand) -> None:
    flags = f'xmlns:e="{SOAP11.namespace}" e:actor="urn:somebody-else"'
    header = addressed(W3C, flags, MessageID="urn:uuid:1", ReplyTo="<a:Address>http://x/</a:Address>")
    reply = await stand.body(GET_JOB, header=header)
    assert (reply.status_code, told(reply, W3C)) == (200, {})


@pytest.mark.parametrize("name", ["ReplyTo", "FaultTo"])
@pytest.mark.parametrize(
    ("inner", "path"),
    [
        ("<a:Address>http://example.org/replies</a:Address>", "Address"),
        ("<a:Address>{ns}/none</a:Address>", "Address"),
        ("", "Address"),
        ("<a:Address>{anonymous}</a:Address><a:Address>{anonymous}</a:Address>", "Address"),
        (
            "<a:Address>{anonymous}</a:Address><a:ReferenceParameters><x/></a:ReferenceParameters>",
            "ReferenceParameters",
        ),
    ],
)
async def test_replies_go_nowhere_else(
    stand: Stand, version: SoapVersion, namespace: str, name: str, inner: str, path: str
) -> None:
    inner = inner.format(ns=namespace, anonymous=ANONYMOUS[namespace])
    header = addressed(namespace, MessageID="urn:uuid:1", **{name: inner})
    reply = await stand.body(GET_JOB, version, header=header)
    said = Said(reply)
    assert (said.code, said.key) == (version.client_code, "VALIDATION_FAILED")
    assert list(said.errors) == [f"{name}/{path}"]
    assert told(reply, namespace)["RelatesTo"] == "urn:uuid:1"
    assert stand.seam.requests == []


@pytest.mark.parametrize(
    ("header", "path"),
    [
        (addressed(W3C, MessageID=""), "MessageID"),
        (addressed(W3C, MessageID="<a:b/>"), "MessageID"),
        (addressed(W3C, MessageID="u" * 2049), "MessageID"),
        (addressed(W3C, MessageID="urn:1") + addressed(W3C, MessageID="urn:2"), "MessageID"),
        (addressed(W3C, MessageID="urn:1") + addressed(SUBMITTED, MessageID="urn:1"), "MessageID"),
        (addressed(W3C, Action="urn:1") + addressed(W3C, Action="urn:2"), "Action"),
    ],
)
async def test_a_wrong_block_is_named(stand: Stand, header: str, path: str) -> None:
    reply = await stand.post(envelope(GET_JOB, header=header))
    said = Said(reply)
    assert (said.key, list(said.errors)) == ("VALIDATION_FAILED", [path])


async def test_other_blocks_of_its_namespace_are_not_understood(stand: Stand) -> None:
    flags = f'xmlns:e="{SOAP11.namespace}" e:mustUnderstand="1"'
    said = Said(await stand.body(GET_JOB, header=addressed(W3C, flags, ProblemAction="x")))
    assert said.code == "MustUnderstand"
