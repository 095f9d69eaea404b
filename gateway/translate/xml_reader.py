"""Reads XML elements into plain values (by wire names) for a model's validator; compiled once per model.

What a value must be is the model's business: a number that is no number stays text, so that validation names
it, in the words that the JSON door uses, too. The reader itself names what only XML can get wrong: order,
repetition, namespaces, attributes, text between elements, `xsi:nil`; and unknown elements.
"""

import re
import sys
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, TypeAlias

from lxml import etree

from gateway.contract.shapes import Kind, Member, shape_of
from gateway.domain.errors import Problem
from gateway.domain.model import Model
from gateway.translate import NAMESPACE

Element: TypeAlias = etree._Element

XSI = "http://www.w3.org/2001/XMLSchema-instance"
XSD = "http://www.w3.org/2001/XMLSchema"

NIL = f"{{{XSI}}}nil"
_TYPE = f"{{{XSI}}}type"
_HREFS = frozenset({"href", "id"})

INCLUDE_NAMESPACE = "http://www.w3.org/2004/08/xop/include"
INCLUDE = f"{{{INCLUDE_NAMESPACE}}}Include"
"""XOP 1.0 section 2.1: stands for base64 that follows as bytes. The SOAP door takes them out of a package."""
_INCLUDED = "must not contain an xop:Include, which stands for base64 alone, and in an XOP package alone"

BLANKS = " \t\r\n"
"""XML 1.0 section 2.3: S. Python's own idea of a blank is wider."""

_INTEGER = re.compile(r"[+-]?0*[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
DATE_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)
"""XML Schema part 2, section 3.2.7, for the years that the contract takes."""
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_LONGEST_NUMBER = 400
"""XML Schema takes any number of zeros before a number."""
MOST_COUNTED = 1000
"""When more problems than that are found, the rest of a request is not read."""
_MOST_ATTRIBUTES = 100
_REFUSED = ""
"""Given in place of a text that validation would take, although XML Schema does not; no type takes it."""


def _integer(text: str) -> Any:
    text = text.strip(BLANKS)
    return int(text) if len(text) <= _LONGEST_NUMBER and _INTEGER.fullmatch(text) else text


def _decimal(text: str) -> Any:
    text = text.strip(BLANKS)
    return Decimal(text) if len(text) <= _LONGEST_NUMBER and _DECIMAL.fullmatch(text) else text


def _boolean(text: str) -> Any:
    return _BOOLEANS.get(text.strip(BLANKS), _REFUSED)


def _instant(text: str) -> str:
    text = text.strip(BLANKS)
    return text if DATE_TIME.fullmatch(text) else _REFUSED


def _word(text: str) -> str:
    return text.strip(BLANKS)


_CONVERT: dict[Kind, Callable[[str], Any] | None] = {
    Kind.TEXT: None,
    Kind.INT32: _integer,
    Kind.INT64: _integer,
    Kind.DECIMAL: _decimal,
    Kind.BOOLEAN: _boolean,
    Kind.INSTANT: _instant,
    Kind.BYTES: None,
    Kind.WORD: _word,
}

XSD_TYPES: dict[Kind, str] = {
    Kind.TEXT: "string",
    Kind.INT32: "int",
    Kind.INT64: "long",
    Kind.DECIMAL: "decimal",
    Kind.BOOLEAN: "boolean",
    Kind.INSTANT: "dateTime",
    Kind.BYTES: "base64Binary",
}
"""The types of XML Schema by kind; enumerations and models have types of their own."""


class _Slot(NamedTuple):
    position: int
    wire: str
    many: bool
    most: int
    """How many of a list there may be."""
    clearable: bool
    convert: Callable[[str], Any] | None
    reader: "XmlReader | None"
    xsd_type: str
    """In Clark notation, to compare with xsi:type."""


def _slot(position: int, member: Member) -> _Slot:
    known = XSD_TYPES.get(member.kind)
    model: type[Model] = member.type
    return _Slot(
        position=position,
        wire=member.wire,
        many=member.many,
        most=dict(member.list_bounds).get("max_length", sys.maxsize),
        clearable=member.clearable,
        convert=_CONVERT.get(member.kind),
        reader=reader_of(model) if member.kind is Kind.MODEL else None,
        xsd_type=f"{{{XSD}}}{known}" if known else f"{{{NAMESPACE}}}{member.type.__name__}",
    )


