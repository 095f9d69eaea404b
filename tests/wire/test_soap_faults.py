"""Faults, headers and HTTP statuses of the SOAP door."""

import logging
from typing import Any

import pytest
from lxml import etree

from gateway.domain.call import IfMatch
from gateway.domain.errors import (
    ERRORS,
    JobNotFound,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
    ValidationFailed,
)
from gateway.domain.queries import JobOutput, JobPage
from gateway.translate.soap_versions import SOAP11, SOAP12, SoapVersion
from tests.wire.soap_stand import JOB, NS, Said, Stand, envelope, stored

GET_JOB = "<j:getJob><j:jobId>a</j:jobId></j:getJob>"


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])
@pytest.mark.parametrize("key", ERRORS)
async def test_every_error_is_a_fault_with_its_code(stand: Stand, key: str, version: SoapVersion) -> None:
    error = ERRORS[key]("it went wrong")
    stand.seam.error = error
    said = Said(await stand.body(GET_JOB, version))
    assert (said.version, said.key, said.number, said.reason) == (version, key, error.code, "it went wrong")
    ours = error.http_status >= 500
    if version is SOAP11:
        assert said.code == ("Server" if ours else "Client")
        assert said.status == (401 if key == "UNAUTHORIZED" else 500)
    else:
        assert said.code == ("Receiver" if ours else "Sender")
        assert said.status == (401 if key == "UNAUTHORIZED" else 500 if ours else 400)


@pytest.mark.parametrize("version", [SOAP11, SOAP12], ids=["1.1", "1.2"])
async def test_unauthorized_challenges(stand: Stand, version: SoapVersion) -> None:
    stand.seam.refusal = Unauthorized("a key is needed")
    reply = await stand.body(GET_JOB, version)
    assert (reply.status_code, Said(reply).key) == (401, "UNAUTHORIZED")
    assert reply.headers["www-authenticate"] == 'Basic realm="jobs-gateway"'


@pytest.mark.parametrize("error", [TooManyRequests, ServiceUnavailable])
async def test_passing_errors_say_when_to_come_back(stand: Stand, error: Any) -> None:
    stand.seam.error = error("later", retry_after_seconds=7)
    assert (await stand.body(GET_JOB)).headers["retry-after"] == "7"
    stand.seam.error = error("later")
    assert (await stand.body(GET_JOB)).headers["retry-after"] == "5"


async def test_paths_of_problems_are_paths_of_elements(stand: Stand) -> None:
    problem = Problem(("job", "environmentVariables", 0, "name"), "is odd")
    stand.seam.error = ValidationFailed("no", problems=[problem])
    assert Said(await stand.body(GET_JOB)).errors == {"job/environmentVariables[1]/name": "is odd"}


async def test_problems_of_reader_and_validation_come_together(stand: Stand) -> None:
    said = Said(
        await stand.body(
            "<j:startJob><j:job>"
            "<j:tags>a</j:tags><j:tags>a</j:tags>"
            "<j:environmentVariables><j:value>x</j:value><j:name>A=B</j:name><j:secrt/></j:environmentVariables>"
            "<j:expiresAt>2030-01-01T00:00Z</j:expiresAt><j:priority>five</j:priority><name>x</name>"
            "</j:job></j:startJob>"
        )
    )
    assert said.key == "VALIDATION_FAILED"
    assert set(said.errors) == {
        "job/environmentVariables[1]",
        "job/environmentVariables[1]/name",
        "job/environmentVariables[1]/secrt",
        "job/name",
        "job/dockerImageUrl",
        "job/tags[2]",
        "job/expiresAt",
        "job/priority",
    }
    assert said.errors["job/priority"] == "must be a whole number"
    assert said.errors["job/dockerImageUrl"] == "is required"
    assert said.errors["job/environmentVariables[1]/secrt"] == "is not known here"
    assert stand.seam.ran == []


async def test_an_unexpected_exception_is_told_as_an_id(
    stand: Stand, caplog: pytest.LogCaptureFixture
) -> None:
    stand.seam.error = RuntimeError("the inside of the house")
    reply = await stand.body(GET_JOB)
    said = Said(reply)
    assert (said.status, said.code, said.key) == (500, "Server", "INTERNAL_SERVER_ERROR")
    assert "house" not in reply.text
    assert "the inside of the house" in caplog.text


