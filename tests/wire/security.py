"""Header blocks of WS-Security, written by hand from the standard's words."""

import base64
import hashlib
from datetime import UTC, datetime

WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = WSS + "wssecurity-secext-1.0.xsd"
WSU = WSS + "wssecurity-utility-1.0.xsd"
PROFILE = WSS + "username-token-profile-1.0#"
NONCE = b"a nonce of 20 bytes."


def security(*parts: str, flags: str = "") -> str:
    """The block; in its parts `w` and `u` are the prefixes of the standard's namespaces."""
    return f'<w:Security xmlns:w="{WSSE}" xmlns:u="{WSU}" {flags}>{"".join(parts)}</w:Security>'


def plain(password: str, *, user: str = "anyone", kind: str | None = "PasswordText") -> str:
    """A UsernameToken with the password as it is."""
    told = f' Type="{PROFILE}{kind}"' if kind else ""
    return (
        f"<w:UsernameToken><w:Username>{user}</w:Username><w:Password{told}>{password}</w:Password>"
        "</w:UsernameToken>"
    )


def digested(user: str, secret: str, *, created: str, nonce: bytes = NONCE) -> str:
    """A UsernameToken with the digest of the password (UsernameToken profile 1.1, section 3.1)."""
    digest = base64.b64encode(sha1_of(nonce, created, secret)).decode()
    return (
        f"<w:UsernameToken><w:Username>{user}</w:Username>"
        f'<w:Password Type="{PROFILE}PasswordDigest">{digest}</w:Password>'
        f'<w:Nonce EncodingType="{WSS}soap-message-security-1.0#Base64Binary">'
        f"{base64.b64encode(nonce).decode()}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken>"
    )


def sha1_of(nonce: bytes, created: str, secret: str) -> bytes:
    """What is sent of a shared secret."""
    return hashlib.sha1(nonce + created.encode() + secret.encode()).digest()


def timestamp(created: str | None = None, expires: str | None = None) -> str:
    """A Timestamp."""
    inner = f"<u:Created>{created}</u:Created>" if created else ""
    inner += f"<u:Expires>{expires}</u:Expires>" if expires else ""
    return f'<u:Timestamp u:Id="t">{inner}</u:Timestamp>'


def text_of(instant: datetime) -> str:
    """An instant as clients write it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
