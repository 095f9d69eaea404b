"""Hostile and odd input, as saved envelopes: always a fault of the right version, or a plain HTTP status."""

import threading
from typing import Any

import pytest

from gateway.translate import xml_parsing as parsing
from gateway.translate.soap_versions import SOAP11, SOAP12
from gateway.translate.xml_parsing import MAX_ATTRIBUTES, MAX_TAGS, MessageParser
from tests.wire.soap_stand import ENVELOPES, LIMIT, Said, Stand, envelope

MALFORMED = [
    "doctype-external-file",
    "doctype-external-network",
    "doctype-internal-entity",
    "doctype-parameter-entity",
    "doctype-unused",
    "doctype-external-subset",
    "doctype-attribute-default",
    "doctype-utf-16",
    "billion-laughs",
    "undeclared-entity",
    "deep-body",
    "deep-header",
    "invalid-utf-8",
    "half-a-surrogate-utf-16",
    "declared-utf-7",
    "control-character",
    "no-envelope",
    "no-body",
    "header-without-body",
    "empty-body",
    "two-bodies",
    "two-body-children",
    "header-after-body",
    "element-after-body",
    "text-in-body",
    "text-in-envelope",
    "fault-as-request",
    "not-well-formed",
    "not-xml",
    "processing-instruction-in-prolog",
    "processing-instruction-in-body",
    "header-without-namespace",
    "must-understand-odd",
]

WRONG = {
    "multi-reference": {"jobId": "references between elements (href) are not supported"},
    "multi-reference-id": {"jobId": "references between elements (id) are not supported"},
    "xsi-type-of-something-else": {"jobId": "xsi:type must name the declared type, or be left out"},
    "xsi-type-unknown-prefix": {"jobId": "xsi:type must name the declared type, or be left out"},
    "attribute": {"jobId": "must not have the attribute 'version'"},
    "nil-on-required": {"jobId": "cannot be nil; leave it out if it has no value"},
    "processing-instruction-in-value": {"jobId": "must not contain elements"},
}

UNKNOWN = ["unknown-operation", "operation-without-namespace", "operation-of-other-namespace"]

WORKS = {
    "utf-8-bom": "é€",
    "utf-16-le-bom": "é€",
    "utf-16-be-bom": "é€",
    "iso-8859-15": "é€",
    "comment-in-value": "ab",
    "cdata": "a<!DOCTYPE b>",
    "xsi-type-as-declared": "a",
}


@pytest.fixture
def stand() -> Stand:
    return Stand()


def saved(name: str) -> bytes:
    return (ENVELOPES / f"{name}.xml").read_bytes()


def as_soap12(message: bytes) -> bytes:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        message = message.replace(SOAP11.namespace.encode(encoding), SOAP12.namespace.encode(encoding))
    return message


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_request_is_the_callers_fault_in_soap_11(stand: Stand, name: str) -> None:
    said = Said(await stand.post(saved(name), headers={"content-type": "text/xml"}))
    assert (said.version, said.status, said.code) == (SOAP11, 500, "Client")
    assert (said.key, said.number) == ("MALFORMED_MESSAGE", 40000002)
    assert stand.seam.requests == []


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_request_is_the_senders_fault_in_soap_12(stand: Stand, name: str) -> None:
    headers = {"content-type": "application/soap+xml"}
    said = Said(await stand.post(as_soap12(saved(name)), SOAP12, headers=headers))
    assert (said.version, said.status, said.code) == (SOAP12, 400, "Sender")
    assert said.key == "MALFORMED_MESSAGE"


@pytest.mark.parametrize("name", WRONG)
async def test_what_the_schema_does_not_allow_is_named(stand: Stand, name: str) -> None:
    said = Said(await stand.post(saved(name)))
    assert (said.code, said.key) == ("Client", "VALIDATION_FAILED")
    assert said.errors == WRONG[name]
    assert stand.seam.ran == []


