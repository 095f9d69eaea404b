"""The life of an attempt in the store: claimed, running, lost from sight, ended."""

from dataclasses import dataclass
from datetime import datetime

from gateway.domain.call import ENGINE
from gateway.domain.ending import end_job
from gateway.domain.executor import AttemptKey, Launch, Mount, Resources, Vanished
from gateway.domain.history import move, save
from gateway.domain.house import House
from gateway.domain.job import DEFAULT_GRACE_SECONDS, Job
from gateway.domain.outcome import Outcome, next_attempt_at, outcome_of_end, retry_message
from gateway.domain.ports import JobReader, JobWriter
from gateway.domain.record import JobRecord, StopReason
from gateway.domain.starting import secret_context
from gateway.domain.tokens import token_hash
from gateway.domain.waiting import settle
from gateway.domain.words import JobStatus


def claim(house: House, tx: JobWriter, job_id: str, now: datetime) -> JobRecord | None:
    """Take a scheduled job for its next attempt, which has a token of its own from here on."""
    record = tx.job(job_id)
    if record is None or record.job.job_status is not JobStatus.SCHEDULED or record.claimed:
        return None
    attempt = record.job.attempt + 1
    job = record.job.with_(
        attempt=attempt,
        started_at=None,
        exit_code=None,
        progress=None,
        total_items=None,
        processed_items=None,
        failed_items=None,
    )
    token = house.vault.token(job_id, attempt)
    claimed = record.with_(
        job=job, claimed=True, node=house.node.number, handle=None, token_hash=token_hash(token), stop=None
    )
    return save(tx, claimed, cause=ENGINE, at=now)


async def launch_of(house: House, record: JobRecord) -> Launch:
    """All that the executor needs to start a claimed attempt; secrets are opened here and nowhere stored."""
    job = record.job
    sealed: dict[str, bytes] = {}
    if any(variable.secret for variable in job.environment_variables):
        sealed = await house.store.read(lambda tx: tx.secrets(job.id))
    secrets = {
        name: house.vault.open(value, context=secret_context(job.id, name)) for name, value in sealed.items()
    }
    environment = {v.name: secrets.get(v.name, v.value or "") for v in job.environment_variables}
    resources = job.resource_request
    if resources is not None and resources.xmx_limit is not None:
        own = environment.get("JAVA_TOOL_OPTIONS", "")
        environment["JAVA_TOOL_OPTIONS"] = f"-Xmx{resources.xmx_limit}m {own}".rstrip()
    return Launch(
        key=record.attempt,
        commands=job.commands,
        image=job.docker_image_url,
        environment=environment | _given(house, job),
        secrets=frozenset({*secrets, "JOB_TOKEN"}),
        organization_id=job.organization_id,
        mounts=tuple(
            Mount(name=v.name, source=v.source, path=v.mount_path, read_only=bool(v.read_only))
            for v in job.volumes
        ),
        resources=Resources(
            memory_limit_mb=resources.memory_limit,
            memory_request_mb=resources.memory_request,
            cpu_limit=resources.cpu_limit,
            cpu_request=resources.cpu_request,
        )
        if resources
        else Resources(),
        timeout_seconds=job.timeout_seconds,
        grace_seconds=(
            DEFAULT_GRACE_SECONDS if job.cancel_grace_seconds is None else job.cancel_grace_seconds
        ),
    )


def _given(house: House, job: Job) -> dict[str, str]:
    """The variables that the gateway gives; what the job does not have is the empty text."""
    return {
        "JOB_ID": job.id,
        "JOB_ATTEMPT": str(job.attempt),
        "JOB_TYPE": job.type or "",
        "JOB_STORAGE_ID": job.storage_id or "",
        "JOB_INPUT_URI": job.input_uri or "",
        "JOBS_API_URL": house.policy.api_url,
        "JOBS_SOAP_URL": house.policy.soap_url,
        "JOB_TOKEN": house.vault.token(job.id, job.attempt),
    }


def current(house: House, tx: JobReader, key: AttemptKey) -> JobRecord | None:
    """The record of an attempt that this node holds; None when it is over, or another node's by now."""
    record = tx.job(key.job_id)
    ours = record is not None and record.claimed and record.node == house.node.number
    return record if ours and record is not None and record.attempt == key else None


def submitted(house: House, tx: JobWriter, key: AttemptKey, handle: str) -> JobRecord | None:
    """The engine has the attempt and will run it: store its handle."""
    record = current(house, tx, key)
    if record is None or record.handle == handle:
        return record
    record = record.with_(handle=handle)
    # No reply shows it, so the version stays.
    tx.save_job(record)
    return record


