"""The files under `wsdl/`: both WSDLs, and one request, reply and fault envelope per operation.

Everything is generated from the list of operations; the values come from a table of examples by name.
"""

from decimal import Decimal
from typing import Any

from lxml import etree

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import Kind, Member, shape_of
from gateway.domain.errors import Forbidden, JobNotFound, JobsError
from gateway.domain.model import Model
from gateway.domain.scalars import decimal_text
from gateway.domain.words import Word
from gateway.soap.door import PATH, applications
from gateway.soap.examples import EXAMPLES, JOB_ID, LEFT_OUT, REQUEST_ID
from gateway.soap.fault import JobsFault, fault_body
from gateway.translate import NAMESPACE
from gateway.translate.soap_versions import SOAP11, SOAP12

ADDRESS = "http://localhost:8080" + PATH


def documents() -> dict[str, bytes]:
    """The contents of `wsdl/` by file name, with `/` between folders."""
    made: dict[str, bytes] = {}
    built = applications(OPERATIONS, None)
    made["jobs-v2.wsdl"] = built[SOAP11][1].at(ADDRESS)
    made["jobs-v2-soap12.wsdl"] = built[SOAP12][1].at(ADDRESS)
    for operation in OPERATIONS:
        made[f"examples/{operation.name}.request.xml"] = _envelope(_request(operation))
        made[f"examples/{operation.name}.reply.xml"] = _envelope(_reply(operation), with_id=True)
        made[f"examples/{operation.name}.fault.xml"] = _envelope(_fault(operation), with_id=True)
    return made


def _request(operation: Operation) -> etree._Element:
    element = _element(operation.name)
    _fill(element, operation.request)
    return element


def _reply(operation: Operation) -> etree._Element:
    element = _element(operation.name + "Response")
    if operation.reply:
        _fill(etree.SubElement(element, _tag(operation.reply.name)), operation.reply.model)
    return element


def _fault(operation: Operation) -> etree._Element:
    kinds = operation.errors or (Forbidden,)
    kind: type[JobsError] = JobNotFound if JobNotFound in kinds else kinds[0]
    reason = f"there is no job {JOB_ID}" if kind is JobNotFound else (kind.__doc__ or "").strip()
    text = fault_body(JobsFault(kind(reason)), REQUEST_ID, SOAP11)
    return etree.fromstring(text.replace("<soap:Fault>", f'<soap:Fault xmlns:soap="{SOAP11.namespace}">', 1))


def _envelope(element: etree._Element, *, with_id: bool = False) -> bytes:
    namespace = SOAP11.namespace
    envelope = etree.Element(SOAP11.envelope, nsmap={"soap": namespace})
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
