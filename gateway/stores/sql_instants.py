"""Instants as the databases keep them: whole milliseconds since 1970-01-01T00:00:00Z."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_number(instant: datetime) -> int:
    """Milliseconds; fractions of one are cut."""
    return (instant - _EPOCH) // _MILLISECOND


def to_number_or_none(instant: datetime | None) -> int | None:
    """Milliseconds of an instant that may be missing."""
    return None if instant is None else (instant - _EPOCH) // _MILLISECOND


def to_instant(number: int) -> datetime:
    """The instant, in UTC."""
    return _EPOCH + number * _MILLISECOND


def to_instant_or_none(number: int | None) -> datetime | None:
    """The instant of milliseconds that may be missing."""
    return None if number is None else _EPOCH + number * _MILLISECOND
