"""Writes the members of a query as a query string, the way that QueryReader reads it."""

from typing import Any
from urllib.parse import quote

from gateway.contract.shapes import Kind, Member, Shape
from gateway.domain.errors import Problem, ValidationFailed
from gateway.domain.model import Model
from gateway.domain.scalars import decimal_text, instant_text
from gateway.translate.query_string import separates


def write_query(shape: Shape, query: Model) -> str:
    """The members that were given, percent-encoded, without the question mark; empty without any.

    `shape` tells the members that lie in the query string.
    Raises ValidationFailed for a value that no query string can say.
    """
    pieces = []
    for member in shape.members:
        value = getattr(query, member.name)
        if member.name in query.model_fields_set and value is not None:
            pieces += [
                f"{quote(member.wire, safe='')}={quote(_text(member, item), safe='')}"
                for item in (value if member.many else [value])
            ]
    return "&".join(pieces)


def _text(member: Member, value: Any) -> str:
    match member.kind:
        case Kind.BOOLEAN:
            return "true" if value else "false"
        case Kind.DECIMAL:
            return decimal_text(value)
        case Kind.INSTANT:
            return instant_text(value)
    text = str(value)
    if separates(member) and "," in text:
        detail = f"'{text}': a comma cannot be said here, because it separates values"
        raise ValidationFailed("REST cannot say this", problems=[Problem(("query", member.wire), detail)])
    return text