def queued(
    house: House, tx: JobWriter, key: AttemptKey, reason: str | None, now: datetime
) -> JobRecord | None:
    """The engine has the attempt and does not run it yet: the message tells what it waits for."""
    record = current(house, tx, key)
    if record is None:
        return None
    if record.job.job_status is JobStatus.UNKNOWN:
        record = move(tx, record, JobStatus.SCHEDULED, cause=ENGINE, at=now, message=reason)
    elif record.job.job_status is not JobStatus.SCHEDULED or record.job.message == reason:
        return record
    else:
        record = record.with_(job=record.job.with_(message=reason))
    return save(tx, record, cause=ENGINE, at=now)


def run(house: House, tx: JobWriter, key: AttemptKey, handle: str, now: datetime) -> JobRecord | None:
    """The attempt runs: store its handle. For one that was UNKNOWN it is seen again."""
    record = current(house, tx, key)
    if record is None or record.job.job_status is JobStatus.RUNNING:
        return record
    record = record.with_(handle=handle)
    if record.job.started_at is None:
        record = record.with_(job=record.job.with_(started_at=now))
    return save(tx, move(tx, record, JobStatus.RUNNING, cause=ENGINE, at=now), cause=ENGINE, at=now)


def lose(house: House, tx: JobWriter, key: AttemptKey, reason: str, now: datetime) -> JobRecord | None:
    """The engine cannot be asked about the attempt."""
    record = current(house, tx, key)
    if record is None or record.job.job_status is JobStatus.UNKNOWN:
        return record
    lost = move(tx, record, JobStatus.UNKNOWN, cause=ENGINE, at=now, message=reason)
    return save(tx, lost, cause=ENGINE, at=now)


@dataclass(frozen=True)
class Ended:
    """How an attempt left the executor."""

    outcome: Outcome
    started: bool
    """Whether it ever ran; one that was refused did not."""


def finish(house: House, tx: JobWriter, key: AttemptKey, ended: Ended, now: datetime) -> JobRecord | None:
    """The attempt is over: end the job, or let it wait for the next attempt."""
    record = current(house, tx, key)
    if record is None:
        return None
    outcome = ended.outcome
    if ended.started and record.job.job_status is JobStatus.SCHEDULED:
        # It ended before it was seen to run: the history gets both changes in this commit.
        if record.job.started_at is None:
            record = record.with_(job=record.job.with_(started_at=now))
        record = move(tx, record, JobStatus.RUNNING, cause=ENGINE, at=now)
    record = record.with_(job=record.job.with_(exit_code=outcome.exit_code))
    again = next_attempt_at(record, outcome, now)
    if again is None:
        return end_job(
            tx,
            record,
            outcome.status,
            cause=ENGINE,
            now=now,
            message=outcome.message,
            exit_code=outcome.exit_code,
            retention_days=house.policy.retention_days,
        )
    record = record.with_(
        claimed=False, node=0, handle=None, token_hash=None, stop=None, stop_grace_seconds=None, wake_at=again
    )
    record = move(
        tx,
        record,
        JobStatus.WAITING,
        cause=ENGINE,
        at=now,
        message=retry_message(record, outcome, again),
        exit_code=outcome.exit_code,
    )
    if again <= now:
        record = settle(tx, record, cause=ENGINE, now=now)
    return save(tx, record, cause=ENGINE, at=now)


def stop(house: House, tx: JobWriter, key: AttemptKey, reason: StopReason) -> JobRecord | None:
    """Note that the gateway stops the attempt, and why, so that a restart does not forget it."""
    record = current(house, tx, key)
    if record is None or record.stop is not None:
        return record
    stopped = record.with_(stop=reason, stop_grace_seconds=record.job.cancel_grace_seconds)
    # No reply shows it, so the version stays.
    tx.save_job(stopped)
    return stopped


def inherit(house: House, tx: JobWriter, record: JobRecord, node: str, now: datetime) -> JobRecord | None:
    """Take over an attempt from a node that is one no more. None when the attempt is over with that: nobody
    but the lost node could reach it, and its end is not known.
    """
    record = record.with_(node=house.node.number)
    tx.save_job(record)
    if house.executor.reachable_from_anywhere:
        return record
    lost = Vanished(f"its node {node} was lost")
    ended = Ended(outcome_of_end(record, lost), started=record.handle is not None)
    finish(house, tx, record.attempt, ended, now)
    return None
