"""Whether two replies say the same: JSON and XML are brought to one form and compared.

Left aside is how a thing is written: order of members, namespaces, an instant's `Z` or `+00:00`, a number's
zeros, what is absent or empty. Values that differ for each reply are named by the caller.
"""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def check_alike(name: str, first: Any, second: Any) -> None:
    """Raises RuntimeError, naming the first place where two plain forms differ."""
    if first != second:
        raise RuntimeError(f"{name}: the replies differ: {_difference(first, second)}")


def plain_json(document: bytes, *, without: frozenset[str] = frozenset()) -> Any:
    """The plain form of a JSON document."""
    return _of_json(json.loads(document, parse_float=str), without)


def plain_xml(envelope: bytes, *, without: frozenset[str] = frozenset()) -> Any:
    """The plain form of what a SOAP reply holds: the content of the one child of the reply element."""
    body = next(part for part in ElementTree.fromstring(envelope) if _name(part) == "Body")
    (reply,) = body
    (content,) = reply
    return _of_xml(content, without)


def _of_json(value: Any, without: frozenset[str]) -> Any:
    if isinstance(value, dict):
        members = []
        for name, member in value.items():
            items = member if isinstance(member, list) else [member]
            members += [(name, _of_json(item, without)) for item in items if item is not None]
        return _joined(members, without)
    if isinstance(value, bool):
        return str(value).lower()
    return _text(str(value))


def _of_xml(element: ElementTree.Element, without: frozenset[str]) -> Any:
    if len(element) == 0:
        return _text(element.text or "")
    return _joined([(_name(child), _of_xml(child, without)) for child in element], without)


def _joined(members: list[tuple[str, Any]], without: frozenset[str]) -> Any:
    # Sorted by name alone: the order of a list's items counts.
    return tuple(sorted((m for m in members if m[0] not in without), key=lambda member: member[0]))


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(text: str) -> str:
    if _INSTANT.match(text):
        return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="milliseconds")
    if _NUMBER.fullmatch(text):
        return format(Decimal(text).normalize(), "f")
    return text


def _difference(first: Any, second: Any) -> str:
    if isinstance(first, tuple) and isinstance(second, tuple):
        for one, other in zip(first, second, strict=False):
            if one != other:
                return _difference(one, other)
        return f"{len(first)} and {len(second)} members"
    return f"{first!r} and {second!r}"[:500]
