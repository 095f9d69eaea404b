"""The OpenAPI 3.1 document, derived from the list of operations. Schemas of models are made in schemas.py."""

import json
from typing import Any

from gateway import CONTRACT_VERSION
from gateway.contract.operation import Body, Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import shape_of
from gateway.domain import errors
from gateway.domain.errors import JobsError
from gateway.domain.words import Role
from gateway.rest.components import HEADERS, PARAMETERS, SECURITY_SCHEMES
from gateway.rest.negotiation import JSON, MERGE_PATCH
from gateway.rest.schemas import RAW, Schema, component_schemas, member_schema, ref
from gateway.rest.table import is_paged, is_tagged, shown_by
from gateway.translate.problem import MEDIA_TYPE, title_of

OCTETS = "application/octet-stream"
ANY = "*/*"

_ABOUT = (
    "Starts jobs, follows them and ends them. The same operations, with the same fields, limits and errors, "
    "are there over SOAP (`/soap/v2/?wsdl`).\n\n"
    "Unknown fields and query parameters are refused. Errors are problem details (RFC 9457): `technicalKey` "
    "says which error it is, `errors` names each wrong field. Instants are RFC 3339 in UTC with milliseconds."
)

_EVERYWHERE: tuple[type[JobsError], ...] = (
    errors.BadRequest,
    errors.ValidationFailed,
    errors.Unauthorized,
    errors.Forbidden,
    errors.UnsupportedMediaType,
    errors.MisdirectedRequest,
    errors.InternalServerError,
    errors.ServiceUnavailable,
)


