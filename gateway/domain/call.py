"""Who asks for something, and through which door."""

from dataclasses import dataclass

from gateway.domain.executor import AttemptKey
from gateway.domain.words import CallProtocol, Role

GATEWAY_ACTOR = "gateway"
JOB_ACTOR = "job"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Someone whose key or token was found to be valid."""

    name: str
    """Name of the key, shown as `user`; `job` for a running job."""
    role: Role
    organization_id: str
    attempt: AttemptKey | None = None
    """Set when the caller is a running job with its token: it may act on that job alone."""

    @property
    def is_admin(self) -> bool:
        """Whether the caller crosses organizations."""
        return self.role is Role.ADMIN and self.attempt is None


@dataclass(frozen=True)
class IfMatch:
    """The versions of which a job must have one, so that it is changed; None = any version (`*`)."""

    versions: frozenset[int] | None

    def admits(self, version: int) -> bool:
        """Whether a job of this version may be changed."""
        return self.versions is None or version in self.versions


@dataclass(frozen=True, kw_only=True)
class Once:
    """An idempotency key with what it was sent for."""

    operation: str
    key: str
    fingerprint: str = ""
    """Keyed hash of the validated request."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of one operation."""

    caller: Caller
    protocol: CallProtocol
    request_id: str
    once: Once | None = None
    """Set when the request came with an idempotency key."""
    if_match: IfMatch | None = None


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What stands in the history as the origin of a change."""

    actor: str
    protocol: CallProtocol
    request_id: str | None = None

    @classmethod
    def of(cls, call: Call) -> "Cause":
        """The cause that a call is."""
        return cls(actor=call.caller.name, protocol=call.protocol, request_id=call.request_id)


ENGINE = Cause(actor=GATEWAY_ACTOR, protocol=CallProtocol.ENGINE)
"""The gateway itself."""
