"""Translates a message of REST into the envelope that says the same (`gateway translate --to-soap`).

A call becomes a request, the JSON of a reply a reply, a problem a fault. Which of them a body is, is seen
from its members; the operation is told by method and path.
"""

import json
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from gateway.contract.operation import Operation, RawReply
from gateway.contract.seam import refusal_of
from gateway.contract.shapes import shape_of
from gateway.domain.content import InMemory
from gateway.domain.errors import BadRequest, Problem
from gateway.domain.model import STORED, ModelT
from gateway.translate import NAMESPACE
from gateway.translate.addresses import operation_at
from gateway.translate.envelope import envelope_text
from gateway.translate.fault import ServiceFault, ServiceFaultError, fault_text
from gateway.translate.json_reader import body_parts, read_json
from gateway.translate.problem import MEDIA_TYPE as PROBLEM
from gateway.translate.problem import ProblemDocument, path_of_place
from gateway.translate.query_string import QueryReader
from gateway.translate.refusals import refused
from gateway.translate.rest_message import RestRequest
from gateway.translate.soap_versions import SoapVersion
from gateway.translate.xml_reader import element_path
from gateway.translate.xml_writer import XmlWriter, escape

_IGNORED = ("utm_*", "_")
"""Query parameters that mean nothing; see the setting IGNORED_QUERY_PARAMETERS."""

_BYTES = "application/octet-stream"
_BYTES_NAME = "content"
"""Media type and name of bytes of which neither was told."""

_writer = XmlWriter(cache_bytes=0)


def to_soap(message: RestRequest, version: SoapVersion) -> str:
    """The envelope of a call; or of the reply or the problem that came back from there, if that is the body.

    Raises JobsError: NotFound and MethodNotAllowed when no operation is there, MalformedMessage for what is
    no JSON, ValidationFailed for what the contract does not allow.
    """
    path, _, query = message.target.partition("?")
    operation, parameters = operation_at(message.method, path.encode())
    document = _document(operation, message)
    if is_problem(document):
        return problem_to_soap(document, version, operation)
    if operation.http.raw_reply and message.body is not None:
        return _reply(operation, _raw_reply(operation.http.raw_reply, message), version)
    if is_reply(operation, document):
        return _reply(operation, document, version)
    problems: list[Problem] = []
    parts = parameters | _query_and_body(operation, query, message, problems)
    if problems:
        raise refused(operation, parts, problems)
    request = _validated(operation.request, parts)
    header = _element("idempotencyKey", message.idempotency_key) + _element("ifVersion", message.if_version)
    start = f'<{operation.name} xmlns="{NAMESPACE}">'
    return envelope_text(version, header, f"{start}{_writer.given(request)}</{operation.name}>")


def problem_to_soap(
    document: dict[str, Any], version: SoapVersion, operation: Operation | None = None
) -> str:
    """The envelope with the fault that a problem is; paths are whole only if the operation is known.

    Raises ValidationFailed.
    """
    problem = _validated(ProblemDocument, document)
    detail = ServiceFault.model_construct(
        code=problem.code,
        technical_key=problem.technical_key,
        reason=problem.detail,
        request_id=problem.request_id,
        errors=tuple(
            ServiceFaultError.model_construct(
                path=element_path(path_of_place(place, operation)), detail=place.detail
            )
            for place in problem.errors
        ),
    )
    return envelope_text(version, _element("requestId", problem.request_id), fault_text(detail, version))


def is_problem(document: dict[str, Any]) -> bool:
    """Whether an object is a problem: no request and no reply has these members."""
    return {"technicalKey", "code", "requestId"} <= document.keys()


def is_reply(operation: Operation, document: dict[str, Any]) -> bool:
    """Whether an object is a reply of the operation: no body of a request has all that each reply has."""
    if operation.reply is None:
        return False
    always = {member.wire for member in shape_of(operation.reply.model).members if member.required}
    return always <= document.keys()


def _document(operation: Operation, message: RestRequest) -> dict[str, Any]:
    """The object that a body is; empty without one, and when the body may be any bytes and is no object."""
    if not message.body:
        return {}
    if operation.http.raw_body is None and operation.http.raw_reply is None:
        document = read_json(message.body, operation.body.name if operation.body else "reply", [])
        return document if isinstance(document, dict) else {}
    if message.content_type is not None and message.content_type != PROBLEM:
        # The body is a file, whatever is in it.
        return {}
    try:
        document = json.loads(message.body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _query_and_body(
    operation: Operation, raw_query: str, message: RestRequest, problems: list[Problem]
) -> dict[str, Any]:
    query = QueryReader(operation.query_shape, _IGNORED).read(raw_query.encode(), problems)
    asked = operation.query is not None and bool(query or operation.query_required)
    parts: dict[str, Any] = {"query": query} if asked else {}
    if operation.body is None:
        if message.body:
            raise BadRequest(f"{operation.name} takes no body, and this is none of its replies")
        return parts
    raw = operation.http.raw_body
    if raw is not None:
        told = {raw.media_type: message.content_type} if message.content_type else {}
        return {operation.body.name: {**query, **told, raw.content: InMemory(message.body or b"")}}
    if message.body:
        parts |= body_parts(message.body, operation.body, problems)
    return parts


def _raw_reply(raw: RawReply, message: RestRequest) -> dict[str, Any]:
    content = message.body or b""
    return {
        raw.content: InMemory(content),
        raw.media_type: message.content_type or _BYTES,
        raw.file_name: message.file_name or _BYTES_NAME,
        raw.sha256: sha256(content).hexdigest(),
        "size": len(content),
    }


def _reply(operation: Operation, document: dict[str, Any], version: SoapVersion) -> str:
    assert operation.reply is not None
    reply = _validated(operation.reply.model, document, context=STORED)
    name, child = operation.name, operation.reply.name
    text = f"<{child}>{_writer.children(reply)}</{child}>"
    return envelope_text(version, "", f'<{name}Response xmlns="{NAMESPACE}">{text}</{name}Response>')


def _element(name: str, value: str | int | None) -> str:
    """A header element; nothing without a value."""
    return "" if value is None else f'<{name} xmlns="{NAMESPACE}">{escape(str(value))}</{name}>'


def _validated(model: type[ModelT], values: Any, context: dict[str, bool] | None = None) -> ModelT:
    try:
        return model.read(values, context=context)
    except ValidationError as error:
        raise refusal_of(error) from None
