"""Replies as comparable values, whoever read them: every stack has its own words for one and the same."""

import base64
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from gateway.contract.shapes import Kind, Member, shape_of
from gateway.domain.model import Model
from gateway.domain.scalars import read_instant


def same(text: str) -> str | None:
    """A text as it is."""
    return text


def values_of(
    model: type[Model], values: dict[str, Any], seen: Callable[[str], str | None] = same
) -> dict[str, Any]:
    """The members of a reply that have a value. `seen` says what a stack shows of a text."""
    members = {member.wire: member for member in shape_of(model).members}
    assert set(values) <= set(members)
    told = {wire: _member(members[wire], value, seen) for wire, value in values.items()}
    return {wire: value for wire, value in told.items() if value not in (None, [], {})}


def _member(member: Member, value: Any, seen: Callable[[str], str | None]) -> Any:
    if not member.many:
        return None if value is None else _value(member, value, seen)
    # Some stacks show an empty list, or an empty text within one, as nothing.
    items = [_value(member, "" if item is None else item, seen) for item in value or ()]
    return ["" if item is None else item for item in items]


def _value(member: Member, value: Any, seen: Callable[[str], str | None]) -> Any:
    match member.kind:
        case Kind.MODEL:
            return values_of(member.type, value, seen)
        case Kind.TEXT:
            assert isinstance(value, str)
            return seen(value)
        case Kind.INSTANT:
            return read_instant(value)
        case Kind.DECIMAL:
            # PHP keeps decimals as text, to lose no digit.
            return Decimal(str(value))
        case Kind.INT32 | Kind.INT64:
            # Details of faults are text to stacks that do not look up their type.
            return int(value)
        case Kind.BOOLEAN:
            assert isinstance(value, bool)
        case Kind.BYTES:
            return base64.b64decode(value, validate=True)
    return value


def unset(model: type[Model], values: list[dict[str, Any]], path: str = "") -> Iterator[str]:
    """The members, at any depth, that none of some values of a model sets."""
    for member in shape_of(model).members:
        where = f"{path}{member.wire}"
        given = [value[member.wire] for value in values if member.wire in value]
        items = [item for value in given for item in (value if member.many else [value])]
        if not items:
            yield where
        elif member.kind is Kind.MODEL:
            yield from unset(member.type, items, f"{where}/")
