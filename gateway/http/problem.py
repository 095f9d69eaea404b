"""Writes an error as RFC 9457 problem details: the REST door's errors, and what the guard answers."""

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from gateway.domain.errors import JobsError, Unauthorized

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:jobs-gateway:error:"
CHALLENGE = 'Basic realm="jobs-gateway"'
"""WWW-Authenticate of UNAUTHORIZED, on both doors: .NET and Java send Basic only after it."""


def problem_response(
    error: JobsError,
    request_id: str,
    *,
    errors: Iterable[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The reply to a request that failed. `errors` say what is wrong, each with `pointer` or `parameter`."""
    problem: dict[str, Any] = {
        "type": TYPE_PREFIX + error.key,
        "title": title_of(type(error)),
        "status": error.http_status,
        "detail": error.reason,
        "code": error.code,
        "technicalKey": error.key,
        "requestId": request_id,
        "errors": list(errors),
    }
    # A lone surrogate can be part of a refused name that a message repeats.
    body = json.dumps(problem, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(
        body, error.http_status, {**error_headers(error), **(headers or {})}, media_type=MEDIA_TYPE
    )


def error_headers(error: JobsError) -> dict[str, str]:
    """The headers that an error calls for, on both doors."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    if isinstance(error, Unauthorized):
        headers["www-authenticate"] = CHALLENGE
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(error.retry_after_seconds)
    return headers


def title_of(error: type[JobsError]) -> str:
    """A few words that are the same for every occurrence of an error."""
    return (error.__doc__ or HTTPStatus(error.code // 100_000).phrase).strip().rstrip(".")
