"""Envelopes: puts them together, and takes them apart into header values and the one element of the body."""

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lxml import etree

from gateway.domain.errors import BadRequest, MalformedMessage, Problem, ValidationFailed
from gateway.translate import NAMESPACE
from gateway.translate.soap_versions import VERSIONS, SoapVersion
from gateway.translate.xml_parsing import refuse_depth
from gateway.translate.xml_reader import Element

_BLANKS = " \t\r\n"
_IDEMPOTENCY_KEY = f"{{{NAMESPACE}}}idempotencyKey"
_IF_VERSION = f"{{{NAMESPACE}}}ifVersion"
_MOST_HEADERS = 100
_MOST_NAMED = 10
"""So many headers that are not understood are named; SOAP 1.2 part 1 section 5.4.8 asks for none."""
UNDERSTOOD = frozenset({_IDEMPOTENCY_KEY, _IF_VERSION})

_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_VERSION = re.compile(r"\+?0{0,400}[0-9]{1,19}")


class VersionMismatch(MalformedMessage):
    """The envelope is not of the version that the message should have."""


class NotUnderstood(BadRequest):
    """Headers must be understood and are not; `headers` are tags of theirs (namespace, local name)."""

    def __init__(self, headers: tuple[tuple[str, str], ...]) -> None:
        names = ", ".join(f"{{{namespace}}}{name}" for namespace, name in headers)
        super().__init__(f"not understood, although it must be: {names}")
        self.headers = headers


@dataclass(frozen=True)
class HeaderValues:
    """What the header elements of ours say; None = not there."""

    idempotency_key: str | None = None
    if_version: int | None = None


NO_HEADER = HeaderValues()


def envelope_text(version: SoapVersion, header: str, body: str) -> str:
    """An envelope of header and body elements, in which the prefix `soap` stands for its namespace."""
    if header:
        header = f"<soap:Header>{header}</soap:Header>"
    return (
        f"<?xml version='1.0' encoding='utf-8'?>\n"
        f'<soap:Envelope xmlns:soap="{version.namespace}">{header}'
        f"<soap:Body>{body}</soap:Body></soap:Envelope>"
    )


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
    _refuse_text(root, "Envelope")
    for child in root:
        tag: Any = child.tag
        if tag == f"{{{version.namespace}}}Header" and header is None and body is None:
            header = child
        elif tag == f"{{{version.namespace}}}Body" and body is None:
            body = child
        else:
            raise MalformedMessage("an Envelope consists of one Header at most and one Body, in this order")
    if body is None:
        raise MalformedMessage("the Envelope has no Body")
    _refuse_text(body, "Body")
    if header is not None:
        _refuse_text(header, "Header")
    if len(body) != 1 or not isinstance(body[0].tag, str):
        raise MalformedMessage(f"Body must have one element, not {len(body)}")
    return header, body[0]


def read_header(header: Element | None, version: SoapVersion) -> HeaderValues:
    """The values of our header elements.

    Raises NotUnderstood, and ValidationFailed when one of ours is wrong. Headers for other actors, and those
    that need not be understood, do not matter.
    """
    if header is None or not len(header):
        return NO_HEADER
    if len(header) > _MOST_HEADERS:
        raise MalformedMessage(f"the message has more than {_MOST_HEADERS} header elements")
    refuse_depth(header)
    not_understood: dict[tuple[str, str], None] = {}
    ours: dict[str, list[Element]] = {}
    for entry in header:
        tag: Any = entry.tag
        if not isinstance(tag, str):
            raise MalformedMessage("a message must not have processing instructions")
        name = etree.QName(entry)
        if name.namespace is None:
            # SOAP 1.1 section 4.2.1, SOAP 1.2 part 1 section 5.2.1: header entries are qualified.
            raise MalformedMessage(f"the header element '{name.localname}' has no namespace")
        if not _is_for_us(entry, version):
            continue
        if tag in UNDERSTOOD:
            ours.setdefault(name.localname, []).append(entry)
        elif _must_understand(entry, version):
            not_understood.setdefault((name.namespace, name.localname))
    if not_understood:
        raise NotUnderstood(tuple(islice(not_understood, _MOST_NAMED)))
    return _values(ours)


def _values(ours: dict[str, list[Element]]) -> HeaderValues:
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    for name, entries in ours.items():
        if len(entries) > 1:
            problems.append(Problem((name,), "is given twice"))
        elif len(entries[0]):
            problems.append(Problem((name,), "must not contain elements"))
        else:
            texts[name] = entries[0].text or ""
    key = texts.get("idempotencyKey")
    if key is not None and not _KEY.fullmatch(key):
        problems.append(Problem(("idempotencyKey",), "must be 1 to 255 printable ASCII characters"))
    version = texts.get("ifVersion")
    if version is not None:
        version = version.strip(_BLANKS)
        if not _VERSION.fullmatch(version) or int(version) >= 2**63:
            problems.append(Problem(("ifVersion",), "must be a version, a whole number of 64 bits"))
    if problems:
        raise ValidationFailed("header elements are wrong", problems=problems)
    return HeaderValues(key, int(version) if version is not None else None)


def _is_for_us(entry: Element, version: SoapVersion) -> bool:
    actor = entry.get(f"{{{version.namespace}}}{version.actor_attribute}", "")
    return str(actor).strip(_BLANKS) in version.our_actors


def _must_understand(entry: Element, version: SoapVersion) -> bool:
    word = str(entry.get(f"{{{version.namespace}}}mustUnderstand", "0")).strip(_BLANKS)
    if word not in version.true_words | version.false_words:
        raise MalformedMessage(f"mustUnderstand cannot be '{word}'")
    return word in version.true_words


def _no_envelope(root: Element) -> MalformedMessage:
    name = etree.QName(root)
    if name.localname != "Envelope":
        return MalformedMessage(f"the message is no Envelope, but '{name.localname}'")
    return VersionMismatch(f"the envelope's namespace '{name.namespace or ''}' is no version of SOAP")


def _refuse_text(element: Element, name: str) -> None:
    texts = [element.text, *(child.tail for child in element)]
    if any(text and text.strip(_BLANKS) for text in texts):
        raise MalformedMessage(f"{name} must not contain text")
