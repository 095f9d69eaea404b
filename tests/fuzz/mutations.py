"""Messages to fuzz the SOAP door with: right ones and known hostile ones, changed a little or much."""

import codecs
import re
from typing import Any
from xml.sax.saxutils import escape

from hypothesis import strategies as st

from gateway.contract.registry import OPERATIONS
from gateway.soap.golden import documents
from gateway.translate.soap_versions import SOAP11, SOAP12, VERSIONS, SoapVersion
from tests.fuzz.message import Message
from tests.wire.hostile import ENVELOPES, in_version
from tests.wire.security import digested, plain, security, timestamp

_TOKEN = re.compile(r"<[^>]*>|[^<]+|<")
_LEAF = re.compile(r"<([\w:]+)((?:\s[^<>]*)?)>([^<>]*)</\1>")
_LONGEST_SEED = 20_000

XSI = "http://www.w3.org/2001/XMLSchema-instance"
XSD = "http://www.w3.org/2001/XMLSchema"

NUMBERS = [
    "",
    "-1",
    " +1 ",
    "007",
    "1e3",
    "1.5",
    "NaN",
    "INF",
    "1_0",
    "٣",
    "9" * 30,
    "0" * 5000 + "1",
    "0." + "3" * 5000,
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
]

INSTANTS = [
    "0000-00-00T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "2026-02-30T25:61:61+99:99",
    "2027-06-30T23:59:60Z",
    "2027-01-01T24:00:00Z",
    "9999-12-31T23:59:59.999999999-14:00",
    " 2027-01-01T00:00:00.5 ",
    "2027-01-01",
]

TEXTS = [
    "",
    " \n\t ",
    "true",
    "TRUE",
    "RUNNING",
    "running",
    "***",
    "é€\U0001f600",
    "\x85\u2028\u202e",
    "\ufffd\ufeff",
    "&#1;",
    "&#xD800;",
    "&#xFFFE;",
    "&#x41;&#13;&#10;",
    "&lt;a&gt;&amp;",
    "&x;",
    "<![CDATA[<a/>]]>",
    "<!-- a -->",
    "<?a b?>",
    "<a/>",
    "]]>",
    "a/b\\c:d*e?",
    "../../etc/passwd",
    "%s%n{0}${x}",
    "'; DROP TABLE jobs; --",
    "AAAA",
    "A===",
    "x" * 70_000,
]
"""Texts that somebody once read wrongly; so are the numbers and the instants."""

ATTRIBUTES = [
    f'xmlns:i="{XSI}" i:nil="true"',
    f'xmlns:i="{XSI}" i:nil="false"',
    f'xmlns:i="{XSI}" i:nil="x"',
    f'xmlns:i="{XSI}" xmlns:x="{XSD}" i:type="x:string"',
    f'xmlns:i="{XSI}" xmlns:x="{XSD}" i:type="x:int"',
    f'xmlns:i="{XSI}" i:type="JobStart"',
    f'xmlns:i="{XSI}" i:type=":"',
    f'xmlns:i="{XSI}" i:schemaLocation="urn:a http://127.0.0.1:9/a.xsd"',
    'href="#a"',
    'id="a"',
    'xml:space="preserve"',
    'xml:id="a"',
    'xmlns=""',
    'xmlns="urn:other"',
    'xmlns:soap="urn:other"',
    'soap:mustUnderstand="1"',
    'soap:mustUnderstand="true"',
    'soap:actor="urn:other"',
    'soap:role="urn:other"',
    f'soap:encodingStyle="{XSD}"',
    'a="b" a="c"',
    'a="&#1;"',
]

BLOCKS = [
    "<idempotencyKey>k</idempotencyKey>",
    '<j:idempotencyKey xmlns:j="urn:jobs-gateway:v2">k</j:idempotencyKey>',
    '<j:ifVersion xmlns:j="urn:jobs-gateway:v2">1</j:ifVersion>',
    '<j:ifVersion xmlns:j="urn:jobs-gateway:v2">x</j:ifVersion>',
    '<h:a xmlns:h="urn:h" soap:mustUnderstand="1"/>',
    '<h:a xmlns:h="urn:h" soap:mustUnderstand="1" soap:actor="urn:other"/>',
    '<h:a xmlns:h="urn:h"><h:b/></h:a>',
    "<a/>",
    "text",
    security(plain("jg_nobody_" + "0" * 64), flags='soap:mustUnderstand="1"'),
    security(digested("nobody", "secret", created="2026-11-23T12:00:00Z")),
    security(timestamp("2026-11-23T12:00:00Z", "2026-11-23T12:01:00Z")),
    security(timestamp("2026-11-23T11:00:00Z")),
    *(
        f'<a:{name} xmlns:a="http://www.w3.org/2005/08/addressing">{inner}</a:{name}>'
        for name, inner in (
            ("MessageID", "urn:uuid:1"),
            ("Action", "urn:jobs-gateway:v2:getJob"),
            ("ReplyTo", "<a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address>"),
            ("ReplyTo", "<a:Address>http://127.0.0.1:9/</a:Address>"),
        )
    ),
]

