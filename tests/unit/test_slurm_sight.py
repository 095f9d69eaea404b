"""What is made of a job in Slurm: the states that a test cannot bring about at will, too."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.executor import Exited, Observation, Pending, Refused, Running, TimedOut, Vanished
from gateway.executors.slurm_folder import WITHDRAWN, AttemptFolder, SharedFolder, slurm_id_of
from gateway.executors.slurm_reply import SlurmJob
from gateway.executors.slurm_sight import is_over, sight

JOB = SlurmJob(
    id=5,
    name="job-x-1",
    user="jobs",
    states=frozenset({"RUNNING"}),
    reason=None,
    exit_code=None,
    signal=None,
    restarts=0,
    nodes="n1",
    time_limit_minutes=3,
)


@pytest.fixture
def folder(tmp_path: Path) -> AttemptFolder:
    made = AttemptFolder(SharedFolder(tmp_path, None), tmp_path / "x" / "1")
    made.prepare(b"")
    return made


def job(
    *states: str, reason: str | None = None, code: int | None = None, signal: int | None = None
) -> SlurmJob:
    return replace(JOB, states=frozenset(states), reason=reason, exit_code=code, signal=signal)


def put(folder: AttemptFolder, **files: str) -> None:
    for name, content in files.items():
        (folder.path / name).write_text(content)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (job("PENDING"), Pending(None)),
        (job("PENDING", reason="Resources"), Pending("Resources")),
        (job("RUNNING", "CONFIGURING"), Pending(None)),
        (job("REQUEUED", "PENDING"), Pending(None)),
        (job("RUNNING"), Running()),
        (job("SUSPENDED"), Running()),
        (job("COMPLETING"), Running()),
        (job("FAILED", "COMPLETING", code=1), Running()),
        (job("NODE_FAIL"), Vanished("its node failed on n1")),
        (job("PREEMPTED"), Vanished("Slurm stopped it on n1 for a job that goes before it")),
        (job("TIMEOUT"), TimedOut("Slurm stopped it at its time limit of 3 minutes")),
        (job("DEADLINE"), TimedOut("Slurm stopped it at its time limit of 3 minutes")),
        (job("CANCELLED"), Vanished("it was canceled in Slurm before it began")),
        (
            job("PENDING", reason="PartitionTimeLimit"),
            Refused(reason="Slurm can never start it: PartitionTimeLimit", passing=False),
        ),
        (
            job("BOOT_FAIL", reason="NodeDown"),
            Refused(reason="Slurm could not begin it: BOOT_FAIL, NodeDown", passing=True),
        ),
    ],
)
def test_a_state_is_an_observation(folder: AttemptFolder, seen: SlurmJob, expected: Observation) -> None:
    assert sight(seen, folder) == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (job("COMPLETED", code=0), Exited(exit_code=0)),
        (job("FAILED", code=3), Exited(exit_code=3)),
        (job("FAILED", signal=9), Exited(exit_code=137, signal=9)),
        (job("CANCELLED", signal=15), Exited(exit_code=143, signal=15)),
        (job("CANCELLED", code=0), Vanished("Slurm ended it on n1 (CANCELLED), and it left no exit status")),
        (job("OUT_OF_MEMORY", code=0), Exited(exit_code=137, signal=9, out_of_memory=True)),
    ],
)
def test_without_a_file_what_slurm_saw_counts(
    folder: AttemptFolder, seen: SlurmJob, expected: Observation
) -> None:
    put(folder, begun="5\n")
    assert sight(seen, folder) == expected


def test_what_the_script_wrote_counts_more_than_what_slurm_saw(folder: AttemptFolder) -> None:
    put(folder, begun="5\n", exit="137 exit\n")
    assert sight(job("FAILED", code=137), folder) == Exited(exit_code=137)
    put(folder, exit="137 signal\n")
    assert sight(job("FAILED", code=137), folder) == Exited(exit_code=137, signal=9)
    assert sight(job("OUT_OF_MEMORY"), folder) == Exited(exit_code=137, signal=9, out_of_memory=True)
    put(folder, refused="no such command\n")
    assert sight(job("FAILED", code=127), folder) == Refused(reason="no such command", passing=False)


@pytest.mark.parametrize("status", ["9" * 5000, "256", "-1", "\u0663"])
def test_a_status_that_a_job_made_up_does_not_count(folder: AttemptFolder, status: str) -> None:
    put(folder, begun="5\n", exit=f"{status} exit\n")
    assert sight(job("FAILED", code=3), folder) == Exited(exit_code=3)


def test_a_number_that_no_slurm_job_has_is_none() -> None:
    assert [slurm_id_of(text) for text in ("5", "9" * 5000, "", "x", "-1")] == [5, None, None, None, None]


def test_a_file_that_is_not_written_to_its_end_does_not_count(folder: AttemptFolder) -> None:
    put(folder, begun="5\n", exit="0 exit")
    assert sight(job("FAILED", code=3), folder) == Exited(exit_code=3)


def test_an_attempt_runs_until_slurm_has_completed_its_job(folder: AttemptFolder) -> None:
    put(folder, begun="5\n", exit="143 exit\n")
    assert sight(job("COMPLETING"), folder) == Running()
    assert isinstance(sight(job("PREEMPTED"), folder), Vanished)


def test_a_job_that_is_queued_again_is_waited_for_only_if_it_had_not_begun(folder: AttemptFolder) -> None:
    again = replace(job("PENDING", reason="BeginTime"), restarts=1)
    assert sight(again, folder) == Pending("BeginTime")
    put(folder, begun="5\n")
    assert isinstance(sight(again, folder), Vanished)


def test_a_job_that_slurm_could_not_launch_says_why(folder: AttemptFolder) -> None:
    put(folder, slurm="slurmstepd: error: no room\n")
    seen = sight(job("FAILED", reason="JobLaunchFailure", code=1), folder)
    why = "Slurm could not begin it: FAILED, JobLaunchFailure, slurmstepd: error: no room"
    assert seen == Refused(reason=why, passing=True)


def test_a_job_is_over_when_slurm_does_nothing_more_for_it() -> None:
    assert not any(
        map(is_over, (job("PENDING"), job("RUNNING"), job("COMPLETING"), job("FAILED", "COMPLETING")))
    )
    assert all(map(is_over, (job("COMPLETED"), job("CANCELLED"), job("NODE_FAIL"))))


def test_a_withdrawn_attempt_is_withdrawn_once_and_for_all(folder: AttemptFolder) -> None:
    assert folder.withdraw() == WITHDRAWN == folder.withdraw() == folder.begun()
    assert not (folder.path / "launch").exists()


def test_an_attempt_that_has_begun_cannot_be_withdrawn(folder: AttemptFolder) -> None:
    put(folder, begun="5\n")
    assert folder.withdraw() == "5"


def test_a_link_in_the_place_of_a_file_is_not_followed(folder: AttemptFolder, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("0 exit\n")
    (folder.path / "exit").symlink_to(tmp_path / "other")
    assert folder.exited() is None
