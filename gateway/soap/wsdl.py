"""The WSDL of each SOAP version: what Spyne builds, brought into the shape that all known stacks accept.

Built once. Only the address differs from request to request.
"""

from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from gateway.contract.operation import Operation
from gateway.contract.shapes import Kind, models_of, shape_of
from gateway.domain.model import Model
from gateway.domain.words import Word
from gateway.soap.service import SERVICE_NAME, soap_action
from gateway.soap.spyne_compat import InterfaceDocuments, Wsdl11
from gateway.translate import NAMESPACE
from gateway.translate.fault import ServiceFault
from gateway.translate.soap_versions import SoapVersion
from gateway.translate.xml_reader import XSD, Element

FAULT_MESSAGE = "JobsFault"
FAULT_ELEMENT = "serviceFault"
WSDL = "http://schemas.xmlsoap.org/wsdl/"

_ADDRESS = "urn:address-of-the-service"
_HEADERS = (
    (
        "idempotencyKey",
        "xs:string",
        "Header of requests: makes a repeated request give the first one's reply.",
    ),
    ("ifVersion", "xs:long", "Header of requests: change the job only if this is its version."),
    ("requestId", "xs:string", "Header of replies: id of the request, which the log names, too."),
)


class JobsDocuments(InterfaceDocuments):  # type: ignore[misc]  # Spyne has no types
    """Spyne's holder of documents, with our names of ports and bindings; Spyne gives them the port type's."""

    def __init__(self, interface: Any, version: SoapVersion) -> None:
        super().__init__(interface)
        self.wsdl11 = _JobsWsdl(interface, version)


class _JobsWsdl(Wsdl11):  # type: ignore[misc]  # Spyne has no types
    def __init__(self, interface: Any, version: SoapVersion) -> None:
        super().__init__(interface)
        self._port = version.port

    def _get_binding_name(self, _port_type_name: str) -> str:
        return self._port

    def _add_port_to_service(self, service: Any, _port_name: str, binding_name: str) -> None:
        super()._add_port_to_service(service, binding_name, binding_name)


class WsdlDocument:
    """The WSDL of one version, and the schema inside it."""

    def __init__(self, spyne_document: bytes, version: SoapVersion, operations: Iterable[Operation]) -> None:
        operations = tuple(operations)
        source = etree.fromstring(spyne_document)
        prefix = "soap" if version.number == "1.1" else "soap12"
        names = {"wsdl": WSDL, prefix: version.wsdl_namespace, "xs": XSD, "tns": NAMESPACE}
        root = etree.Element(f"{{{WSDL}}}definitions", nsmap=names)
        root.set("name", SERVICE_NAME)
        root.set("targetNamespace", NAMESPACE)
        order = [operation.name for operation in operations]
        types = etree.SubElement(root, f"{{{WSDL}}}types")
        found = source.find(f"{{{WSDL}}}types/{{{XSD}}}schema")
        assert found is not None
        _write_schema(types, found, operations)
        for message in _messages(source, order):
            _copy(message, root)
        for name in ("portType", "binding"):
            _write_operations(_copy(_only(source, name), root, deep=False), _only(source, name), order)
        _copy(_only(source, "service"), root)
        for address in root.iter(f"{{{version.wsdl_namespace}}}address"):
            address.set("location", _ADDRESS)
        etree.indent(root)
        text = etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"
        # The schema declares its prefixes once more, for tools that cut it out; lxml will not write that.
        text = text.replace(
            b"<xs:schema ", f'<xs:schema xmlns:xs="{XSD}" xmlns:tns="{NAMESPACE}" '.encode(), 1
        )
        schema = etree.fromstring(text).find(f"{{{WSDL}}}types/{{{XSD}}}schema")
        assert schema is not None
        self.schema = schema
        self._before, _, self._after = text.partition(f'"{_ADDRESS}"'.encode())

    def at(self, address: str) -> bytes:
        """The document, naming this address."""
        return (
            self._before
            + quoteattr(address, {'"': "&quot;"}).encode("ascii", "xmlcharrefreplace")
            + self._after
        )


def build(application: Any, version: SoapVersion, operations: Iterable[Operation]) -> WsdlDocument:
    """Have Spyne build the WSDL of an application, whose transport is set, and shape it.

    Only once: Spyne keeps the nodes of the port type and the service, and a second document is without them.
    """
    wsdl = application.interface.docs.wsdl11
    wsdl.build_interface_document(_ADDRESS)
    return WsdlDocument(wsdl.get_interface_document(), version, operations)


def _only(source: Element, name: str) -> Element:
    (found,) = source.findall(f"{{{WSDL}}}{name}")
    return found


