"""The jobs, results and log entries that stores are filled with. The same number always gives the same job.

Each filter has a value that is often met (a fixed share of the jobs) and one that exactly RARE jobs have,
spread over the whole store: however many jobs there are, a page of 100 can be filled, and a filter without
its index would have to read all the rest.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from gateway.domain.job import Job, JobEvent, JobStart
from gateway.domain.parts import (
    EnvironmentVariable,
    JobDependency,
    JobMetric,
    Label,
    ResourceRequest,
)
from gateway.domain.processing_logs import ProcessingLogEntryWrite
from gateway.domain.record import JobRecord
from gateway.domain.results import JobResultWrite
from gateway.domain.words import CallProtocol, JobEventKind, JobStatus, ResultStatus

RARE = 120
"""How many jobs have the rare values."""
FIRST_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""When the first job was created; one follows each second."""
ORGANIZATION = "default"
STORAGE = "bulk"
"""The storage of the results and log entries."""

_NOUNS = "address bank catalog customer duplicate entity invoice ledger partner payment".split()
_IMAGE = "registry.example.org/data/curation:4.12.1"
_COMMANDS = ("curate", "--profile", "addresses", "--report", "/data/report.json")
_LATE_SHARE = 20
"""One in so many jobs, all at the end, has a word that begins like those of the others there."""

_START = JobStart(
    docker_image_url=_IMAGE,
    commands=_COMMANDS,
    environment_variables=(EnvironmentVariable(name="PROFILE", value="addresses"),),
    labels=(Label(name="team", value="data"),),
    tags=("nightly",),
)
_JOB = Job(
    id=str(uuid.UUID(int=0)),
    name="Nightly curation",
    description="Curates the addresses of all business partners.",
    type="DATA_CURATION_JOB",
    job_status=JobStatus.FINISHED,
    last_job_status=JobStatus.RUNNING,
    created_at=FIRST_AT,
    modified_at=FIRST_AT,
    started_at=FIRST_AT,
    finished_at=FIRST_AT,
    user="user-0",
    organization_id=ORGANIZATION,
    workspace_id="workspace-1",
    storage_id="storage-0",
    domain="master data",
    docker_image_url=_IMAGE,
    commands=_COMMANDS,
    environment_variables=(EnvironmentVariable(name="PROFILE", value="addresses"),),
    input_uri="https://files.example.org/in/partners.csv",
    progress=100,
    total_items=5000,
    processed_items=4990,
    failed_items=10,
    labels=(Label(name="team", value="data"),),
    tags=("nightly",),
    metrics=(
        JobMetric(name="records/s", value=Decimal("812.25"), recorded_at=FIRST_AT),
        JobMetric(name="quality", value=Decimal("0.975"), unit="share", recorded_at=FIRST_AT),
    ),
    resource_request=ResourceRequest(memory_limit=2048, cpu_limit=Decimal("1.5"), xmx_limit=1848),
    priority=5,
    attempt=1,
    exit_code=0,
    version=5,
)
_EVENT = JobEvent(
    id="1",
    job_id=_JOB.id,
    at=FIRST_AT,
    kind=JobEventKind.STATUS,
    actor="user-0",
    protocol=CallProtocol.REST,
)
_HISTORY = (
    (None, JobStatus.PERSISTED),
    (JobStatus.PERSISTED, JobStatus.SCHEDULED),
    (JobStatus.SCHEDULED, JobStatus.RUNNING),
)


def job_id(number: int) -> str:
    """The id of a job: a UUID of version 7 made of its number and time."""
    milliseconds = int(FIRST_AT.timestamp() * 1000) + number * 1000
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | number))


def created_at(number: int) -> datetime:
    """When a job was created."""
    return FIRST_AT + timedelta(seconds=number)


def schedule_id(number: int) -> str:
    """The id of a schedule."""
    return str(uuid.UUID(int=7 << 76 | 2 << 62 | number))


RARE_SCHEDULE = schedule_id(999)


def is_rare(number: int, total: int) -> bool:
    """Whether a job is one of RARE."""
    step = total // RARE
    return number % step == 0 and number // step < RARE


def record(number: int, total: int) -> JobRecord:
    """A job that has finished, one of `total`."""
    rare = is_rare(number, total)
    begun = created_at(number)
    words = [_NOUNS[number % len(_NOUNS)], f"run{number % 997}"]
    if rare:
        words += ["scarce", f"rarity{number * RARE // total}"]
    if number >= total - total // _LATE_SHARE:
        words += [f"late{number % 150}"]
    status = JobStatus.DIED if rare else JobStatus.FAILED if number % 50 == 1 else JobStatus.FINISHED
    job = _JOB.with_(
        id=job_id(number),
        name="Nightly " + " ".join(words),
        type="RARE_JOB" if rare else ("DATA_CURATION_JOB", "DATA_VALIDATION_JOB")[number % 2],
        job_status=status,
        created_at=begun,
        started_at=begun + timedelta(milliseconds=7),
        finished_at=begun + timedelta(milliseconds=1007),
        modified_at=begun + timedelta(milliseconds=1007),
        user="rare" if rare else f"user-{number % 10}",
        organization_id="other" if number % 10 == 7 and not rare else ORGANIZATION,
        storage_id="rare" if rare else f"storage-{number % 20}",
        labels=(Label(name="team", value="rare" if rare else f"team-{number % 8}"),),
        tags=("nightly", "rare" if rare else f"tag-{number % 25}"),
        job_dependencies=(JobDependency(job_id=job_id(0)),) if rare and number else (),
        scheduled_job_id=RARE_SCHEDULE if rare else schedule_id(number % 40) if number % 2 else None,
    )
    return JobRecord(job=job, event_count=len(_HISTORY) + 1)


def request() -> JobStart:
    """What every job was started with."""
    return _START


def events(job: Job) -> Iterator[JobEvent]:
    """The history of a job."""
    steps = (*_HISTORY, (JobStatus.RUNNING, job.job_status))
    for number, (before, after) in enumerate(steps, 1):
        yield _EVENT.with_(
            id=str(number), job_id=job.id, at=job.created_at, from_status=before, to_status=after
        )


def result(number: int, total: int) -> JobResultWrite:
    """A result of a job, one of `total` in its storage."""
    return JobResultWrite.model_construct(**_entry(number, total))


def log_entry(number: int, total: int) -> ProcessingLogEntryWrite:
    """An entry of a processing log, one of `total`."""
    return ProcessingLogEntryWrite.model_construct(**_entry(number, total), job_id=job_id(0))


def _entry(number: int, total: int) -> dict[str, Any]:
    rare = is_rare(number, total)
    return {
        "business_partner_id": "BPRARE" if rare else f"BP{number % 1000:08d}",
        "data_source_id": "rare" if rare else f"source-{number % 10}",
        "external_id": "rare" if rare else f"external-{number}",
        "status": ResultStatus.FAILED if number % 50 == 1 else ResultStatus.OK,
        "result_data": f'{{"score":{number % 101},"street":"Main Street {number % 500}"}}',
        "message": "address completed",
    }
