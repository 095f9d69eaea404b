"""The header of an envelope: finds the blocks that are meant for us, and reads what they say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lxml import etree

from gateway.contract.credentials import Credentials
from gateway.contract.seam import MOST_PROBLEMS
from gateway.domain.errors import BadRequest, MalformedMessage, Problem, ValidationFailed
from gateway.translate import NAMESPACE
from gateway.translate.soap_versions import SoapVersion
from gateway.translate.ws_addressing import check_addressing, is_addressing
from gateway.translate.ws_security import SECURITY, read_security
from gateway.translate.xml_parsing import refuse_depth
from gateway.translate.xml_reader import BLANKS, Element

_OURS = frozenset({f"{{{NAMESPACE}}}idempotencyKey", f"{{{NAMESPACE}}}ifVersion"})

_KEY = re.compile(r"[\x20-\x7e]{1,255}")
_VERSION = re.compile(r"\+?0{0,400}[0-9]{1,19}")
_MOST_BLOCKS = 100
_MOST_NAMED = 10
"""So many headers that are not understood are named; SOAP 1.2 part 1 section 5.4.8 asks for none."""


class NotUnderstood(BadRequest):
    """Headers must be understood and are not; `headers` are tags of theirs (namespace, local name)."""

    def __init__(self, headers: tuple[tuple[str, str], ...]) -> None:
        names = ", ".join(f"{{{namespace}}}{name}" for namespace, name in headers)
        super().__init__(f"not understood, although it must be: {names}")
        self.headers = headers


@dataclass(frozen=True)
class Block:
    """A header block that is meant for us."""

    element: Element
    must_understand: bool

    @property
    def is_understood(self) -> bool:
        """Whether we know what it means."""
        tag = str(self.element.tag)
        return tag in _OURS or tag == SECURITY or is_addressing(tag)


@dataclass(frozen=True)
class HeaderValues:
    """What the header says; None = not there."""

    idempotency_key: str | None = None
    if_version: int | None = None
    credentials: Credentials | None = None


_NOTHING = HeaderValues()


def blocks_of(header: Element | None, version: SoapVersion) -> list[Block]:
    """The blocks for us; what is for other actors does not matter. Raises MalformedMessage."""
    if header is None or not len(header):
        return []
    if len(header) > _MOST_BLOCKS:
        raise MalformedMessage(f"the message has more than {_MOST_BLOCKS} header elements")
    refuse_depth(header)
    blocks = []
    for element in header:
        tag: Any = element.tag
        if not isinstance(tag, str):
            raise MalformedMessage("a message must not have processing instructions")
        name = etree.QName(element)
        if name.namespace is None:
            # SOAP 1.1 section 4.2.1, SOAP 1.2 part 1 section 5.2.1: header entries are qualified.
            raise MalformedMessage(f"the header element '{name.localname}' has no namespace")
        if _is_for_us(element, version):
            blocks.append(Block(element, _must_understand(element, version)))
    return blocks


def read_blocks(blocks: Sequence[Block]) -> HeaderValues:
    """What the blocks say; those that need not be understood and are not do not matter.

    Raises NotUnderstood, and ValidationFailed when one that is understood is wrong.
    """
    if not blocks:
        return _NOTHING
    strange = [block for block in blocks if block.must_understand and not block.is_understood]
    if strange:
        names = [etree.QName(block.element) for block in strange]
        tags = dict.fromkeys((name.namespace or "", name.localname) for name in names)
        raise NotUnderstood(tuple(islice(tags, _MOST_NAMED)))
    problems: list[Problem] = []
    texts = _texts(blocks, problems)
    values = HeaderValues(
        idempotency_key=_idempotency_key(texts, problems),
        if_version=_if_version(texts, problems),
        credentials=_credentials(blocks, problems),
    )
    check_addressing([block.element for block in blocks], problems)
    if problems:
        raise ValidationFailed("header elements are wrong", problems=problems[:MOST_PROBLEMS])
    return values


def _texts(blocks: Sequence[Block], problems: list[Problem]) -> dict[str, str]:
    """The texts of the elements of ours by name."""
    texts: dict[str, str] = {}
    for block in blocks:
        if block.element.tag not in _OURS:
            continue
        name = etree.QName(block.element).localname
        if name in texts:
            problems.append(Problem((name,), "is given twice"))
        elif len(block.element):
            problems.append(Problem((name,), "must not contain elements"))
        else:
            texts[name] = block.element.text or ""
    return texts


def _idempotency_key(texts: dict[str, str], problems: list[Problem]) -> str | None:
    key = texts.get("idempotencyKey")
    if key is not None and not _KEY.fullmatch(key):
        problems.append(Problem(("idempotencyKey",), "must be 1 to 255 printable ASCII characters"))
    return key


def _if_version(texts: dict[str, str], problems: list[Problem]) -> int | None:
    text = texts.get("ifVersion")
    if text is None:
        return None
    text = text.strip(BLANKS)
    if _VERSION.fullmatch(text) and int(text) < 2**63:
        return int(text)
    problems.append(Problem(("ifVersion",), "must be a version, a whole number of 64 bits"))
    return None


def _credentials(blocks: Sequence[Block], problems: list[Problem]) -> Credentials | None:
    found = [block for block in blocks if block.element.tag == SECURITY]
    if len(found) > 1:
        # WS-Security 1.1 section 5: no two of them are for the same actor.
        problems.append(Problem(("Security",), "is given twice"))
    elif found:
        return read_security(found[0].element, problems, strictly=found[0].must_understand)
    return None


def _is_for_us(element: Element, version: SoapVersion) -> bool:
    actor = element.get(f"{{{version.namespace}}}{version.actor_attribute}", "")
    return str(actor).strip(BLANKS) in version.our_actors


def _must_understand(element: Element, version: SoapVersion) -> bool:
    word = str(element.get(f"{{{version.namespace}}}mustUnderstand", "0")).strip(BLANKS)
    if word not in version.true_words | version.false_words:
        raise MalformedMessage(f"mustUnderstand cannot be '{word}'")
    return word in version.true_words
