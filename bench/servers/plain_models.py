"""Models with the members of the gateway's, as somebody would write them who has no SOAP door: plain types,
numbers as floats, pydantic's own way to write instants. They are faster to dump than the gateway's.
"""

from datetime import datetime
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from gateway.contract.shapes import Kind, Member, shape_of
from gateway.domain.model import Model

_TYPES: dict[Kind, Any] = {
    Kind.TEXT: str,
    Kind.INT32: int,
    Kind.INT64: int,
    Kind.DECIMAL: float,
    Kind.BOOLEAN: bool,
    Kind.INSTANT: datetime,
    Kind.BYTES: bytes,
}


class Plain(BaseModel):
    """A frozen value with camelCase names on the wire."""

    model_config = ConfigDict(frozen=True, validate_by_name=True)


@cache
def plain_model(model: type[Model]) -> type[Plain]:
    """The plain twin of a model."""
    shape = shape_of(model)
    members: dict[str, Any] = {member.name: _member(member) for member in shape.members}
    return create_model(shape.name, __base__=Plain, **members)


def _member(member: Member) -> tuple[Any, Any]:
    base: Any
    if member.kind is Kind.MODEL:
        nested: type[Model] = member.type
        base = plain_model(nested)
    elif member.kind is Kind.WORD:
        base = Literal[tuple(str(word) for word in member.type)]
    else:
        base = _TYPES[member.kind]
    if member.many:
        return list[base], Field(default=[], alias=member.wire)
    if member.required:
        return base, Field(alias=member.wire)
    return base | None, Field(default=None, alias=member.wire)
