"""startJob and rerunJob: from a request to a stored job that waits or is scheduled."""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.domain import states
from gateway.domain.access import changeable, commit, sees
from gateway.domain.call import Call, Cause
from gateway.domain.dependencies import read_dependencies
from gateway.domain.ending import end_job
from gateway.domain.errors import (
    Conflict,
    Forbidden,
    JobNotFinal,
    JobNotFound,
    LockHeld,
    Problem,
    TooManyRequests,
    UnknownJobType,
    UnsupportedByExecutor,
    ValidationFailed,
)
from gateway.domain.history import note
from gateway.domain.house import House
from gateway.domain.identity import job_key, new_job_id
from gateway.domain.job import DEFAULT_GRACE_SECONDS, Job, JobStart
from gateway.domain.parts import HIDDEN, Attachment, ResourceRequest, RetryPolicy
from gateway.domain.ports import JobReader, JobWriter, VaultError
from gateway.domain.record import JobRecord, Stored
from gateway.domain.waiting import settle
from gateway.domain.words import (
    FINAL,
    DependencyCondition,
    FeatureSupport,
    JobEventKind,
    JobStartFeature,
    JobStatus,
    LockConflictPolicy,
)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A request to start a job, with what the caller does not say."""

    start: JobStart
    user: str
    organization_id: str
    cause: Cause
    secrets: dict[str, str]
    """Values of the secret variables, by name, in the clear; held in memory only."""
    rerun_of: str | None = None
    scheduled_job_id: str | None = None
    runs_before: tuple[str, ...] = ()
    """Jobs that must end first, however they end, beside those that the request names."""


async def start_job(house: House, call: Call, *, job: JobStart) -> Stored[Job]:
    """Start a job. It is stored durably before the reply, which shows it WAITING (for a dependency, a lock or
    `notBefore`) or SCHEDULED; a job whose dependency can no longer hold comes back CANCELED. What the request
    leaves out is taken from its type in the catalogue.
    """
    order = Order(
        start=job,
        user=call.caller.name,
        organization_id=organization_of(call, job.organization_id),
        cause=Cause.of(call),
        secrets=secrets_of(job),
    )
    return await commit(house, call, lambda tx, now: create_job(house, tx, order, now))


async def rerun_job(house: House, call: Call, *, job_id: str) -> Stored[Job]:
    """Start a final job once more, as a new job of the caller: the same request with its secrets and locks,
    without `notBefore`, `expiresAt` and dependencies. Later changes of name and tags are not carried over.
    """

    def work(tx: JobWriter, now: datetime) -> JobRecord:
        old = changeable(tx, call, job_id).job
        if old.job_status not in FINAL:
            raise JobNotFinal(f"job {old.id} is {old.job_status}; only a final job can be run again")
        start = tx.request(old.id)
        if start is None:
            raise JobNotFound(f"the request of job {old.id} is not kept any more")
        start = start.with_(not_before=None, expires_at=None, job_dependencies=())
        sealed = tx.secrets(old.id)
        order = Order(
            start=start,
            user=call.caller.name,
            organization_id=old.organization_id,
            cause=Cause.of(call),
            secrets=_opened(house, old.id, sealed),
            rerun_of=old.id,
        )
        return create_job(house, tx, order, now)

    return await commit(house, call, work)


def organization_of(call: Call, wanted: str | None) -> str:
    """The organization that something new belongs to. Raises Forbidden for a foreign one."""
    organization_id = wanted or call.caller.organization_id
    if not sees(call, organization_id):
        raise Forbidden(f"the caller does not belong to organization '{organization_id}'")
    return organization_id


def secrets_of(start: JobStart) -> dict[str, str]:
    """The values of the secret variables that a request brings, by name."""
    return {v.name: v.value for v in start.environment_variables if v.secret and v.value is not None}


def masked(start: JobStart) -> JobStart:
    """The request as it is stored: without the values of its secrets."""
    variables = start.environment_variables
    if not any(variable.secret for variable in variables):
        return start
    return start.with_(
        environment_variables=tuple(v.with_(value=HIDDEN) if v.secret else v for v in variables)
    )


def _opened(house: House, job_id: str, sealed: dict[str, bytes]) -> dict[str, str]:
    try:
        return {
            name: house.vault.open(value, context=secret_context(job_id, name))
            for name, value in sealed.items()
        }
    except VaultError as error:
        raise Conflict(f"a secret of job {job_id} cannot be read: {error}") from error


def secret_context(job_id: str, name: str) -> str:
    """What binds a sealed value to its job and variable."""
    return f"job/{job_id}/{name}"


def create_job(house: House, tx: JobWriter, order: Order, now: datetime) -> JobRecord:
    """Store a new job with its request, secrets, dependencies and places in the queues of its locks.

    Raises the errors of startJob; nothing is stored then.
    """
    start = _with_defaults(house, order.start)
    _check(house, start)
    limit = house.policy.max_not_final
    if limit and tx.count_not_final(order.organization_id) >= limit:
        raise TooManyRequests(
            f"organization '{order.organization_id}' has {limit} jobs that have not ended",
            retry_after_seconds=5,
        )
    job_id = new_job_id(now)
    named = read_dependencies(tx, start, order.organization_id)
    if named.doomed is None:
        _check_locks(tx, start, order)
    kept = masked(start)
    record = JobRecord(job=_new_job(job_id, kept, order, now), wake_at=start.not_before)
    record = record.with_(job=states.change(record.job, JobStatus.PERSISTED, at=now, message=None))
    sealed = {
        name: house.vault.seal(value, context=secret_context(job_id, name))
        for name, value in order.secrets.items()
    }
    tx.insert_job(record, request=kept, secrets=sealed)
    record = note(tx, record, JobEventKind.STATUS, cause=order.cause, at=now, to_status=JobStatus.PERSISTED)
    for other, condition, open_ in named.all:
        tx.depend(job_id, other, condition, open=open_)
    if start.result_storage_id and JobStartFeature.SKIP_RESULTS_INITIALIZATION not in start.features_on:
        tx.open_storage(order.organization_id, start.result_storage_id, now)
    if named.doomed is not None:
        return end_job(
            tx,
            record,
            JobStatus.CANCELED,
            cause=order.cause,
            now=now,
            message=named.doomed,
            retention_days=house.policy.retention_days,
        )
    already = {other for other, _, _ in named.all}
    for other in order.runs_before:
        if other not in already:
            tx.depend(job_id, other, DependencyCondition.ENDED, open=True)
    for lock in start.locks:
        tx.take_place(job_id, order.organization_id, lock.name)
    record = settle(tx, record, cause=order.cause, now=now)
    tx.save_job(record)
    return record


def check_start(house: House, tx: JobReader, start: JobStart, organization_id: str) -> None:
    """Raise the errors that startJob would raise at any time, whatever else runs: all but LockHeld and
    TooManyRequests.
    """
    _check(house, _with_defaults(house, start))
    read_dependencies(tx, start, organization_id)


def _with_defaults(house: House, start: JobStart) -> JobStart:
    """The request with what its type in the catalogue and the contract say where it is silent."""
    defaults: dict[str, Any] = {}
    if start.type is not None:
        kind = house.catalogue.get(start.type)
        if kind is None:
            problem = Problem(("job", "type"), f"there is no job type '{start.type}'")
            raise UnknownJobType(problem.detail, problems=[problem])
        if not start.commands:
            defaults["commands"] = kind.commands
        for name in (
            "resource_request",
            "timeout_seconds",
            "heartbeat_timeout_seconds",
            "cancel_grace_seconds",
            "retry_policy",
        ):
            if getattr(start, name) is None:
                defaults[name] = getattr(kind, name)
    return start.with_(**defaults) if defaults else start


def _check(house: House, start: JobStart) -> None:
    """What the models cannot check by themselves."""
    refused = [
        Problem(("job", *path), f"the executor '{house.executor.name}' refuses {what}")
        for path, what in _refused(start, house.executor.support)
    ]
    if refused:
        raise UnsupportedByExecutor("; ".join(problem.detail for problem in refused), problems=refused)
    problems = []
    images = house.policy.allowed_images
    if images and not any(fnmatch.fnmatchcase(start.docker_image_url, image) for image in images):
        problems.append(Problem(("job", "dockerImageUrl"), "is none of the images that may be used here"))
    for index, volume in enumerate(start.volumes):
        if volume.source not in house.policy.volumes:
            detail = f"there is no volume '{volume.source}'"
            problems.append(Problem(("job", "volumes", index, "source"), detail))
    if problems:
        raise ValidationFailed("the request has wrong fields", problems=problems)


def _refused(start: JobStart, support: Mapping[str, FeatureSupport]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Paths and names of what is given although the executor refuses it; `emptyCommands` is not giving."""
    for name in (name for name, how in support.items() if how is FeatureSupport.REFUSED):
        if name == "emptyCommands" and not start.commands:
            yield ("commands",), "a job without commands"
        elif name in _MEMBERS and getattr(start, _MEMBERS[name]) not in (None, ()):
            yield (name,), name
        elif name in _LIMITS and getattr(start.resource_request, _LIMITS[name], None) is not None:
            yield ("resourceRequest", name), name


