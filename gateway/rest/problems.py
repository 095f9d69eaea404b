"""The reply to a request that an operation refused."""

from starlette.responses import Response

from gateway.contract.operation import Operation
from gateway.domain.errors import JobsError
from gateway.http.problem import problem_response
from gateway.translate.problem import as_sent, place_of


def refusal(error: JobsError, operation: Operation, request_id: str) -> Response:
    """The problem that an error of an operation is."""
    places = [place_of(as_sent(problem, operation), operation.body) for problem in error.problems]
    return problem_response(error, request_id, errors=places)
