"""What becomes of a job when its attempt has ended: status, message, and whether another attempt follows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.executor import Exited, StartRefused, TimedOut, Vanished
from gateway.domain.outcome import (
    Outcome,
    backoff,
    next_attempt_at,
    outcome_of_end,
    outcome_of_refusal,
    retry_message,
)
from gateway.domain.parts import RetryPolicy
from gateway.domain.record import StopReason
from gateway.domain.words import JobStatus
from tests.builders import a_job, a_record

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def record(stop: StopReason | None = None, **job: Any) -> Any:
    return a_record(
        job=a_job(**{"job_status": JobStatus.RUNNING, "attempt": 1} | job), claimed=True, stop=stop
    )


@pytest.mark.parametrize(
    ("seen", "status", "code", "words", "retryable"),
    [
        (Exited(exit_code=0), "FINISHED", 0, "", False),
        (Exited(exit_code=3), "FAILED", 3, "exit code 3", True),
        (Exited(exit_code=137), "FAILED", 137, "exit code 137", True),
        (Exited(exit_code=137, signal=9, out_of_memory=True), "DIED", 137, "SIGKILL), out of memory", True),
        (Exited(exit_code=139, signal=11, out_of_memory=False), "DIED", 139, "SIGSEGV), not for lack", True),
        (Exited(exit_code=192, signal=64), "DIED", 192, "signal 64", True),
        (Vanished("the node is gone"), "DIED", None, "the node is gone", True),
        (TimedOut("its engine's limit"), "FAILED", None, "its engine's limit", True),
    ],
)
def test_an_end_that_was_no_stop_of_ours(
    seen: Exited | Vanished | TimedOut, status: str, code: int | None, words: str, retryable: bool
) -> None:
    outcome = outcome_of_end(record(), seen)
    assert (outcome.status, outcome.exit_code, outcome.retryable) == (status, code, retryable)
    assert words in (outcome.message or "")


@pytest.mark.parametrize(
    ("stop", "status", "words", "retryable"),
    [
        (StopReason.CANCEL, "CANCELED", "canceled by ann: enough", False),
        (StopReason.TIMEOUT, "FAILED", "longer than 60 seconds", True),
        (StopReason.HEARTBEAT, "DIED", "20 seconds without a heartbeat", True),
    ],
)
@pytest.mark.parametrize(
    "seen", [Exited(exit_code=143, signal=15), Exited(exit_code=0), Exited(exit_code=5), Vanished("gone")]
)
def test_a_stop_of_ours_decides_however_the_process_ends(
    stop: StopReason, status: str, words: str, retryable: bool, seen: Exited | Vanished
) -> None:
    asked = {"cancel_requested_by": "ann", "cancel_reason": "enough", "timeout_seconds": 60}
    outcome = outcome_of_end(record(stop, heartbeat_timeout_seconds=20, **asked), seen)
    assert (outcome.status, outcome.retryable) == (status, retryable)
    assert words in str(outcome.message)


def test_only_the_exit_codes_given_are_retried_but_a_death_always_is() -> None:
    policy = RetryPolicy(max_attempts=3, retry_exit_codes=(4,))
    assert outcome_of_end(record(retry_policy=policy), Exited(exit_code=4)).retryable
    assert not outcome_of_end(record(retry_policy=policy), Exited(exit_code=5)).retryable
    assert outcome_of_end(record(retry_policy=policy), Exited(exit_code=137, signal=9)).retryable


@pytest.mark.parametrize("passing", [True, False])
def test_a_refused_start_is_failed_and_retried_only_if_the_reason_passes(passing: bool) -> None:
    outcome = outcome_of_refusal(record(), StartRefused("no such command: 'x'", passing=passing))
    assert outcome == Outcome(status=JobStatus.FAILED, message="no such command: 'x'", retryable=passing)


def test_a_refused_start_of_a_canceled_job_is_canceled() -> None:
    refused = StartRefused("the disk is full", passing=True)
    outcome = outcome_of_refusal(record(StopReason.CANCEL, cancel_requested_by="ann"), refused)
    assert (outcome.status, outcome.message, outcome.retryable) == ("CANCELED", "canceled by ann", False)


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 10), (2, 20), (3, 40), (9, 2560), (10, 3600), (99, 3600)]
)
def test_the_backoff_doubles_up_to_an_hour_by_default(attempt: int, seconds: int) -> None:
    job = a_job(attempt=attempt, retry_policy=RetryPolicy(max_attempts=100))
    assert backoff(job) == timedelta(seconds=seconds)


def test_a_backoff_of_nothing_starts_the_next_attempt_at_once() -> None:
    job = record(retry_policy=RetryPolicy(max_attempts=2, backoff_seconds=0))
    assert next_attempt_at(job, outcome_of_end(job, Exited(exit_code=1)), NOW) == NOW


def test_the_last_attempt_is_the_last() -> None:
    job = record(attempt=2, retry_policy=RetryPolicy(max_attempts=2))
    assert next_attempt_at(job, outcome_of_end(job, Exited(exit_code=1)), NOW) is None
    assert next_attempt_at(record(), outcome_of_end(record(), Exited(exit_code=1)), NOW) is None


def test_the_message_tells_how_the_attempt_ended_and_when_the_next_one_starts() -> None:
    job = record(retry_policy=RetryPolicy(max_attempts=3))
    message = retry_message(job, outcome_of_end(job, Exited(exit_code=1)), NOW)
    assert message == (
        "attempt 1 of 3 ended FAILED: ended with exit code 1; "
        "the next one starts at 2026-11-23T12:00:00.000Z or later"
    )
