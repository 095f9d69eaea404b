"""What schemathesis is told about the gateway: where data that fit the schema may be refused all the same."""

import re
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

_RULES = (
    "must lie ahead",
    "must not exceed the limit",
    "must not lie before startAt",
    "must not lie after endAt",
    "must not be given for the job of a schedule",
    "must not start with JOB_ or JOBS_",
    "must be an absolute path below /, without '..'",
    "must not lie under /proc, /sys or /dev",
    r"must be a file name without / and \\\\",
    "cannot be given together with offset",
    "needs createdBefore, dataSourceId, businessPartnerId or externalId",
    "needs storageId and jobType, too",
    "needs a word of at least 3 letters or digits",
    "a secret needs a value.*",
    r"'\*\*\*' cannot be the value of a secret",
    "the variables must not exceed 512 kB together",
    "must be that of the scheduled job, .*",
    "is required with externalIds",
    ".* is given twice",
    ".* is set, too",
    r"the job has had \d+ attempts",
    "there is no volume .*",
    # Null is an item of `clear` as well.
    r"must have at most (?:10|20) items, not \d+",
    # Values of If-Match are not made from its schema.
    'must be "\\*" or entity tags such as "5", in quotes',
)
"""What no schema of a member says: rules between members, between parameters, and about what is there."""
_RULE = re.compile(rf"(?:value \d+ )?(?:{'|'.join(_RULES)})")


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Nothing is waited for, and files are not of types that schemathesis would look into."""
    if case.operation.path.endswith("/attachments"):
        case.media_type = "application/octet-stream"
    if case.operation.path.endswith("/wait"):
        given = str(case.query.get("timeoutSeconds", "30"))
        if given.isdecimal() and 0 < int(given) <= 60:
            case.query["timeoutSeconds"] = 0


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, _case: Any, response: Any) -> bool:
    """Whether data that were refused should have been taken."""
    if type(failure).__name__ != "RejectedPositiveData" or not 400 <= response.status_code < 500:
        return True
    if response.status_code == 416:
        # Range lies behind the end.
        return False
    problem = response.json()
    if problem["technicalKey"] in MEANINGS:
        return False
    details = [error["detail"] for error in problem["errors"]]
    return problem["technicalKey"] != "VALIDATION_FAILED" or not all(map(_RULE.fullmatch, details))
