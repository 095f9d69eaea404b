"""What is read from slurmrestd and written to it, in the shapes of old and new versions of its API."""

from decimal import Decimal
from typing import Any

import pytest

from gateway.domain.executor import AttemptKey, Launch, Resources
from gateway.executors.slurm_reply import SlurmFault, SlurmJob, read_faults, read_job
from gateway.executors.slurm_request import api_number, submission


def number(value: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": value}


OLD = {
    "job_id": 5,
    "name": "job-x-1",
    "user_name": "jobs",
    "job_state": "FAILED",
    "state_reason": "NonZeroExitCode",
    "exit_code": 1024,
    "restart_cnt": 1,
    "nodes": "n1",
    "time_limit": 3,
}
NEW = OLD | {
    "job_state": ["FAILED"],
    "exit_code": {"status": ["ERROR"], "return_code": number(4), "signal": {"id": number(0), "name": "NONE"}},
    "time_limit": number(3),
}
READ = SlurmJob(
    id=5,
    name="job-x-1",
    user="jobs",
    states=frozenset({"FAILED"}),
    reason="NonZeroExitCode",
    exit_code=4,
    signal=None,
    restarts=1,
    nodes="n1",
    time_limit_minutes=3,
)


@pytest.mark.parametrize("document", [OLD, NEW], ids=["old", "new"])
def test_a_job_is_read_in_either_shape(document: dict[str, Any]) -> None:
    assert read_job(document) == READ


@pytest.mark.parametrize(
    ("value", "code", "signal"),
    [
        (0, 0, None),
        (15, None, 15),
        (137 << 8, 137, None),
        (9 | 0x80, None, 9),
        ({"return_code": number(0), "signal": {"id": number(9)}}, None, 9),
        ({"return_code": number(0), "signal": {"id": {"set": False, "number": 0}}}, 0, None),
        ({"return_code": 3, "signal": {"signal_id": 0}}, 3, None),
        ({"return_code": {"set": False, "infinite": False, "number": 0}}, None, None),
        (None, None, None),
    ],
)
def test_an_exit_code_is_read_in_either_shape(value: Any, code: int | None, signal: int | None) -> None:
    job = read_job({"job_id": 1, "exit_code": value})
    assert (job.exit_code, job.signal) == (code, signal)


def test_what_is_not_said_is_read_as_not_known() -> None:
    job = read_job({"job_id": 1, "job_state": ["RUNNING", "COMPLETING"], "state_reason": "None"})
    assert (job.states, job.reason) == ({"RUNNING", "COMPLETING"}, None)
    endless = read_job(OLD | {"time_limit": {"set": False, "infinite": True, "number": 0}})
    assert endless.time_limit_minutes is None


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ({"error_number": 2017, "error": "b", "description": "a"}, SlurmFault(number=2017, text="a")),
        ({"error_code": 2000, "error": "b"}, SlurmFault(number=2000, text="b")),
        ({"description": "a"}, SlurmFault(number=0, text="a")),
        ({}, SlurmFault(number=0, text="no reason was given")),
    ],
)
def test_errors_are_read_under_any_of_their_names(entry: dict[str, Any], fault: SlurmFault) -> None:
    assert read_faults({"errors": [entry]}) == [fault]


def body(version: str, **members: Any) -> dict[str, Any]:
    launch = Launch(
        key=AttemptKey("x", 1), commands=("true",), image="", environment={"KEY": "secret"}, **members
    )
    return submission(
        launch,
        version=api_number(version),
        name="job-x-1",
        script="#!/bin/sh",
        folder="/shared/x/1",
        partition="main",
        account="billed",
    )


WANTED = {
    "resources": Resources(memory_limit_mb=300, memory_request_mb=200, cpu_limit=Decimal("1.1")),
    "timeout_seconds": 100,
    "grace_seconds": 20,
}
COMMON = {
    "name": "job-x-1",
    "current_working_directory": "/shared/x/1",
    "standard_output": "/shared/x/1/slurm",
    "standard_error": "/shared/x/1/slurm",
    "tasks": 1,
    "cpus_per_task": 2,
    "partition": "main",
    "account": "billed",
}
NODE_PATH = "/usr/local/bin:/usr/bin:/bin"


def test_v0_0_38_gets_plain_numbers_and_its_own_word_against_requeueing() -> None:
    plain = {"memory_per_node": 300, "time_limit": 3, "no_requeue": True, "environment": {"PATH": NODE_PATH}}
    assert body("v0.0.38", **WANTED) == {"script": "#!/bin/sh", "job": COMMON | plain}


def test_later_versions_get_objects_and_take_the_script_inside() -> None:
    later = {
        "memory_per_node": number(300),
        "time_limit": number(3),
        "requeue": False,
        "environment": [f"PATH={NODE_PATH}"],
    }
    assert body("v0.0.39", **WANTED) == {"script": "#!/bin/sh", "job": COMMON | later}
    assert body("v0.0.42", **WANTED) == {"job": COMMON | later | {"script": "#!/bin/sh"}}


def test_a_request_alone_is_what_slurm_sets_aside_and_nothing_is_left_to_slurm() -> None:
    asked = body("v0.0.38", resources=Resources(memory_request_mb=64, cpu_request=Decimal("2.5")))["job"]
    assert (asked["memory_per_node"], asked["cpus_per_task"]) == (64, 3)
    assert "time_limit" not in asked
    silent = body("v0.0.38")["job"]
    assert silent["cpus_per_task"] == 1
    assert "memory_per_node" not in silent


@pytest.mark.parametrize("text", ["38", "v0.1.38", "v0.0.x", "v0.0.38/.."])
def test_a_version_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        api_number(text)
