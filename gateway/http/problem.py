"""Writes an error as RFC 9457 problem details: the REST door's errors, and what the guard answers."""

import json
from collections.abc import Iterable, Mapping

from starlette.responses import Response

from gateway.domain.errors import JobsError, Unauthorized
from gateway.translate.problem import MEDIA_TYPE, problem_document

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
    problem = problem_document(error, request_id, errors)
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
