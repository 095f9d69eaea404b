"""WS-Security 1.1: who sends a message, and when it is good.

Read are UsernameToken with PasswordText (the password is an API key, or the token of a running job) or
PasswordDigest (the user is the id of an API key, the password its shared secret), and Timestamp. Signatures,
encryption and other tokens are not served: where the block must be understood, they are refused.
"""

import binascii
from datetime import datetime
from itertools import islice

from lxml import etree
from pydantic_core import PydanticCustomError

from gateway.contract.credentials import Credentials
from gateway.domain.digests import WINDOW, PasswordDigest, Validity
from gateway.domain.errors import Problem
from gateway.domain.scalars import instant_text, read_instant
from gateway.translate.xml_reader import BLANKS, DATE_TIME, Element

_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_WSSE = f"{_WSS}wssecurity-secext-1.0.xsd"
_WSU = f"{_WSS}wssecurity-utility-1.0.xsd"

SECURITY = f"{{{_WSSE}}}Security"
_TOKEN, _TIMESTAMP = f"{{{_WSSE}}}UsernameToken", f"{{{_WSU}}}Timestamp"
_USERNAME, _PASSWORD, _NONCE = f"{{{_WSSE}}}Username", f"{{{_WSSE}}}Password", f"{{{_WSSE}}}Nonce"
_CREATED, _EXPIRES = f"{{{_WSU}}}Created", f"{{{_WSU}}}Expires"

# UsernameToken profile 1.1 section 3.1: without a Type the password is plain text.
_PLAIN = f"{_WSS}username-token-profile-1.0#PasswordText"
_DIGEST = f"{_WSS}username-token-profile-1.0#PasswordDigest"
_BASE64 = f"{_WSS}soap-message-security-1.0#Base64Binary"

_MOST_CHILDREN = 100
"""What stands behind so many children is not looked at; the profiles have four at most."""
_LONGEST_NONCE = 1024
_SHA1_BYTES = 20

_Path = tuple[str | int, ...]


def read_security(block: Element, problems: list[Problem], *, strictly: bool = False) -> Credentials | None:
    """What a Security block proves its sender with; None = it has nothing of the kind.

    What is wrong is added to `problems`, with paths from the header. `strictly` = everything in the block
    must be understood.
    """
    found: dict[str, Element] = {}
    for child in islice(block, _MOST_CHILDREN):
        name = etree.QName(child).localname if isinstance(child.tag, str) else "processing instruction"
        if child.tag not in (_TOKEN, _TIMESTAMP):
            if strictly:
                problems.append(Problem(("Security", name), "is not supported"))
        elif str(child.tag) in found:
            problems.append(Problem(("Security", name), "is given twice"))
        else:
            found[str(child.tag)] = child
    if not found:
        return None
    validity = _validity(found[_TIMESTAMP], problems) if _TIMESTAMP in found else None
    if _TOKEN not in found:
        return Credentials(validity=validity)
    return _token(found[_TOKEN], validity, problems)


def has_timestamp(block: Element) -> bool:
    """Whether a Security block says when its message was made."""
    return block.find(_TIMESTAMP) is not None


def timestamp_block(now: datetime) -> str:
    """A Security block for a reply to a message that had a timestamp: such senders expect one in return."""
    created, expires = instant_text(now), instant_text(now + WINDOW)
    return (
        f'<wsse:Security xmlns:wsse="{_WSSE}" xmlns:wsu="{_WSU}"><wsu:Timestamp>'
        f"<wsu:Created>{created}</wsu:Created><wsu:Expires>{expires}</wsu:Expires>"
        "</wsu:Timestamp></wsse:Security>"
    )


def _validity(timestamp: Element, problems: list[Problem]) -> Validity:
    path = ("Security", "Timestamp")
    texts = _texts(timestamp, (_CREATED, _EXPIRES), path, problems)
    return Validity(
        created_at=_instant(texts, _CREATED, path, problems),
        expires_at=_instant(texts, _EXPIRES, path, problems),
    )


def _token(token: Element, validity: Validity | None, problems: list[Problem]) -> Credentials | None:
    path = ("Security", "UsernameToken")
    texts = _texts(token, (_USERNAME, _PASSWORD, _NONCE, _CREATED), path, problems)
    password = token.find(_PASSWORD)
    if _USERNAME not in texts:
        problems.append(Problem((*path, "Username"), "is required"))
        return None
    if password is None or _PASSWORD not in texts:
        problems.append(Problem((*path, "Password"), "is required"))
        return None
    kind = str(password.get("Type", _PLAIN)).strip(BLANKS)
    if kind == _PLAIN:
        return Credentials(secret=texts[_PASSWORD], validity=validity)
    if kind != _DIGEST:
        problems.append(Problem((*path, "Password"), "must be of the Type PasswordText or PasswordDigest"))
        return None
    created_at = _instant(texts, _CREATED, path, problems)
    nonce = _nonce(token, texts, problems)
    hashed = _base64(texts[_PASSWORD])
    if hashed is None or len(hashed) != _SHA1_BYTES:
        problems.append(Problem((*path, "Password"), "must be a SHA-1 in base64"))
    for name, value in (("Nonce", texts.get(_NONCE)), ("Created", texts.get(_CREATED))):
        if value is None:
            problems.append(Problem((*path, name), "is required with a PasswordDigest"))
    if created_at is None or nonce is None or hashed is None:
        return None
    digest = PasswordDigest(
        key_id=texts[_USERNAME].strip(BLANKS),
        digest=hashed,
        nonce=nonce,
        created=texts[_CREATED].strip(BLANKS),
        created_at=created_at,
    )
    return Credentials(digest=digest, validity=validity)


def _texts(parent: Element, names: tuple[str, ...], path: _Path, problems: list[Problem]) -> dict[str, str]:
    """The texts of the children of these names; others do not matter."""
    texts: dict[str, str] = {}
    for child in islice(parent, _MOST_CHILDREN):
        tag = str(child.tag)
        if tag not in names:
            continue
        where = (*path, etree.QName(child).localname)
        if tag in texts:
            problems.append(Problem(where, "is given twice"))
        elif len(child):
            problems.append(Problem(where, "must not contain elements"))
        else:
            texts[tag] = child.text or ""
    return texts


def _instant(texts: dict[str, str], name: str, path: _Path, problems: list[Problem]) -> datetime | None:
    if name not in texts:
        return None
    text = texts[name].strip(BLANKS)
    try:
        # WS-Security 1.1 section 10: xsd:dateTime, without an offset UTC.
        if DATE_TIME.fullmatch(text):
            return read_instant(text)
    except PydanticCustomError:
        pass
    problems.append(
        Problem((*path, etree.QName(name).localname), "must be an instant in the form of xs:dateTime")
    )
    return None


def _nonce(token: Element, texts: dict[str, str], problems: list[Problem]) -> bytes | None:
    if _NONCE not in texts:
        return None
    element = token.find(_NONCE)
    encoding = _BASE64 if element is None else str(element.get("EncodingType", _BASE64)).strip(BLANKS)
    nonce = _base64(texts[_NONCE]) if len(texts[_NONCE]) <= _LONGEST_NONCE else None
    if encoding == _BASE64 and nonce:
        return nonce
    problems.append(Problem(("Security", "UsernameToken", "Nonce"), "must be base64, 1 to 768 bytes"))
    return None


def _base64(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text.strip(BLANKS).encode("ascii"), strict_mode=True)
    except ValueError:
        return None
