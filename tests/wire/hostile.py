"""The table of hostile and odd input: each case with the answer that it must get, over both versions of SOAP.

Messages are saved under `envelopes/`, written in SOAP 1.1; those that are only big are made here. They hold
placeholders for a job, a file and an address, in whose stead the suites put real ones (`about`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

from gateway.translate.soap_versions import SOAP11, SOAP12, SoapVersion
from gateway.translate.xml_parsing import MAX_ATTRIBUTES, MAX_TAGS

ENVELOPES = Path(__file__).parent / "envelopes"
LIMIT = 4_000_000
"""Bytes that a body may have in the suites."""

JOB = "01a20000-0000-7000-8000-0000000000aa"
FILE = "/etc/hostname"
ADDRESS = "127.0.0.1:9"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What must come back; pairs are for SOAP 1.1 and SOAP 1.2."""

    status: tuple[int, int]
    code: tuple[str, str] | None = None
    """Code of a fault; None = it is none."""
    key: str | None = None
    paths: tuple[str, ...] = ()
    """The elements that a fault names."""
    says: str = ""
    """Text that a reply repeats."""
    media_type: str | None = None
    """Of what is no envelope; None = it is one."""


def reply(says: str = "") -> Answer:
    """It works."""
    return Answer(status=(200, 200), says=says)


def fault(key: str, *paths: str) -> Answer:
    """The caller must mend it."""
    return Answer(status=(500, 400), code=("Client", "Sender"), key=key, paths=paths)


def plain(status: int) -> Answer:
    """There is no envelope to answer."""
    return Answer(status=(status, status), media_type="text/plain; charset=utf-8")


MALFORMED = fault("MALFORMED_MESSAGE")
UNKNOWN = fault("UNKNOWN_OPERATION")
MISMATCH = Answer(status=(500, 500), code=("VersionMismatch", "VersionMismatch"), key="MALFORMED_MESSAGE")
NOT_UNDERSTOOD = Answer(status=(500, 500), code=("MustUnderstand", "MustUnderstand"), key="BAD_REQUEST")
PAGE = Answer(status=(200, 200), media_type="text/html; charset=utf-8")


