"""Decides from the headers whether a body can be read, and a reply can be written, as the caller wants."""

import re
from functools import lru_cache

from starlette.datastructures import Headers

from gateway.domain.errors import NotAcceptable, UnsupportedMediaType

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

# RFC 9110 section 12.4.2: qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def check_accept(headers: Headers) -> None:
    """Raises NotAcceptable when the caller does not accept application/json."""
    accept = headers.get("accept")
    if accept in (None, "*/*", JSON):
        return
    if not _accepts_json(", ".join(headers.getlist("accept"))):
        raise NotAcceptable(f"replies are {JSON}, which the Accept header does not allow")


def has_body(headers: Headers) -> bool:
    """Whether a body follows (RFC 9112, 6.3)."""
    return headers.get("content-length", "0").strip("0") != "" or "transfer-encoding" in headers


def check_media_type(headers: Headers, *, patch: bool) -> None:
    """Raises UnsupportedMediaType when the body is not JSON in UTF-8; a PATCH may also be a merge patch."""
    given = headers.getlist("content-type")
    if len(given) != 1 or not _is_json(given[0], patch):
        wanted = f"{JSON} or {MERGE_PATCH}" if patch else JSON
        shown = f"'{given[0]}'" if given else "unnamed"
        raise UnsupportedMediaType(f"the body must be {wanted} in UTF-8; its media type is {shown}")


@lru_cache(maxsize=256)
def _is_json(content_type: str, patch: bool) -> bool:
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != JSON and not (patch and media_type == MERGE_PATCH):
        return False
    for parameter in parameters:
        name, _, value = (part.strip() for part in parameter.partition("="))
        if name == "charset" and value.strip('"') not in ("utf-8", "utf8"):
            return False
    return True


@lru_cache(maxsize=256)
def _accepts_json(accept: str) -> bool:
    """RFC 9110 section 12.5.1: of the ranges that match, the most specific one's weight counts."""
    ranks = {"*/*": 0, "application/*": 1, JSON: 2}
    best, weight = -1, 0.0
    ranges = [item for item in accept.lower().split(",") if item.strip()]
    for item in ranges:
        media_range, *parameters = (part.strip() for part in item.split(";"))
        rank = ranks.get(media_range, -1)
        if rank < best or rank < 0:
            continue
        found = _weight(parameters)
        weight = max(weight, found) if rank == best else found
        best = rank
    return weight > 0 or not ranges


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = (part.strip() for part in parameter.partition("="))
        if name == "q":
            return float(value) if _QVALUE.fullmatch(value) else 0.0
    return 1.0
