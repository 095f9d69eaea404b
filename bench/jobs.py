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
from gateway.domain.scalars import instant_text
from gateway.domain.words import CallProtocol, JobEventKind, JobStatus, ResultStatus

RARE = 120
"""How many jobs have the rare values."""
FIRST_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""When the first job was created; one follows each second."""
ORGANIZATION = "default"
STORAGE = "bulk"
"""The storage of the results and log entries."""

_JOBS_REPEAT = 200
"""After so many numbers a job is the same again but for `own`: a multiple of what `record` divides by."""
_ENTRIES_REPEAT = 1000
"""After so many numbers a result or log entry is the same again but for `entry_own`."""
_MILLISECOND = timedelta(milliseconds=1)
_FIRST = int(FIRST_AT.timestamp()) * 1000
_STARTED = timedelta(milliseconds=7)
"""How long after its creation a job started."""
_FINISHED = timedelta(milliseconds=1007)
"""How long after its creation it had finished."""
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
    milliseconds = _FIRST + number * 1000
    digits = f"{milliseconds << 80 | 7 << 76 | 2 << 62 | number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


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


def kind(number: int, total: int) -> int:
    """Jobs of one kind differ in nothing but `own`. Each rare one is a kind."""
    if is_rare(number, total):
        return -1 - number
    return number % _JOBS_REPEAT + (_JOBS_REPEAT if _is_late(number, total) else 0)


def own(number: int, total: int) -> dict[str, Any]:
    """What a job need not share with others of its kind: texts, and numbers by the names of their columns."""
    begun = created_at(number)
    created = _FIRST + number * 1000
    values = {
        "number": number + 1,
        "created_at": created,
        "finished_at": created + _FINISHED // _MILLISECOND,
        "id": job_id(number),
        "created": instant_text(begun),
        "started": instant_text(begun + _STARTED),
        "finished": instant_text(begun + _FINISHED),
        "run": _run(number),
    }
    if _is_late(number, total):
        values["late"] = _late(number)
    return values


def entry_kind(number: int, total: int) -> int:
    """Results, and log entries, of one kind differ in nothing but `entry_own`. Each rare one is a kind."""
    return -1 - number if is_rare(number, total) else number % _ENTRIES_REPEAT


def entry_own(number: int) -> dict[str, str]:
    """What an entry need not share with others of its kind; the score has JSON around it, to be known by."""
    return {"external": f"external-{number}", "score": f'":{number % 101},'}


def record(number: int, total: int) -> JobRecord:
    """A job that has finished, one of `total`."""
    rare = is_rare(number, total)
    begun = created_at(number)
    words = [_NOUNS[number % len(_NOUNS)], _run(number)]
    if rare:
        words += ["scarce", f"rarity{number * RARE // total}"]
    if _is_late(number, total):
        words += [_late(number)]
    status = JobStatus.DIED if rare else JobStatus.FAILED if number % 50 == 1 else JobStatus.FINISHED
    job = _JOB.with_(
        id=job_id(number),
        name="Nightly " + " ".join(words),
        type="RARE_JOB" if rare else ("DATA_CURATION_JOB", "DATA_VALIDATION_JOB")[number % 2],
        job_status=status,
        created_at=begun,
        started_at=begun + _STARTED,
        finished_at=begun + _FINISHED,
        modified_at=begun + _FINISHED,
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


def _run(number: int) -> str:
    return f"run{number % 997}"


def _late(number: int) -> str:
    return f"late{number % 150}"


def _is_late(number: int, total: int) -> bool:
    return number >= total - total // _LATE_SHARE
