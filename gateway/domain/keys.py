"""API keys: how they are made, read and compared. Who may do what with one is not decided here."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime

from gateway.domain.record import KeyRecord
from gateway.domain.words import Role

DEFAULT_ORGANIZATION = "default"

# The id holds no underscore, so that it can be told from the random part. Hand-made keys (for
# BOOTSTRAP_KEY_FILE) may write the 256 bits in hexadecimal or in base64url.
_KEY = re.compile(r"jg_([A-Za-z0-9]{1,32})_[A-Za-z0-9_-]{43,128}")


def new_key(
    *,
    name: str,
    role: Role,
    now: datetime,
    organization_id: str = DEFAULT_ORGANIZATION,
    expires_at: datetime | None = None,
) -> tuple[str, KeyRecord]:
    """A new key: its text, which is shown once and kept nowhere, and what is stored of it."""
    text = f"jg_{secrets.token_hex(6)}_{secrets.token_hex(32)}"
    record = record_of(
        text, name=name, role=role, now=now, organization_id=organization_id, expires_at=expires_at
    )
    return text, record


def record_of(
    text: str,
    *,
    name: str,
    role: Role,
    now: datetime,
    organization_id: str = DEFAULT_ORGANIZATION,
    expires_at: datetime | None = None,
) -> KeyRecord:
    """What is stored of a key. Raises ValueError when the text has not the form of one."""
    found = key_id(text)
    if found is None:
        raise ValueError("a key has the form jg_<id>_<256 random bits, in hexadecimal or base64url>")
    return KeyRecord(
        id=found,
        name=name,
        role=role,
        organization_id=organization_id,
        hash=hash_of(text),
        created_at=now,
        expires_at=expires_at,
    )


def key_id(text: str) -> str | None:
    """The id in a key's text; None when the text has not the form of a key."""
    found = _KEY.fullmatch(text)
    return found[1] if found else None


def hash_of(text: str) -> str:
    """SHA-256 in hexadecimal. The random part has 256 bits, so neither salt nor a slow hash is needed."""
    return hashlib.sha256(text.encode()).hexdigest()


def opens(record: KeyRecord, text: str, now: datetime) -> bool:
    """Whether the text is this key and the key is valid. The comparison takes the same time for any text."""
    return hmac.compare_digest(record.hash, hash_of(text)) and is_valid(record, now)


def is_valid(record: KeyRecord, now: datetime) -> bool:
    """Whether a key is neither revoked nor expired."""
    return record.revoked_at is None and (record.expires_at is None or now < record.expires_at)


def organizations(records: Iterable[KeyRecord], now: datetime) -> set[str]:
    """The organizations that have a valid key."""
    return {record.organization_id for record in records if is_valid(record, now)}
