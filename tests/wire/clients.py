"""One client per door that says the same in both languages, so that a test is written once.

A call takes the parts of a request (path parameters, `query`, the body by its name) as JSON values and gives
an Answer, whose values, errors and paths are the same whatever the door.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote

import httpx
from lxml import etree

from gateway.contract.operation import Operation, RawReply
from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import Kind, Member, shape_of
from gateway.domain.model import Model
from tests.wire.packages import INCLUDE, XOP, content_type, included, opened, package, root

OPERATION = {operation.name: operation for operation in OPERATIONS}
WITH_BYTES = ("addJobAttachment", "readJobAttachment")
NS = "urn:jobs-gateway:v2"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
ENVELOPES = {
    "1.1": ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml; charset=utf-8"),
    "1.2": ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml; charset=utf-8"),
}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    value: Any = None
    """The reply as JSON values, lists that were left out empty; None after an error or without content."""
    key: str | None = None
    """The technicalKey of an error."""
    code: int | None = None
    reason: str = ""
    paths: tuple[tuple[str | int, ...], ...] = ()
    """Paths of the wrong members, as in Problem, sorted."""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class RestClient:
    """Speaks JSON over HTTP."""

    protocol = "REST"

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def call(
        self,
        name: str,
        *,
        key: str | None = None,
        idempotency_key: str | None = None,
        if_version: int | None = None,
        **parts: Any,
    ) -> Answer:
        """Call an operation."""
        operation = OPERATION[name]
        path = operation.http.path
        for part in operation.path:
            path = path.replace("{" + part.name + "}", quote(str(parts[part.name]), safe=""))
        query = parts.get("query", {})
        content: Any = None
        raw = operation.http.raw_body
        if raw and operation.body and operation.body.name in parts:
            query = dict(parts[operation.body.name])
            content, media_type = query.pop(raw.content, None), query.pop(raw.media_type, None)
        pairs = [
            f"{quote(wire)}={quote(_query_text(item), safe='')}"
            for wire, value in query.items()
            for item in (value if isinstance(value, list) else [value])
        ]
        headers = _headers(key, idempotency_key)
        if if_version is not None:
            headers["If-Match"] = f'"{if_version}"'
        if raw:
            # Bytes, since tests also send what no header may hold.
            headers |= {} if media_type is None else {"Content-Type": str(media_type).encode()}
        elif operation.body and operation.body.name in parts:
            headers["Content-Type"] = "application/json"
            body = parts[operation.body.name]
            content = _json({operation.body.name: body} if operation.body.wrapped else body).encode()
        url = path + ("?" + "&".join(pairs) if pairs else "")
        reply = await self.http.request(operation.http.method, url, headers=headers, content=content)
        return self._answer(operation, reply)

    def _answer(self, operation: Operation, reply: httpx.Response) -> Answer:
        common: dict[str, Any] = {"status": reply.status_code, "headers": dict(reply.headers)}
        if reply.status_code == 204:
            assert reply.content == b""
            return Answer(**common)
        if operation.http.raw_reply and reply.status_code < 300:
            return Answer(value=_raw_value(operation.http.raw_reply, reply), **common)
        body = json.loads(reply.content, parse_float=Decimal)
        if reply.status_code < 300:
            assert reply.headers["content-type"] == "application/json"
            return Answer(value=body, **common)
        assert reply.headers["content-type"] == "application/problem+json", reply.text
        assert body["type"] == "urn:jobs-gateway:error:" + body["technicalKey"]
        assert body["requestId"] == reply.headers["x-request-id"]
        paths = [_path_of_problem(operation, error) for error in body.get("errors", [])]
        return Answer(
            key=body["technicalKey"],
            code=body["code"],
            reason=body["detail"],
            paths=tuple(sorted(paths, key=str)),
            **common,
        )


class SoapClient:
    """Speaks envelopes of one SOAP version."""

    protocol = "SOAP"

    def __init__(self, http: httpx.AsyncClient, version: str = "1.1") -> None:
        self.http = http
        self.envelope, self.media_type = ENVELOPES[version]

    async def call(
        self,
        name: str,
        *,
        key: str | None = None,
        idempotency_key: str | None = None,
        if_version: int | None = None,
        **parts: Any,
    ) -> Answer:
        """Call an operation."""
        operation = OPERATION[name]
        root = etree.Element(f"{{{self.envelope}}}Envelope", nsmap={"s": self.envelope, "j": NS, "xsi": XSI})
        header = etree.SubElement(root, f"{{{self.envelope}}}Header")
        if idempotency_key is not None:
            etree.SubElement(header, f"{{{NS}}}idempotencyKey").text = idempotency_key
        if if_version is not None:
            etree.SubElement(header, f"{{{NS}}}ifVersion").text = str(if_version)
        body = etree.SubElement(root, f"{{{self.envelope}}}Body")
        write(etree.SubElement(body, f"{{{NS}}}{name}"), operation.request, parts)
        content_type, content = self._message(name, root)
        headers = _headers(key, None) | {"Content-Type": content_type}
        reply = await self.http.post("/soap/v2/", headers=headers, content=content)
        return self._answer(operation, reply)

    def _message(self, name: str, envelope: Any) -> tuple[str, bytes]:
        """The media type and the bytes of a request."""
        return self.media_type, etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")

    def _envelope(self, name: str, reply: httpx.Response) -> Any:
        assert reply.headers["content-type"] == self.media_type
        return etree.fromstring(reply.content)

    def _answer(self, operation: Operation, reply: httpx.Response) -> Answer:
        envelope = self._envelope(operation.name, reply)
        common: dict[str, Any] = {"status": reply.status_code, "headers": dict(reply.headers)}
        body = envelope.find(f"{{{self.envelope}}}Body")
        assert body is not None
        assert len(body) == 1
        fault = body.find(f"{{{self.envelope}}}Fault")
        if fault is not None:
            return self._error(fault, common)
        assert reply.status_code == 200
        request_id = envelope.findtext(f"{{{self.envelope}}}Header/{{{NS}}}requestId")
        assert request_id == reply.headers["x-request-id"]
        element = body.find(f"{{{NS}}}{operation.name}Response")
        assert element is not None
        if operation.reply is None:
            assert len(element) == 0
            return Answer(**common)
        (child,) = element
        assert child.tag == f"{{{NS}}}{operation.reply.name}"
        return Answer(value=read(child, operation.reply.model), **common)

    def _error(self, fault: Any, common: dict[str, Any]) -> Answer:
        detail = fault.find(f".//{{{NS}}}serviceFault")
        assert detail is not None, etree.tostring(fault)
        assert detail.findtext(f"{{{NS}}}requestId") == common["headers"]["x-request-id"]
        paths = [_path_of_element(e.findtext(f"{{{NS}}}path") or "") for e in detail.iter(f"{{{NS}}}errors")]
        return Answer(
            key=detail.findtext(f"{{{NS}}}technicalKey"),
            code=int(detail.findtext(f"{{{NS}}}code") or 0),
            reason=detail.findtext(f"{{{NS}}}reason") or "",
            paths=tuple(sorted(paths, key=str)),
            **common,
        )


class XopClient(SoapClient):
    """Speaks XOP packages where there are bytes, else envelopes."""

    protocol = "MTOM"

    def _message(self, name: str, envelope: Any) -> tuple[str, bytes]:
        if name not in WITH_BYTES:
            return super()._message(name, envelope)
        parts = []
        for place in list(envelope.iter(f"{{{NS}}}content")):
            parts.append(included(base64.b64decode(place.text or "", validate=True)))
            place.text = None
            etree.SubElement(place, INCLUDE, {"href": "cid:content%40test"}, nsmap={"x": XOP})
        media_type = self.media_type.partition(";")[0]
        return content_type(media_type), package(root(etree.tostring(envelope), media_type), *parts)

    def _envelope(self, name: str, reply: httpx.Response) -> Any:
        if name not in WITH_BYTES or reply.status_code != 200:
            return super()._envelope(name, reply)
        found, *others = opened(reply, self.media_type.partition(";")[0])
        envelope = etree.fromstring(found.content)
        includes = list(envelope.iter(INCLUDE))
        assert [f"<{include.get('href')[4:]}>" for include in includes] == [
            other.headers["content-id"] for other in others
        ]
        for include, other in zip(includes, others, strict=True):
            place = include.getparent()
            place.remove(include)
            assert not place.text
            place.text = base64.b64encode(other.content).decode()
        return envelope


Client = RestClient | SoapClient


def write(element: Any, model: type[Model], values: dict[str, Any]) -> None:
    """JSON values as child elements, in the order of the schema; what the schema lacks comes last."""
    known = {member.wire: member for member in shape_of(model).members}
    for name in [wire for wire in known if wire in values] + [wire for wire in values if wire not in known]:
        member, value = known.get(name), values[name]
        for item in value if isinstance(value, list) else [value]:
            child = etree.SubElement(element, f"{{{NS}}}{name}")
            if isinstance(item, dict):
                write(child, member.type if member and member.kind is Kind.MODEL else Model, item)
            elif isinstance(item, bytes):
                child.text = base64.b64encode(item).decode()
            elif item is None:
                child.set(f"{{{XSI}}}nil", "true")
            else:
                child.text = _query_text(item)


def read(element: Any, model: type[Model]) -> dict[str, Any]:
    """Child elements as JSON values."""
    members = shape_of(model).members
    found = {
        member.wire: [_value(child, member) for child in element.findall(f"{{{NS}}}{member.wire}")]
        for member in members
    }
    return {
        member.wire: found[member.wire] if member.many else found[member.wire][0]
        for member in members
        if member.many or found[member.wire]
    }


def _value(element: Any, member: Member) -> Any:
    text = element.text or ""
    match member.kind:
        case Kind.MODEL:
            return read(element, member.type)
        case Kind.INT32 | Kind.INT64:
            return int(text)
        case Kind.BYTES:
            return base64.b64decode(text, validate=True)
        case Kind.DECIMAL:
            return Decimal(text) if "." in text else int(text)
        case Kind.BOOLEAN:
            return {"true": True, "false": False}[text]
    return text


def _raw_value(raw: RawReply, reply: httpx.Response) -> dict[str, Any]:
    """A reply of raw bytes with what its headers say, as the members of its model."""
    disposition = reply.headers["content-disposition"]
    plain = re.fullmatch(r"attachment; filename=\"([^\"]*)\"(?:; filename\*=UTF-8''(\S*))?", disposition)
    assert plain, disposition
    return {
        raw.content: reply.content,
        raw.media_type: reply.headers["content-type"],
        raw.file_name: unquote(plain[2]) if plain[2] is not None else plain[1],
        raw.sha256: reply.headers["etag"].strip('"'),
        "size": int(reply.headers["content-length"]),
    }


def _headers(key: str | None, idempotency_key: str | None) -> dict[str, Any]:
    headers = {}
    if key is not None:
        headers["X-API-KEY"] = key
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return headers


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _json(value: Any) -> str:
    """JSON with plain decimals."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_json(item) for item in value) + "]"
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value)


def _path_of_problem(operation: Operation, error: dict[str, Any]) -> tuple[str | int, ...]:
    if "parameter" in error:
        name = error["parameter"]
        if any(part.name == name for part in operation.path):
            return (name,)
        if operation.http.raw_body and operation.body:
            return (
                operation.body.name,
                operation.http.raw_body.media_type if name == "Content-Type" else name,
            )
        return ("query", name)
    if operation.body is None:
        return ("query",)
    if "pointer" not in error:
        return (operation.body.name,)
    steps = [step.replace("~1", "/").replace("~0", "~") for step in error["pointer"].split("/")[1:]]
    root = () if operation.body.wrapped else (operation.body.name,)
    return (*root, *(int(step) if step.isdigit() else step for step in steps))


def _path_of_element(path: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    for step in path.split("/"):
        found = re.fullmatch(r"(.*)\[(\d+)\]", step)
        steps += [found[1], int(found[2]) - 1] if found else [step]
    return tuple(steps[:2] if steps[0] == "query" else steps)


def basic(key: str) -> str:
    """The value of Authorization for HTTP Basic with a key as password."""
    return "Basic " + base64.b64encode(f"anyone:{key}".encode()).decode()
