"""The shape of a model as both wires see it: its members with their kinds, bounds and documentation.

Refuses what one of the wires cannot say: dictionaries, unions, Any, nested lists.
"""

import types
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic.fields import FieldInfo

from gateway.domain.content import Content
from gateway.domain.model import Model
from gateway.domain.requests import Patch
from gateway.domain.scalars import Limits
from gateway.domain.words import Word


class Kind(StrEnum):
    """What a value is on the wires."""

    TEXT = "text"
    INT32 = "int32"
    INT64 = "int64"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    BYTES = "bytes"
    WORD = "word"
    """A member of an enumeration."""
    MODEL = "model"


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member of a model."""

    name: str
    """The Python name."""
    wire: str
    """The name in JSON and XML."""
    kind: Kind
    type: type[Any]
    """The Python class of one value: str, int, …, the enumeration or the model."""
    many: bool
    """Whether it is a list."""
    required: bool
    clearable: bool
    """Whether null and xsi:nil unset it (RFC 7396)."""
    deprecated: bool
    documentation: str
    bounds: tuple[tuple[str, Any], ...]
    """Limits of one value: min_length, max_length, ge, le, pattern."""
    list_bounds: tuple[tuple[str, Any], ...]
    """Limits of the list: min_length, max_length."""


@dataclass(frozen=True)
class Shape:
    """A model and its members, in the order of the wires."""

    model: type[Model]
    members: tuple[Member, ...]

    @property
    def name(self) -> str:
        """The name of the type in OpenAPI and XSD."""
        return self.model.__name__

    @property
    def documentation(self) -> str:
        """What the model is."""
        return " ".join((self.model.__doc__ or "").split())


_KINDS: dict[type[Any], Kind] = {
    str: Kind.TEXT,
    bool: Kind.BOOLEAN,
    Decimal: Kind.DECIMAL,
    datetime: Kind.INSTANT,
    Content: Kind.BYTES,
}


@cache
def shape_of(model: type[Model]) -> Shape:
    """The shape of a model. Raises TypeError when one of the wires cannot say a member."""
    members = tuple(_member(model, name, field) for name, field in model.model_fields.items())
    return Shape(model, members)


@cache
def listed_in(model: type[Model]) -> Member | None:
    """The list of a page: its only member that is a list of models; None = it is no page."""
    lists = [member for member in shape_of(model).members if member.many and member.kind is Kind.MODEL]
    return lists[0] if len(lists) == 1 else None


def models_of(roots: list[type[Model]]) -> list[type[Model]]:
    """The models given and all that they are made of, each once, parts before wholes."""
    found: dict[type[Model], None] = {}

    def visit(model: type[Model]) -> None:
        for member in shape_of(model).members:
            if member.kind is Kind.MODEL and member.type not in found:
                visit(member.type)
        found.setdefault(model)

    for root in roots:
        visit(root)
    return list(found)


def _member(model: type[Model], name: str, field: FieldInfo) -> Member:
    where = f"{model.__name__}.{name}"
    bounds: dict[str, Any] = {}
    list_bounds: dict[str, Any] = {}
    source, many = _unwrap(field.annotation, bounds), False
    if get_origin(source) is tuple:
        many, list_bounds, bounds = True, bounds, {}
        _note(field.metadata, list_bounds)
        item, *rest = get_args(source)
        if rest != [Ellipsis]:
            raise TypeError(f"{where}: a list is written tuple[X, ...]")
        source = _unwrap(item, bounds)
    else:
        _note(field.metadata, bounds)
    if not isinstance(source, type):
        raise TypeError(f"{where}: {source!r} cannot be said on both wires")
    if issubclass(source, Model):
        kind = Kind.MODEL
    elif issubclass(source, Word):
        kind = Kind.WORD
    elif source is int:
        kind = Kind.INT32 if bounds.get("le", 2**63) < 2**31 else Kind.INT64
    elif source in _KINDS:
        kind = _KINDS[source]
    else:
        raise TypeError(f"{where}: {source!r} cannot be said on both wires")
    wire = str(field.alias)
    return Member(
        name=name,
        wire=wire,
        kind=kind,
        type=source,
        many=many,
        required=field.is_required(),
        clearable=issubclass(model, Patch) and "clear" in model.model_fields and wire in model.clearable(),
        deprecated=isinstance(field.json_schema_extra, dict) and "deprecated" in field.json_schema_extra,
        documentation=" ".join((field.description or "").split()),
        bounds=tuple(bounds.items()),
        list_bounds=tuple(list_bounds.items()),
    )


def _unwrap(source: Any, bounds: dict[str, Any]) -> Any:
    """The bare type behind Annotated and `| None`; bounds met on the way are noted."""
    while True:
        if get_origin(source) is Annotated:
            source, *metadata = get_args(source)
            inner: dict[str, Any] = {}
            bare = _unwrap(source, inner)
            _note(metadata, inner)
            bounds.update({**inner, **bounds})
            return bare
        if get_origin(source) in (Union, types.UnionType):
            options = [option for option in get_args(source) if option is not type(None)]
            if len(options) != 1:
                return source
            source = options[0]
            continue
        return source


def _note(metadata: Any, bounds: dict[str, Any]) -> None:
    for item in metadata:
        if isinstance(item, Limits):
            bounds.update(item.given)
        elif isinstance(item, FieldInfo):
            _note(item.metadata, bounds)
        elif isinstance(item, MinLen):
            bounds["min_length"] = item.min_length
        elif isinstance(item, MaxLen):
            bounds["max_length"] = item.max_length
        elif isinstance(item, Ge):
            bounds["ge"] = item.ge
        elif isinstance(item, Le):
            bounds["le"] = item.le
        elif pattern := getattr(item, "pattern", None):
            bounds["pattern"] = pattern
