"""When a schedule is due: a cron expression read in a time zone. The only file that knows the cron library.

The library reads expressions and lists the wall times that match; it is never told of a time zone. What a
wall time is on the day when the clocks change is decided here, for 5 and 6 fields alike.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from gateway.domain.errors import InvalidSchedule, Problem

UTC_ZONE = "UTC"

_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_FIELD = re.compile(r"[0-9A-Za-z*/,#-]+")
_HORIZON = timedelta(days=50 * 366)
"""What does not come within 50 years never comes; any 29 February on a given weekday does."""
_SECOND = timedelta(seconds=1)
_NEAR = timedelta(hours=48)
"""Longer than any change of the clocks is wide (24 hours), shorter than any two are apart (a week)."""
_FIRST = datetime(1, 1, 3, tzinfo=UTC)
_LAST = datetime(9999, 12, 29, tzinfo=UTC)
"""Between these two every instant has a wall time everywhere."""


@dataclass(frozen=True)
class Timetable:
    """The due times of an expression in a time zone.

    A fixed time that falls into a gap is due at the gap's end; one that comes twice is due the first time.
    With `*` or a step in the hour or a smaller field, elapsed time counts: a time in a gap is not due, one
    that comes twice is due twice.
    """

    expression: str
    """Five or six fields, names resolved."""
    zone: ZoneInfo
    elapses: bool
    """Whether elapsed time counts."""

    @classmethod
    def read(cls, expression: str, time_zone: str, *, comes_after: datetime | None = None) -> "Timetable":
        """Read an expression of 5 fields, of 6 with the seconds first, or `@daily` and the like.

        Fields have numbers, English names of three letters, lists, ranges and steps; `L` and `LW` stand for
        the last day and the last working day of a month, `5L` for its last Friday, `MON#2` for its second
        Monday. Sunday is 0 and 7. Ranges do not go past the end.
        Of the day of the month and the day of the week either is enough (POSIX crontab); both must match
        when one of the two fields begins with `*`. Raises InvalidSchedule, naming `timeZone` or
        `cronExpression`, also when nothing is due in the 50 years after `comes_after`, if that is given.
        """
        table = cls._read(expression, _zone(time_zone))
        if comes_after is not None and table.after(comes_after) is None:
            raise _invalid("cronExpression", f"'{expression}' never comes")
        return table

    @classmethod
    def _read(cls, expression: str, zone: ZoneInfo) -> "Timetable":
        written = _NAMED.get(expression.strip(" ").lower(), expression)
        fields = [field for field in written.split(" ") if field]
        if len(fields) not in (5, 6):
            detail = f"'{expression}' is no cron expression: it must have 5 fields, 6, or be {_names()}"
            raise _invalid("cronExpression", detail)
        for field in fields:
            if not _FIELD.fullmatch(field):
                raise _invalid("cronExpression", f"'{expression}' is no cron expression: bad field '{field}'")
        if re.search("(?i)[lw]/", fields[-3]):
            raise _invalid("cronExpression", f"'{expression}' is no cron expression: L has no steps")
        # Sunday is 7 as well as 0, so that ranges can end with it by name, too.
        fields[-1] = re.sub("(?i)(?<!sun)-sun", "-7", fields[-1])
        plain = " ".join(fields)
        try:
            CronSim(plain, datetime(2000, 1, 1))  # noqa: DTZ001 - wall times have no zone
        except CronSimError as error:
            detail = str(error).lower()
            raise _invalid("cronExpression", f"'{expression}' is no cron expression: {detail}") from None
        clock_fields = fields[: len(fields) - 3]
        elapses = any(sign in field for field in clock_fields for sign in "*/")
        return cls(plain, zone, elapses)

    def after(self, instant: datetime) -> datetime | None:
        """The first due time after an instant; None when there is none within 50 years."""
        instant = max(instant, _FIRST)
        end = _LAST if instant > _LAST - _HORIZON else instant + _HORIZON
        if instant >= end:
            return None
        wall = self._local(instant) if self.elapses else self._seen(instant)
        while instant < end:
            due_wall = self._match(wall)
            if due_wall is None or due_wall.replace(tzinfo=UTC) >= _LAST:
                return None
            change = self._change(instant, min(instant + _NEAR, end))
            due = due_wall.replace(tzinfo=UTC) - self._offset(instant)
            if change is None and due > instant + _NEAR:
                # No clock goes back so far that this wall time was passed, so the first instant that
                # shows it, or a later one, comes next.
                due = self._first(due_wall)
                change = due if self._local(due) != due_wall else None
            if change is None or due < change:
                return due if due <= end else None
            # Nothing is due before the clocks change. From there on they show other times.
            before = self._local(change - _SECOND) + _SECOND
            after = self._local(change)
            if self.elapses:
                wall = after - _SECOND
            elif due_wall < after:
                return change if change <= end else None
            else:
                wall = max(before, after) - _SECOND
            instant = change
        return None

    def times(self, after: datetime) -> Iterator[datetime]:
        """The due times after an instant, in their order."""
        due = self.after(after)
        while due is not None:
            yield due
            due = self.after(due)

    def _match(self, wall: datetime) -> datetime | None:
        """The first wall time after another that the expression matches."""
        try:
            return next(CronSim(self.expression, wall))
        except (StopIteration, OverflowError, ValueError):
            # The years end with 9999.
            return None

    def _seen(self, instant: datetime) -> datetime:
        """The latest wall time that was shown up to an instant: it lies ahead while times come again."""
        local = instant.astimezone(self.zone)
        if not local.fold:
            return local.replace(tzinfo=None)
        back = self._offset(local.replace(fold=0)) - self._offset(local)
        change = self._change(instant - back, instant)
        if change is None:
            return local.replace(tzinfo=None)
        return self._local(change - _SECOND)

    def _change(self, start: datetime, end: datetime) -> datetime | None:
        """The instant at which the clocks change, after one and up to another; they are near each other."""
        offset = self._offset(start)
        if start >= end or self._offset(end) == offset:
            return None
        # Clocks change with a full second.
        low, high = start.replace(microsecond=0), end.replace(microsecond=0)
        while high - low > _SECOND:
            middle = low + (high - low) // (2 * _SECOND) * _SECOND
            if self._offset(middle) == offset:
                low = middle
            else:
                high = middle
        return high

    def _first(self, wall: datetime) -> datetime:
        """The first instant that shows a wall time; the gap's end for one that no clock shows."""
        instant = wall.replace(tzinfo=self.zone).astimezone(UTC)
        if self._local(instant) == wall:
            return instant
        # For a wall time in a gap, the two folds are the offsets before and after it (PEP 495).
        other = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        low, high = sorted((instant, other))
        return self._change(low, high) or high

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(self.zone).replace(tzinfo=None)

    def _offset(self, instant: datetime) -> timedelta:
        return instant.astimezone(self.zone).utcoffset() or timedelta(0)


def _names() -> str:
    return ", ".join(_NAMED)


@cache
def _zone_names() -> frozenset[str]:
    """The names of IANA. The system's folder of zones holds other files, too, some with leap seconds."""
    return frozenset((resources.files("tzdata") / "zones").read_text("utf-8").split())


def _zone(name: str) -> ZoneInfo:
    if name not in _zone_names():
        raise _invalid("timeZone", f"there is no time zone '{name}'")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise _invalid("timeZone", f"the time zone '{name}' cannot be read here") from None


def _invalid(member: str, detail: str) -> InvalidSchedule:
    return InvalidSchedule(detail, problems=[Problem((member,), detail)])
