"""Says in HTTP's words where in a request something is wrong."""

from starlette.responses import Response

from gateway.contract.operation import Operation
from gateway.domain.errors import JobsError, Problem
from gateway.http.problem import problem_response


def refusal(error: JobsError, operation: Operation, request_id: str) -> Response:
    """The problem that an error of an operation is."""
    body = operation.body.name if operation.body else None
    return problem_response(error, request_id, errors=[_place(problem, body) for problem in error.problems])


def _place(problem: Problem, body: str | None) -> dict[str, str]:
    """`pointer` into the body (RFC 6901), `parameter` of the query or the path, or neither."""
    root, *rest = problem.path or ("",)
    if root == body:
        return {"pointer": "".join(f"/{_escaped(step)}" for step in rest), "detail": problem.detail}
    if root != "query":
        return {"parameter": str(root), "detail": problem.detail} if root else {"detail": problem.detail}
    if not rest:
        return {"detail": problem.detail}
    which = f"value {int(rest[1]) + 1} {problem.detail}" if len(rest) > 1 else problem.detail
    return {"parameter": str(rest[0]), "detail": which}


def _escaped(step: str | int) -> str:
    return str(step).replace("~", "~0").replace("/", "~1")