@pytest.mark.parametrize("bad", ["\x00", "\ud800", "\uffff"])
async def test_a_reply_that_cannot_be_written_is_never_200(
    stand: Stand, bad: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    stand.seam.replies["readJobOutput"] = JobOutput.model_construct(content=bad)
    stand.seam.replies["getJob"] = JOB.with_(name=bad)
    output = Said(await stand.body("<j:readJobOutput><j:jobId>a</j:jobId></j:readJobOutput>"))
    job = Said(await stand.body(GET_JOB))
    assert [output.status, job.status] == [500, 500]
    assert [output.key, job.key] == ["INTERNAL_SERVER_ERROR"] * 2


async def test_reasons_may_repeat_what_xml_cannot_say(stand: Stand) -> None:
    stand.seam.error = JobNotFound("there is no job \x00<\ud800>")
    assert Said(await stand.body(GET_JOB)).reason == "there is no job \ufffd<\ufffd>"


async def test_the_request_id_is_taken_over(stand: Stand) -> None:
    reply = await stand.post(envelope(GET_JOB), headers={"x-request-id": "abc.1"})
    assert reply.headers["x-request-id"] == "abc.1"
    assert etree.fromstring(reply.content).findtext(f".//{{{NS}}}requestId") == "abc.1"
    assert stand.seam.requests[0].request_id == "abc.1"


async def test_our_header_elements_are_read(stand: Stand) -> None:
    header = (
        '<j:idempotencyKey s:mustUnderstand="1">k 1</j:idempotencyKey>'
        '<j:ifVersion s:mustUnderstand="1"> 7 </j:ifVersion>'
    )
    assert (await stand.body(GET_JOB, header=header)).status_code == 200
    (request,) = stand.seam.requests
    assert (request.idempotency_key, request.if_match) == ("k 1", IfMatch(frozenset({7})))


async def test_http_headers_are_read_too(stand: Stand) -> None:
    headers = {"idempotency-key": "k", "if-match": '"7", "8"', "x-api-key": "secret"}
    await stand.post(envelope(GET_JOB), headers=headers)
    (request,) = stand.seam.requests
    assert (request.idempotency_key, request.if_match) == ("k", IfMatch(frozenset({7, 8})))
    assert request.credentials.secret == "secret"


async def test_headers_that_disagree_are_refused(stand: Stand) -> None:
    message = envelope(GET_JOB, header="<j:idempotencyKey>a</j:idempotencyKey><j:ifVersion>7</j:ifVersion>")
    assert (await stand.post(message, headers={"idempotency-key": "a"})).status_code == 200
    assert Said(await stand.post(message, headers={"idempotency-key": "b"})).errors.keys() == {
        "idempotencyKey"
    }
    assert Said(await stand.post(message, headers={"if-match": "*"})).errors.keys() == {"ifVersion"}
    assert Said(await stand.post(envelope(GET_JOB), headers={"if-match": "x"})).key == "VALIDATION_FAILED"


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ("<j:ifVersion>x</j:ifVersion>", "ifVersion"),
        ("<j:ifVersion>-1</j:ifVersion>", "ifVersion"),
        ("<j:ifVersion>9223372036854775808</j:ifVersion>", "ifVersion"),
        ("<j:ifVersion>1</j:ifVersion><j:ifVersion>1</j:ifVersion>", "ifVersion"),
        ("<j:idempotencyKey/>", "idempotencyKey"),
        ("<j:idempotencyKey>é</j:idempotencyKey>", "idempotencyKey"),
        ("<j:idempotencyKey><j:a/></j:idempotencyKey>", "idempotencyKey"),
    ],
)
async def test_wrong_header_elements_are_named(stand: Stand, header: str, path: str) -> None:
    said = Said(await stand.body(GET_JOB, header=header))
    assert (said.key, list(said.errors)) == ("VALIDATION_FAILED", [path])


SECURITY = '<w:Security xmlns:w="urn:wss" {}/>'


@pytest.mark.parametrize(
    "flags", ['s:mustUnderstand="1"', f's:mustUnderstand="1" s:actor="{SOAP11.next_actor}"']
)
async def test_a_header_that_must_be_understood_is_refused_in_soap_11(stand: Stand, flags: str) -> None:
    said = Said(await stand.body(GET_JOB, header=SECURITY.format(flags)))
    assert (said.status, said.code, said.key) == (500, "MustUnderstand", "BAD_REQUEST")
    assert "{urn:wss}Security" in said.reason
    assert stand.seam.requests == []


@pytest.mark.parametrize("word", ["1", "true"])
@pytest.mark.parametrize("role", ["", SOAP12.next_actor, f"{SOAP12.namespace}/role/ultimateReceiver"])
async def test_a_header_that_must_be_understood_is_named_in_soap_12(
    stand: Stand, word: str, role: str
) -> None:
    flags = f's:mustUnderstand="{word}" s:role="{role}"'
    said = Said(await stand.body(GET_JOB, SOAP12, header=SECURITY.format(flags)))
    assert (said.status, said.code) == (500, "MustUnderstand")
    (block,) = said.root.iter(f"{{{SOAP12.namespace}}}NotUnderstood")
    prefix, _, name = str(block.get("qname")).partition(":")
    assert (block.nsmap[prefix], name) == ("urn:wss", "Security")


@pytest.mark.parametrize(
    ("flags", "version"),
    [
        ("", SOAP11),
        ('s:mustUnderstand="0"', SOAP11),
        ('s:mustUnderstand="1" s:actor="urn:somebody-else"', SOAP11),
        ('s:mustUnderstand="false"', SOAP12),
        ('s:mustUnderstand="true" s:role="urn:somebody-else"', SOAP12),
        (f's:mustUnderstand="true" s:role="{SOAP12.namespace}/role/none"', SOAP12),
    ],
)
async def test_other_headers_do_not_matter(stand: Stand, flags: str, version: SoapVersion) -> None:
    assert (await stand.body(GET_JOB, version, header=SECURITY.format(flags))).status_code == 200


async def test_a_reply_without_content_is_an_empty_element(stand: Stand) -> None:
    reply = await stand.body("<j:deleteJob><j:jobId>a</j:jobId></j:deleteJob>")
    (element,) = etree.fromstring(reply.content).iter(f"{{{NS}}}deleteJobResponse")
    assert (len(element), element.text) == (0, None)


async def test_an_empty_page_has_its_limit(stand: Stand) -> None:
    stand.seam.replies["listJobs"] = JobPage(limit=50)
    reply = await stand.body("<j:listJobs/>")
    (page,) = etree.fromstring(reply.content).iter(f"{{{NS}}}page")
    assert [child.tag for child in page] == [f"{{{NS}}}limit"]


async def test_replies_are_not_kept_by_caches(stand: Stand) -> None:
    stand.seam.replies["getJob"] = stored()
    reply = await stand.body(GET_JOB)
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-type"] == "text/xml; charset=utf-8"
