"""Parses the bytes of a message into a tree, with everything shut off that a message has no need of.

No document type, no entities, no network, no other files; bounded depth, number of elements, and names.
"""

import asyncio
import codecs
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor

from lxml import etree

from gateway.domain.errors import MalformedMessage
from gateway.translate.xml_reader import Element

MAX_TAGS = 400_000
"""Start tags, end tags and comments; 5000 results take 80 000."""
MAX_ATTRIBUTES = 200_000
MAX_NAMESPACE_BYTES = 512
"""Length of a namespace's name. It becomes a part of the name of each element and attribute, when these are
looked at."""
MAX_LOOKUPS = 10_000_000
"""Attributes times prefixes: a prefix in a value (xsi:type) is looked for among all that are in scope."""
MAX_DEPTH = 64

_ENCODINGS = {
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "windows-1252",
}
"""Encodings that are read. Each but UTF-16 writes the characters of XML's own signs as ASCII does."""

# XML 1.0 section 2.8: XMLDecl comes first, if it comes at all.
_DECLARED = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_ATTRIBUTE = re.compile(rb"=[ \t\r\n]*[\"']")
_START_TAG = re.compile(rb"<[^/!][^>]*")
_PREFIX = re.compile(rb"xmlns:([^\s=:]+)")
_LONG_NAMESPACE = re.compile(
    rb"xmlns(?::[^\s=:]*)?\s*=\s*(?:\"[^\"<]{%d}|'[^'<]{%d})"
    % (MAX_NAMESPACE_BYTES + 1, MAX_NAMESPACE_BYTES + 1)
)

_AT_ONCE = threading.BoundedSemaphore(os.cpu_count() or 1)
"""So many messages are parsed apart at a time; each may need much memory meanwhile."""

_FEW_NAMESPACES = 50
_SMALL_BYTES = 32768
_MOST_TAGS_KNOWN = 5000
_LONGEST_TAG_KNOWN = 300
_LONGEST_TEXT = 10_000_000
"""What libxml2 takes as one text, unless it is told that a message is huge; attachments may be longer."""


def encoding_of(charset: str) -> str | None:
    """Python's name of a charset that is served; None = it is not."""
    return _ENCODINGS.get(charset.strip().lower())


def parse_message(body: bytes, charset: str | None = None) -> Element:
    """The root element of a message, parsed in this thread. Raises MalformedMessage.

    `charset` is what Content-Type says, checked by `encoding_of`; a byte order mark goes before it, and it
    goes before the XML declaration (RFC 7303 section 3).
    """
    body = _checked(body, charset)
    return _parse(body, _new_parser(huge=len(body) > _LONGEST_TEXT))


class MessageParser:
    """Parses messages without holding the event loop.

    libxml2 keeps every name it has met for as long as the thread lives, which strangers could use to fill the
    memory. So a message that is big, or whose tags are not all known, is parsed in a thread of its own, and
    its names go with it; tags become known when a call with them has succeeded.
    """

    def __init__(self) -> None:
        self._parser = _new_parser()
        self._known: set[bytes] = set()
        self._familiar: bytes | None = None
        """The latest message of which all tags were known."""

    async def parse(self, body: bytes, charset: str | None) -> Element:
        """What `parse_message` gives."""
        if len(body) <= _SMALL_BYTES:
            checked = _checked(body, charset)
            if self._known.issuperset(_START_TAG.findall(checked)):
                self._familiar = body
                return _parse(checked, self._parser)
        apart = ThreadPoolExecutor(max_workers=1, thread_name_prefix="xml-parser")
        parsed = asyncio.get_running_loop().run_in_executor(apart, _parse_apart, body, charset)
        apart.shutdown(wait=False)
        return await parsed

    def learn(self, body: bytes) -> None:
        """A call with this message has succeeded: its tags are no danger."""
        if body is self._familiar:
            return
        if len(body) <= _SMALL_BYTES and len(self._known) < _MOST_TAGS_KNOWN:
            tags = [tag for tag in _START_TAG.findall(body) if len(tag) <= _LONGEST_TAG_KNOWN]
            self._known.update(tags)


def refuse_depth(root: Element) -> None:
    """Refuses elements below the 64th level."""
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for element in level for child in element]
        if not level:
            return
    raise MalformedMessage(f"the message is nested deeper than {MAX_DEPTH} elements")


