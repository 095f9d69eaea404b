"""The seam through which both doors call: authenticate, authorise, validate, time, log, run, code the error."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.contract.operation import Operation
from gateway.domain.call import Call, IfMatch
from gateway.domain.house import House
from gateway.domain.words import CallProtocol


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a request proves its sender with: a key or a token, not checked yet; None = nothing."""

    secret: str | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as a door has read it."""

    protocol: CallProtocol
    request_id: str
    credentials: Credentials
    idempotency_key: str | None = None
    if_match: IfMatch | None = None


class Seam:
    """Calls operations. Every exception that leaves it is a JobsError."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def admit(self, operation: Operation, request: Request) -> Call:
        """Authenticate and authorise, before a body is read.

        Raises Unauthorized, Forbidden.
        """
        raise NotImplementedError

    async def run(self, operation: Operation, call: Call, parts: Mapping[str, Any]) -> Any:
        """Validate the parts (wire names and values) and run the operation.

        `parts` holds the path parameters by name, `query` and the body by its name, as the request model of
        the operation wants them. Returns what the operation's `reply` names: a model, Stored, or None.
        Raises ValidationFailed, whose problems name each wrong member, and the operation's own errors.
        """
        raise NotImplementedError
