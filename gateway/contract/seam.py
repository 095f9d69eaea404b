"""The seam through which both doors call: authenticate, authorise, validate, run, time, log, code errors."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway.contract.authentication import Authentication
from gateway.contract.credentials import Credentials
from gateway.contract.operation import Operation
from gateway.domain.call import Call, Caller, IfMatch, Once
from gateway.domain.errors import (
    Forbidden,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InternalServerError,
    JobsError,
    Problem,
    ValidationFailed,
)
from gateway.domain.house import House
from gateway.domain.identity import job_key
from gateway.domain.model import Model, dump
from gateway.domain.words import CallProtocol

_log = logging.getLogger("gateway.call")


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
        self._authentication = Authentication(house)
        self._under_way: dict[tuple[str, str, str], str] = {}

    async def admit(self, operation: Operation, request: Request) -> Call:
        """Authenticate and authorise, before a body is read.

        Raises Unauthorized, Forbidden.
        """
        began = time.perf_counter()
        try:
            caller = await self._authentication.caller(request.credentials)
            return _call_of(operation, request, caller)
        except Exception as error:
            coded = _coded(error, operation, request.request_id)
            _tell(operation, request.protocol, request.request_id, None, coded.key, began)
            raise coded from coded.__cause__

    async def run(self, operation: Operation, call: Call, parts: Mapping[str, Any]) -> Any:
        """Validate the parts (wire names and values) and run the operation.

        `parts` holds the path parameters by name, `query` and the body by its name, as the request model of
        the operation wants them. Returns what the operation's `reply` names: a model, Stored, or None.
        Raises ValidationFailed, whose problems name each wrong member, and the operation's own errors.
        """
        began = time.perf_counter()
        outcome = "OK"
        try:
            values, once = self._prepared(operation, call, parts)
            if once is None:
                return await operation.run(self._house, call, **values)
            with self._only_one(call.caller.organization_id, once):
                return await operation.run(self._house, replace(call, once=once), **values)
        except Exception as error:
            coded = _coded(error, operation, call.request_id)
            outcome = coded.key
            raise coded from coded.__cause__
        finally:
            _tell(operation, call.protocol, call.request_id, call.caller, outcome, began)

    def _prepared(
        self, operation: Operation, call: Call, parts: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Once | None]:
        """The validated parts by their Python names, and the idempotency key with their fingerprint."""
        # Text in a path is checked without looking at the clock.
        context = {"now": self._house.clock.now()} if operation.query or operation.body else None
        try:
            request = operation.request.read(parts, context=context)
        except ValidationError as error:
            raise refusal_of(error) from error
        values = {python: getattr(request, wire) for wire, python in operation.parameters}
        if call.caller.attempt is not None and job_key(values["job_id"]) != call.caller.attempt.job_id:
            raise Forbidden("a running job may act on itself alone")
        if call.once is None:
            return values, None
        return values, replace(call.once, fingerprint=self._fingerprint(request))

    def _fingerprint(self, request: Model) -> str:
        return self._house.sealer.fingerprint(dump(request))

    @contextmanager
    def _only_one(self, organization_id: str, once: Once) -> Iterator[None]:
        key = (organization_id, once.operation, once.key)
        running = self._under_way.get(key)
        if running is not None:
            if running != once.fingerprint:
                raise IdempotencyKeyReused(f"the idempotency key '{once.key}' was used for another request")
            raise IdempotencyKeyInUse(f"the first request under the key '{once.key}' still runs")
        self._under_way[key] = once.fingerprint
        try:
            yield
        finally:
            del self._under_way[key]


def _call_of(operation: Operation, request: Request, caller: Caller) -> Call:
    """The call, if the caller may make it. Raises Forbidden."""
    if caller.attempt is not None and not operation.worker:
        raise Forbidden(f"a running job may not call {operation.name}")
    if not caller.role.covers(operation.role):
        raise Forbidden(f"{operation.name} needs the role {operation.role}; the key is {caller.role}")
    once = None
    if request.idempotency_key is not None and operation.takes_idempotency_key:
        once = Once(operation=operation.name, key=request.idempotency_key)
    return Call(
        caller=caller,
        protocol=request.protocol,
        request_id=request.request_id,
        once=once,
        if_match=request.if_match if operation.versioned else None,
    )


def _tell(
    operation: Operation,
    protocol: CallProtocol,
    request_id: str,
    caller: Caller | None,
    outcome: str,
    began: float,
) -> None:
    """One line in the log per call; no bodies, keys or tokens."""
    if _log.isEnabledFor(logging.INFO):
        told: dict[str, Any] = {
            "operation": operation.name,
            "protocol": str(protocol),
            "request_id": request_id,
            "outcome": outcome,
            "milliseconds": round((time.perf_counter() - began) * 1000, 3),
        }
        if caller is not None:
            told |= {"caller": caller.name, "organization": caller.organization_id}
        _log.info("call", extra=told)


def _coded(error: Exception, operation: Operation, request_id: str) -> JobsError:
    """The error as callers are told it. What has no code is INTERNAL_SERVER_ERROR: logged whole, told as an
    id.
    """
    if isinstance(error, JobsError):
        return error
    _log.error("%s failed", operation.name, exc_info=error, extra={"request_id": request_id})
    told = InternalServerError(f"something unexpected happened; the request id is {request_id}")
    told.__cause__ = error
    return told


MOST_PROBLEMS = 100
"""How many problems of a request are named; what is wrong in more places is understood from these."""

_PLAIN = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "tuple_type": "must be a list",
    "string_unicode": "must be text without lone surrogates",
}


def refusal_of(error: ValidationError) -> ValidationFailed:
    """What pydantic found wrong, as the error that callers are told."""
    count = error.error_count()
    details = error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
    wrong = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
    problems = [
        Problem(detail["loc"], _detail(detail))
        for detail in details
        # A list is also called too short because of its wrong items; those are told themselves.
        if not (detail["type"] == "too_short" and detail["loc"] in wrong)
    ]
    told = "1 wrong field" if len(problems) == 1 else f"{len(problems)} wrong fields"
    if count > MOST_PROBLEMS:
        told = f"{count} wrong fields, of which the first {MOST_PROBLEMS} are named"
    return ValidationFailed(f"the request has {told}", problems=problems)


def _detail(detail: ErrorDetails) -> str:
    if plain := _PLAIN.get(detail["type"]):
        return plain
    message = detail["msg"]
    for start in ("Input should be ", "String should ", "Tuple should ", "Value error, "):
        if message.startswith(start):
            rest = message.removeprefix(start)
            return f"must be {rest}" if start == "Input should be " else f"must {rest}"
    return message
