"""What becomes of a job when its attempt was seen to end: plain decisions, without I/O."""

import signal
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from gateway.domain.executor import Exited, Refused, StartRefused, TimedOut, Vanished
from gateway.domain.job import Job
from gateway.domain.parts import RetryPolicy
from gateway.domain.record import JobRecord, StopReason
from gateway.domain.scalars import instant_text
from gateway.domain.words import JobStatus


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    status: JobStatus
    """What the job becomes if no attempt follows: FINISHED, FAILED, DIED or CANCELED."""
    message: str | None
    exit_code: int | None = None
    retryable: bool = False
    """Whether another attempt may mend it."""


def outcome_of_end(record: JobRecord, seen: Exited | Vanished | TimedOut) -> Outcome:
    """The outcome of an attempt that was started and has ended."""
    code = seen.exit_code if isinstance(seen, Exited) else None
    if record.stop is StopReason.CANCEL:
        by = record.job.cancel_requested_by
        reason = f": {record.job.cancel_reason}" if record.job.cancel_reason else ""
        return Outcome(status=JobStatus.CANCELED, message=f"canceled by {by}{reason}", exit_code=code)
    if record.stop is StopReason.TIMEOUT:
        message = f"stopped after running longer than {record.job.timeout_seconds} seconds"
        return Outcome(status=JobStatus.FAILED, message=message, exit_code=code, retryable=True)
    if record.stop is StopReason.HEARTBEAT:
        message = f"stopped after {record.job.heartbeat_timeout_seconds} seconds without a heartbeat"
        return Outcome(status=JobStatus.DIED, message=message, exit_code=code, retryable=True)
    if isinstance(seen, Vanished):
        return Outcome(status=JobStatus.DIED, message=seen.reason, retryable=True)
    if isinstance(seen, TimedOut):
        return Outcome(status=JobStatus.FAILED, message=seen.reason, retryable=True)
    if seen.signal is not None:
        message = f"killed from outside by {_signal_name(seen.signal)}{_memory(seen)}"
        return Outcome(status=JobStatus.DIED, message=message, exit_code=code, retryable=True)
    if seen.exit_code == 0:
        return Outcome(status=JobStatus.FINISHED, message=None, exit_code=0)
    policy = record.job.retry_policy
    wanted = policy.retry_exit_codes if policy else ()
    return Outcome(
        status=JobStatus.FAILED,
        message=f"ended with exit code {seen.exit_code}",
        exit_code=code,
        retryable=not wanted or seen.exit_code in wanted,
    )


def outcome_of_refusal(record: JobRecord, refused: StartRefused | Refused) -> Outcome:
    """The outcome of an attempt that could not be started."""
    if record.stop is StopReason.CANCEL:
        by = record.job.cancel_requested_by
        return Outcome(status=JobStatus.CANCELED, message=f"canceled by {by}")
    return Outcome(status=JobStatus.FAILED, message=refused.reason, retryable=refused.passing)


def _signal_name(number: int) -> str:
    try:
        return f"signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"signal {number}"


def _memory(seen: Exited) -> str:
    if seen.out_of_memory is None:
        return ""
    return ", out of memory" if seen.out_of_memory else ", not for lack of memory"


def max_attempts(job: Job) -> int:
    """How many attempts the job may have."""
    return job.retry_policy.max_attempts if job.retry_policy else 1


def backoff(job: Job) -> timedelta:
    """How long to wait after the latest attempt before the next one."""
    policy = job.retry_policy or RetryPolicy()
    # 10 ** 99 seconds are no timedelta: the exponent is cut where every wait has reached the longest one.
    grown = policy.backoff_seconds * policy.backoff_factor ** min(job.attempt - 1, 60)
    return timedelta(milliseconds=int(min(Decimal(policy.max_backoff_seconds), grown) * 1000))


def next_attempt_at(record: JobRecord, outcome: Outcome, now: datetime) -> datetime | None:
    """When another attempt is to be made; None when none is."""
    if not outcome.retryable or record.job.attempt >= max_attempts(record.job):
        return None
    return now + backoff(record.job)


def retry_message(record: JobRecord, outcome: Outcome, at: datetime) -> str:
    """What the job says while it waits for its next attempt."""
    job = record.job
    return (
        f"attempt {job.attempt} of {max_attempts(job)} ended {outcome.status}: {outcome.message}; "
        f"the next one starts at {instant_text(at)} or later"
    )
