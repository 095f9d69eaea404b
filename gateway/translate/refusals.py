"""Joins what is wrong with a message itself and what validation finds in it, so that all is told at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from gateway.contract.operation import Operation
from gateway.contract.seam import MOST_PROBLEMS, refusal_of
from gateway.domain.errors import Problem, ValidationFailed


def refused(operation: Operation, parts: Mapping[str, Any], problems: Iterable[Problem]) -> ValidationFailed:
    """The error of a request in which `problems` were found while it was read into `parts`.

    What validation says of the same places goes without saying.
    """
    found = list(dict.fromkeys(problems))
    known = {problem.path for problem in found}
    # Without a whole, validation would miss each of its parts.
    if () not in known:
        found += [problem for problem in _found_by_validation(operation, parts) if problem.path not in known]
    told = "1 wrong field" if len(found) == 1 else f"{len(found)} wrong fields"
    if len(found) > MOST_PROBLEMS:
        told += f", of which the first {MOST_PROBLEMS} are named"
    return ValidationFailed(f"the request has {told}", problems=found[:MOST_PROBLEMS])


def _found_by_validation(operation: Operation, parts: Mapping[str, Any]) -> Iterable[Problem]:
    try:
        operation.request.read(parts)
    except ValidationError as error:
        return refusal_of(error).problems
    return ()
