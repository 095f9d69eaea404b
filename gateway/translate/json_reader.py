"""Reads a JSON body into plain values: dict, list, str, int, Decimal, bool and None.

Stricter than JSON's grammar: what two readers could understand differently is refused. Whether the values fit
an operation is not looked at here.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.contract.operation import Body
from gateway.domain.errors import MalformedMessage, Problem, ValidationFailed

MAX_DEPTH = 64
_BOM = b"\xef\xbb\xbf"
# Beyond what any member may be; the text of a very long number would take quadratic time to convert.
_MAX_INTEGER_CHARS = 24
_MAX_MAGNITUDE = 20

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRING_OR_CONSTANT = re.compile(r'"(?:[^"\\]|\\.)*"|(-?Infinity|NaN)')


class OutOfRange:
    """Stands for a number larger than any member may be: validation refuses it and names the member."""

    def __repr__(self) -> str:
        return "a number out of range"


OUT_OF_RANGE = OutOfRange()


class _Repeated:
    """Stands for a member whose name is given twice."""


_REPEATED = _Repeated()


class _ConstantError(Exception):
    """The text has NaN or Infinity, which Python's parser knows and JSON does not."""


def read_json(body: bytes, root: str, problems: list[Problem] | None = None) -> Any:
    """The members of the object that a body holds, as a dict; decimals keep the digits of their text.

    `root` is the body's name in the paths of problems, empty when the body is the whole request. Raises
    MalformedMessage, which tells the place, for what is no JSON and for a depth over 64. Raises
    ValidationFailed for another value than an object, and for names given twice and lone surrogates, naming
    each; with `problems` they are added there instead, and the value is given as it is.
    """
    # RFC 8259 section 8.1: UTF-8; a byte order mark must not be sent, but may be ignored.
    try:
        text = body.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"the body is no UTF-8 at byte {error.start + 1}") from None
    value, repeats = _parse(text)
    found: list[Problem] = []
    deep = text.count("{") + text.count("[") > MAX_DEPTH
    if repeats or deep or _SURROGATE_ESCAPE.search(text):
        found += [_rooted(problem, root) for problem in _problems(value, (root,))]
    if not isinstance(value, dict):
        found.append(_rooted(Problem((root,), "must be a JSON object"), root))
    if found and problems is None:
        raise ValidationFailed("the body is not valid", problems=found)
    if problems is not None:
        problems += found
    return value


def body_parts(content: bytes, body: Body, problems: list[Problem]) -> dict[str, Any]:
    """The parts of a request that its JSON body says, by their names. See `read_json`."""
    if body.wrapped:
        parts = read_json(content, "", problems)
        return parts if isinstance(parts, dict) else {}
    return {body.name: read_json(content, body.name, problems)}


def _rooted(problem: Problem, root: str) -> Problem:
    """The problem without a root that is empty."""
    return problem if root else Problem(problem.path[1:], problem.detail)


def _parse(text: str) -> tuple[Any, bool]:
    """The value of a text, and whether one of its objects has a name twice."""
    repeats = False

    def members_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeats
        members = dict(pairs)
        if len(members) < len(pairs):
            repeats = True
            times = Counter(name for name, _ in pairs)
            members.update((name, _REPEATED) for name in members if times[name] > 1)
        return members

    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=members_of,
        )
    except json.JSONDecodeError as error:
        raise _malformed(text, error.pos, error.msg) from None
    except RecursionError:
        raise _too_deep() from None
    except _ConstantError:
        found = next(found for found in _STRING_OR_CONSTANT.finditer(text) if found[1])
        raise _malformed(text, found.start(), f"{found[1]} is no value") from None
    return value, repeats


def _integer(text: str) -> int | OutOfRange:
    return int(text) if len(text) <= _MAX_INTEGER_CHARS else OUT_OF_RANGE


def _decimal(text: str) -> Decimal | OutOfRange:
    try:
        number = Decimal(text)
    except InvalidOperation:  # the exponent is beyond those of Decimal
        return OUT_OF_RANGE
    if not number or number.adjusted() < -_MAX_MAGNITUDE:
        return Decimal(0)
    return number if number.adjusted() < _MAX_MAGNITUDE else OUT_OF_RANGE


def _refuse_constant(_: str) -> Any:
    raise _ConstantError


def _problems(value: Any, path: tuple[str | int, ...]) -> Iterator[Problem]:
    """What is wrong with a value and all that it holds. Raises MalformedMessage when it is too deep."""
    if len(path) > MAX_DEPTH and isinstance(value, dict | list):
        raise _too_deep()
    if isinstance(value, dict):
        for name, member in value.items():
            if _SURROGATE.search(name):
                yield Problem(path, "a name must not hold a lone surrogate")
            yield from _problems(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _problems(item, (*path, index))
    elif isinstance(value, str) and _SURROGATE.search(value):
        yield Problem(path, "must not hold a lone surrogate")
    elif value is _REPEATED:
        yield Problem(path, "is given twice")


def _too_deep() -> MalformedMessage:
    return MalformedMessage(f"the body is nested more than {MAX_DEPTH} levels deep")


def _malformed(text: str, position: int, why: str) -> MalformedMessage:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return MalformedMessage(f"the body is no JSON at line {line}, column {column}: {why}")
