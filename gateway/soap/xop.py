"""XOP packages as requests (XOP 1.0, MTOM): the envelope, and behind it the bytes that it refers to.

The envelope is read into memory, like any other. The part behind it is read while the operation takes it in,
when the caller is known and the request valid. An operation has at most one member of bytes, so a package has
at most two parts.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from gateway.contract.operation import Operation
from gateway.contract.shapes import Kind, models_of, shape_of
from gateway.domain.content import Content
from gateway.domain.errors import MalformedMessage, PayloadTooLarge, Problem, UnsupportedMediaType
from gateway.domain.model import Model
from gateway.http.media_type import name_of, read_media_type
from gateway.http.multipart import MultipartReader
from gateway.translate import NAMESPACE
from gateway.translate.soap_versions import VERSIONS, SoapVersion
from gateway.translate.xml_parsing import encoding_of
from gateway.translate.xml_reader import BLANKS, INCLUDE, Element
from gateway.translate.xml_request import read_request

PACKAGE = "multipart/related"
XOP = "application/xop+xml"

_VERSION_OF = {version.media_type: version for version in VERSIONS}
_PLAIN_ENCODINGS = ("binary", "8bit", "7bit")
"""RFC 2045 section 6.2: the encodings that leave the bytes as they are."""


@dataclass(frozen=True)
class PackageType:
    """What Content-Type says of a package (XOP 1.0 section 4.1, RFC 2387 section 3)."""

    version: SoapVersion
    boundary: str
    start: str | None
    """Content-ID of the root part; None = it is the first part."""


def package_type(content_type: str) -> PackageType:
    """What a Content-Type of `multipart/…` says. Raises UnsupportedMediaType when it is no XOP package."""
    given = read_media_type(content_type)
    if given is None or given.name != PACKAGE or name_of(given.parameters.get("type", "")) != XOP:
        raise UnsupportedMediaType(f'of multipart/* only {PACKAGE}; type="{XOP}" is read')
    version = _VERSION_OF.get(name_of(given.parameters.get("start-info", "")))
    if version is None:
        raise UnsupportedMediaType(f"start-info of a package must be {' or '.join(_VERSION_OF)}")
    return PackageType(version, given.parameters.get("boundary", ""), given.parameters.get("start"))


def carries_bytes(operation: Operation) -> bool:
    """Whether packages are of use to an operation: there are bytes in its request or its reply."""
    return _has_bytes(operation.request) or (
        operation.reply is not None and _has_bytes(operation.reply.model)
    )


def refuse_package(operation: Operation) -> None:
    """Raises UnsupportedMediaType for an operation that takes none."""
    if not carries_bytes(operation):
        raise UnsupportedMediaType(f"{operation.name} has no bytes that a package could carry")


class Package:
    """A package whose root part was read. Implements, for what follows, the domain's `Content`."""

    size: int | None = None
    """Nobody says how long a part is."""

    def __init__(self, parts: MultipartReader, envelope: bytes, charset: str | None) -> None:
        self.envelope = envelope
        self.charset = charset
        """What the root part's Content-Type says."""
        self._parts = parts
        self._wanted: str | None = None
        """The cid of the xop:Include, as it was written."""

    def read_request(
        self, operation: Operation, element: Element, guard: Callable[[Element], list[Problem]]
    ) -> dict[str, Any]:
        """The parts of the request, the package itself among them where an xop:Include stood.

        XOP 1.0 section 3.2: an xop:Include is replaced by what it stands for, before anyone else looks at the
        envelope. So neither the reader nor the schema knows of it. Raises ValidationFailed, MalformedMessage.
        """
        envelope = element.getroottree().getroot()
        if _count_includes(envelope) > _count_includes(element):
            raise MalformedMessage("an xop:Include may stand in the element of the operation alone")
        place = _place_of_bytes(operation.request)
        problems = self._take_out(element, place) if place else []
        parts = read_request(operation, element, guard, problems)
        if self._wanted is not None and place is not None:
            *way, last = place
            holder = parts
            for name in way:
                holder = holder[name]
            content: Content = self
            holder[last] = content
        return parts

    async def expect_what_was_named(self) -> None:
        """Refuse parts that the request does not refer to; what it refers to is left to be read."""
        if self._wanted is None:
            await self._expect_end()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The bytes of the part that the request refers to. Raises MalformedMessage, also at the very end."""
        fields = await self._parts.next_part()
        if fields is None:
            raise MalformedMessage(f"the package has no part '{self._wanted}', although the request names it")
        self._check(fields)
        async for piece in self._parts.content():
            yield piece
        await self._expect_end()

    def _take_out(self, element: Element, place: tuple[str, ...]) -> list[Problem]:
        """Take xop:Include out of the member of bytes; what is wrong with it."""
        holders = element.findall("/".join(f"{{{NAMESPACE}}}{name}" for name in place))
        problems = []
        for holder in holders:
            if all(child.tag != INCLUDE for child in holder):
                continue
            include = holder[0]
            # XOP 1.0 section 2.1 would allow more attributes and children; they mean nothing to anyone.
            if len(holder) > 1 or _has_text(holder.text) or _has_text(include.tail):
                problems.append(Problem(place, "must contain nothing beside one xop:Include"))
            elif include.keys() != ["href"] or len(include) or _has_text(include.text):
                problems.append(Problem(place, "an xop:Include must have an href and nothing else"))
            else:
                scheme, _, name = str(include.get("href")).strip(BLANKS).partition(":")
                if scheme.lower() != "cid" or not name:
                    problems.append(
                        Problem(place, "the href of an xop:Include must be 'cid:' and a Content-ID")
                    )
                self._wanted = name
            del holder[:]
            holder.text = None
        return problems

    def _check(self, fields: dict[str, str]) -> None:
        named = _content_id(fields.get("content-id", ""))
        # RFC 2392 section 2: what is percent-encoded in the URL is not so in Content-ID. Some stacks write
        # it encoded in both places.
        if self._wanted is None or named not in (unquote(self._wanted), self._wanted):
            raise MalformedMessage(f"the request refers to the part '{self._wanted}', but '{named}' follows")
        # RFC 2046 section 5.1.2 would have such a part taken apart, too.
        if name_of(fields.get("content-type", "")).startswith("multipart/"):
            raise MalformedMessage("a part of a package must not be multipart itself")
        _check_encoding(fields)

    async def _expect_end(self) -> None:
        if await self._parts.next_part() is not None:
            raise MalformedMessage("the package has a part that no xop:Include refers to")


async def open_package(pieces: AsyncIterator[bytes], given: PackageType, limit_bytes: int) -> Package:
    """Read the root part of a package.

    Raises PayloadTooLarge when it is longer than the limit, MalformedMessage when it is no root part of XOP.
    """
    parts = MultipartReader(pieces, given.boundary)
    fields = await parts.next_part()
    if fields is None:
        raise MalformedMessage("the package has no parts")
    charset = _charset_of_root(fields, given)
    envelope = bytearray()
    async for piece in parts.content():
        envelope += piece
        if len(envelope) > limit_bytes:
            raise PayloadTooLarge(f"the envelope is longer than the limit of {limit_bytes} bytes")
    return Package(parts, bytes(envelope), charset)


def _charset_of_root(fields: dict[str, str], given: PackageType) -> str | None:
    # RFC 2387 section 3.2: the root is the part that `start` names, or else the first.
    if given.start is not None and _content_id(given.start) != _content_id(fields.get("content-id", "")):
        raise MalformedMessage(f"the first part must be the root part, which start calls '{given.start}'")
    root = read_media_type(fields.get("content-type", ""))
    # XOP 1.0 section 4.1: the root part is application/xop+xml, and `type` says what it was made of.
    if root is None or root.name != XOP:
        raise MalformedMessage(f"the root part of a package must be {XOP}")
    if name_of(root.parameters.get("type", "")) != given.version.media_type:
        raise MalformedMessage(f"type of the root part must be {given.version.media_type}, as start-info is")
    _check_encoding(fields)
    charset = root.parameters.get("charset")
    if charset is not None and encoding_of(charset) is None:
        raise MalformedMessage(f"the charset '{charset}' is not supported")
    return charset


def _check_encoding(fields: dict[str, str]) -> None:
    encoding = fields.get("content-transfer-encoding", "binary")
    if encoding.lower() not in _PLAIN_ENCODINGS:
        raise MalformedMessage(
            f"Content-Transfer-Encoding of a part must be {', '.join(_PLAIN_ENCODINGS)}, not '{encoding}'"
        )


def _content_id(text: str) -> str:
    """RFC 2045 section 7: "<" addr-spec ">"."""
    text = text.strip(" \t")
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


def _count_includes(element: Element) -> int:
    return sum(1 for _ in element.iter(INCLUDE))


def _has_text(text: str | None) -> bool:
    return bool(text and text.strip(BLANKS))


@cache
def _has_bytes(model: type[Model]) -> bool:
    return any(member.kind is Kind.BYTES for part in models_of([model]) for member in shape_of(part).members)


@cache
def _place_of_bytes(model: type[Model]) -> tuple[str, ...] | None:
    """The wire names that lead to the one member of bytes; None = there is none."""
    places = _places(model)
    assert len(places) <= 1, model
    return places[0] if places else None


def _places(model: type[Model]) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for member in shape_of(model).members:
        if member.kind is Kind.BYTES:
            assert not member.many, model
            found.append((member.wire,))
        elif member.kind is Kind.MODEL:
            found += [(member.wire, *rest) for rest in _places(member.type)]
    return found
