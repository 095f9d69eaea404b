"""The operations that read scheduled jobs."""

import asyncio
from datetime import datetime
from itertools import islice
from typing import Any

from gateway.domain.access import sees
from gateway.domain.call import Call
from gateway.domain.cron import Timetable
from gateway.domain.cursors import cursor_of, fingerprint_of, position_of
from gateway.domain.house import House
from gateway.domain.ports import JobReader
from gateway.domain.record import Position, Stored
from gateway.domain.schedule_access import schedule_document
from gateway.domain.schedule_runs import due_times
from gateway.domain.schedules import (
    PreviewQuery,
    ScheduledJob,
    ScheduledJobPage,
    ScheduledJobQuery,
    SchedulePreview,
)


async def list_scheduled_jobs(house: House, call: Call, *, query: ScheduledJobQuery) -> ScheduledJobPage:
    """List the scheduled jobs of the caller's organization that match every filter, ordered by `createdAt`. A
    page repeats none and skips none that was there before the first page.
    """
    organization_id = query.organization_id or call.caller.organization_id
    if not sees(call, organization_id):
        return ScheduledJobPage(limit=query.limit)
    fingerprint = fingerprint_of(house, query, organization_id)
    after = None if query.start_after is None else position_of(house, query.start_after, fingerprint)

    def work(tx: JobReader) -> list[Stored[ScheduledJob]]:
        return tx.schedules.page(query, organization_id=organization_id, after=after, limit=query.limit + 1)

    found = await house.store.read(work, long=query.text is not None)
    page: dict[str, Any] = {"scheduled_jobs": tuple(found[: query.limit]), "limit": query.limit}
    if len(found) > query.limit:
        last = found[query.limit - 1].load()
        page["next_start_after"] = cursor_of(house, Position(last.created_at, last.id), fingerprint)
    return ScheduledJobPage.model_construct(**page)


async def get_scheduled_job(house: House, call: Call, *, scheduled_job_id: str) -> Stored[ScheduledJob]:
    """Show a scheduled job as it is now."""
    return await house.store.read(lambda tx: schedule_document(tx, call, scheduled_job_id))


async def preview_scheduled_job(
    house: House, call: Call, *, scheduled_job_id: str, query: PreviewQuery
) -> SchedulePreview:
    """Show the next due times, as if the schedule were not paused; fewer than asked for when it ends."""
    stored = await get_scheduled_job(house, call, scheduled_job_id=scheduled_job_id)
    schedule = stored.load()
    after = query.after or house.clock.now()

    def look() -> tuple[datetime, ...]:
        table = Timetable.read(schedule.cron_expression, schedule.time_zone)
        return tuple(islice(due_times(schedule, table, after), query.count))

    # Due times that lie decades apart take some milliseconds each.
    runs_at = await asyncio.to_thread(look)
    return SchedulePreview(count=len(runs_at), runs_at=runs_at)
