"""Keeps some members of a JSON object, each as it is written: no number loses digits, no text changes."""

import json
import re
from typing import Any

_BLANKS = re.compile(r"[ \t\n\r]*")


class _NoJsonError(ValueError):
    """The text is no JSON."""


def _refuse(constant: str) -> Any:
    raise _NoJsonError(constant)


# Values are only measured: their numbers stay text, however long they are.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse)


def keep_keys(text: str, keys: frozenset[str]) -> str:
    """The object with the members that have one of the keys, in their order; other text as it is."""
    try:
        return _kept(text, keys)
    except (ValueError, RecursionError):
        return text


def _kept(text: str, keys: frozenset[str]) -> str:
    """Raises ValueError for what is no JSON object."""
    at = _expect(text, _skip(text, 0), "{")
    members = []
    if text[at : at + 1] != "}":
        while True:
            start = at
            key, at = _DECODER.raw_decode(text, at)
            if not isinstance(key, str) or text[start] != '"':
                raise _NoJsonError("a key must be a string")
            name = text[start:at]
            start = at = _expect(text, _skip(text, at), ":")
            _, at = _DECODER.raw_decode(text, at)
            if key in keys:
                members.append(f"{name}:{text[start:at]}")
            at = _skip(text, at)
            if text[at : at + 1] != ",":
                break
            at = _skip(text, at + 1)
    at = _expect(text, at, "}")
    if at != len(text):
        raise _NoJsonError("text behind the object")
    return "{" + ",".join(members) + "}"


def _expect(text: str, at: int, character: str) -> int:
    """The place behind a character and the blanks that follow it."""
    if text[at : at + 1] != character:
        raise _NoJsonError(f"{character} is missing")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at
