"""WS-Addressing: tells which message a reply belongs to. Replies go back over the connection they came from.

Both versions in use are read, and a reply is written in the version of its request. The action of a request
is not looked at, no more than SOAPAction: an operation is known by its element in the body.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from lxml import etree

from gateway.domain.errors import Problem
from gateway.translate.xml_reader import BLANKS, Element
from gateway.translate.xml_writer import escape

_W3C = "http://www.w3.org/2005/08/addressing"
_SUBMITTED = "http://schemas.xmlsoap.org/ws/2004/08/addressing"

# W3C core section 2.1; the submission of 2004, section 2.1.
_ANONYMOUS = {_W3C: f"{_W3C}/anonymous", _SUBMITTED: f"{_SUBMITTED}/role/anonymous"}
# W3C SOAP binding section 6; the submission, section 4.
_FAULT_ACTION = {_W3C: f"{_W3C}/soap/fault", _SUBMITTED: f"{_SUBMITTED}/fault"}

_ONCE = ("To", "From", "ReplyTo", "FaultTo", "Action", "MessageID")
_UNDERSTOOD = frozenset(
    f"{{{namespace}}}{name}" for namespace in _ANONYMOUS for name in (*_ONCE, "RelatesTo")
)
_LONGEST_URI = 2048


@dataclass(frozen=True)
class Addressing:
    """What a reply must say so that its receiver knows what it belongs to."""

    namespace: str
    message_id: str | None
    """The id that the request gave itself."""


def is_addressing(tag: str) -> bool:
    """Whether this is the tag of a header block of WS-Addressing that is understood."""
    return tag in _UNDERSTOOD


def addressing_of(blocks: Sequence[Element]) -> Addressing | None:
    """How to address the reply, be the request right or wrong; None = it does not use WS-Addressing."""
    ours = [block for block in blocks if is_addressing(str(block.tag))]
    if not ours:
        return None
    namespace = etree.QName(ours[0]).namespace or ""
    ids = [_uri(block) for block in ours if block.tag == f"{{{namespace}}}MessageID"]
    return Addressing(namespace, ids[0] if len(ids) == 1 else None)


def check_addressing(blocks: Sequence[Element], problems: list[Problem]) -> None:
    """Add to `problems` what is wrong with the blocks of WS-Addressing."""
    seen: set[str] = set()
    for block in blocks:
        if not is_addressing(str(block.tag)):
            continue
        name = etree.QName(block)
        if name.localname in seen and name.localname in _ONCE:
            # W3C core section 3.2. It counts across the versions: one of them is to be used.
            problems.append(Problem((name.localname,), "is given twice"))
        seen.add(name.localname)
        if name.localname in ("ReplyTo", "FaultTo"):
            _check_endpoint(block, name.localname, name.namespace or "", problems)
        elif name.localname == "MessageID" and _uri(block) is None:
            problems.append(Problem(("MessageID",), f"must be a URI of at most {_LONGEST_URI} characters"))


def addressing_blocks(addressing: Addressing, action: str | None) -> str:
    """The header blocks of a reply; without an action of its own it is a fault like any."""

    def block(name: str, text: str) -> str:
        return f'<a:{name} xmlns:a="{addressing.namespace}">{escape(text)}</a:{name}>'

    told = block("Action", action or _FAULT_ACTION[addressing.namespace])
    told += block("MessageID", f"urn:uuid:{uuid4()}")
    return told if addressing.message_id is None else told + block("RelatesTo", addressing.message_id)


def _check_endpoint(endpoint: Element, name: str, namespace: str, problems: list[Problem]) -> None:
    addresses = endpoint.findall(f"{{{namespace}}}Address")
    if len(addresses) != 1 or (addresses[0].text or "").strip(BLANKS) != _ANONYMOUS[namespace]:
        detail = f"must be {_ANONYMOUS[namespace]}: replies go back over the connection they came from"
        problems.append(Problem((name, "Address"), detail))
    for kind in ("ReferenceParameters", "ReferenceProperties"):
        if len(endpoint.findall(f"{{{namespace}}}{kind}/*")):
            problems.append(Problem((name, kind), "is not supported"))


def _uri(block: Element) -> str | None:
    text = (block.text or "").strip(BLANKS)
    return text if text and len(text) <= _LONGEST_URI and not len(block) else None
