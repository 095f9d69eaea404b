"""Takes apart what the SOAP door answers, and refuses what is no right answer, whatever was asked."""

from dataclasses import dataclass

import httpx
from lxml import etree

from gateway.contract.registry import OPERATIONS
from gateway.translate.soap_versions import SOAP12, VERSIONS, SoapVersion
from tests.wire.hostile import Row
from tests.wire.valid import check as check_answer

NS = "{urn:jobs-gateway:v2}"
_REPLIES = {f"{NS}{operation.name}Response": operation.name for operation in OPERATIONS}
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)


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
    """The header blocks of SOAP's own namespace."""


def told(response: httpx.Response, version: SoapVersion) -> Told:
    """What a response says in its envelope, which must be right in every way."""
    check_answer(response.content, response.headers, response.status_code)
    assert response.headers["content-type"] == version.content_type
    root = etree.fromstring(response.content, _PARSER)
    header, (child,) = root
    assert header.findtext(f"{NS}requestId") == response.headers["x-request-id"]
    if child.tag != f"{{{version.namespace}}}Fault":
        return Told(operation=_REPLIES[str(child.tag)])
    value = child.findtext("faultcode") or child.findtext("{*}Code/{*}Value") or ""
    text = child.findtext("faultstring") or child.findtext("{*}Reason/{*}Text")
    (inner,) = child.iter(f"{NS}serviceFault")
    code, reason = value.rpartition(":")[2], inner.findtext(f"{NS}reason") or ""
    assert reason == text
    assert inner.findtext(f"{NS}requestId") == response.headers["x-request-id"]
    assert response.status_code == _status(int(inner.findtext(f"{NS}code") or 0), code, version)
    return Told(
        code=code,
        key=inner.findtext(f"{NS}technicalKey"),
        reason=reason,
        paths=tuple(error.findtext(f"{NS}path") or "" for error in inner.iter(f"{NS}errors")),
        headers=tuple(header.iterchildren(f"{{{version.namespace}}}*")),
    )


def _status(number: int, code: str, version: SoapVersion) -> int:
    """The HTTP status that goes with a fault."""
    if number // 100_000 == 401:
        return 401
    return version.client_status if code in ("Client", "Sender") else 500


def check(row: Row, version: SoapVersion, response: httpx.Response) -> None:
    """That a response is the answer of a row."""
    answer, place = row.answer, VERSIONS.index(version)
    assert response.status_code == answer.status[place], response.text[:1000]
    if answer.media_type is not None:
        assert response.headers["content-type"] == answer.media_type
        assert response.status_code != 405 or response.headers["allow"] == "GET, HEAD, POST, OPTIONS"
        return
    said = told(response, version)
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