@pytest.mark.parametrize("name", ["schema-location", "mixed-text"])
async def test_a_wrong_operation_element_is_refused(stand: Stand, name: str) -> None:
    said = Said(await stand.post(saved(name)))
    assert (said.code, said.key, stand.seam.ran) == ("Client", "VALIDATION_FAILED", [])


@pytest.mark.parametrize("name", UNKNOWN)
async def test_an_unknown_operation_is_told(stand: Stand, name: str) -> None:
    said = Said(await stand.post(saved(name)))
    assert (said.status, said.code, said.key) == (500, "Client", "UNKNOWN_OPERATION")


@pytest.mark.parametrize("name", WORKS)
async def test_odd_but_right_messages_work(stand: Stand, name: str) -> None:
    headers = {"content-type": "text/xml"}
    assert (await stand.post(saved(name), headers=headers)).status_code == 200
    assert stand.seam.ran == [("getJob", {"jobId": WORKS[name]})]


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        ("utf-16-no-bom", "utf-16"),
        ("utf-16-no-bom", "UTF-16LE"),
        ("iso-8859-15", "iso-8859-15"),
        ("iso-8859-15-undeclared", '"ISO-8859-15"'),
        ("utf-8-bom", "utf-8"),
    ],
)
async def test_the_charset_of_the_media_type_counts(stand: Stand, name: str, charset: str) -> None:
    headers = {"content-type": f"text/xml;charset={charset}; action=x"}
    assert (await stand.post(saved(name), headers=headers)).status_code == 200
    assert stand.seam.ran == [("getJob", {"jobId": "é€"})]


@pytest.mark.parametrize(
    ("name", "code"),
    [("other-envelope", "VersionMismatch"), ("envelope-without-namespace", "VersionMismatch")],
)
async def test_an_envelope_of_no_known_version_is_a_mismatch(stand: Stand, name: str, code: str) -> None:
    said = Said(await stand.post(saved(name)))
    assert (said.status, said.code, said.key) == (500, code, "MALFORMED_MESSAGE")


@pytest.mark.parametrize(("sent", "typed"), [(SOAP11, SOAP12), (SOAP12, SOAP11)])
async def test_an_envelope_that_is_not_of_its_media_types_version_is_a_mismatch(
    stand: Stand, sent: object, typed: object
) -> None:
    message = envelope("<j:getServiceInfo/>", SOAP11 if sent is SOAP11 else SOAP12)
    said = Said(await stand.post(message, SOAP11 if typed is SOAP11 else SOAP12))
    assert (said.version, said.status, said.code) == (typed, 500, "VersionMismatch")
    supported = [
        upgrade.get("qname") for upgrade in said.root.iter(f"{{{SOAP12.namespace}}}SupportedEnvelope")
    ]
    assert supported == (["e:Envelope", "e:Envelope"] if typed is SOAP12 else [])


async def test_an_empty_message_is_the_callers_fault(stand: Stand) -> None:
    assert Said(await stand.post(b"")).key == "MALFORMED_MESSAGE"
    assert Said(await stand.post(b" \n")).key == "MALFORMED_MESSAGE"


async def test_too_many_elements_are_refused() -> None:
    stand = Stand(max_body_bytes=10_000_000)
    said = Said(await stand.post(envelope("<a/>" * (MAX_TAGS + 1))))
    assert (said.key, said.reason) == ("MALFORMED_MESSAGE", "the message has too many elements or attributes")


async def test_too_many_attributes_are_refused() -> None:
    stand = Stand(max_body_bytes=10_000_000)
    attributes = "".join(f" a{index} = '1'" for index in range(MAX_ATTRIBUTES + 1))
    said = Said(await stand.post(envelope(f"<a{attributes}/>")))
    assert said.reason == "the message has too many elements or attributes"


async def test_equals_signs_in_text_are_no_attributes(stand: Stand) -> None:
    text = "=" * 65_000
    inner = f"<j:updateResultData><j:jobId>a</j:jobId><j:resultData><j:resultData>{text}</j:resultData>"
    reply = await stand.body(f"{inner}</j:resultData></j:updateResultData>")
    assert reply.status_code == 200


