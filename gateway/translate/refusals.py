"""Joins what is wrong with a message itself and what validation finds in it, so that all is told at once."""

from collections.abc import Container, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from gateway.contract.operation import Operation
from gateway.contract.seam import MOST_PROBLEMS, refusal_of
from gateway.domain.errors import Problem, ValidationFailed


def refused(operation: Operation, parts: Mapping[str, Any], problems: Iterable[Problem]) -> ValidationFailed:
    """The error of a request in which `problems` were found while it was read into `parts`.

    Where both found fault with one place, reading knows better. What lies in a list that validation refuses
    as a whole goes without saying: it does not look into one either.
    """
    read = dict.fromkeys(problems)
    known = {problem.path for problem in read}
    # Where nothing could be read, validation would miss each part.
    validated = _found_by_validation(operation, parts) if parts or () not in known else ()
    wholes = {problem.path for problem in validated}
    found = [problem for problem in validated if problem.path not in known]
    found += [problem for problem in read if not _lies_in_list(problem.path, wholes)]
    told = "1 wrong field" if len(found) == 1 else f"{len(found)} wrong fields"
    if len(found) > MOST_PROBLEMS:
        told += f", of which the first {MOST_PROBLEMS} are named"
    return ValidationFailed(f"the request has {told}", problems=found[:MOST_PROBLEMS])


def _lies_in_list(path: tuple[str | int, ...], lists: Container[tuple[str | int, ...]]) -> bool:
    return any(path[:place] in lists for place, step in enumerate(path) if isinstance(step, int))


def _found_by_validation(operation: Operation, parts: Mapping[str, Any]) -> Iterable[Problem]:
    try:
        operation.request.read(parts)
    except ValidationError as error:
        return refusal_of(error).problems
    return ()