def _copy(source: Element, parent: Element, *, deep: bool = True) -> Element:
    """A copy that uses the prefixes of its new document; those of QNames in values are the same in both."""
    made = etree.SubElement(parent, source.tag)
    for name, value in source.items():
        made.set(name, value)
    made.text = (source.text or "").strip() or None
    if deep:
        for child in source:
            _copy(child, made)
    return made


def _messages(source: Element, order: list[str]) -> list[Element]:
    by_name = {str(message.get("name")): message for message in source.findall(f"{{{WSDL}}}message")}
    fault = by_name[FAULT_MESSAGE]
    (part,) = fault
    part.set("name", "fault")
    part.set("element", f"tns:{FAULT_ELEMENT}")
    return [*(by_name[name + end] for name in order for end in ("", "Response")), fault]


def _write_operations(made: Element, source: Element, order: list[str]) -> None:
    """The operations of a port type or a binding, in the order of the contract."""
    for child in source:
        if child.tag != f"{{{WSDL}}}operation":
            _copy(child, made)
    by_name = {str(child.get("name")): child for child in source.findall(f"{{{WSDL}}}operation")}
    for name in order:
        operation = _copy(by_name[name], made)
        # Spyne's parameterOrder names no part, which it must (WSDL 1.1 section 2.4.6); it is for RPC anyway.
        operation.attrib.pop("parameterOrder", None)
        for child in operation:
            # Spyne says the bare name.
            if "soapAction" in child.attrib:
                child.set("soapAction", soap_action(name))


def _write_schema(types: Element, source: Element, operations: tuple[Operation, ...]) -> None:
    made = etree.SubElement(types, f"{{{XSD}}}schema")
    made.set("targetNamespace", NAMESPACE)
    made.set("elementFormDefault", "qualified")
    wrappers = {
        operation.name + end: f"{what} of {operation.name}: {operation.summary}"
        for operation in operations
        for end, what in (("", "Request"), ("Response", "Reply"))
    }
    simple = {str(node.get("name")): node for node in source.findall(f"{{{XSD}}}simpleType")}
    complex_ = {str(node.get("name")): node for node in source.findall(f"{{{XSD}}}complexType")}
    words = _words(operations)
    for name in sorted(simple):
        _describe_words(_copy(simple[name], made), words[name])
    # Spyne's own type of the fault is not used: its members would lie beside faultcode.
    parts = sorted(set(complex_) - set(wrappers) - {FAULT_MESSAGE})
    texts = wrappers | {model.__name__: shape_of(model).documentation for model in _models(operations)}
    for name in [*parts, *wrappers]:
        node = _copy(complex_[name], made)
        _tell_occurrence(node)
        # Spyne writes what some member says of a type in place of the type's own text.
        for annotation in node.findall(f"{{{XSD}}}annotation"):
            node.remove(annotation)
        _document(node, texts[name])
    for name in wrappers:
        etree.SubElement(made, f"{{{XSD}}}element", {"name": name, "type": f"tns:{name}"})
    fault = {"name": FAULT_ELEMENT, "type": f"tns:{ServiceFault.__name__}"}
    _document(etree.SubElement(made, f"{{{XSD}}}element", fault), "Detail of every fault.")
    for name, type_name, meaning in _HEADERS:
        element = etree.SubElement(made, f"{{{XSD}}}element", {"name": name, "type": type_name})
        _document(element, meaning)


def _tell_occurrence(made: Element) -> None:
    sequence = made.find(f"{{{XSD}}}sequence")
    if sequence is None:
        sequence = etree.SubElement(made, f"{{{XSD}}}sequence")
    for member in sequence:
        documentation = list(member)
        given = dict(member.items())
        member.attrib.clear()
        member.set("name", given["name"])
        member.set("type", given["type"])
        member.set("minOccurs", given.get("minOccurs", "1"))
        member.set("maxOccurs", given.get("maxOccurs", "1"))
        member.set("nillable", "false")
        member.extend(documentation)


def _models(operations: tuple[Operation, ...]) -> list[type[Model]]:
    roots = [operation.request for operation in operations]
    roots += [operation.reply.model for operation in operations if operation.reply]
    return models_of([*roots, ServiceFault])


def _words(operations: tuple[Operation, ...]) -> dict[str, type[Word]]:
    return {
        member.type.__name__: member.type
        for model in _models(operations)
        for member in shape_of(model).members
        if member.kind is Kind.WORD
    }


def _describe_words(made: Element, words: type[Word]) -> None:
    """Tell what the list of words is, and what each of them means."""
    _document(made, " ".join((words.__doc__ or "").split()))
    values = made.iterfind(f".//{{{XSD}}}enumeration")
    for word, value in zip(words, values, strict=True):
        _document(value, word.meaning)


def _document(element: Element, text: str) -> None:
    annotation = etree.Element(f"{{{XSD}}}annotation")
    element.insert(0, annotation)
    etree.SubElement(annotation, f"{{{XSD}}}documentation").text = text
