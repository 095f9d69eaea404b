"""Scheduled jobs: the ports ScheduleReader and ScheduleWriter over one connection."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from gateway.domain.model import dump
from gateway.domain.ports import ScheduleChange
from gateway.domain.queries import words
from gateway.domain.record import Position, Stored
from gateway.domain.schedules import ScheduledJob, ScheduledJobQuery
from gateway.stores.sql_connection import SqlConnection, SqlCursor
from gateway.stores.sql_instants import to_instant_or_none, to_number, to_number_or_none

_NEVER = -(2**62)


class SqlScheduleReader:
    """The port ScheduleReader."""

    def __init__(self, connection: SqlConnection, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries

    def schedule(self, schedule_id: str) -> ScheduledJob | None:
        """A scheduled job, secrets masked."""
        document = self.document(schedule_id)
        return None if document is None else document.load()

    def document(self, schedule_id: str) -> Stored[ScheduledJob] | None:
        """A scheduled job as replies show it, not parsed."""
        row = self._run("schedule", id=schedule_id).fetchone()
        return None if row is None else Stored(ScheduledJob, schedule_id, *row)

    def page(
        self, query: ScheduledJobQuery, *, organization_id: str, after: Position | None, limit: int
    ) -> list[Stored[ScheduledJob]]:
        """At most `limit` scheduled jobs of an organization that match every filter, behind a position.

        Takes time in proportion to those that do not match.
        """
        rows = self._run(
            "schedules_page",
            organization_id=organization_id,
            after_at=_NEVER if after is None else to_number(after.created_at),
            after_id="" if after is None else after.id,
            paused=query.paused,
            words=json.dumps(words(query.text or "")),
            limit=limit,
        )
        return [Stored(ScheduledJob, *row) for row in rows]

    def secrets(self, schedule_id: str) -> dict[str, bytes]:
        """The sealed values of the secret variables of its job, by name."""
        return dict(self._run("schedule_secrets", id=schedule_id).fetchall())

    def open_runs(self, schedule_id: str) -> list[str]:
        """Ids of its runs that are not final, oldest first."""
        return [row[0] for row in self._run("open_runs", id=schedule_id)]

    def due(self, now: datetime, limit: int) -> list[str]:
        """Ids of scheduled jobs whose `nextRunAt` has come, earliest first."""
        return [row[0] for row in self._run("schedules_due", now=to_number(now), limit=limit)]

    def next_due(self) -> datetime | None:
        """The earliest `nextRunAt`."""
        row = self._run("schedules_next_due").fetchone()
        return None if row is None else to_instant_or_none(row[0])

    def _run(self, name: str, /, **values: Any) -> SqlCursor:
        return self._db.execute(self._sql[name], values)


class SqlScheduleWriter(SqlScheduleReader):
    """The port ScheduleWriter."""

    def __init__(
        self,
        connection: SqlConnection,
        queries: Mapping[str, str],
        *,
        before_runs: Callable[[], None],
        changed: Callable[[ScheduleChange], None],
    ) -> None:
        """`before_runs` is called before runs are looked for, because the writer of jobs holds some back."""
        super().__init__(connection, queries)
        self._before_runs = before_runs
        self._changed = changed

    def open_runs(self, schedule_id: str) -> list[str]:
        """Ids of its runs that are not final, oldest first."""
        self._before_runs()
        return super().open_runs(schedule_id)

    def insert(self, schedule: ScheduledJob, secrets: dict[str, bytes]) -> None:
        """Store a new scheduled job. Raises IntegrityError when there is one of that id."""
        self._run(
            "insert_schedule",
            organization_id=schedule.organization_id,
            created_at=to_number(schedule.created_at),
            **_columns(schedule),
        )
        self._keep(schedule.id, secrets)
        self._changed(ScheduleChange(schedule.id))

    def save(self, schedule: ScheduledJob, secrets: dict[str, bytes] | None = None) -> None:
        """Store a scheduled job that has changed. `secrets` take the place of those it has; None = they stay.

        Raises LookupError when it is not stored.
        """
        self._one(self._run("save_schedule", **_columns(schedule)), schedule.id)
        if secrets is not None:
            self._run("delete_schedule_secrets", id=schedule.id)
            self._keep(schedule.id, secrets)
        self._changed(ScheduleChange(schedule.id))

    def delete(self, schedule_id: str) -> None:
        """Remove a scheduled job with its secrets. Raises LookupError when it is not stored."""
        self._one(self._run("delete_schedule", id=schedule_id), schedule_id)
        self._changed(ScheduleChange(schedule_id))

    def _keep(self, schedule_id: str, secrets: dict[str, bytes]) -> None:
        for name, sealed in secrets.items():
            self._run("insert_schedule_secret", id=schedule_id, name=name, sealed=sealed)

    def _one(self, cursor: SqlCursor, schedule_id: str) -> None:
        if cursor.rowcount != 1:
            raise LookupError(f"scheduled job {schedule_id} is not stored")


def _columns(schedule: ScheduledJob) -> dict[str, Any]:
    """The columns that may change, and the id."""
    text = f"{schedule.name or ''} {schedule.description or ''}"
    return {
        "id": schedule.id,
        "paused": schedule.paused,
        "next_run_at": to_number_or_none(schedule.next_run_at),
        "version": schedule.version,
        "words": "".join(" " + word for word in words(text, least=1)),
        "document": dump(schedule),
    }
