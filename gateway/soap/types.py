"""Spyne's types, made from the shapes of the models. They never leave the SOAP door.

They carry names, order, occurrence and documentation into the WSDL. Limits are told in the documentation
alone, because length and range facets break or bloat known client stacks.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from gateway.contract.shapes import Kind, Member, shape_of
from gateway.domain.model import Model
from gateway.domain.words import Word
from gateway.soap.spyne_compat import (
    Boolean,
    ByteArray,
    ComplexModel,
    DateTime,
    Decimal,
    Enum,
    Integer32,
    Integer64,
    Unicode,
)
from gateway.translate import NAMESPACE

_SCALARS: dict[Kind, Any] = {
    Kind.TEXT: Unicode,
    Kind.INT32: Integer32,
    Kind.INT64: Integer64,
    Kind.DECIMAL: Decimal,
    Kind.BOOLEAN: Boolean,
    Kind.INSTANT: DateTime,
    Kind.BYTES: ByteArray(encoding="base64"),
}


@cache
def type_of(model: type[Model]) -> Any:
    """The Spyne type of a model, named as the model."""
    shape = shape_of(model)
    return complex_type(
        shape.name,
        shape.documentation,
        [(member.wire, member_type(member)) for member in shape.members],
    )


def complex_type(name: str, documentation: str, members: Iterable[tuple[str, Any]]) -> Any:
    """A Spyne type with these members, in this order."""
    annotations = type("Annotations", (ComplexModel.Annotations,), {"doc": documentation})
    return type(ComplexModel)(
        name,
        (ComplexModel,),
        {
            "__namespace__": NAMESPACE,
            "__type_name__": name,
            "_type_info": list(members),
            "Annotations": annotations,
        },
    )


def member_type(member: Member, documentation: str = "") -> Any:
    """The type of a member, with how often it occurs and what it means, which its type may tell."""
    text = documentation or member.documentation
    if limits := limits_text(member):
        text = f"{text} ({limits})" if text else limits
    if member.kind is Kind.MODEL:
        model: type[Model] = member.type
        text = text or shape_of(model).documentation
        base = type_of(model)
    elif member.kind is Kind.WORD:
        words: type[Word] = member.type
        base = enumeration_of(words)
    else:
        base = _SCALARS[member.kind]
    # Spyne's Array would put a type of its own round a list.
    return base.customize(
        min_occurs=1 if member.required and not member.many else 0,
        max_occurs="unbounded" if member.many else 1,
        nillable=False,
        doc=text,
    )


@cache
def enumeration_of(words: type[Word]) -> Any:
    """The Spyne type of a list of words."""
    # Spyne's Unicode(values=...) would make a type for each member that takes these words, named after it.
    return Enum(*(str(word) for word in words), type_name=words.__name__)


def limits_text(member: Member) -> str:
    """The limits of a member in words: `at most 50 characters`, or the empty text."""
    bounds = dict(member.bounds)
    told = [*_length(bounds, "characters"), *_range(bounds)]
    if "pattern" in bounds:
        told.append(f"matching {bounds['pattern']}")
    if member.many:
        told = [f"each {limit}" for limit in told]
        told = [*_length(dict(member.list_bounds), "entries"), *told]
        if not member.list_bounds:
            told = ["any number of entries", *told]
    return "; ".join(told)


def _length(bounds: dict[str, Any], what: str) -> list[str]:
    low, high = bounds.get("min_length", 0), bounds.get("max_length")
    if high is None:
        return [f"at least {low} {what}"] if low else []
    return [f"{low} to {high} {what}" if low else f"at most {high} {what}"]


def _range(bounds: dict[str, Any]) -> list[str]:
    low, high = bounds.get("ge"), bounds.get("le")
    # The bounds of xs:int and xs:long say nothing that the type does not say.
    low = None if low in (-(2**31), -(2**63)) else low
    high = None if high in (2**31 - 1, 2**63 - 1) else high
    if low is not None and high is not None:
        return [f"{low} to {high}"]
    if low is not None:
        return [f"at least {low}"]
    return [f"at most {high}"] if high is not None else []
