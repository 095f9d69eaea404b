"""What a job that is to be started depends on: whether these jobs are there, and how they have ended."""

from dataclasses import dataclass

from gateway.domain.ending import holds
from gateway.domain.errors import InvalidDependency, JobNotFound, Problem
from gateway.domain.identity import job_key
from gateway.domain.job import JobStart
from gateway.domain.ports import JobReader
from gateway.domain.words import FINAL, DependencyCondition


@dataclass(frozen=True)
class Dependencies:
    """What a request to start a job depends on."""

    all: list[tuple[str, DependencyCondition, bool]]
    """Id, condition, and whether the outcome is open."""
    doomed: str | None
    """Why the job can never run, if so."""


def read_dependencies(tx: JobReader, start: JobStart, organization_id: str) -> Dependencies:
    """Look at the jobs that a request names. Raises InvalidDependency."""
    found: dict[str, tuple[str, DependencyCondition, bool]] = {}
    problems = []
    doomed = None
    for index, dependency in enumerate(start.job_dependencies):
        path = ("job", "jobDependencies", index, "jobId")
        try:
            other_id = job_key(dependency.job_id)
        except JobNotFound:
            other_id = ""
        other = tx.job(other_id) if other_id else None
        if other is None or other.job.organization_id != organization_id:
            problems.append(Problem(path, f"there is no job '{dependency.job_id}' to depend on"))
            continue
        if other_id in found:
            problems.append(Problem(path, f"job {other_id} is named twice"))
            continue
        status = other.job.job_status
        if status in FINAL and not holds(dependency.needs, status):
            doomed = doomed or f"depends on job {other_id}, which ended {status}"
        found[other_id] = (other_id, dependency.needs, status not in FINAL)
    if problems:
        raise InvalidDependency("; ".join(problem.detail for problem in problems), problems=problems)
    # A job that will never run decides nothing later.
    closed = [(other_id, needs, open_ and doomed is None) for other_id, needs, open_ in found.values()]
    return Dependencies(closed, doomed)
