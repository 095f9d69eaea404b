"""Reads a query string into the plain values of an operation's query, as its shape says."""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote_to_bytes

from gateway.contract.shapes import Kind, Member, Shape
from gateway.domain.errors import Problem

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]{1,19}(?:\.[0-9]{0,99})?|\.[0-9]{1,99})")
_BLANK_OFFSET = re.compile(r" ([0-9]{2}:[0-9]{2})$")

_TYPE_LISTS = frozenset({"jobType"})
"""Lists of job types: the names of types have no comma, so an encoded one separates like a raw one."""


class QueryReader:
    """Reads the query strings of one operation.

    `shape` is None when the operation has no query: then every parameter is refused but those to ignore,
    which `ignored` names, `*` standing for any text.
    """

    def __init__(self, shape: Shape | None, ignored: Iterable[str] = ()) -> None:
        self._members = {member.wire: member for member in shape.members} if shape else {}
        self._ignored = tuple(ignored)

    def read(self, raw: bytes, problems: list[Problem]) -> dict[str, Any]:
        """The parameters by name: lists for lists, and text where a value is not what its member wants.

        Unknown parameters are handed on where the operation has a query, so that validation names them.
        Elsewhere they are added to `problems`, and so are parameters that are given twice though they are no
        lists, or are no UTF-8 in percent-encoding.
        """
        values: dict[str, Any] = {}
        unknown: dict[str, str] = {}
        for piece in raw.split(b"&"):
            if not piece:
                continue
            raw_name, _, raw_value = piece.partition(b"=")
            name = decode(raw_name)
            member = self._members.get(name or "")
            if member is None:
                if name is None:
                    shown = raw_name.decode("latin-1")
                    problems.append(Problem(("query", shown), "must be UTF-8 in percent-encoding"))
                elif not any(fnmatchcase(name, pattern) for pattern in self._ignored):
                    unknown[name] = ""
                continue
            texts = _texts(member, raw_value)
            if texts is None:
                problems.append(Problem(("query", member.wire), "must be UTF-8 in percent-encoding"))
            elif member.many:
                values.setdefault(member.wire, []).extend(_READERS[member.kind](text) for text in texts)
            elif member.wire in values:
                problems.append(Problem(("query", member.wire), "must be given only once"))
            else:
                values[member.wire] = _READERS[member.kind](texts[0])
        if self._members:
            return values | unknown
        problems += [Problem(("query", name), "is not known here") for name in unknown]
        return values


def decode(raw: bytes) -> str | None:
    """Text in percent-encoding with `+` as blank; None when it is no UTF-8."""
    if _BAD_ESCAPE.search(raw):
        return None
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError:
        return None


def separates(member: Member) -> bool:
    """Whether a comma separates the values of a list even when it is encoded."""
    return member.many and (member.kind is Kind.WORD or member.wire in _TYPE_LISTS)


def _texts(member: Member, raw: bytes) -> list[str] | None:
    """The values in one occurrence of a parameter: a list's are separated by commas, as they came."""
    pieces = [decode(piece) for piece in (raw.split(b",") if member.many else [raw])]
    texts = [piece for piece in pieces if piece is not None]
    if len(texts) < len(pieces):
        return None
    if separates(member):
        texts = ",".join(texts).split(",")
    return [text.strip() for text in texts] if len(texts) > 1 else texts


def _whole(text: str) -> Any:
    return int(text) if _WHOLE.fullmatch(text) else text


def _decimal(text: str) -> Any:
    return Decimal(text) if _DECIMAL.fullmatch(text) else text


def _boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text, text)


def _instant(text: str) -> Any:
    """An offset's `+` often comes unencoded, which means a blank."""
    return _BLANK_OFFSET.sub(r"+\1", text)


def _as_it_is(text: str) -> Any:
    return text


_READERS: dict[Kind, Callable[[str], Any]] = {
    Kind.TEXT: _as_it_is,
    Kind.INT32: _whole,
    Kind.INT64: _whole,
    Kind.DECIMAL: _decimal,
    Kind.BOOLEAN: _boolean,
    Kind.INSTANT: _instant,
    Kind.WORD: _as_it_is,
}
