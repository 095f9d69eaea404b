"""Reads the headers that make a request conditional or repeatable."""

import re

from starlette.datastructures import Headers

from gateway.domain.call import IfMatch
from gateway.domain.errors import Problem, ValidationFailed

GZIP_SUFFIX = "-gzip"
"""Ends the entity tag of a compressed reply, which must differ from the plain one's (RFC 9110, 8.8.3)."""

# RFC 9110 section 8.8.3: entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE
_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_TAGS = re.compile(rf"[ \t,]*(?:{_TAG.pattern}[ \t]*(?:,[ \t,]*|$))+")
_VERSION = re.compile(r"[1-9][0-9]{0,18}")
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def entity_tag(version: int, *, compressed: bool = False) -> str:
    """The strong entity tag of a version."""
    return f'"{version}{GZIP_SUFFIX if compressed else ""}"'


def if_match_of(headers: Headers) -> IfMatch | None:
    """What If-Match asks for, None without the header.

    The comparison is strong (RFC 9110 section 13.1.1): a weak tag matches nothing. The tag of a compressed
    reply means the same version as the plain one. Raises ValidationFailed when the header is no list of tags.
    """
    given = _joined(headers, "if-match")
    if given is None:
        return None
    if given == "*":
        return IfMatch(None)
    if not _TAGS.fullmatch(given):
        raise _refused("If-Match", 'must be "*" or entity tags such as "5", in quotes')
    tags = (tag for weak, tag in _TAG.findall(given) if not weak)
    return IfMatch(frozenset(version for tag in tags if (version := _version(tag)) is not None))


def none_match(headers: Headers, version: int) -> bool:
    """Whether If-None-Match lets a reply of this version through; if not, the answer is 304.

    The comparison is weak (RFC 9110 section 13.1.2). A header that cannot be read counts as none.
    """
    tags = _none_match(headers)
    return tags is not None and all(_version(tag) != version for tag in tags)


def none_match_tag(headers: Headers, tag: str) -> bool:
    """The same for a reply with this entity tag, in its quotes."""
    tags = _none_match(headers)
    return tags is not None and tag.strip('"') not in tags


def _none_match(headers: Headers) -> list[str] | None:
    """The tags in If-None-Match, without quotes and marks of weakness; None = any tag (`*`)."""
    given = _joined(headers, "if-none-match")
    if given == "*":
        return None
    return [tag for _, tag in _TAG.findall(given)] if given is not None and _TAGS.fullmatch(given) else []


def idempotency_key_of(headers: Headers) -> str | None:
    """The Idempotency-Key, None without the header.

    Raises ValidationFailed when it is not 1 to 255 printable ASCII characters, or is given more than once.
    """
    given = headers.getlist("idempotency-key")
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        raise _refused("Idempotency-Key", "must be given once, as 1 to 255 printable ASCII characters")
    return given[0]


def _refused(header: str, detail: str) -> ValidationFailed:
    return ValidationFailed(f"{header} {detail}", problems=[Problem((header,), detail)])


def _joined(headers: Headers, name: str) -> str | None:
    values = headers.getlist(name)
    return ", ".join(values).strip() if values else None


def _version(tag: str) -> int | None:
    text = tag.removesuffix(GZIP_SUFFIX)
    return int(text) if _VERSION.fullmatch(text) else None