async def test_text_past_its_limit_is_named(stand: Stand) -> None:
    text = "x" * 65_536
    inner = f"<j:updateResultData><j:jobId>a</j:jobId><j:resultData><j:resultData>{text}</j:resultData>"
    said = Said(await stand.body(f"{inner}</j:resultData></j:updateResultData>"))
    assert (said.code, list(said.errors)) == ("Client", ["resultData/resultData"])


async def test_a_body_over_the_limit_is_413(stand: Stand) -> None:
    async def chunks() -> object:
        for _ in range(LIMIT // 1000 + 2):
            yield b" " * 1000

    declared = await stand.post(b" " * (LIMIT + 1))
    chunked = await stand.post(chunks())
    assert [declared.status_code, chunked.status_code] == [413, 413]
    assert declared.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json"},
        {"content-type": "application/xml"},
        {"content-type": ""},
        {"content-type": "text/xml; charset=utf-7"},
        {"content-type": "text/xml; charset=ebcdic-cp-us"},
        {"content-type": "text/xml; charset=utf-8; charset=utf-16"},
        {"content-type": 'multipart/related; type="text/xml"; boundary=b'},
        {"content-type": "text/xml", "content-encoding": "gzip"},
        {"content-type": "text/xml", "content-encoding": "identity"},
    ],
)
async def test_other_media_types_and_encodings_are_415(stand: Stand, headers: dict[str, str]) -> None:
    reply = await stand.post(envelope("<j:getServiceInfo/>"), headers=headers)
    assert reply.status_code == 415
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/soap/v2", "/soap/v2/"])
async def test_other_methods_are_405(stand: Stand, method: str, path: str) -> None:
    reply = await stand.http.request(method, path)
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, POST, OPTIONS")


async def test_options_tells_the_methods(stand: Stand) -> None:
    reply = await stand.http.options("/soap/v2/")
    assert (reply.status_code, reply.headers["allow"]) == (204, "GET, HEAD, POST, OPTIONS")


@pytest.mark.parametrize("action", [None, "", '""', '"urn:jobs-gateway:v2:deleteJob"', "nonsense"])
async def test_soap_action_is_never_looked_at(stand: Stand, action: str | None) -> None:
    headers = {} if action is None else {"soapaction": action}
    reply = await stand.post(envelope("<j:getServiceInfo/>"), headers=headers)
    assert (reply.status_code, stand.seam.ran) == (200, [("getServiceInfo", {})])


async def test_an_operation_without_arguments_may_be_nil(stand: Stand) -> None:
    assert (await stand.post(saved("nil-operation"))).status_code == 200
    assert stand.seam.ran == [("getServiceInfo", {})]


async def test_nil_false_leaves_the_value(stand: Stand) -> None:
    await stand.post(saved("nil-false"))
    assert stand.seam.ran == [("updateJobFields", {"jobId": "a", "fields": {"name": "n"}})]


async def test_nil_true_clears(stand: Stand) -> None:
    await stand.post(saved("nil-true"))
    assert stand.seam.ran == [("updateJobFields", {"jobId": "a", "fields": {"name": None}})]


def threads_of(parser: MessageParser, message: bytes, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the threads that a message is parsed in."""
    names: set[str] = set()
    real = parsing._parse

    def parse(*given: Any) -> Any:
        names.add(threading.current_thread().name)
        return real(*given)

    monkeypatch.setattr(parsing, "_parse", parse)
    parser.parse(message, None)
    return names


def test_names_of_strangers_go_with_the_thread_that_met_them(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = MessageParser()
    known = envelope("<j:getServiceInfo/>")
    assert threads_of(parser, known, monkeypatch) == {"xml-parser"}
    parser.learn(known)
    assert threads_of(parser, known, monkeypatch) == {threading.current_thread().name}
    assert threads_of(parser, envelope("<j:stranger/>"), monkeypatch) == {"xml-parser"}
    assert threads_of(parser, envelope("<j:getServiceInfo/>" * 3000), monkeypatch) == {"xml-parser"}