def document(public_url: str | None = None) -> dict[str, Any]:
    """The document; `public_url` is the address or the path that callers use, else the host they asked at."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        path = paths.setdefault(operation.http.path, {})
        path[operation.http.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Jobs gateway", "version": CONTRACT_VERSION, "description": _ABOUT},
        "servers": [{"url": public_url.rstrip("/") if public_url else "/"}],
        "security": [{name: []} for name in SECURITY_SCHEMES],
        "paths": paths,
        "components": {
            "schemas": component_schemas(OPERATIONS),
            "parameters": PARAMETERS,
            "headers": HEADERS,
            "links": _links(),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def openapi_bytes(public_url: str | None = None) -> bytes:
    """The document as JSON."""
    return json.dumps(document(public_url), indent=2, ensure_ascii=False).encode() + b"\n"


def possible_errors(operation: Operation) -> list[type[JobsError]]:
    """Every error that an operation may answer over REST, each once, by code."""
    found = {*_EVERYWHERE, *operation.errors}
    if operation.reply and not operation.http.raw_reply:
        found.add(errors.NotAcceptable)
    if operation.body:
        found.add(errors.PayloadTooLarge)
        if not operation.http.raw_body:
            found.add(errors.MalformedMessage)
    if operation.takes_idempotency_key:
        found |= {errors.IdempotencyKeyInUse, errors.IdempotencyKeyReused}
    if operation.versioned:
        found.add(errors.PreconditionFailed)
    return sorted(found, key=lambda error: error.code)


def _operation(operation: Operation) -> Schema:
    entry: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": " ".join(part for part in (operation.description, _who(operation)) if part),
        "tags": [operation.http.path.split("/")[2]],
        "parameters": _parameters(operation),
    }
    if operation.http.raw_body:
        entry["requestBody"] = {
            "description": "The bytes, with their media type.",
            "required": False,
            "content": {media_type: {"schema": RAW} for media_type in (OCTETS, ANY)},
        }
    elif operation.body:
        media_types = [JSON, MERGE_PATCH] if operation.http.method == "PATCH" else [JSON]
        entry["requestBody"] = {
            "required": operation.body.required,
            "content": {media_type: {"schema": _body_schema(operation.body)} for media_type in media_types},
        }
    entry["responses"] = _replies(operation) | _refusals(operation)
    return entry


def _body_schema(body: Body) -> Schema:
    if not body.wrapped:
        return ref(body.model)
    return {
        "type": "object",
        "properties": {body.name: ref(body.model)},
        "required": [body.name],
        "additionalProperties": False,
    }


def _who(operation: Operation) -> str:
    token = " A running job may call it with its token, for itself." if operation.worker else ""
    article = "a" if operation.role is Role.READER else "an"
    return f"Needs the key of {article} {operation.role}.{token}"


def _parameters(operation: Operation) -> list[Schema]:
    members = {member.wire: member for member in shape_of(operation.request).members}
    found: list[Schema] = []
    for part in operation.path:
        schema = member_schema(operation.request, members[part.name])
        schema.pop("description")
        if "type" in schema:
            # A path has no empty segments, whatever the type says.
            schema.setdefault("minLength", 1)
        found.append(
            {
                "name": part.name,
                "in": "path",
                "required": True,
                "description": part.meaning,
                "schema": schema,
            }
        )
    if query := operation.query_shape:
        for member in query.members:
            schema = member_schema(query.model, member)
            parameter = {
                "name": member.wire,
                "in": "query",
                "required": member.required,
                "description": schema.pop("description"),
                "schema": schema,
            }
            if member.many:
                parameter |= {"style": "form", "explode": True}
            if schema.pop("deprecated", False):
                parameter["deprecated"] = True
            found.append(parameter)
    names = ["RequestId"]
    if operation.takes_idempotency_key:
        names.append("IdempotencyKey")
    if operation.versioned:
        names.append("IfMatch")
    if operation.http.method == "GET" and is_tagged(operation):
        names.append("IfNoneMatch")
    if operation.http.raw_reply:
        names += ["IfNoneMatch", "Range", "IfRange"]
    return [*found, *({"$ref": f"#/components/parameters/{name}"} for name in names)]


def _replies(operation: Operation) -> Schema:
    if operation.http.raw_reply:
        return _raw_replies(operation)
    headers = ["X-Request-Id"]
    if is_tagged(operation):
        headers.append("ETag")
    if is_paged(operation):
        headers.append("Link")
    reply: Schema = {"description": "Done.", "headers": _header_refs(*headers)}
    if operation.reply:
        reply["description"] = shape_of(operation.reply.model).documentation
        reply["content"] = {JSON: {"schema": ref(operation.reply.model)}}
    if shown := shown_by(operation, OPERATIONS):
        reply["headers"] |= _header_refs("Location")
        names = [other.name for other in OPERATIONS if _goes_on_from(shown, other)]
        reply["links"] = {name: {"$ref": f"#/components/links/{name}"} for name in names}
    replies = {str(operation.http.status): reply}
    if operation.http.method == "GET" and is_tagged(operation):
        headers_kept = _header_refs("X-Request-Id", "ETag")
        replies["304"] = {"description": "The caller has this version already.", "headers": headers_kept}
    return replies


def _goes_on_from(shown: Operation, other: Operation) -> bool:
    """Whether an operation can be called with what is known of the new thing that `shown` shows."""
    return bool(other.path) and other.path == shown.path


def _links() -> dict[str, Schema]:
    """How operations are called about what another one has created, by their names."""
    found: dict[str, Schema] = {}
    for creator in OPERATIONS:
        shown = shown_by(creator, OPERATIONS)
        for other in OPERATIONS:
            if shown and _goes_on_from(shown, other):
                parameters = {part.name: f"$request.path.{part.name}" for part in other.path}
                parameters[other.path[-1].name] = "$response.body#/id"
                found[other.name] = {"operationId": other.name, "parameters": parameters}
    return found


def _raw_replies(operation: Operation) -> Schema:
    """All, a part of it, nothing new, or no such part (RFC 9110 sections 14 and 15)."""
    assert operation.reply is not None
    documentation = shape_of(operation.reply.model).documentation
    headers = ["X-Request-Id", "ETag", "Accept-Ranges", "Content-Disposition", "Repr-Digest"]
    content = {ANY: {"schema": RAW}}
    return {
        "200": {"description": documentation, "headers": _header_refs(*headers), "content": content},
        "206": {
            "description": "The part that Range asks for.",
            "headers": _header_refs(*headers, "Content-Range"),
            "content": content,
        },
        "304": {
            "description": "The caller has this file already.",
            "headers": _header_refs("X-Request-Id", "ETag"),
        },
        "416": {
            "description": "Range lies behind the end.",
            "headers": _header_refs("X-Request-Id", "Content-Range"),
        },
    }


def _refusals(operation: Operation) -> Schema:
    found: dict[str, list[type[JobsError]]] = {}
    for error in possible_errors(operation):
        found.setdefault(str(error.code // 100_000), []).append(error)
    return {status: refusal_of(status, kinds) for status, kinds in found.items()}


def refusal_of(status: str, kinds: list[type[JobsError]]) -> Schema:
    headers = ["X-Request-Id", *_REFUSAL_HEADERS.get(status, ())]
    return {
        "description": "\n".join(f"* `{error.key}`: {title_of(error)}." for error in kinds),
        "headers": _header_refs(*headers),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


_REFUSAL_HEADERS = {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}


def _header_refs(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