PROLOGS = [
    '<?xml version="1.0"?>',
    '<?xml version="1.1"?>',
    '<?xml version="1.0" encoding="UTF-7"?>',
    '<?xml version="1.0" standalone="yes"?>',
    "<!-- a -->",
    "<?a b?>",
    "<!DOCTYPE a>",
    '<!DOCTYPE a [<!ENTITY x "y">]>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
    '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">',
    " \n",
    "\ufeff",
]

CHARSETS = {
    "utf-8": "utf-8",
    "utf-16": "utf-16",
    "utf-16-le": "utf-16le",
    "utf-16-be": "utf-16be",
    "iso-8859-15": "iso-8859-15",
    "windows-1252": "windows-1252",
    "us-ascii": "us-ascii",
}

CONTENT_TYPES = [
    "",
    "text/plain",
    "application/json",
    "application/soap+xml; action=a",
    "TEXT/XML ; Charset=UTF-8",
    "text/xml; charset=utf-16",
    "text/xml; charset=klingon",
    "text/xml;;;",
    "text/xml; charset",
    'multipart/related; type="text/xml"; boundary=b',
    "multipart/related",
]

HEADERS = [
    ("Idempotency-Key", "a key"),
    ("Idempotency-Key", "\xe4"),
    ("If-Match", '"1"'),
    ("If-Match", "*"),
    ("If-Match", "x"),
    ("SOAPAction", '"urn:jobs-gateway:v2:deleteJob"'),
    ("Content-Encoding", "gzip"),
    ("X-Request-Id", "mine"),
    ("X-Request-Id", "<a>"),
    ("Expect", "100-continue"),
]


def _right() -> list[str]:
    """The example requests."""
    made = documents()
    texts = [made[f"examples/{one.name}.request.xml"].decode() for one in OPERATIONS]
    # The house of the tests knows other types; and locks would soon all be held.
    return [text.replace("DATA_CURATION_JOB", "GENERIC_JOB").replace("REJECT", "WAIT") for text in texts]


def _others() -> list[str]:
    """Messages that are no requests, or no right ones."""
    made = documents()
    saved = [file.read_bytes() for file in sorted(ENVELOPES.iterdir())]
    hostile = [_decoded(content) for content in saved if len(content) < _LONGEST_SEED]
    return [made[f"examples/getJob.{kind}.xml"].decode() for kind in ("reply", "fault")] + hostile


def _decoded(content: bytes) -> str:
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return content.decode("utf-16" if content.startswith(marks) else "utf-8", "replace")


_ODDITIES = ["none"] * 5 + ["version", "encoding", "bytes", "Content-Type", "headers"]

RIGHT = _right()
SEEDS = RIGHT + _others()
_NAMES = sorted({name for seed in RIGHT for name in re.findall(r"<(\w+)", seed)})
_TOKENS = sorted({token for seed in SEEDS for token in _TOKEN.findall(seed) if len(token) < 300})


def _place(draw: st.DrawFn, things: Any) -> int:
    return draw(st.integers(0, max(len(things) - 1, 0)))


def _odd_values(value: str) -> list[str]:
    """What may be read wrongly where this value stands."""
    if re.fullmatch(r"[0-9.]+", value):
        return NUMBERS
    return INSTANTS if re.fullmatch(r"[0-9T:.-]+Z", value) else TEXTS


def _change_leaf(draw: st.DrawFn, text: str) -> str:
    """One change to an element without elements in it; the envelope mostly stays well formed."""
    leaves = list(_LEAF.finditer(text))
    typed = [leaf for leaf in leaves if _odd_values(leaf[3]) is not TEXTS]
    chosen = typed if typed and draw(st.booleans()) else leaves
    if not chosen:
        return text
    leaf = chosen[_place(draw, chosen)]
    tag, attributes, value = leaf.groups()
    match draw(st.integers(0, 10)):
        case 0:
            new = ""
        case 1:
            new = leaf[0] * draw(st.sampled_from([2, 3, 150]))
        case 2:
            new = f"<{tag} {draw(st.sampled_from(ATTRIBUTES))}>{value}</{tag}>"
        case 3:
            new = leaves[_place(draw, leaves)][0]
        case 4:
            name = draw(st.sampled_from(_NAMES))
            new = f"<{name}{attributes}>{value}</{name}>"
        case 5:
            new = f"<{tag}>{leaf[0]}</{tag}>"
        case 6:
            new = f"<{tag}{attributes}>{escape(draw(st.text()))}</{tag}>"
        case _:
            new = f"<{tag}{attributes}>{draw(st.sampled_from(_odd_values(value)))}</{tag}>"
    return text[: leaf.start()] + new + text[leaf.end() :]


