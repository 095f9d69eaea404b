"""Short ways to make scheduled jobs, to let time pass, and to look at their runs."""

from typing import Any

from gateway.domain.executor import Exited
from gateway.domain.job import Job
from gateway.domain.queries import JobQuery
from gateway.domain.schedules import ScheduledJob
from tests.house import TestHouse

JOB = {"dockerImageUrl": "image", "commands": ["run"]}
"""The job of a schedule, in the least words."""


async def a_schedule(house: TestHouse, job: dict[str, Any] | None = None, **members: Any) -> ScheduledJob:
    """A scheduled job that is due each minute, unless told."""
    wanted = {"cronExpression": "* * * * *", "job": JOB | (job or {})} | members
    made: ScheduledJob = await house.call("createScheduledJob", scheduledJob=wanted)
    return made


async def now(house: TestHouse, schedule: ScheduledJob) -> ScheduledJob:
    """The scheduled job as it is now."""
    found: ScheduledJob = await house.call("getScheduledJob", scheduledJobId=schedule.id)
    return found


async def runs_of(house: TestHouse, schedule: ScheduledJob) -> list[Job]:
    """Its runs, oldest first."""
    query = JobQuery(scheduled_job_id=schedule.id)
    found = await house.house.store.read(
        lambda tx: tx.jobs(query, organization_id=None, after=None, limit=999)
    )
    return [stored.load() for stored in found]


async def pass_time(house: TestHouse, seconds: float) -> None:
    """The clock goes on and the scheduler looks."""
    house.clock.advance(seconds)
    await house.engine.scheduler.tick()


async def finish(house: TestHouse, job: Job) -> None:
    await house.tick()
    await house.end(job.id, Exited(exit_code=0))


async def restart_after(house: TestHouse, seconds: float) -> TestHouse:
    """No gateway runs for a while; then another one looks."""
    house.clock.advance(seconds)
    another = house.restarted()
    await another.engine.scheduler.tick()
    return another
