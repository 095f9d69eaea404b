"""Writes models and stored documents as XML, with Python source that is generated once per model.

A member is one expression, so that writing costs little more than the text itself. The source is kept:
`show_code` prints it. An element's own name is not written here, because it differs by place.
"""

import json
import linecache
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

from gateway.contract.shapes import Kind, Member, listed_in, models_of, shape_of
from gateway.domain.content import InMemory
from gateway.domain.model import Model
from gateway.domain.record import Stored
from gateway.domain.scalars import decimal_text, instant_text

# What must be escaped, and what XML 1.0 cannot say at all. CR is written as a reference, because a reader
# turns a bare one into a line feed (XML 1.0 section 2.11).
_SPECIAL = re.compile("[&<>\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# The document holds instants and decimals as they are written, so no model is built.
_DOCUMENTS = json.JSONDecoder(parse_float=str)

CACHE_BYTES = 16 * 2**20


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
AROUND = "around"
"""Verb of the functions that write pages but for what they list: what stands before that, and behind it."""


def _lines(member: Member, verb: str) -> list[str]:
    source = f"m.get({member.wire!r})" if verb == SPELL else f"m.{member.name}"
    start, end = f"<{member.wire}>", f"</{member.wire}>"
    if member.kind is Kind.MODEL:
        call = f"{verb}_{member.type.__name__}(v)"
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
    listed = listed_in(model) if verb == AROUND else None
    verb_of_members = WRITE if verb == AROUND else verb
    lines = ["out = []"]
    for member in shape.members:
        lines += ["before, out = out, []"] if member is listed else _lines(member, verb_of_members)
    lines += ['return "".join(out)'] if listed is None else ['return "".join(before), "".join(out)']
    body = "\n    ".join(lines)
    return f"def {verb}_{shape.name}(m):\n    {body}\n"


def show_code(model: type[Model]) -> str:
    """The Python source that writes the members of a model."""
    return _function(model, WRITE)


class XmlWriter:
    """Writes the members of models; remembers the XML of stored ones, up to `cache_bytes`.

    An element around the members is not written. Text that XML cannot say raises ValueError.
    """

    def __init__(self, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._limit = cache_bytes
        self._size = 0
        self._fragments: dict[tuple[type[Model], str, int], bytes] = {}
        self._known: set[type[Model]] = set()
        self._scope: dict[str, Any] = {
            "escape": escape,
            "decimal": decimal_text,
            "boolean": _boolean,
            "instant": instant_text,
            "base64": _base64,
        }

    def children(self, model: Model) -> str:
        """The members of a model that holds no stored ones."""
        text: str = self._of(WRITE, type(model))(model)
        return text

    def given(self, request: Model) -> str:
        """The members of a request as they were given."""
        text: str = self._of(GIVE, type(request))(request)
        return text

    def fragment(self, value: Model | Stored[Any]) -> bytes:
        """The members of a model or of a stored one, in UTF-8."""
        if not isinstance(value, Stored):
            return self.children(value).encode()
        fragment = self._fragments.get((value.model, value.id, value.version))
        return self._spell(value) if fragment is None else fragment

    def known(self, values: Sequence[Model | Stored[Any]]) -> list[bytes]:
        """The fragments that are remembered, in one pass; empty for those that are not."""
        get = self._fragments.get
        return [
            get((value.model, value.id, value.version), b"") if isinstance(value, Stored) else b""
            for value in values
        ]

    def page(self, page: Model, listed: Member, fragments: Sequence[bytes]) -> list[bytes]:
        """The members of a page with the fragments of what it lists; to be joined, which copies them once."""
        before, behind = self._of(AROUND, type(page))(page)
        if not fragments:
            return [(before + behind).encode()]
        start, end = f"<{listed.wire}>", f"</{listed.wire}>"
        pieces = [(end + start).encode()] * (2 * len(fragments) + 1)
        pieces[1::2] = fragments
        pieces[0], pieces[-1] = (before + start).encode(), (end + behind).encode()
        return pieces

    def _of(self, verb: str, model: type[Model]) -> Callable[[Any], Any]:
        if model not in self._known:
            self._compile(model)
        function: Callable[[Any], Any] = self._scope[f"{verb}_{model.__name__}"]
        return function

    def _compile(self, model: type[Model]) -> None:
        for part in models_of([model]):
            if part in self._known:
                continue
            verbs = (WRITE, SPELL, GIVE) if listed_in(part) is None else (WRITE, SPELL, GIVE, AROUND)
            source = "\n\n".join(_function(part, verb) for verb in verbs)
            name = f"<XML writer of {part.__name__}>"
            exec(compile(source, name, "exec"), self._scope)  # noqa: S102 - made of wire names alone
            linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
            self._known.add(part)

    def _spell(self, stored: Stored[Any]) -> bytes:
        document, _ = _DOCUMENTS.raw_decode(stored.json.decode())
        fragment: bytes = self._of(SPELL, stored.model)(document).encode()
        if stored.version:
            self._remember(stored, fragment)
        return fragment

    def _remember(self, stored: Stored[Any], fragment: bytes) -> None:
        self._fragments[stored.model, stored.id, stored.version] = fragment
        self._size += len(fragment)
        while self._size > self._limit:
            oldest = next(iter(self._fragments))
            self._size -= len(self._fragments.pop(oldest))
