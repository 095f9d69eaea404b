"""Spyne's protocols with our own parse, reader, writer and faults, one per SOAP version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from starlette.datastructures import Headers

from gateway.contract.operation import Operation
from gateway.contract.seam import refusal_of
from gateway.domain.call import Call
from gateway.domain.errors import Problem, UnknownOperation, ValidationFailed
from gateway.soap.envelope import read_header, take_apart
from gateway.soap.fault import JobsFault, fault_body, fault_headers, status_of
from gateway.soap.guard_schema import GuardSchema
from gateway.soap.parsing import MessageParser
from gateway.soap.spyne_compat import Soap11, Soap12
from gateway.soap.versions import SOAP11, SOAP12, SoapVersion
from gateway.translate import NAMESPACE
from gateway.translate.xml_reader import NIL, Element, reader_of
from gateway.translate.xml_writer import XmlWriter, escape


@dataclass
class Exchange:
    """What the door knows of one request, carried as the context's `udc`."""

    headers: Headers
    request_id: str
    call: Call | None = None


class _JobsSoap:
    """What both protocols have in common; each adds Spyne's class of its version."""

    version: SoapVersion
    app: Any

    def equip(self, *, parser: MessageParser, writer: XmlWriter, guard: GuardSchema) -> None:
        """Hand over what messages are read and written with."""
        self._parser = parser
        self._writer = writer
        self._guard = guard

    def create_in_document(self, ctx: Any, charset: str | None = None) -> None:
        """Parse the message. Raises JobsFault."""
        (body,) = ctx.in_string
        ctx.in_document = self._parser.parse(body, charset)

    def decompose_incoming_envelope(self, ctx: Any, _message: Any = None) -> None:
        """Find the operation's element and the header values. Raises JobsFault."""
        header, element = take_apart(ctx.in_document, self.version)
        ctx.in_header = read_header(header, self.version)
        ctx.in_body_doc = element
        ctx.method_request_string = element.tag

    def generate_method_contexts(self, ctx: Any) -> tuple[Any, ...]:
        """Dispatch by the body's element alone. Raises JobsFault (UNKNOWN_OPERATION)."""
        handles = self.app.interface.service_method_map.get(ctx.method_request_string)
        if not handles:
            name = str(ctx.method_request_string).replace(f"{{{NAMESPACE}}}", "")
            raise JobsFault(UnknownOperation(f"there is no operation '{name}'"))
        ctx.descriptor = handles[0]
        # Spyne copies the context here, once for each of several methods; there is never more than one.
        return (ctx,)

    def deserialize(self, ctx: Any, _message: Any = None, **_given: Any) -> None:
        """Read the operation's element into the parts of the request. Raises JobsFault."""
        operation: Operation = ctx.descriptor.udd["operation"]
        element: Element = ctx.in_body_doc
        problems: list[Problem] = []
        _check_wrapper(element, problems)
        parts = reader_of(operation.request).read(element, problems)
        surprises = [] if problems else self._guard.problems(element)
        if problems or surprises:
            # What validation finds goes into the same answer; its words are those of the other door.
            problems += _found_by_validation(operation, parts)
            raise JobsFault(_refusal_of(problems or surprises))
        ctx.in_object = (parts,)

    def serialize(self, ctx: Any, _message: Any = None, **_given: Any) -> None:
        """Write the envelope of the reply or of the fault as text."""
        exchange: Exchange = ctx.udc
        header = f'<requestId xmlns="{NAMESPACE}">{escape(exchange.request_id)}</requestId>'
        fault: JobsFault | None = ctx.out_error
        if fault is not None:
            header += fault_headers(fault, self.version)
            body = fault_body(fault, exchange.request_id, self.version)
        else:
            body = self._reply(ctx.descriptor.udd["operation"], ctx.out_object[0])
        ctx.out_document = (
            f"<?xml version='1.0' encoding='utf-8'?>\n"
            f'<soap:Envelope xmlns:soap="{self.version.namespace}"><soap:Header>{header}</soap:Header>'
            f"<soap:Body>{body}</soap:Body></soap:Envelope>"
        )

    def create_out_string(self, ctx: Any, _charset: str | None = None) -> None:
        """The envelope as bytes."""
        ctx.out_string = [ctx.out_document.encode()]

    def fault_to_http_response_code(self, fault: JobsFault) -> int:
        """The HTTP status of a fault."""
        return status_of(fault, self.version)

    def _reply(self, operation: Operation, value: Any) -> str:
        start = f'<{operation.name}Response xmlns="{NAMESPACE}"'
        if operation.reply is None:
            return f"{start}/>"
        name = operation.reply.name
        children = self._writer.children(value)
        return f"{start}><{name}>{children}</{name}></{operation.name}Response>"


class JobsSoap11(_JobsSoap, Soap11):  # type: ignore[misc]  # Spyne has no types
    """SOAP 1.1."""

    version = SOAP11


class JobsSoap12(_JobsSoap, Soap12):  # type: ignore[misc]  # Spyne has no types
    """SOAP 1.2."""

    version = SOAP12


def _check_wrapper(element: Element, problems: list[Problem]) -> None:
    """The element of an operation has no attributes; nil is overlooked on an empty one (SOAP::Lite)."""
    for name, value in element.items():
        if name == NIL and (str(value).strip() in ("false", "0") or not len(element)):
            continue
        problems.append(Problem((), f"the operation's element must not have the attribute '{name}'"))


def _found_by_validation(operation: Operation, parts: Mapping[str, Any]) -> list[Problem]:
    try:
        operation.request.read(parts)
    except ValidationError as error:
        return list(refusal_of(error).problems)
    return []


def _refusal_of(problems: list[Problem]) -> ValidationFailed:
    count = "1 wrong field" if len(problems) == 1 else f"{len(problems)} wrong fields"
    return ValidationFailed(f"the request has {count}", problems=problems)
