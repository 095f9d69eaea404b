"""Checks each envelope that a test gets, on its way through the test's client.

What the body, a fault's detail and our header elements hold is checked against the schema inside the WSDL of
their version, as strict as it is published; the envelope around them against SOAP 1.1's own schema, the rules
of SOAP 1.2, and those of WS-I Basic Profile 1.1 (R...) for envelopes.
"""

import email
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from lxml import etree

from gateway.translate.soap_versions import SOAP11, SOAP12, VERSIONS, SoapVersion
from tests.wire.standards import envelope_schema

NS = "urn:jobs-gateway:v2"
XSD = "{http://www.w3.org/2001/XMLSchema}"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_XOP_INCLUDE = "{http://www.w3.org/2004/08/xop/include}Include"
WSDL_FILES = {SOAP11: "jobs-v2.wsdl", SOAP12: "jobs-v2-soap12.wsdl"}
LONGEST_BYTES = 16 * 2**20
"""A longer reply is left to its test, which reads it in pieces."""

# SOAP 1.1 section 4.4.1, SOAP 1.2 part 1 section 5.4.6; those about encodings are not ours to say.
_CODES = {
    SOAP11: {"VersionMismatch", "MustUnderstand", "Client", "Server"},
    SOAP12: {"VersionMismatch", "MustUnderstand", "Sender", "Receiver"},
}
_PLAIN = {403, 405, 413, 415, 421}
"""Statuses of replies for which there is no envelope to answer."""


def seen(reply: httpx.Response) -> None:
    """Check a reply, if it came from the SOAP door: an event hook of a client."""
    if _is_answer(reply):
        reply.read()
        check(reply.content, reply.headers, reply.status_code)


async def seen_async(reply: httpx.Response) -> None:
    """Check a reply, if it came from the SOAP door: an event hook of an asynchronous client."""
    if _is_answer(reply):
        await reply.aread()
        check(reply.content, reply.headers, reply.status_code)


def check(content: bytes, headers: Any, status: int) -> None:
    """Check a reply of the SOAP door to POST. Raises AssertionError."""
    assert b"spyne" not in content.lower()
    assert "spyne" not in str(headers).lower()
    content_type = headers.get("content-type", "")
    media_type = content_type.partition(";")[0]
    if media_type == "text/plain":
        assert status in _PLAIN, (status, content)
        return
    if media_type == "multipart/related":
        content, media_type = _root_part(content, content_type)
    (version,) = [version for version in VERSIONS if version.media_type == media_type]
    if check_envelope(content, version) is None:
        # R1111; SOAP 1.2 part 2 section 7.5.2.2.
        assert status == 200
    else:
        # R1126; SOAP 1.2 part 2 table 20. 401 is our own: clients wait for it before they say who they are.
        assert status in {500, version.client_status, 401}


def check_envelope(content: bytes, version: SoapVersion) -> str | None:
    """Check an envelope; gives the local name of its fault's code. Raises AssertionError."""
    root = etree.fromstring(content)
    # R1008, R1009; SOAP 1.2 part 1 section 5.
    assert root.getroottree().docinfo.doctype == ""
    assert not root.xpath("//processing-instruction()")
    assert root.tag == version.envelope, root.tag
    parts = [etree.QName(part).localname for part in root]
    assert parts == ["Header", "Body"], parts  # R1011
    if version is SOAP11:
        envelope_schema().assertValid(root)
    for element in (root, *root):
        assert not element.xpath("@*[namespace-uri() = namespace-uri(..)]")  # R1032
        assert not (element.text or "").strip()
    # R1005, R1006; SOAP 1.2 part 1 section 5.1.1. No type of ours needs to be said, and none can be nil.
    names = {name.attrname.rpartition("}")[2] for name in root.xpath("//@*")}
    assert not names & {"encodingStyle", "nil", "type"}
    _check_header(root.find(f"{{{version.namespace}}}Header"), version)
    (child,) = root[-1]  # R9981
    namespace, name = etree.QName(child).namespace, etree.QName(child).localname
    if (namespace, name) == (version.namespace, "Fault"):
        return _check_fault(child, version)
    assert namespace == NS  # R1014
    assert name.endswith("Response")
    _schema(version).assertValid(child)
    return None


def _check_header(header: Any, version: SoapVersion) -> None:
    assert header is not None
    ours = [block for block in header if etree.QName(block).namespace == NS]
    for block in ours:
        _schema(version).assertValid(block)
    assert [block.tag for block in ours] == [f"{{{NS}}}requestId"]


def _check_fault(fault: Any, version: SoapVersion) -> str:
    """The order of a fault's children, its code, and its detail."""
    if version is SOAP12:
        s = f"{{{version.namespace}}}"
        # SOAP 1.2 part 1 sections 5.4 (their order), 5.4.1 (Value), 5.4.2 (each Text has a language).
        assert [child.tag for child in fault] == [f"{s}Code", f"{s}Reason", f"{s}Detail"]
        code, reason, detail = fault
        assert [child.tag for child in code] == [f"{s}Value"]
        assert [(text.tag, text.get(_XML_LANG)) for text in reason] == [(f"{s}Text", "en")]
        said = code[0].text
    else:
        # R1000, R1001.
        assert [child.tag for child in fault] == ["faultcode", "faultstring", "detail"]
        said, detail = fault[0].text, fault[2]
    prefix, _, name = said.partition(":")
    assert fault.nsmap[prefix] == version.namespace  # R1004
    assert name in _CODES[version]  # R1031: nothing after a dot
    (service_fault,) = detail
    assert service_fault.tag == f"{{{NS}}}serviceFault"
    _schema(version).assertValid(service_fault)
    return str(name)


@cache
def _schema(version: SoapVersion) -> etree.XMLSchema:
    """The schema inside the committed WSDL, which another test compares with what is served."""
    wsdl = etree.parse(Path(__file__).parents[2] / "wsdl" / WSDL_FILES[version])
    (schema,) = wsdl.iter(f"{XSD}schema")
    return etree.XMLSchema(schema)


def _is_answer(reply: httpx.Response) -> bool:
    request = reply.request
    is_ours = request.method == "POST" and request.url.path.rstrip("/") == "/soap/v2"
    return is_ours and int(reply.headers.get("content-length", 0)) <= LONGEST_BYTES


def _root_part(content: bytes, content_type: str) -> tuple[bytes, str]:
    """The envelope of an XOP package without its references, and the media type of its SOAP version."""
    package = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + content)
    root: Any = package.get_payload(0)
    envelope = etree.fromstring(root.get_payload(decode=True))
    for include in envelope.iter(_XOP_INCLUDE):
        parent = include.getparent()
        assert parent is not None
        parent.remove(include)
    return etree.tostring(envelope), str(root.get_param("type") or package.get_param("start-info"))
