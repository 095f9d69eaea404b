"""Password digests: a caller proves to know a shared secret without sending it.

The secret belongs to an API key and is one of its own, because a digest can be checked only by who can read
it; the key itself is kept as a hash. How a digest is written in a message is not known here.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.errors import Unauthorized
from gateway.domain.scalars import instant_text

WINDOW = timedelta(minutes=5)
"""How far a message's time may lie from ours, and how long it is good for when it does not say so itself."""

_SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class PasswordDigest:
    """A digest as it was sent (WS-Security UsernameToken profile 1.1, section 3.1)."""

    key_id: str
    """Id of the API key that the sender names as user."""
    digest: bytes
    nonce: bytes
    """What the sender made up for this message alone."""
    created: str
    """When the sender made it, as it was written: the text is part of what is hashed."""
    created_at: datetime

    def proves(self, secret: str) -> bool:
        """Whether the sender knew the secret. The comparison takes the same time for any digest."""
        hashed = hashlib.sha1(self.nonce + self.created.encode() + secret.encode())  # noqa: S324 - the profile's
        return hmac.compare_digest(hashed.digest(), self.digest)

    @property
    def nonce_hash(self) -> str:
        """SHA-256 of the nonce, 64 hexadecimal digits: what is remembered of it."""
        return hashlib.sha256(self.nonce).hexdigest()

    @property
    def stale_at(self) -> datetime:
        """From when on the digest is refused for its age alone, so that its nonce may be forgotten."""
        return _later(self.created_at, WINDOW)

    def check_age(self, now: datetime) -> None:
        """Raise Unauthorized when the digest is too old, or of the future."""
        Validity(created_at=self.created_at).check(now)


@dataclass(frozen=True, kw_only=True)
class Validity:
    """When a message was made and until when it is good, as its sender says."""

    created_at: datetime | None = None
    expires_at: datetime | None = None

    def check(self, now: datetime) -> None:
        """Raise Unauthorized when the message is too old, or of the future.

        The sender's clock may be ahead of ours by the window. Without an end of its own a message is good for
        that long.
        """
        if self.created_at is not None and self.created_at > now + WINDOW:
            raise Unauthorized(
                f"the message was made at {instant_text(self.created_at)}, which lies ahead; check the clock"
            )
        end = self.expires_at
        if end is None and self.created_at is not None:
            end = _later(self.created_at, WINDOW)
        if end is not None and end <= now:
            raise Unauthorized(f"the message was good until {instant_text(end)}; it is {instant_text(now)}")


def new_digest_secret() -> str:
    """A new shared secret of 256 random bits, as text that every client can be given."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def vault_context(key_id: str) -> str:
    """What the sealed secret of a key is bound to."""
    return f"digest:{key_id}"


def _later(instant: datetime, by: timedelta) -> datetime:
    try:
        return instant + by
    except OverflowError:
        return instant
