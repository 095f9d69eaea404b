"""What schedules need from the store: the attribute `schedules` of JobReader and JobWriter."""

from datetime import datetime
from typing import Protocol

from gateway.domain.record import Position, Stored
from gateway.domain.schedules import ScheduledJob, ScheduledJobQuery


class ScheduleReader(Protocol):
    """What can be read of scheduled jobs."""

    def schedule(self, schedule_id: str) -> ScheduledJob | None:
        """A scheduled job, secrets masked."""

    def document(self, schedule_id: str) -> Stored[ScheduledJob] | None:
        """A scheduled job as replies show it, not parsed."""

    def page(
        self, query: ScheduledJobQuery, *, organization_id: str, after: Position | None, limit: int
    ) -> list[Stored[ScheduledJob]]:
        """At most `limit` scheduled jobs of an organization that match every filter of the query, behind a
        position. The query's own organizationId, limit and startAfter are not looked at.
        """

    def secrets(self, schedule_id: str) -> dict[str, bytes]:
        """The sealed values of the secret variables of its job, by name."""

    def open_runs(self, schedule_id: str) -> list[str]:
        """Ids of its runs that are not final, oldest first."""

    def due(self, now: datetime, limit: int) -> list[str]:
        """Ids of scheduled jobs whose `nextRunAt` has come, earliest first."""

    def next_due(self) -> datetime | None:
        """The earliest `nextRunAt`."""


class ScheduleWriter(ScheduleReader, Protocol):
    """What can be read and written of scheduled jobs in one transaction."""

    def insert(self, schedule: ScheduledJob, secrets: dict[str, bytes]) -> None:
        """Store a new scheduled job."""

    def save(self, schedule: ScheduledJob, secrets: dict[str, bytes] | None = None) -> None:
        """Store a scheduled job that has changed. `secrets` replace those it has; None = they stay."""

    def delete(self, schedule_id: str) -> None:
        """Remove a scheduled job with its secrets. Its runs stay."""
