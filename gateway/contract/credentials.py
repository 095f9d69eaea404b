"""What a request proves its sender with, not checked yet."""

from dataclasses import dataclass

from gateway.domain.digests import PasswordDigest, Validity


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A key or a token, or the digest of a shared secret; none of them = nobody in particular."""

    secret: str | None = None
    """An API key, or the token of an attempt."""
    digest: PasswordDigest | None = None
    validity: Validity | None = None
    """When the message is good, if it says so; outside of that it proves nothing."""

    @property
    def names_nobody(self) -> bool:
        """Whether there is neither a secret nor a digest."""
        return self.secret is None and self.digest is None
