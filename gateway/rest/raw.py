"""Bodies and replies that are bytes as they are, not JSON (see RawBody and RawReply)."""

import base64
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from gateway.contract.operation import RawBody, RawReply
from gateway.domain.content import Kept
from gateway.domain.errors import Problem, UnsupportedMediaType, ValidationFailed
from gateway.http.body import body_pieces
from gateway.http.download import Download
from gateway.http.preconditions import none_match_tag
from gateway.rest.ranges import NotSatisfiableError, wanted_part

_SAFE = {
    "cache-control": "private, no-cache",
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
    "accept-ranges": "bytes",
}
"""Whatever the bytes are, a browser must neither guess their type nor run them."""

_NO_FALLBACK_CHAR = re.compile(r"[^ !#-$&-\[\]-~]")
"""What cannot stand in `filename`: `"` and `\\`, `%` (RFC 6266, appendix D), and all but ASCII."""

_ATTR_CHAR = "!#$&+-.^_`|~"
"""RFC 8187 section 3.2.1: what may stand in `filename*` as it is, beside letters and digits."""


class Incoming:
    """The body of a request. Implements the domain's `Content`."""

    def __init__(self, http: HttpRequest) -> None:
        self._http = http

    @property
    def size(self) -> int | None:
        """What Content-Length says."""
        announced = self._http.headers.get("content-length", "")
        return int(announced[:19]) if announced.isdecimal() else None

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes in. Raises BadRequest when the sender goes away."""
        return body_pieces(self._http)


def raw_body(raw: RawBody, name: str, query: Mapping[str, Any], http: HttpRequest) -> dict[str, Any]:
    """The body object `name` of the request, whose other members stood in the query string.

    Raises ValidationFailed for query parameters that say what the body or Content-Type says, and
    UnsupportedMediaType for more than one Content-Type.
    """
    problems = [
        Problem(("query", member), "is not known here")
        for member in (raw.content, raw.media_type)
        if member in query
    ]
    if problems:
        raise ValidationFailed("the query string is not valid", problems=problems)
    members = {**query, raw.content: Incoming(http)}
    media_types = http.headers.getlist("content-type")
    if len(media_types) > 1:
        raise UnsupportedMediaType("the body must have one Content-Type")
    if media_types:
        members[raw.media_type] = media_types[0]
    return {name: members}


def raw_reply(raw: RawReply, reply: Any, method: str, headers: Headers) -> Response:
    """The reply to GET or HEAD."""
    members = {str(field.alias): getattr(reply, name) for name, field in type(reply).model_fields.items()}
    content: Kept = members[raw.content]
    sha256 = members[raw.sha256]
    tag = f'"{sha256}"'
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    fields = {
        **_SAFE,
        "etag": tag,
        "content-type": members[raw.media_type],
        "content-disposition": disposition_of(members[raw.file_name]),
        # RFC 9530 section 3: of the whole, also when a part is sent.
        "repr-digest": f"sha-256=:{digest}:",
    }
    if not none_match_tag(headers, tag):
        content.close()
        return Response(status_code=304, headers={name: fields[name] for name in ("cache-control", "etag")})
    if method == "HEAD":
        content.close()
        # Section 14.2: Range means nothing but with GET.
        return Response(headers={**fields, "content-length": str(content.size)})
    try:
        part = wanted_part(headers, content.size, tag)
    except NotSatisfiableError:
        content.close()
        return Response(status_code=416, headers={**_SAFE, "content-range": f"bytes */{content.size}"})
    if part is None:
        return Download(content, content.pieces(), length=content.size, headers=fields)
    last = part.start + part.length - 1
    fields["content-range"] = f"bytes {part.start}-{last}/{content.size}"
    return Download(content, content.part(*part), length=part.length, headers=fields, status=206)


def disposition_of(file_name: str) -> str:
    """The value of Content-Disposition (RFC 6266): the name, and where it is not plain a plainer one too."""
    plain = _NO_FALLBACK_CHAR.sub("_", file_name)
    value = f'attachment; filename="{plain}"'
    if plain == file_name:
        return value
    return f"{value}; filename*=UTF-8''{quote(file_name, safe=_ATTR_CHAR)}"