_MEMBERS = {str(field.alias): name for name, field in JobStart.model_fields.items()}
_LIMITS = {str(field.alias): name for name, field in ResourceRequest.model_fields.items()}


def _check_locks(tx: JobWriter, start: JobStart, order: Order) -> None:
    problems = []
    for index, lock in enumerate(start.locks):
        holder = tx.lock_holder(order.organization_id, lock.name)
        # A lock of the run that it waits for anyway is no conflict.
        held = holder is not None and holder not in order.runs_before
        if held and lock.policy is LockConflictPolicy.REJECT:
            problems.append(
                Problem(("job", "locks", index, "name"), f"the lock '{lock.name}' is held by job {holder}")
            )
    if problems:
        raise LockHeld("; ".join(problem.detail for problem in problems), problems=problems)


_SAME = (
    "name",
    "description",
    "type",
    "docker_image_url",
    "commands",
    "environment_variables",
    "input_uri",
    "domain",
    "workspace_id",
    "labels",
    "tags",
    "volumes",
    "main_label",
    "expires_at",
    "client_id",
    "not_before",
    "timeout_seconds",
    "heartbeat_timeout_seconds",
)
"""The members that a job takes from its request as they are."""


def _new_job(job_id: str, start: JobStart, order: Order, now: datetime) -> Job:
    taken: dict[str, Any] = {name: value for name in _SAME if (value := getattr(start, name)) is not None}
    resources = start.resource_request
    if resources is not None and resources.model_dump(exclude_none=True):
        taken["resource_request"] = resources.with_heap()
    taken |= {"storage_id": start.result_storage_id} if start.result_storage_id else {}
    taken |= {"rerun_of": order.rerun_of} if order.rerun_of else {}
    taken |= {"scheduled_job_id": order.scheduled_job_id} if order.scheduled_job_id else {}
    return Job(
        id=job_id,
        job_status=JobStatus.CREATED,
        created_at=now,
        modified_at=now,
        modified_by=order.cause.actor,
        user=order.user,
        organization_id=order.organization_id,
        job_dependencies=tuple(
            d.with_(job_id=job_key(d.job_id), condition=d.needs) for d in start.job_dependencies
        ),
        locks=tuple(lock.with_(on_conflict=lock.policy) for lock in start.locks),
        attachments=tuple(
            Attachment(
                id=f"link-{number}",
                created_at=now,
                **{name: value for name, value in link if value is not None},
            )
            for number, link in enumerate(start.attachments, 1)
        ),
        priority=start.priority,
        attempt=0,
        cancel_grace_seconds=(
            DEFAULT_GRACE_SECONDS if start.cancel_grace_seconds is None else start.cancel_grace_seconds
        ),
        retry_policy=start.retry_policy or RetryPolicy(),
        version=1,
        **taken,
    )
