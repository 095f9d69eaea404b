"""What the OpenAPI document names once and refers to: headers, parameters in headers, authentication."""

from gateway.rest.schemas import Schema

SECURITY_SCHEMES: dict[str, Schema] = {
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

HEADERS: dict[str, Schema] = {
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
    "Accept-Ranges": {
        "description": "`bytes`: Range works.",
        "schema": {"type": "string"},
    },
    "Content-Disposition": {
        "description": "`attachment`, with the name of the file (RFC 6266).",
        "schema": {"type": "string"},
    },
    "Content-Range": {
        "description": "Which part was sent of how many bytes, or after `*/` how many there are (RFC 9110).",
        "schema": {"type": "string"},
    },
    "Repr-Digest": {
        "description": "SHA-256 of the whole (RFC 9530).",
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

_ETAG = r'(W/)?"[!#-~]*"'
_ETAGS = rf"^(\*|{_ETAG}( *, *{_ETAG})*)$"

PARAMETERS: dict[str, Schema] = {
    "RequestId": {
        "name": "X-Request-Id",
        "in": "header",
        "description": "An id of the caller's for the request. What does not match `[A-Za-z0-9._-]{1,64}` is "
        "replaced.",
        "schema": {"type": "string"},
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
        "schema": {"type": "string", "pattern": _ETAGS},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "description": "ETags that the caller has already: if one is the present one, the answer is 304.",
        "schema": {"type": "string"},
    },
    "Range": {
        "name": "Range",
        "in": "header",
        "description": "The part that is wanted, such as `bytes=0-499`; of several parts, all is sent.",
        "schema": {"type": "string"},
    },
    "IfRange": {
        "name": "If-Range",
        "in": "header",
        "description": "The ETag for which Range holds; if it is another one, all is sent.",
        "schema": {"type": "string"},
    },
}