def _change_tokens(draw: st.DrawFn, text: str) -> str:
    """One change to the tags and texts of an envelope, after which it is hardly well formed."""
    tokens = _TOKEN.findall(text) or [""]
    at = _place(draw, tokens)
    token = tokens[at]
    match draw(st.integers(0, 6)):
        case 0:
            del tokens[at]
        case 1:
            tokens.insert(at, draw(st.sampled_from(_TOKENS)))
        case 2:
            other = _place(draw, tokens)
            tokens[at], tokens[other] = tokens[other], token
        case 3:
            tokens.insert(at, draw(st.sampled_from(TEXTS)))
        case 4:
            depth = draw(st.sampled_from([1, 2, 70, 300]))
            tokens[at] = "<a>" * depth + token + "</a>" * depth
        case 5:
            tokens[at] = token.removesuffix(">") + " " + draw(st.sampled_from(ATTRIBUTES)) + ">"
        case _:
            start, end = sorted((at, _place(draw, tokens)))
            tokens[start:end] = tokens[start:end] * draw(st.sampled_from([0, 2, 3, 50]))
    return "".join(tokens)


def _change_envelope(draw: st.DrawFn, text: str) -> str:
    """One change to what stands round the body."""
    match draw(st.integers(0, 3)):
        case 0:
            blocks = "".join(draw(st.lists(st.sampled_from(BLOCKS), max_size=3)))
            return re.sub(
                r"<(\w+):Body", lambda body: f"<{body[1]}:Header>{blocks}</{body[1]}:Header>{body[0]}", text
            )
        case 1:
            return draw(st.sampled_from(PROLOGS)) + text
        case 2:
            spaces = [SOAP11.namespace, SOAP12.namespace, "urn:jobs-gateway:v2", "urn:other", ""]
            return text.replace(draw(st.sampled_from(spaces[:3])), draw(st.sampled_from(spaces)))
        case _:
            return draw(st.sampled_from(SEEDS))


def _change_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    """One change that knows nothing of XML."""
    at = _place(draw, body)
    match draw(st.integers(0, 3)):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + draw(st.binary(min_size=1, max_size=4)) + body[at + 1 :]
        case 2:
            return body[:at] + draw(st.binary(max_size=4)) + body[at:]
        case _:
            end = min(len(body), at + draw(st.integers(1, 200)))
            return body[:at] + body[at:end] * 2 + body[end:]


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """A message for the door."""
    text = draw(st.sampled_from(RIGHT if draw(st.integers(0, 3)) else SEEDS))
    for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 2, 3]))):
        kind = draw(st.integers(0, 9))
        change = _change_leaf if kind < 8 else _change_envelope if kind == 8 else _change_tokens
        text = change(draw, text)
    version: SoapVersion = draw(st.sampled_from(VERSIONS))
    body = in_version(text.encode("utf-8", "replace"), version)
    content_type = f"{version.media_type}; charset=utf-8"
    headers: dict[str, str] = {}
    match draw(
        st.sampled_from(["nothing"] * 5 + ["version", "encoding", "bytes", "Content-Type", "headers"])
    ):
        case "version":
            content_type = draw(st.sampled_from(VERSIONS)).media_type
        case "encoding":
            encoding = draw(st.sampled_from(list(CHARSETS)))
            body = body.decode().encode(encoding, "replace" if "utf" in encoding else "xmlcharrefreplace")
            charset = f"; charset={CHARSETS[encoding]}" if draw(st.booleans()) else ""
            content_type = version.media_type + charset
        case "bytes":
            body = _change_bytes(draw, body)
        case "Content-Type":
            content_type = draw(st.sampled_from(CONTENT_TYPES))
        case "headers":
            headers = dict(draw(st.lists(st.sampled_from(HEADERS), min_size=1, max_size=2)))
    return Message(body, ({"Content-Type": content_type} if content_type else {}) | headers)
