"""What password digests need from the store: the attribute `digests` of JobReader and JobWriter."""

from datetime import datetime
from typing import Protocol


class DigestReader(Protocol):
    """What can be read of shared secrets and used nonces."""

    def secret(self, key_id: str) -> bytes | None:
        """The sealed shared secret of an API key; None = it has none."""

    def has_stale(self, now: datetime) -> bool:
        """Whether a nonce is remembered that need not be any more."""


class DigestWriter(DigestReader, Protocol):
    """What can be read and written of them."""

    def save_secret(self, key_id: str, sealed: bytes | None) -> None:
        """Give an API key a shared secret in place of the one it had; None = take it away."""

    def use_nonce(self, key_id: str, nonce_hash: str, *, stale_at: datetime) -> bool:
        """Remember a nonce until then; False when it is remembered already."""

    def forget_nonces(self, now: datetime, limit: int) -> int:
        """Forget nonces that are stale; how many."""
