"""Translates a message of SOAP into the message that says the same over REST (`gateway translate`).

A request becomes a call, a reply the JSON of the reply, a fault a problem. Which of them it is, and in
which version of SOAP, is seen from the envelope. Who sends it is not translated.
"""

import json
from typing import Any

from pydantic import ValidationError

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.seam import refusal_of
from gateway.domain.errors import ERRORS, MalformedMessage, Problem, UnknownOperation, ValidationFailed
from gateway.domain.model import STORED, Model, ModelT, dump
from gateway.translate import NAMESPACE
from gateway.translate.addresses import path_of
from gateway.translate.envelope import take_apart, version_of
from gateway.translate.fault import ServiceFault
from gateway.translate.header import HeaderValues, blocks_of, read_blocks
from gateway.translate.problem import MEDIA_TYPE, as_sent, place_of, problem_document
from gateway.translate.query_writer import write_query
from gateway.translate.rest_message import JSON, RestReply, RestRequest
from gateway.translate.xml_parsing import parse_message
from gateway.translate.xml_reader import Element, reader_of
from gateway.translate.xml_request import read_request

_REQUESTS = {f"{{{NAMESPACE}}}{operation.name}": operation for operation in OPERATIONS}
_REPLIES = {f"{{{NAMESPACE}}}{operation.name}Response": operation for operation in OPERATIONS}
_WITH_BODY = {operation.body.name: operation for operation in OPERATIONS if operation.body}
"""A fault does not tell its operation; but its paths begin with the name of the body, which tells enough."""
_INDENT = 2


def to_rest(message: bytes) -> RestRequest | RestReply:
    """What a message of SOAP is over REST.

    Raises JobsError: MalformedMessage for what is no envelope, UnknownOperation, ValidationFailed for what
    the contract does not allow and for what REST cannot say.
    """
    root = parse_message(message)
    version = version_of(root)
    header, element = take_apart(root, version)
    tag = str(element.tag)
    if tag == f"{{{version.namespace}}}Fault":
        return _problem(element)
    if tag in _REPLIES:
        return _reply(_REPLIES[tag], element)
    if tag not in _REQUESTS:
        raise UnknownOperation(f"there is no operation '{tag.replace(f'{{{NAMESPACE}}}', '')}'")
    return _request(_REQUESTS[tag], read_blocks(blocks_of(header, version)), element)


def _request(operation: Operation, header: HeaderValues, element: Element) -> RestRequest:
    request = _validated(operation.request, read_request(operation, element))
    body = None
    if operation.body and operation.body.name in request.model_fields_set:
        body = getattr(request, operation.body.name)
    raw = operation.http.raw_body
    content_type, content, queried = None, None, getattr(request, "query", None)
    if body is not None and raw is not None:
        values, queried = _by_wire_name(body), body
        content_type, content = values[raw.media_type], values[raw.content].data
    elif body is not None:
        wrapped = operation.body is not None and operation.body.wrapped
        content_type, content = JSON, dump(request if wrapped else body, as_given=True, indent=_INDENT)
    shape = operation.query_shape
    query_string = write_query(shape, queried) if shape and queried else ""
    path = path_of(operation, {part.name: getattr(request, part.name) for part in operation.path})
    return RestRequest(
        method=operation.http.method,
        target=f"{path}?{query_string}" if query_string else path,
        content_type=content_type,
        body=content,
        raw=raw is not None,
        idempotency_key=_header_text(header.idempotency_key),
        if_version=header.if_version,
    )


def _by_wire_name(model: Model) -> dict[str, Any]:
    return {str(field.alias): getattr(model, name) for name, field in type(model).model_fields.items()}


def _header_text(key: str | None) -> str | None:
    """RFC 9110 section 5.5: blanks round a field's value are no part of it."""
    if key is not None and key != key.strip():
        problem = Problem(("idempotencyKey",), "blanks round a key cannot be said in an HTTP header")
        raise ValidationFailed("REST cannot say this", problems=[problem])
    return key


def _reply(operation: Operation, element: Element) -> RestReply:
    status = operation.http.status
    if operation.reply is None:
        return RestReply(status=status)
    child = element.find(f"{{{NAMESPACE}}}{operation.reply.name}")
    if child is None:
        problem = Problem((operation.reply.name,), "is required")
        raise ValidationFailed("the reply is not valid", problems=[problem])
    reply = _read(operation.reply.model, child)
    raw = operation.http.raw_reply
    if raw is not None:
        values = _by_wire_name(reply)
        return RestReply(status=status, content_type=values[raw.media_type], body=values[raw.content].data)
    return RestReply(status=status, content_type=JSON, body=dump(reply, indent=_INDENT))


def _problem(fault: Element) -> RestReply:
    detail = fault.find(f".//{{{NAMESPACE}}}serviceFault")
    if detail is None:
        raise MalformedMessage("the fault has no serviceFault in its detail")
    told = _read(ServiceFault, detail)
    kind = ERRORS.get(told.technical_key)
    if kind is None:
        raise MalformedMessage(f"there is no error '{told.technical_key}'")
    problems = [Problem(_steps(error.path), error.detail) for error in told.errors]
    error = kind(told.reason, problems=problems)
    places = [_place(problem) for problem in problems]
    document = problem_document(error, told.request_id, places)
    text = json.dumps(document, ensure_ascii=False, indent=_INDENT)
    return RestReply(status=error.http_status, content_type=MEDIA_TYPE, body=text.encode())


def _place(problem: Problem) -> dict[str, str]:
    operation = _WITH_BODY.get(str(problem.path[0]))
    return place_of(as_sent(problem, operation), operation.body) if operation else place_of(problem, None)


def _steps(path: str) -> tuple[str | int, ...]:
    """A path of elements as the path of a problem: indices from 0."""
    steps: list[str | int] = []
    for step in path.split("/"):
        name, bracket, index = step.partition("[")
        steps.append(name)
        if bracket and index[:-1].isdecimal():
            steps.append(int(index[:-1]) - 1)
    return tuple(steps)


def _read(model: type[ModelT], element: Element) -> ModelT:
    problems: list[Problem] = []
    values = reader_of(model).read(element, problems)
    if problems:
        raise ValidationFailed("the message is not valid", problems=problems)
    return _validated(model, values, context=STORED)


def _validated(model: type[ModelT], values: Any, context: dict[str, bool] | None = None) -> ModelT:
    try:
        return model.read(values, context=context)
    except ValidationError as error:
        raise refusal_of(error) from None
