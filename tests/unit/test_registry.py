"""The list of operations, counted against the contract, and the rules that each entry obeys."""

import pytest

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import models_of, shape_of
from gateway.domain.errors import ERRORS
from gateway.domain.words import Role

CONTRACT = """
startJob listJobs getJob waitForJob updateJobFields cancelJob rerunJob deleteJob listJobTypes listJobEvents
readJobOutput reportJobProgress updateResultData replaceJobTags recordJobMetrics addJobAttachment
readJobAttachment deleteJobAttachment writeJobResults listJobRunResults listStorageResults fetchLastJobResults
deleteJobResults writeProcessingLogData listProcessingLogData deleteProcessingLogData createScheduledJob
listScheduledJobs getScheduledJob updateScheduledJob deleteScheduledJob runScheduledJob previewScheduledJob
getServiceInfo
""".split()
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)


def test_every_operation_of_the_contract_is_there() -> None:
    assert [operation.name for operation in OPERATIONS] == CONTRACT
    assert len(CONTRACT) == 34


@each_operation
def test_an_operation_says_what_it_is(operation: Operation) -> None:
    assert operation.summary.endswith(".")
    assert len(operation.description) > len(operation.summary) - 1
    assert all(part.meaning for part in operation.path)
    assert [f"{{{part.name}}}" in operation.http.path for part in operation.path] == [True] * len(
        operation.path
    )


@each_operation
def test_every_member_on_the_wire_has_a_line_of_documentation(operation: Operation) -> None:
    roots = [
        operation.query,
        operation.body and operation.body.model,
        operation.reply and operation.reply.model,
    ]
    for model in models_of([root for root in roots if root]):
        for member in shape_of(model).members:
            assert member.documentation.endswith("."), f"{model.__name__}.{member.wire}"


@each_operation
def test_a_request_child_and_a_reply_child_of_one_name_have_different_types(operation: Operation) -> None:
    if operation.body and operation.reply and operation.body.name == operation.reply.name:
        assert operation.body.model is not operation.reply.model


def test_reading_needs_a_reader_and_everything_else_an_operator() -> None:
    for operation in OPERATIONS:
        reads = operation.http.method == "GET" or operation.name == "fetchLastJobResults"
        assert operation.role is (Role.READER if reads else Role.OPERATOR)


def test_a_running_job_may_read_itself_and_report() -> None:
    assert {operation.name for operation in OPERATIONS if operation.worker} == {
        "getJob",
        "waitForJob",
        "reportJobProgress",
        "updateResultData",
        "recordJobMetrics",
        "addJobAttachment",
        "readJobAttachment",
        "writeJobResults",
        "listJobRunResults",
    }


def test_every_code_is_its_http_status_with_five_digits() -> None:
    assert len(ERRORS) == 32
    assert len({error.code for error in ERRORS.values()}) == 32
    for key, error in ERRORS.items():
        assert error.key == key
        assert len(str(error.code)) == 8
        assert 400 <= error("").http_status <= 503


def test_two_operations_never_share_an_address() -> None:
    addresses = [
        (operation.http.method, path)
        for operation in OPERATIONS
        for path in (operation.http.path, *operation.http.aliases)
    ]
    assert len(addresses) == len(set(addresses))