class XmlReader:
    """Reads the children of an element as the members of one model."""

    def __init__(self, model: type[Model]) -> None:
        members = shape_of(model).members
        self._names = [member.wire for member in members]
        self._slots = {
            f"{{{NAMESPACE}}}{member.wire}": _slot(place, member) for place, member in enumerate(members)
        }

    def read(self, element: Element, problems: list[Problem]) -> dict[str, Any]:
        """The values of the members by wire name; what is wrong is added to `problems`.

        None stands for xsi:nil, as null in JSON: it means something only to members that can be cleared.
        """
        values: dict[str, Any] = {}
        overfull: list[tuple[str, int]] = []
        last = -1
        slots = self._slots
        text = element.text
        if text and text.strip(BLANKS):
            problems.append(Problem((), "must not contain text beside elements"))
        for child in element:
            if len(problems) > MOST_COUNTED:
                break
            tail = child.tail
            if tail and tail.strip(BLANKS):
                problems.append(Problem((), "must not contain text beside elements"))
            tag: Any = child.tag
            slot = slots.get(tag)
            if slot is None:
                name = _refuse_unknown(child, problems)
                if name is not None:
                    # So that validation, too, finds fault with the object: a check of the whole makes no
                    # sense then.
                    values.setdefault(name, _REFUSED)
                continue
            position, wire, many, most, _, convert, reader, _ = slot
            if many:
                items = values.setdefault(wire, [])
                path: tuple[str | int, ...] = (wire, len(items))
                if len(items) == most:
                    overfull.append((wire, most))
            else:
                path = (wire,)
                if wire in values:
                    problems.append(Problem(path, "is given twice"))
            if position < last:
                problems.append(Problem(path, f"must come before '{self._names[last]}'"))
            else:
                last = position
            if child.keys() and _is_nil(child, slot, path, problems):
                if many:
                    items.append(_REFUSED)
                else:
                    values[wire] = None
                continue
            value: Any
            if reader is not None and not len(child) and child.text and child.text.strip(BLANKS):
                # Validation says that it must be an object.
                value = child.text
            elif reader is not None:
                mark = len(problems)
                value = reader.read(child, problems)
                for index in range(mark, len(problems)):
                    inner = problems[index]
                    problems[index] = Problem((*path, *inner.path), inner.detail)
            else:
                value = child.text or ""
                if convert is not None:
                    value = convert(value)
                if len(child):
                    included = child[0].tag == INCLUDE
                    problems.append(Problem(path, _INCLUDED if included else "must not contain elements"))
                    # No scalar takes it.
                    value = {}
            if many:
                items.append(value)
            else:
                values[wire] = value
        for wire, most in overfull:
            # As validation says it; but what is behind the reader need not look at all of them then.
            told = f"must have at most {most} items, not {len(values[wire])}"
            problems.append(Problem((wire,), told))
        return values


@cache
def reader_of(model: type[Model]) -> XmlReader:
    """The reader of a model."""
    return XmlReader(model)


def _refuse_unknown(child: Element, problems: list[Problem]) -> str | None:
    """The name of an element that is ours and unknown."""
    tag: Any = child.tag
    if not isinstance(tag, str):
        problems.append(Problem((), "must not contain processing instructions"))
        return None
    if tag == INCLUDE:
        problems.append(Problem((), _INCLUDED))
        return None
    name = etree.QName(child)
    if name.namespace == NAMESPACE:
        problems.append(Problem((name.localname,), "is not known here"))
        return name.localname
    problems.append(Problem((name.localname,), f"must be in the namespace {NAMESPACE}"))
    return None


def _is_nil(child: Element, slot: _Slot, path: tuple[str | int, ...], problems: list[Problem]) -> bool:
    """Whether xsi:nil says that there is no value; every other attribute but a plain xsi:type is refused."""
    nil = False
    for name, value in attributes(child):
        text = value.strip(BLANKS)
        if name == NIL:
            if text not in _BOOLEANS:
                problems.append(Problem(path, "xsi:nil must be true or false"))
            nil = _BOOLEANS.get(text, False)
        elif name == _TYPE:
            if resolve(text, child) != slot.xsd_type:
                problems.append(Problem(path, "xsi:type must name the declared type, or be left out"))
        elif name in _HREFS:
            problems.append(Problem(path, f"references between elements ({name}) are not supported"))
        else:
            problems.append(Problem(path, f"must not have the attribute '{etree.QName(name).localname}'"))
    if not nil:
        return False
    if not slot.clearable:
        problems.append(Problem(path, "cannot be nil; leave it out if it has no value"))
    elif len(child) or child.text:
        problems.append(Problem(path, "must be empty when it is nil"))
    return True


def attributes(element: Element) -> list[tuple[str, str]]:
    """Names and values of an element's attributes, but of the first hundred alone.

    A request takes two of them. libxml2 finds each value by going through all attributes.
    """
    return [(str(name), str(element.get(name))) for name in element.keys()[:_MOST_ATTRIBUTES]]


def resolve(name: str, element: Element) -> str:
    """A QName in a value (Namespaces in XML, section 4) in Clark notation; unknown prefixes give no match."""
    prefix, colon, local = name.rpartition(":")
    namespace = element.nsmap.get(prefix if colon else None)
    return f"{{{namespace or ''}}}{local}"


def element_path(path: tuple[str | int, ...]) -> str:
    """A problem's path as a path of elements; indices count from 1: `job/environmentVariables[1]/name`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += f"/{part}" if text else part
    return text