def _checked(body: bytes, charset: str | None) -> bytes:
    """The message in UTF-8, if nothing speaks against parsing it."""
    body = _as_utf8(body, charset)
    if body.startswith(codecs.BOM_UTF8):
        # libxml2 would overlook it, and a document type behind it would have been overlooked here.
        raise MalformedMessage("the message has two byte order marks")
    if body.count(b"<") > MAX_TAGS or _has_many_attributes(body):
        raise MalformedMessage("the message has too many elements or attributes")
    _refuse_doctype(body)
    _refuse_namespaces(body)
    return body


def _as_utf8(body: bytes, charset: str | None) -> bytes:
    if not body.strip():
        raise MalformedMessage("the message is empty")
    if body.startswith(codecs.BOM_UTF8):
        return body[len(codecs.BOM_UTF8) :]
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif charset is None and body.startswith((b"<\0", b"\0<")):
        # XML 1.0 appendix F.1: UTF-16 shows itself without a mark, too.
        encoding = "utf-16-le" if body.startswith(b"<") else "utf-16-be"
    else:
        name = charset or _declared_in(body)
        found = encoding_of(name)
        if found is None:
            raise MalformedMessage(f"the encoding {name} is not supported")
        encoding = found
        if encoding == "utf-16":
            # No mark: the first character of a document is "<".
            encoding = "utf-16-be" if body.startswith(b"\0") else "utf-16-le"
    if encoding == "utf-8":
        return body
    try:
        return body.decode(encoding).encode()
    except UnicodeError as error:
        raise MalformedMessage(f"the message is no {encoding} text") from error


def _declared_in(body: bytes) -> str:
    declared = _DECLARED.match(body)
    return declared.group(1).decode() if declared else "utf-8"


def _refuse_doctype(body: bytes) -> None:
    """Looks through the prolog, where alone a document type may stand (XML 1.0 section 2.8).

    SOAP 1.1 section 3 and SOAP 1.2 part 1 section 5 forbid it, and processing instructions, too.
    """
    at = 0
    while True:
        at = _after_blanks(body, at)
        if body.startswith(b"<!--", at):
            end = body.find(b"-->", at + 4) + 3
        elif at == 0 and body.startswith((b"<?xml ", b"<?xml\t", b"<?xml\r", b"<?xml\n")):
            end = body.find(b"?>") + 2
        elif body.startswith(b"<!", at):
            raise MalformedMessage("a message must not have a document type")
        elif body.startswith(b"<?", at):
            raise MalformedMessage("a message must not have processing instructions")
        else:
            return
        if end <= at:
            return
        at = end


_BLANKS = re.compile(rb"[ \t\r\n]*")
_DOCTYPE = b"<!DOCTYPE"


def _after_blanks(body: bytes, at: int) -> int:
    found = _BLANKS.match(body, at)
    return found.end() if found else at


def _has_many_attributes(body: bytes) -> bool:
    # The signs are counted first, because that is done in no time.
    return body.count(b"=") > MAX_ATTRIBUTES and len(_ATTRIBUTE.findall(body)) > MAX_ATTRIBUTES


def _refuse_namespaces(body: bytes) -> None:
    """Refuses namespaces that would make a short message long to tell of, or to look through."""
    if body.count(b"xmlns") > _FEW_NAMESPACES:
        prefixes = len(set(_PREFIX.findall(body)))
        if prefixes > _FEW_NAMESPACES and prefixes * len(_ATTRIBUTE.findall(body)) > MAX_LOOKUPS:
            raise MalformedMessage("the message has too many namespaces")
    if len(body) > MAX_NAMESPACE_BYTES and _LONG_NAMESPACE.search(body):
        raise MalformedMessage(f"the name of a namespace is longer than {MAX_NAMESPACE_BYTES} bytes")


def _new_parser(*, huge: bool = False) -> etree.XMLParser:
    # Entities are refused with the document type. Comments are dropped, so that text on both sides of one
    # is one text; processing instructions are kept, so that they can be refused.
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=huge,
        recover=False,
        remove_comments=True,
        remove_pis=False,
        collect_ids=False,
    )


def _parse(body: bytes, parser: etree.XMLParser) -> Element:
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise MalformedMessage(f"the message is no well-formed XML: {error.msg}") from error
    except ValueError as error:
        raise MalformedMessage("the message is no well-formed XML") from error
    # Looked for in the text first, which takes no time; it was not found in the prolog.
    if _DOCTYPE in body and root.getroottree().docinfo.doctype:
        raise MalformedMessage("a message must not have a document type")
    return root


def _parse_apart(body: bytes, charset: str | None) -> Element:
    with _AT_ONCE:
        return parse_message(body, charset)
