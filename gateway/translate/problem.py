"""Errors as RFC 9457 problem details, the JSON document that REST replies with."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from gateway.contract.operation import Body, Operation
from gateway.contract.registry import OPERATIONS
from gateway.domain.errors import JobsError, Problem
from gateway.domain.model import Maybe, Model
from gateway.domain.scalars import Int32

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:jobs-gateway:error:"


class ProblemPlace(Model):
    """One thing that is wrong in a request."""

    pointer: Maybe[str] = None
    """Where in the body (RFC 6901)."""
    parameter: Maybe[str] = None
    """Which parameter of query or path."""
    detail: str
    """What is wrong there."""


class ProblemDocument(Model):
    """A problem as it is read."""

    type: str
    """`urn:jobs-gateway:error:` and the technicalKey."""
    title: str
    """The kind of error in a few words."""
    status: Int32
    """The HTTP status."""
    detail: str
    """What went wrong this time."""
    code: Int32
    """Number of the error."""
    technical_key: str
    """Name of the error."""
    request_id: str
    """The request, as the log of the gateway calls it."""
    errors: tuple[ProblemPlace, ...] = ()
    """Each thing that is wrong in the request."""


def problem_document(
    error: JobsError, request_id: str, errors: Iterable[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """The document of an error. `errors` say what is wrong, each with `pointer` or `parameter`."""
    return {
        "type": TYPE_PREFIX + error.key,
        "title": title_of(type(error)),
        "status": error.http_status,
        "detail": error.reason,
        "code": error.code,
        "technicalKey": error.key,
        "requestId": request_id,
        "errors": list(errors),
    }


def title_of(error: type[JobsError]) -> str:
    """A few words that are the same for every occurrence of an error."""
    return (error.__doc__ or HTTPStatus(error.code // 100_000).phrase).strip().rstrip(".")


def place_of(problem: Problem, body: Body | None) -> dict[str, str]:
    """`pointer` into the body (RFC 6901), `parameter` of the query or the path, or neither.

    `body` is the operation's body, None when it has none.
    """
    root, *rest = problem.path or ("",)
    whole = body is not None and body.wrapped and root != "query"
    if whole:
        rest = [*problem.path]
    if whole or (body is not None and root == body.name):
        return {"pointer": "".join(f"/{_escaped(step)}" for step in rest), "detail": problem.detail}
    if root != "query":
        return {"parameter": str(root), "detail": problem.detail} if root else {"detail": problem.detail}
    if not rest:
        return {"detail": problem.detail}
    which = f"value {int(rest[1]) + 1} {problem.detail}" if len(rest) > 1 else problem.detail
    return {"parameter": str(rest[0]), "detail": which}


def as_sent(problem: Problem, operation: Operation) -> Problem:
    """A problem in a body that came raw: with the parameter or the header that says the member."""
    raw, body = operation.http.raw_body, operation.body
    if raw is None or body is None or problem.path[:1] != (body.name,):
        return problem
    path = problem.path[1:]
    return Problem(("Content-Type",) if path == (raw.media_type,) else ("query", *path), problem.detail)


def path_of_place(place: ProblemPlace, operation: Operation | None) -> tuple[str | int, ...]:
    """The path of a problem from its place; without its first name if that is the body's of an unknown
    operation.
    """
    if place.pointer is not None:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in place.pointer.split("/")[1:]]
        root = [operation.body.name] if operation and operation.body and not operation.body.wrapped else []
        return (*root, *(int(step) if step.isdecimal() else step for step in steps))
    if place.parameter is None:
        return ()
    raw = operation.http.raw_body if operation else None
    if operation and operation.body and raw and all(part.name != place.parameter for part in operation.path):
        return (operation.body.name, raw.media_type if place.parameter == "Content-Type" else place.parameter)
    if operation is None:
        known = any(part.name == place.parameter for one in OPERATIONS for part in one.path)
    else:
        known = any(part.name == place.parameter for part in operation.path)
    return (place.parameter,) if known else ("query", place.parameter)


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
