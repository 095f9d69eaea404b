"""Writes models and stored documents as XML text, with Python source that is generated once per model.

A member is one expression, so that writing costs little more than the text itself. The source is kept:
`show_code` prints it. An element's own name is not written here, because it differs by place.
"""

import json
import linecache
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.contract.shapes import Kind, Member, models_of, shape_of
from gateway.domain.content import InMemory
from gateway.domain.model import Model
from gateway.domain.record import Stored
from gateway.domain.scalars import decimal_text

# What must be escaped, and what XML 1.0 cannot say at all. CR is written as a reference, because a reader
# turns a bare one into a line feed (XML 1.0 section 2.11).
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

CACHE_CHARACTERS = 16 * 2**20


def escape(text: str) -> str:
    """Text as element content. Raises ValueError when XML cannot say it."""
    found = _SPECIAL.search(text)
    if found is None:
        return text
    if bad := _FORBIDDEN.search(text, found.start()):
        raise ValueError(f"XML cannot say U+{ord(bad.group()):04X}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")


def sayable(text: str) -> str:
    """Text for people, with U+FFFD for what XML cannot say."""
    return _FORBIDDEN.sub("\ufffd", text)


def _instant(instant: datetime) -> str:
    # The same text as instant_text, at a third of its cost; instants are in UTC already.
    return instant.isoformat(timespec="milliseconds")[:23] + "Z"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _base64(value: InMemory | str) -> str:
    """What lies elsewhere must have been read before: as bytes, or as text in base64."""
    return value if isinstance(value, str) else b64encode(value.data).decode("ascii")


_MODEL_SCALARS = {
    Kind.TEXT: "{escape(v)}",
    Kind.INT32: "{v}",
    Kind.INT64: "{v}",
    Kind.DECIMAL: "{decimal(v)}",
    Kind.BOOLEAN: "{boolean(v)}",
    Kind.INSTANT: "{instant(v)}",
    Kind.BYTES: "{base64(v)}",
    Kind.WORD: "{v}",
}
"""How a value of a model is said; `v` is the value."""

_DOCUMENT_SCALARS = _MODEL_SCALARS | {Kind.DECIMAL: "{v}", Kind.INSTANT: "{v}"}
"""How a value of a stored JSON document is said: instants and decimals stand in it as they are written."""


WRITE = "write"
"""Verb of the functions that write models, as replies are."""
SPELL = "spell"
"""Verb of the functions that write stored documents."""
GIVE = "give"
"""Verb of the functions that write models as given: without defaults, but with objects that are empty."""


def _lines(member: Member, verb: str) -> list[str]:
    source = f"m.get({member.wire!r})" if verb == SPELL else f"m.{member.name}"
    start, end = f"<{member.wire}>", f"</{member.wire}>"
    if member.kind is Kind.MODEL:
        call = f"{verb}_{member.type.__name__}(v)"
        if verb == WRITE:
            call = f"(v.xml if v.__class__ is Written else stored(v) if v.__class__ is Stored else {call})"
        inner = f"{{{call}}}"
        if not member.many and verb != GIVE:
            return [
                f"v = {source}",
                f'if v is not None and (x := {call}): out.append(f"{start}{{x}}{end}")',
            ]
    else:
        inner = (_DOCUMENT_SCALARS if verb == SPELL else _MODEL_SCALARS)[member.kind]
    element = f'f"{start}{inner}{end}"'
    if member.many:
        return [f"v = {source}", f"if v: out += [{element} for v in v]"]
    line = f"out.append({element})"
    if verb == GIVE:
        return [f"v = {source}", f"if v is not None and {member.name!r} in m.model_fields_set: {line}"]
    return [f"v = {source}", line if member.required and verb == WRITE else f"if v is not None: {line}"]


def _function(model: type[Model], verb: str) -> str:
    shape = shape_of(model)
    lines = [line for member in shape.members for line in _lines(member, verb)]
    body = "\n    ".join(["out = []", *lines, 'return "".join(out)'])
    return f"def {verb}_{shape.name}(m):\n    {body}\n"


def show_code(model: type[Model]) -> str:
    """The Python source that writes the members of a model."""
    return _function(model, WRITE)


@dataclass(frozen=True, slots=True)
class Written:
    """Stands in a reply for a model whose members have been written before."""

    xml: str


class XmlWriter:
    """Writes the members of models; remembers the XML of stored ones, up to `cache_characters`."""

    def __init__(self, *, cache_characters: int = CACHE_CHARACTERS) -> None:
        self._limit = cache_characters
        self._size = 0
        self._fragments: dict[tuple[type[Model], str, int], str] = {}
        self._known: set[type[Model]] = set()
        self._scope: dict[str, Any] = {
            "escape": escape,
            "decimal": decimal_text,
            "boolean": _boolean,
            "instant": _instant,
            "base64": _base64,
            "stored": self._stored,
            "Stored": Stored,
            "Written": Written,
        }

    def children(self, value: "Model | Stored[Any]") -> str:
        """The members of a model as elements, without the element around them.

        Raises ValueError when a text cannot be said in XML.
        """
        if isinstance(value, Stored):
            return self._stored(value)
        return self._of(WRITE, type(value))(value)

    def given(self, request: Model) -> str:
        """The members of a request as they were given. Raises ValueError, as `children` does."""
        return self._of(GIVE, type(request))(request)

    def _of(self, verb: str, model: type[Model]) -> Callable[[Any], str]:
        if model not in self._known:
            self._compile(model)
        function: Callable[[Any], str] = self._scope[f"{verb}_{model.__name__}"]
        return function

    def _compile(self, model: type[Model]) -> None:
        for part in models_of([model]):
            if part in self._known:
                continue
            source = "\n\n".join(_function(part, verb) for verb in (WRITE, SPELL, GIVE))
            name = f"<XML writer of {part.__name__}>"
            exec(compile(source, name, "exec"), self._scope)  # noqa: S102 - made of wire names alone
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
            self._known.add(part)

    def _stored(self, stored: Stored[Any]) -> str:
        key = (stored.model, stored.id, stored.version)
        fragment = self._fragments.get(key)
        if fragment is None:
            # The document holds instants and decimals as they are written, so no model is built.
            document = json.loads(stored.json, parse_float=str)
            fragment = self._of(SPELL, stored.model)(document)
            if stored.version:
                self._remember(key, fragment)
        return fragment

    def _remember(self, key: tuple[type[Model], str, int], fragment: str) -> None:
        self._fragments[key] = fragment
        self._size += len(fragment)
        while self._size > self._limit:
            oldest = next(iter(self._fragments))
            self._size -= len(self._fragments.pop(oldest))
