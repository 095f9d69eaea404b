"""Parses the bytes of a message into a tree, with everything shut off that a message has no need of.

No document type, no entities, no network, no other files; bounded depth and number of elements.
"""

import codecs
import re
import threading

from lxml import etree

from gateway.domain.errors import MalformedMessage
from gateway.translate.xml_reader import Element

MAX_TAGS = 400_000
"""Start tags, end tags and comments; 5000 results take 80 000."""
MAX_ATTRIBUTES = 200_000
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

_SMALL_BYTES = 32768
_MOST_TAGS_KNOWN = 5000
_LONGEST_TAG_KNOWN = 300
_LONGEST_TEXT = 10_000_000
"""What libxml2 takes as one text, unless it is told that a message is huge; attachments may be longer."""


def encoding_of(charset: str) -> str | None:
    """Python's name of a charset that is served; None = it is not."""
    return _ENCODINGS.get(charset.strip().lower())


class MessageParser:
    """Parses messages.

    libxml2 keeps every name it has met for as long as the thread lives, which strangers could use to fill the
    memory. So a message whose tags are not all known is parsed in a thread of its own, and its names go with
    it; tags become known when a call with them has succeeded.
    """

    def __init__(self) -> None:
        self._parser = _new_parser()
        self._known: set[bytes] = set()

    def parse(self, body: bytes, charset: str | None) -> Element:
        """The root element. Raises MalformedMessage.

        `charset` is what Content-Type says, checked by `encoding_of`; a byte order mark goes before it, and
        it goes before the XML declaration (RFC 7303 section 3).
        """
        body = _as_utf8(body, charset)
        _refuse_doctype(body)
        if body.count(b"<") > MAX_TAGS or _has_many_attributes(body):
            raise MalformedMessage("the message has too many elements or attributes")
        if len(body) <= _SMALL_BYTES and self._known.issuperset(_START_TAG.findall(body)):
            root = _parse(body, self._parser)
        else:
            root = _parse_apart(body)
        if root.getroottree().docinfo.doctype:
            raise MalformedMessage("a message must not have a document type")
        return root

    def learn(self, body: bytes) -> None:
        """A call with this message has succeeded: its tags are no danger."""
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


def _as_utf8(body: bytes, charset: str | None) -> bytes:
    if not body.strip():
        raise MalformedMessage("the message is empty")
    if body.startswith(codecs.BOM_UTF8):
        return body[len(codecs.BOM_UTF8) :]
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        declared = _DECLARED.match(body)
        name = charset or (declared.group(1).decode() if declared else "utf-8")
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


def _after_blanks(body: bytes, at: int) -> int:
    found = _BLANKS.match(body, at)
    return found.end() if found else at


def _has_many_attributes(body: bytes) -> bool:
    # The signs are counted first, because that is done in no time.
    return body.count(b"=") > MAX_ATTRIBUTES and len(_ATTRIBUTE.findall(body)) > MAX_ATTRIBUTES


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
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise MalformedMessage(f"the message is no well-formed XML: {error.msg}") from error
    except ValueError as error:
        raise MalformedMessage("the message is no well-formed XML") from error


def _parse_apart(body: bytes) -> Element:
    results: list[Element | Exception] = []

    def work() -> None:
        try:
            results.append(_parse(body, _new_parser(huge=len(body) > _LONGEST_TEXT)))
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=work, name="xml-parser")
    thread.start()
    thread.join()
    (result,) = results
    if isinstance(result, Exception):
        raise result
    return result
