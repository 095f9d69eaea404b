"""What every message must be: a sound envelope of its SOAP version, valid by the schema inside the WSDL."""

from dataclasses import dataclass

from lxml import etree

from tests.recorder import Exchange
from tests.wire.valid import check as check_answer

NS = "urn:jobs-gateway:v2"
_XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


@dataclass(frozen=True, kw_only=True)
class _Version:
    """What the standard says, written down once more: the gateway's own table may be wrong."""

    number: str
    binding: str
    """Namespace of the binding in a WSDL."""
    envelope: str
    """Namespace of envelopes."""
    media_type: str
    status: dict[str, int]
    """HTTP status of each fault code."""


_VERSIONS = (
    _Version(
        number="1.1",
        binding="http://schemas.xmlsoap.org/wsdl/soap/",
        envelope="http://schemas.xmlsoap.org/soap/envelope/",
        media_type="text/xml",
        # SOAP 1.1 sections 4.4.1 and 6.2; R1126.
        status={"Client": 500, "Server": 500},
    ),
    _Version(
        number="1.2",
        binding="http://schemas.xmlsoap.org/wsdl/soap12/",
        envelope="http://www.w3.org/2003/05/soap-envelope",
        media_type="application/soap+xml",
        # SOAP 1.2 part 2, table 20.
        status={"Sender": 400, "Receiver": 500},
    ),
)


class MessageRules:
    """Checks exchanges against a WSDL. Raises AssertionError, or lxml's DocumentInvalid."""

    def __init__(self, wsdl: bytes) -> None:
        root = etree.fromstring(wsdl)
        schema = root.find(".//{http://www.w3.org/2001/XMLSchema}schema")
        assert schema is not None
        self._schema = etree.XMLSchema(schema)
        (self._version,) = (
            version for version in _VERSIONS if root.find(f".//{{{version.binding}}}binding") is not None
        )

    @property
    def version(self) -> str:
        """The version of SOAP that the WSDL binds."""
        return self._version.number

    def check(self, exchange: Exchange) -> None:
        """Request and reply of one call."""
        assert exchange.method == "POST"
        assert exchange.request_headers["content-type"].split(";")[0] == self._version.media_type
        request = _content_of(exchange.request, self._version)
        # Where a field may be cleared, xsi:nil is accepted beyond the schema.
        for nil in list(request.iter()):
            if nil.get(_XSI_NIL) == "true" and (parent := nil.getparent()) is not None:
                parent.remove(nil)
        self._schema.assertValid(request)
        self.check_reply(exchange, etree.QName(request).localname)

    def check_reply(self, exchange: Exchange, operation: str) -> None:
        """The reply to a call of an operation, or its fault."""
        check_answer(exchange.content, exchange.headers, exchange.status)
        assert exchange.headers["content-type"] == f"{self._version.media_type}; charset=utf-8"
        root = etree.fromstring(exchange.content)
        header, (content,) = root
        assert header.findtext(f"{{{NS}}}requestId") == exchange.headers["x-request-id"]
        if content.tag == f"{{{NS}}}{operation}Response":
            return
        assert content.tag == f"{{{self._version.envelope}}}Fault"
        code = content.findtext("faultcode") or content.findtext("{*}Code/{*}Value") or ""
        key = content.findtext(f".//{{{NS}}}technicalKey")
        wanted = 401 if key == "UNAUTHORIZED" else self._version.status[code.rpartition(":")[2]]
        assert exchange.status == wanted


def _content_of(message: bytes, version: _Version) -> etree._Element:
    """The one child of Body, after a look at all round it."""
    # WS-I Basic Profile 1.1, R1008, R1009: no DTD, no processing instruction.
    root = etree.fromstring(message, etree.XMLParser(resolve_entities=False, no_network=True))
    assert not root.getroottree().docinfo.doctype
    assert not [node for node in root.iter() if not isinstance(node.tag, str)]
    assert root.tag == f"{{{version.envelope}}}Envelope"
    # SOAP 1.1 section 4, SOAP 1.2 part 1 section 5.1: at most one Header, then Body; R1011: nothing after it.
    names = [etree.QName(part) for part in root]
    assert {name.namespace for name in names} == {version.envelope}
    assert [name.localname for name in names] in (["Header", "Body"], ["Body"])
    # R9981: one child at most; R2712: that of the message in the WSDL, which the caller checks.
    (content,) = root[-1]
    return content
