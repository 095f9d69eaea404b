"""The OpenAPI 3.1 document, derived from the list of operations. Schemas of models are made in schemas.py."""

import json
from typing import Any

from gateway import CONTRACT_VERSION
from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import shape_of
from gateway.domain import errors
from gateway.domain.errors import JobsError
from gateway.domain.words import Role
from gateway.http.problem import MEDIA_TYPE, title_of
from gateway.rest.negotiation import JSON, MERGE_PATCH
from gateway.rest.schemas import Schema, component_schemas, member_schema, ref
from gateway.rest.table import is_paged, is_tagged, shown_by

_ABOUT = (
    "Starts jobs, follows them and ends them. The same operations, with the same fields, limits and errors, "
    "are there over SOAP (`/soap/v2/?wsdl`).\n\n"
    "Unknown fields and query parameters are refused. Errors are problem details (RFC 9457): `technicalKey` "
    "says which error it is, `errors` names each wrong field. Instants are RFC 3339 in UTC with milliseconds."
)

_SECURITY_SCHEMES: dict[str, Schema] = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-KEY", "description": "An API key."},
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, or the token of a running job.",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "Any user name, and an API key as the password.",
    },
}

_HEADERS: dict[str, Schema] = {
    "X-Request-Id": {
        "description": "The request, as the log of the gateway calls it.",
        "schema": {"type": "string", "maxLength": 64},
    },
    "ETag": {
        "description": "The version, for If-Match and If-None-Match.",
        "schema": {"type": "string"},
    },
    "Location": {"description": "Path of what was created.", "schema": {"type": "string"}},
    "Link": {
        "description": 'Path of the next page, with rel="next"; missing on the last page (RFC 8288).',
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "integer", "format": "int32", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "How to send a key: as the password of HTTP Basic, among others.",
        "schema": {"type": "string"},
    },
}

_PARAMETERS: dict[str, Schema] = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "An id of the caller's for the request; another text than this is replaced.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes it safe to send the request again: for 24 hours a repeat under the same key is "
        "answered like the first, whatever the protocol.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "description": "ETags of which one must be the present one, or `*`; else PRECONDITION_FAILED.",
        "schema": {"type": "string"},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "ETags that the caller has already: if one is the present one, the answer is 304.",
        "schema": {"type": "string"},
    },
}

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
    """The document; `public_url` is the address that callers use, without it the one they asked at."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        path = paths.setdefault(operation.http.path, {})
        path[operation.http.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Jobs gateway", "version": CONTRACT_VERSION, "description": _ABOUT},
        "servers": [{"url": public_url.rstrip("/") if public_url else "/"}],
        "security": [{name: []} for name in _SECURITY_SCHEMES],
        "paths": paths,
        "components": {
            "schemas": component_schemas(OPERATIONS),
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def openapi_bytes(public_url: str | None = None) -> bytes:
    """The document as JSON."""
    return json.dumps(document(public_url), indent=2, ensure_ascii=False).encode() + b"\n"


def possible_errors(operation: Operation) -> list[type[JobsError]]:
    """Every error that an operation may answer over REST, each once, by code."""
    found = {*_EVERYWHERE, *operation.errors}
    if operation.reply:
        found.add(errors.NotAcceptable)
    if operation.body:
        found |= {errors.MalformedMessage, errors.PayloadTooLarge}
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
    if operation.body:
        media_types = [JSON, MERGE_PATCH] if operation.http.method == "PATCH" else [JSON]
        entry["requestBody"] = {
            "required": operation.body.required,
            "content": {media_type: {"schema": ref(operation.body.model)} for media_type in media_types},
        }
    entry["responses"] = _replies(operation) | _refusals(operation)
    return entry


def _who(operation: Operation) -> str:
    token = " A running job may call it with its token, for itself." if operation.worker else ""
    article = "a" if operation.role is Role.READER else "an"
    return f"Needs the key of {article} {operation.role}.{token}"


def _parameters(operation: Operation) -> list[Schema]:
    found: list[Schema] = [
        {
            "name": part.name,
            "in": "path",
            "required": True,
            "description": part.meaning,
            "schema": {"type": "string", "minLength": 1},
        }
        for part in operation.path
    ]
    if operation.query:
        for member in shape_of(operation.query).members:
            schema = member_schema(operation.query, member)
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
    return [*found, *({"$ref": f"#/components/parameters/{name}"} for name in names)]


def _replies(operation: Operation) -> Schema:
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
        parameters = {shown.path[0].name: "$response.body#/id"}
        reply["links"] = {shown.name: {"operationId": shown.name, "parameters": parameters}}
    replies = {str(operation.http.status): reply}
    if operation.http.method == "GET" and is_tagged(operation):
        headers_kept = _header_refs("X-Request-Id", "ETag")
        replies["304"] = {"description": "The caller has this version already.", "headers": headers_kept}
    return replies


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
