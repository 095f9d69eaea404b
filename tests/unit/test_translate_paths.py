"""Paths: which template fits, and what its parameters are."""

import pytest

from gateway.contract.registry import OPERATIONS
from gateway.domain.errors import MethodNotAllowed, NotFound, ValidationFailed
from gateway.translate.addresses import operation_at, path_of
from gateway.translate.paths import PathTable
from tests.wire.clients import OPERATION

TABLE = PathTable({"/a": 1, "/a/{x}": 2, "/a/b": 3, "/a/{x}/c": 4, "/a/b/{y}": 5, "/{z}/{x}/{y}": 6})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/a", (1, {})),
        ("/a/b", (3, {})),
        ("/a/%62", (3, {})),
        ("/a/q", (2, {"x": "q"})),
        ("/a/q/c", (4, {"x": "q"})),
        ("/a/b/q", (5, {"y": "q"})),
        ("/q/b/c", (6, {"z": "q", "x": "b", "y": "c"})),
        ("/a/x%2Fy", (2, {"x": "x/y"})),
        ("/a/x+y", (2, {"x": "x+y"})),
        ("/a/%C3%A4", (2, {"x": "ä"})),
        ("/a/ä", (2, {"x": "ä"})),
        ("/a/", None),
        ("/a//c", None),
        ("/a/%FF", None),
        ("/a/%4", None),
        ("/b", None),
        ("a", None),
        ("", None),
    ],
)
def test_a_path_finds_the_template_that_says_most(path: str, found: object) -> None:
    assert TABLE.find(path.encode()) == found


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_the_path_of_each_operation_leads_back_to_it(operation: object) -> None:
    found = OPERATION[operation.name]  # type: ignore[attr-defined]
    parts = {part.name: f"a/b c?d#e%{place}ä." for place, part in enumerate(found.path)}
    assert operation_at(found.http.method, path_of(found, parts).encode()) == (found, parts)


@pytest.mark.parametrize("job_id", ["", "types"])
def test_what_no_path_can_say_is_refused(job_id: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        path_of(OPERATION["getJob"], {"jobId": job_id})
    assert [problem.path for problem in caught.value.problems] == [("jobId",)]


def test_a_path_or_a_method_that_is_not_there_is_told() -> None:
    with pytest.raises(NotFound, match="/v3/jobs"):
        operation_at("GET", b"/v3/jobs")
    with pytest.raises(MethodNotAllowed, match="GET, PATCH"):
        operation_at("POST", b"/v2/jobs/1")
