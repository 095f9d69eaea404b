"""What schemathesis is told about the gateway: where data that fit the schema may be refused all the same."""

from typing import Any

import schemathesis

MEANINGS = {
    "INVALID_CURSOR",
    "UNKNOWN_JOB_TYPE",
    "INVALID_DEPENDENCY",
    "INVALID_SCHEDULE",
    "PRECONDITION_FAILED",
    "IDEMPOTENCY_KEY_REUSED",
    "STORAGE_NOT_OPEN",
}
"""Errors that no schema can foretell."""

RULES = {
    "must lie ahead",
}
"""Rules between members, and between a request and what is there already."""


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Nothing is waited for."""
    if case.operation.path.endswith("/wait"):
        given = str(case.query.get("timeoutSeconds", "30"))
        if given.isdecimal() and 0 < int(given) <= 60:
            case.query["timeoutSeconds"] = 0


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, _case: Any, response: Any) -> bool:
    """Whether data that were refused should have been taken."""
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    problem = response.json()
    if problem["technicalKey"] in MEANINGS:
        return False
    return problem["technicalKey"] != "VALIDATION_FAILED" or not all(
        any(error["detail"].endswith(rule) for rule in RULES) for error in problem["errors"]
    )
