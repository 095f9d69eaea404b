"""Takes apart what the SOAP door answers, and refuses what is no right answer, whatever was asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from lxml import etree

from gateway.contract.registry import OPERATIONS
from gateway.translate.soap_versions import SOAP11, SOAP12, VERSIONS, SoapVersion
from tests.wire.hostile import Row

NS = "{urn:jobs-gateway:v2}"
XSD = "{http://www.w3.org/2001/XMLSchema}"
_REPLIES = {f"{NS}{operation.name}Response": operation for operation in OPERATIONS}
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
_FAULT_CODES = {
    SOAP11: {"Client", "Server", "VersionMismatch", "MustUnderstand"},
    SOAP12: {"Sender", "Receiver", "VersionMismatch", "MustUnderstand"},
}

Schemas = Mapping[SoapVersion, etree.XMLSchema]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What an envelope says."""

    operation: str | None = None
    """The operation that was answered; None = a fault."""
    code: str | None = None
    key: str | None = None
    reason: str = ""
    paths: tuple[str, ...] = ()
    headers: tuple[etree._Element, ...] = ()


def schema_of(wsdl: bytes) -> etree.XMLSchema:
    """The schema in a WSDL."""
    schema = etree.fromstring(wsdl).find(f".//{XSD}schema")
    assert schema is not None
    return etree.XMLSchema(schema)


def told(response: httpx.Response, version: SoapVersion, schemas: Schemas) -> Told:
    """What a response says in its envelope, which must be right in every way."""
    assert response.headers["content-type"] == version.content_type
    root = etree.fromstring(response.content, _PARSER)
    soap = f"{{{version.namespace}}}"
    assert [child.tag for child in root] == [f"{soap}Header", f"{soap}Body"]
    assert root.tag == version.envelope
    header, body = root
    _check(schemas[version], header[0])
    assert (header[0].tag, header[0].text) == (f"{NS}requestId", response.headers["x-request-id"])
    (child,) = body
    if child.tag == f"{soap}Fault":
        return _fault(response, child, tuple(header), version, schemas)
    assert response.status_code == 200
    assert len(header) == 1
    operation = _REPLIES[str(child.tag)]
    _check(schemas[version], child)
    assert [inner.tag for inner in child] == ([f"{NS}{operation.reply.name}"] if operation.reply else [])
    return Told(operation=operation.name)


def _fault(
    response: httpx.Response,
    fault: etree._Element,
    headers: tuple[etree._Element, ...],
    version: SoapVersion,
    schemas: Schemas,
) -> Told:
    soap = f"{{{version.namespace}}}"
    if version is SOAP12:
        assert [child.tag for child in fault] == [f"{soap}Code", f"{soap}Reason", f"{soap}Detail"]
        (value,), (text,), detail = fault
        assert (value.tag, text.tag) == (f"{soap}Value", f"{soap}Text")
    else:
        assert [child.tag for child in fault] == ["faultcode", "faultstring", "detail"]
        value, text, detail = fault
    prefix, _, code = (value.text or "").partition(":")
    assert value.nsmap[prefix] == version.namespace
    assert code in _FAULT_CODES[version]
    (inner,) = detail
    assert inner.tag == f"{NS}serviceFault"
    _check(schemas[version], inner)
    assert inner.findtext(f"{NS}requestId") == response.headers["x-request-id"]
    reason = inner.findtext(f"{NS}reason") or ""
    assert reason == (text.text or "")
    assert reason
    number = int(inner.findtext(f"{NS}code") or 0)
    assert response.status_code == _status(number, code, version)
    return Told(
        code=code,
        key=inner.findtext(f"{NS}technicalKey"),
        reason=reason,
        paths=tuple(error.findtext(f"{NS}path") or "" for error in inner.iter(f"{NS}errors")),
        headers=headers[1:],
    )


def _status(number: int, code: str, version: SoapVersion) -> int:
    """The HTTP status that goes with a fault."""
    if number // 100_000 == 401:
        return 401
    return version.client_status if code in ("Client", "Sender") else 500


def _check(schema: etree.XMLSchema, element: Any) -> None:
    # A copy of its own, because the schema knows no envelope.
    alone = etree.fromstring(etree.tostring(element, with_tail=False), _PARSER)
    assert schema.validate(alone), schema.error_log


def check(row: Row, version: SoapVersion, response: httpx.Response, schemas: Schemas) -> None:
    """That a response is the answer of a row."""
    answer, place = row.answer, VERSIONS.index(version)
    assert response.status_code == answer.status[place], response.text[:1000]
    if answer.media_type is not None:
        assert response.headers["content-type"] == answer.media_type
        assert response.status_code != 405 or response.headers["allow"] == "GET, HEAD, POST, OPTIONS"
        return
    said = told(response, version, schemas)
    code = answer.code and answer.code[place]
    assert (said.code, said.key, set(said.paths)) == (code, answer.key, set(answer.paths)), said.reason
    _check_header_blocks(said, version)
    assert answer.says in response.text


def _check_header_blocks(answer: Told, version: SoapVersion) -> None:
    """Faults of SOAP 1.2 say in the header what is served, or which headers were not understood."""
    names = [etree.QName(block).localname for block in answer.headers]
    if version is SOAP12 and answer.code == "VersionMismatch":
        assert names == ["Upgrade"]
        served = [_qname(envelope) for envelope in answer.headers[0]]
        assert served == [known.envelope for known in reversed(VERSIONS)]
    elif version is SOAP12 and answer.code == "MustUnderstand":
        assert set(names) == {"NotUnderstood"}
        for block in answer.headers:
            assert _qname(block) in answer.reason
    else:
        assert names == []


def _qname(block: etree._Element) -> str:
    prefix, _, name = str(block.get("qname")).partition(":")
    return f"{{{block.nsmap[prefix]}}}{name}"