def wrong(*paths: str) -> Answer:
    """The elements at these paths are wrong; an empty path is the operation's element."""
    return fault("VALIDATION_FAILED", *paths)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A case: how it is sent, and its answer."""

    name: str
    message: Callable[[], bytes]
    answer: Answer
    method: str = "POST"
    content_type: str = "{}; charset=utf-8"
    """Content-Type, in which {} is the media type of the version; empty = none is sent."""
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    crossed: bool = False
    """Whether the envelope is of the version that the media type is not of."""

    def body(self, version: SoapVersion) -> bytes:
        """The message for a version."""
        if self.crossed:
            version = SOAP11 if version is SOAP12 else SOAP12
        return in_version(self.message(), version)

    def header(self, version: SoapVersion) -> dict[str, str]:
        """The HTTP headers for a version."""
        content_type = self.content_type.format(version.media_type)
        return ({"Content-Type": content_type} if content_type else {}) | dict(self.headers)


@cache
def saved(name: str) -> bytes:
    """A saved message."""
    return (ENVELOPES / f"{name}.xml").read_bytes()


def in_version(message: bytes, version: SoapVersion) -> bytes:
    """A message in SOAP 1.1 as one of a version."""
    if version is SOAP11:
        return message
    return _replaced(
        message,
        {
            SOAP11.namespace: SOAP12.namespace,
            f's:actor="{SOAP11.next_actor}"': f's:role="{SOAP12.next_actor}"',
            "s:actor=": "s:role=",
        },
    )


def about(message: bytes, *, job: str, file: str = FILE, address: str = ADDRESS) -> bytes:
    """A message about a real job, a real file, and a real address."""
    return _replaced(message, {JOB: job, FILE: file, ADDRESS: address})


def pieces(body: bytes) -> Iterator[bytes]:
    """A message as the chunks that it is sent in."""
    for at in range(0, len(body), 50_000):
        yield body[at : at + 50_000]


def _replaced(message: bytes, texts: Mapping[str, str]) -> bytes:
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        for old, new in texts.items():
            message = message.replace(old.encode(encoding), new.encode(encoding))
    return message


def _envelope(body: str, attributes: str = "") -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP11.namespace}" xmlns:j="urn:jobs-gateway:v2"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"{attributes}><s:Body>{body}</s:Body></s:Envelope>'
    ).encode()


def _too_many_elements() -> bytes:
    return _envelope("<a/>" * (MAX_TAGS + 1))


def _too_many_attributes() -> bytes:
    return _envelope("<a" + "".join(f" a{number}='1'" for number in range(MAX_ATTRIBUTES + 1)) + "/>")


def _attributes_of_one_element() -> bytes:
    attributes = "".join(f" a{number}='1'" for number in range(100_000))
    return _envelope(f"<j:getJob><j:jobId{attributes}>a</j:jobId></j:getJob>")


def _too_many_namespaces() -> bytes:
    prefixes = "".join(f' xmlns:p{number}="urn:p"' for number in range(50_000))
    tags = '<j:tags xsi:type="x:string">a</j:tags>' * 20_000
    typed = f'<j:startJob xmlns:x="http://www.w3.org/2001/XMLSchema"><j:job>{tags}</j:job></j:startJob>'
    return _envelope(typed, prefixes)


def _too_many_items() -> bytes:
    """Each is wrong besides; to tell of all of them would take hours."""
    codes = "<j:retryExitCodes>x</j:retryExitCodes>" * 80_000
    policy = f"<j:retryPolicy>{codes}</j:retryPolicy>"
    return _envelope(
        f"<j:startJob><j:job><j:dockerImageUrl>i</j:dockerImageUrl>{policy}</j:job></j:startJob>"
    )


def _too_much_wrong() -> bytes:
    return _envelope("<j:startJob><j:job>" + "<j:zz/>" * 150_000 + "</j:job></j:startJob>")


def _text(length: int) -> bytes:
    text = f"<j:resultData>{'=' * length}</j:resultData>"
    data = f"<j:jobId>{JOB}</j:jobId><j:resultData>{text}</j:resultData>"
    return _envelope(f"<j:updateResultData>{data}</j:updateResultData>")


def _blanks() -> bytes:
    return b" " * (LIMIT + 1)


def _rows(answer: Answer, names: str) -> list[Row]:
    """Rows of saved messages, whose Content-Type names no charset."""
    return [
        Row(name=name, message=partial(saved, name), answer=answer, content_type="{}")
        for name in names.split()
    ]


def _sent(name: str, answer: Answer, message: str = "info", **how: object) -> Row:
    """A row of a saved message that is sent in a way of its own."""
    return Row(name=name, message=partial(saved, message), answer=answer, **how)  # type: ignore[arg-type]


def _made(answer: Answer, message: Callable[[], bytes], name: str = "", **how: object) -> Row:
    name = name or message.__name__.strip("_").replace("_", "-")
    return Row(name=name, message=message, answer=answer, **how)  # type: ignore[arg-type]


ROWS: list[Row] = [
    # DTD in any form.
    *_rows(
        MALFORMED,
        """doctype-external-file doctype-external-network doctype-external-subset doctype-public
        doctype-internal-entity doctype-entity-in-attribute doctype-unused doctype-attribute-default
        doctype-parameter-entity doctype-parameter-entity-internal billion-laughs quadratic-blowup
        doctype-utf-16 doctype-utf-16-no-bom billion-laughs-utf-16 doctype-behind-two-marks
        doctype-inside-envelope undeclared-entity processing-instruction-in-prolog""",
    ),
    # Files and addresses that are named without a DTD.
    *_rows(wrong("jobId"), "xinclude multi-reference-outside"),
    *_rows(wrong(""), "schema-location"),
    *_rows(UNKNOWN, "xinclude-for-an-operation"),
    # Depth, numbers of elements and attributes, lengths.
    *_rows(MALFORMED, "deep-body deep-header deep-past-libxml2 deep-before-body headers-too-many"),
    *_rows(MALFORMED, "namespace-of-great-length"),
    *_rows(wrong("job/a"), "deep-in-operation"),
    _made(MALFORMED, _too_many_elements),
    _made(MALFORMED, _too_many_attributes),
    _made(MALFORMED, _too_many_namespaces),
    _made(wrong("jobId"), _attributes_of_one_element),
    _made(wrong("job/retryPolicy/retryExitCodes"), _too_many_items),
    _made(wrong("job/zz"), _too_much_wrong),
    _made(reply("=" * 65_535), partial(_text, 65_535), "text-up-to-its-limit"),
    _made(wrong("resultData/resultData"), partial(_text, 65_536), "text-past-its-limit"),
    *_rows(wrong("job/name"), "name-past-its-limit"),
    _made(plain(413), _blanks, "body-past-the-limit"),
    _made(plain(413), _blanks, "chunks-past-the-limit", chunked=True),
    # Media types, charsets, Content-Encoding, packages.
    _sent("no-content-type", plain(415), content_type=""),
    _sent("json", plain(415), content_type="application/json"),
    _sent("application-xml", plain(415), content_type="application/xml"),
    _sent("media-type-nonsense", plain(415), content_type="nonsense"),
    _sent("charset-utf-7", plain(415), content_type="{}; charset=utf-7"),
    _sent("charset-ebcdic", plain(415), content_type="{}; charset=ebcdic-cp-us"),
    _sent("charset-unknown", plain(415), content_type="{}; charset=x-klingon"),
    _sent("charset-empty", plain(415), content_type="{}; charset="),
    _sent("two-charsets", plain(415), content_type="{}; charset=utf-8; charset=utf-16"),
    _sent("gzip", plain(415), headers={"Content-Encoding": "gzip"}),
    _sent("identity", plain(415), headers={"Content-Encoding": "identity"}),
    _sent("soap-with-attachments", plain(415), content_type='multipart/related; type="{}"; boundary=b'),
    _sent("multipart-form", plain(415), content_type="multipart/form-data; boundary=b"),
    _sent("package-without-boundary", plain(415), content_type="multipart/related"),
    # Encodings.
    *_rows(reply("é€"), "utf-8-bom utf-16-le-bom utf-16-be-bom utf-16-no-bom utf-16-be-no-bom iso-8859-15"),
    *_rows(MALFORMED, "declared-utf-7 declared-utf-16-but-utf-8 iso-8859-15-undeclared"),
    _sent("utf-8-by-name", reply("é€"), "utf-8-bom", content_type="{}; charset=utf-8"),
    _sent("mark-before-charset", reply("é€"), "utf-16-le-bom", content_type="{}; charset=utf-8"),
    _sent("utf-16-by-name", reply("é€"), "utf-16-no-bom", content_type="{}; charset=utf-16"),
    _sent("utf-16-le-by-name", reply("é€"), "utf-16-no-bom", content_type="{};charset=UTF-16LE; action=x"),
    _sent("utf-16-be-by-name", reply("é€"), "utf-16-be-no-bom", content_type="{}; charset=utf-16be"),
    _sent("latin-9-by-name", reply("é€"), "iso-8859-15", content_type="{}; charset=iso-8859-15"),
    _sent("latin-9-quoted", reply("é€"), "iso-8859-15-undeclared", content_type='{}; charset="ISO-8859-15"'),
    _sent("charset-contradicts", MALFORMED, "iso-8859-15", content_type="{}; charset=utf-8"),
    # What is no message with one element in one Body.
    *_rows(
        MALFORMED,
        """invalid-utf-8 overlong-utf-8 surrogate-in-utf-8 half-a-surrogate-utf-16 not-xml not-well-formed
        no-envelope no-body header-without-body empty-body two-bodies two-headers two-body-children
        header-after-body element-after-body text-in-body text-in-envelope fault-as-request
        processing-instruction-in-body header-without-namespace must-understand-odd""",
    ),
    _made(MALFORMED, bytes, "empty"),
    _made(MALFORMED, lambda: b" \r\n\t", "blank"),
    # Versions.
    *_rows(MISMATCH, "other-envelope envelope-without-namespace"),
    _sent("envelope-of-the-other-version", MISMATCH, crossed=True),
    # mustUnderstand.
    *_rows(NOT_UNDERSTOOD, "must-understand must-understand-next must-understand-many"),
    *_rows(reply(), "must-understand-other-actor must-understand-not"),
    # Operations and values.
    *_rows(UNKNOWN, "unknown-operation operation-without-namespace operation-of-other-namespace"),
    *_rows(wrong("query/jobStatus[1]"), "enum-unknown"),
    *_rows(wrong("query/jobStatus[2]"), "enum-other-case"),
    *_rows(wrong("query/limit"), "number-no-number number-out-of-range number-with-many-zeros"),
    *_rows(wrong("ifVersion"), "header-number-odd header-number-with-many-zeros"),
    *_rows(reply(), "number-with-some-zeros"),
    *_rows(wrong("job/resourceRequest/cpuLimit"), "number-with-exponent number-infinite"),
    *_rows(wrong("query/tagsConjunction"), "boolean-odd"),
    *_rows(wrong("job/notBefore"), "instant-odd"),
    *_rows(wrong("jobId"), "order-wrong element-twice element-of-other-namespace attribute"),
    *_rows(wrong("job/colour"), "element-extra"),
    *_rows(wrong("job/dockerImageUrl"), "element-missing"),
    *_rows(wrong("job/description", "job/priority", "job/colour"), "several-wrong"),
    *_rows(wrong(""), "mixed-text encoding-style"),
    *_rows(wrong("jobId"), "processing-instruction-in-value"),
    *_rows(reply("ab"), "comment-in-value"),
    *_rows(reply("ab&lt;!DOCTYPE c&gt;"), "cdata"),
    # Nil.
    *_rows(reply("<name>n</name>"), "nil-false"),
    *_rows(reply(), "nil-true nil-operation"),
    *_rows(wrong("fields/name"), "nil-odd nil-with-value"),
    *_rows(wrong("jobId"), "nil-on-required"),
    *_rows(wrong(""), "nil-operation-with-arguments"),
    # References and types.
    *_rows(wrong("jobId"), "multi-reference multi-reference-id multi-reference-soap-12"),
    *_rows(MALFORMED, "multi-reference-beside"),
    *_rows(wrong("jobId"), "xsi-type-of-something-else xsi-type-unknown-prefix"),
    *_rows(wrong(""), "xsi-type-of-operation"),
    *_rows(wrong("fields"), "xsi-type-of-other-model"),
    *_rows(reply("typed"), "xsi-type-as-declared"),
    # HTTP.
    _sent("plain", reply("plain"), "start"),
    _sent("chunked", reply("plain"), "start", chunked=True),
    _sent("expect", reply("plain"), "start", headers={"Expect": "100-continue"}),
    _sent("soap-action-of-another", reply(), headers={"SOAPAction": '"urn:jobs-gateway:v2:deleteJob"'}),
    _sent("put", plain(405), method="PUT"),
    _sent("delete", plain(405), method="DELETE"),
    _sent("patch", plain(405), method="PATCH"),
    _made(PAGE, bytes, "get", method="GET", content_type=""),
    _made(PAGE, bytes, "head", method="HEAD", content_type=""),
    # What could not be written again is refused when it comes in.
    *_rows(
        MALFORMED,
        """control-character reference-to-control reference-to-nul reference-to-surrogate
        reference-to-surrogates reference-to-fffe reference-past-unicode fffe fffe-utf-16""",
    ),
    *_rows(wrong("job/name"), "c1-control-in-line line-separator-in-line bidi-control-in-line"),
    *_rows(reply("\t\n&#13;\x85\U0001f600\ufffdb"), "references-to-what-text-takes"),
]

UNSAYABLE = ("\\u0000", "\\u0001", "\\u001f", "\\ud83d", "\\ude00", "\\ude00\\ud83d", "\\ufffe", "\\uffff")
"""What JSON can say and XML cannot: refused over REST, too."""
