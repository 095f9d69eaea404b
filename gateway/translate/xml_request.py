"""Reads the element of an operation into the parts of a request, the same for the SOAP door and by hand."""

from collections.abc import Callable, Iterable
from typing import Any

from gateway.contract.operation import Operation
from gateway.contract.seam import MOST_PROBLEMS
from gateway.domain.errors import Problem, ValidationFailed
from gateway.translate.refusals import refused
from gateway.translate.xml_reader import MOST_COUNTED, NIL, Element, attributes, reader_of


def _nothing(_: Element) -> list[Problem]:
    return []


def read_request(
    operation: Operation,
    element: Element,
    guard: Callable[[Element], list[Problem]] = _nothing,
    found: Iterable[Problem] = (),
) -> dict[str, Any]:
    """The parts of the request by wire name, not validated yet.

    `guard` looks over an element with which nothing is wrong otherwise; `found` was seen before. Raises
    ValidationFailed for what only XML can get wrong, together with what validation finds in the same request.
    """
    problems = list(found)
    _check_wrapper(element, problems)
    parts = reader_of(operation.request).read(element, problems)
    if len(problems) > MOST_COUNTED:
        # Validation would miss what was not read.
        told = f"the request has more than {MOST_COUNTED} wrong fields; the first {MOST_PROBLEMS} are named"
        raise ValidationFailed(told, problems=problems[:MOST_PROBLEMS])
    surprises = [] if problems else guard(element)
    if problems or surprises:
        error = refused(operation, parts, problems)
        # What validation finds is told in the words of the other door.
        raise error if error.problems else refused(operation, parts, surprises)
    return parts


def _check_wrapper(element: Element, problems: list[Problem]) -> None:
    """The element of an operation has no attributes; nil is overlooked on an empty one (SOAP::Lite)."""
    for name, value in attributes(element):
        if name == NIL and (value.strip() in ("false", "0") or not len(element)):
            continue
        problems.append(Problem((), f"the operation's element must not have the attribute '{name}'"))
