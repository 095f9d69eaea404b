"""The JSON schemas of models and enumerations, as OpenAPI 3.1 components."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from pydantic import AfterValidator, TypeAdapter
from pydantic.fields import FieldInfo

from gateway.contract.operation import Operation
from gateway.contract.shapes import Kind, Member, models_of, shape_of
from gateway.domain.errors import ERRORS
from gateway.domain.model import Model
from gateway.domain.words import Word
from gateway.translate.problem import TYPE_PREFIX

Schema = dict[str, Any]

_KINDS: dict[Kind, Schema] = {
    Kind.TEXT: {"type": "string"},
    Kind.INT32: {"type": "integer", "format": "int32"},
    Kind.INT64: {"type": "integer", "format": "int64"},
    Kind.DECIMAL: {"type": "number"},
    Kind.BOOLEAN: {"type": "boolean"},
    Kind.INSTANT: {"type": "string", "format": "date-time"},
    Kind.BYTES: {"type": "string", "contentEncoding": "base64"},
}

RAW: Schema = {"type": "string", "format": "binary"}
"""Bytes as they are."""

_BOUNDS = {
    "min_length": "minLength",
    "max_length": "maxLength",
    "ge": "minimum",
    "le": "maximum",
    "pattern": "pattern",
}


_CHECKED = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern", "examples")


def component_schemas(operations: Iterable[Operation]) -> dict[str, Schema]:
    """All models and enumerations that the bodies and replies of operations are made of, and Problem."""
    operations = tuple(operations)
    asked = models_of([o.body.model for o in operations if o.body and not o.http.raw_body])
    told = models_of([o.reply.model for o in operations if o.reply and not o.http.raw_reply])
    requested = models_of([o.request for o in operations])
    words: dict[str, Schema] = {}
    for model in dict.fromkeys([*requested, *told]):
        for member in shape_of(model).members:
            if issubclass(member.type, Word):
                words[member.type.__name__] = _word_schema(member.type)
    models = {
        model.__name__: _model_schema(model, asked=model in asked) for model in dict.fromkeys([*asked, *told])
    }
    return dict(sorted({**models, **words}.items())) | {"Problem": _PROBLEM}


def ref(kind: type[Any]) -> Schema:
    """A reference to the schema of a model or an enumeration."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def member_schema(model: type[Model], member: Member) -> Schema:
    """The schema of a member, with its limits, its default and its meaning."""
    field = model.model_fields[member.name]
    schema = ref(member.type) if member.kind in (Kind.WORD, Kind.MODEL) else dict(_KINDS[member.kind])
    schema |= {_BOUNDS[name]: _plain(limit) for name, limit in member.bounds}
    if member.kind in (Kind.TEXT, Kind.DECIMAL):
        schema = schema | _checked_by_functions(field) | schema
    if member.many:
        schema = {"type": "array", "items": schema}
        schema |= {f"{name.partition('_')[0]}Items": limit for name, limit in member.list_bounds}
        if any(_is_unique_check(item) for item in field.metadata):
            schema["uniqueItems"] = True
    elif member.clearable:
        # RFC 7396: null unsets the member.
        schema = (
            schema | {"type": [schema["type"], "null"]}
            if "type" in schema
            else {"anyOf": [schema, {"type": "null"}]}
        )
    if not member.required and not member.many and field.default is not None:
        schema["default"] = _plain(field.default)
    if member.deprecated:
        schema["deprecated"] = True
    return schema | {"description": member.documentation}


def _model_schema(model: type[Model], *, asked: bool) -> Schema:
    shape = shape_of(model)
    schema: Schema = {
        "type": "object",
        "description": shape.documentation,
        "properties": {member.wire: member_schema(model, member) for member in shape.members},
    }
    # A reply writes each list, an empty one as []; a request may leave it out.
    required = [member.wire for member in shape.members if member.required or (member.many and not asked)]
    if required:
        schema["required"] = required
    if asked:
        schema["additionalProperties"] = False
    # What holds between members.
    extra = model.model_config.get("json_schema_extra")
    return schema | (extra if isinstance(extra, dict) else {})


def _word_schema(word: type[Word]) -> Schema:
    lines = [" ".join((word.__doc__ or "").split()), "", *(f"* `{item}`: {item.meaning}" for item in word)]
    return {"type": "string", "enum": [str(item) for item in word], "description": "\n".join(lines)}


def _checked_by_functions(field: FieldInfo) -> Schema:
    """The limits of a scalar that functions check; its type tells them for the document."""
    told = TypeAdapter(field.rebuild_annotation()).json_schema()
    told = told.get("items", told)
    return {name: told[name] for name in _CHECKED if name in told}


def _is_unique_check(item: Any) -> bool:
    """Whether a validator of a list is one that gateway.domain.job.unique made."""
    return isinstance(item, AfterValidator) and getattr(item.func, "__qualname__", "").startswith("unique.")


def _plain(value: Any) -> Any:
    if isinstance(value, Word):
        return str(value)
    return float(value) if isinstance(value, Decimal) else value


_PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "properties": {
        "type": {"type": "string", "description": f"`{TYPE_PREFIX}` and the technicalKey."},
        "title": {"type": "string", "description": "The kind of error in a few words."},
        "status": {"type": "integer", "format": "int32", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What went wrong this time."},
        "code": {
            "type": "integer",
            "format": "int32",
            "description": "Number of the error: the HTTP status and five digits.",
        },
        "technicalKey": {
            "type": "string",
            "description": "Name of the error:\n\n"
            + "\n".join(f"* `{key}` ({error.code}): {error.__doc__}" for key, error in ERRORS.items()),
        },
        "requestId": {"type": "string", "description": "The request, as the log of the gateway calls it."},
        "errors": {
            "type": "array",
            "description": "Each thing that is wrong in the request.",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "Where in the body (RFC 6901)."},
                    "parameter": {
                        "type": "string",
                        "description": "Which parameter of query or path, or which header.",
                    },
                    "detail": {"type": "string", "description": "What is wrong there."},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code", "technicalKey", "requestId", "errors"],
}
