"""The example envelopes of an operation: a request, its reply and a fault, made from the models.

The values come from a table by name, so that an operation needs no example of its own.
"""

from decimal import Decimal
from typing import Any

from lxml import etree

from gateway.contract.operation import Operation
from gateway.contract.shapes import Kind, Member, shape_of
from gateway.domain.errors import Forbidden, JobNotFound, JobsError
from gateway.domain.model import Model
from gateway.domain.scalars import decimal_text
from gateway.domain.words import Word
from gateway.soap.examples import EXAMPLES, JOB_ID, LEFT_OUT, REQUEST_ID
from gateway.soap.fault import JobsFault, fault_body
from gateway.translate import NAMESPACE
from gateway.translate.soap_versions import SOAP11, SoapVersion


def request_envelope(operation: Operation, version: SoapVersion = SOAP11) -> bytes:
    """A request with every member that goes together with the others."""
    element = _element(operation.name)
    _fill(element, operation.request)
    return _envelope(element, version)


def reply_envelope(operation: Operation, version: SoapVersion = SOAP11) -> bytes:
    """The reply to such a request."""
    element = _element(operation.name + "Response")
    if operation.reply:
        _fill(etree.SubElement(element, _tag(operation.reply.name)), operation.reply.model)
    return _envelope(element, version, with_id=True)


def fault_envelope(operation: Operation, version: SoapVersion = SOAP11) -> bytes:
    """A fault of the operation's own, or where it has none FORBIDDEN."""
    kinds = operation.errors or (Forbidden,)
    kind: type[JobsError] = JobNotFound if JobNotFound in kinds else kinds[0]
    reason = f"there is no job {JOB_ID}" if kind is JobNotFound else (kind.__doc__ or "").strip()
    text = fault_body(JobsFault(kind(reason)), REQUEST_ID, version)
    fault = text.replace("<soap:Fault>", f'<soap:Fault xmlns:soap="{version.namespace}">', 1)
    return _envelope(etree.fromstring(fault), version, with_id=True)


def _envelope(element: etree._Element, version: SoapVersion, *, with_id: bool = False) -> bytes:
    namespace = version.namespace
    envelope = etree.Element(version.envelope, nsmap={"soap": namespace})
    if with_id:
        header = etree.SubElement(envelope, f"{{{namespace}}}Header")
        request_id = etree.SubElement(header, _tag("requestId"), nsmap={None: NAMESPACE})
        request_id.text = REQUEST_ID
    etree.SubElement(envelope, f"{{{namespace}}}Body").append(element)
    etree.indent(envelope)
    etree.cleanup_namespaces(envelope)
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8") + b"\n"


def _element(name: str) -> etree._Element:
    return etree.Element(_tag(name), nsmap={None: NAMESPACE})


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _fill(element: etree._Element, model: type[Model]) -> None:
    shape = shape_of(model)
    for member in shape.members:
        if member.wire in LEFT_OUT.get(shape.name, ()) or member.deprecated:
            continue
        if member.kind is Kind.MODEL:
            _fill(etree.SubElement(element, _tag(member.wire)), member.type)
            continue
        value = _example(shape.name, member)
        for item in value if isinstance(value, list) and member.many else [value]:
            etree.SubElement(element, _tag(member.wire)).text = _text(item)


def _example(type_name: str, member: Member) -> Any:
    for name in (f"{type_name}.{member.wire}", member.wire):
        if name in EXAMPLES:
            return EXAMPLES[name]
    if member.kind is Kind.WORD:
        words: type[Word] = member.type
        return str(next(iter(words)))
    if member.kind is Kind.BOOLEAN:
        return True
    raise LookupError(f"there is no example for {type_name}.{member.wire}")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal_text(value) if isinstance(value, Decimal) else str(value)
