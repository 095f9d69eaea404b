"""Envelopes: puts them together, and takes them apart into the header and the one element of the body."""

from collections.abc import Iterable
from typing import Any

from lxml import etree

from gateway.domain.errors import MalformedMessage
from gateway.translate.soap_versions import VERSIONS, SoapVersion
from gateway.translate.xml_reader import BLANKS, Element


class VersionMismatch(MalformedMessage):
    """The envelope is not of the version that the message should have."""


def envelope_text(version: SoapVersion, header: str, body: str) -> str:
    """An envelope of header and body elements, in which the prefix `soap` stands for its namespace."""
    before, behind = envelope_around(version, header)
    return f"{before}{body}{behind}"


def envelope_around(version: SoapVersion, header: str) -> tuple[str, str]:
    """What an envelope has before and behind the elements of its body."""
    if header:
        header = f"<soap:Header>{header}</soap:Header>"
    start = f"<?xml version='1.0' encoding='utf-8'?>\n<soap:Envelope xmlns:soap=\"{version.namespace}\">"
    return f"{start}{header}<soap:Body>", "</soap:Body></soap:Envelope>"


def version_of(root: Element) -> SoapVersion:
    """The version of SOAP that an envelope is written in. Raises MalformedMessage, VersionMismatch."""
    for version in VERSIONS:
        if root.tag == version.envelope:
            return version
    raise _no_envelope(root)


def take_apart(root: Element, version: SoapVersion) -> tuple[Element | None, Element]:
    """Header (if there is one) and the one child of Body. Raises MalformedMessage, VersionMismatch.

    SOAP 1.1 section 4, SOAP 1.2 part 1 section 5; WS-I Basic Profile 1.1 R1011 (nothing behind Body) and
    R2201 / R2211 (one child of Body).
    """
    if root.tag != version.envelope:
        others = [known for known in VERSIONS if known.envelope == root.tag]
        if others:
            raise VersionMismatch(
                f"the envelope is SOAP {others[0].number}, the media type that of SOAP {version.number}"
            )
        raise _no_envelope(root)
    header: Element | None = None
    body: Element | None = None
    children = [*root]
    _refuse_text(root, children, "Envelope")
    for child in children:
        tag: Any = child.tag
        if tag == version.header and header is None and body is None:
            header = child
        elif tag == version.body and body is None:
            body = child
        else:
            raise MalformedMessage("an Envelope consists of one Header at most and one Body, in this order")
    if body is None:
        raise MalformedMessage("the Envelope has no Body")
    elements = [*body]
    _refuse_text(body, elements, "Body")
    if header is not None:
        _refuse_text(header, header, "Header")
    if len(elements) != 1 or not isinstance(elements[0].tag, str):
        raise MalformedMessage(f"Body must have one element, not {len(elements)}")
    return header, elements[0]


def _no_envelope(root: Element) -> MalformedMessage:
    name = etree.QName(root)
    if name.localname != "Envelope":
        return MalformedMessage(f"the message is no Envelope, but '{name.localname}'")
    return VersionMismatch(f"the envelope's namespace '{name.namespace or ''}' is no version of SOAP")


def _refuse_text(element: Element, children: Iterable[Element], name: str) -> None:
    for text in [element.text, *[child.tail for child in children]]:
        if text and text.strip(BLANKS):
            raise MalformedMessage(f"{name} must not contain text")
