"""Due times: what expressions mean, and what becomes of them on the days when the clocks change."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.cron import Timetable
from gateway.domain.errors import InvalidSchedule

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def table(expression: str, zone: str = "UTC") -> Timetable:
    return Timetable.read(expression, zone, comes_after=NOW)


def at(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def due(expression: str, zone: str, after: str, count: int) -> list[str]:
    """The next due times, as the clocks there show them."""
    times = islice(table(expression, zone).times(at(after)), count)
    return [instant.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M:%S %z") for instant in times]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("* * * * *", "2026-11-23 12:01:00"),
        ("30 * * * * *", "2026-11-23 12:00:30"),
        ("*/15 * * * *", "2026-11-23 12:15:00"),
        ("7/20 * * * *", "2026-11-23 12:07:00"),
        ("0 0 * * *", "2026-11-24 00:00:00"),
        ("0 9-17/4 * * *", "2026-11-23 13:00:00"),
        ("5,10 14,18 * * *", "2026-11-23 14:05:00"),
        ("0 0 * * 7", "2026-11-29 00:00:00"),
        ("0 0 * * 0", "2026-11-29 00:00:00"),
        ("0 0 * * sun", "2026-11-29 00:00:00"),
        ("0 0 * * FRI-SUN", "2026-11-27 00:00:00"),
        ("0 0 * * Sun-Sun", "2026-11-29 00:00:00"),
        ("0 0 1 JAN-mar *", "2027-01-01 00:00:00"),
        ("0 0 1 * 2", "2026-11-24 00:00:00"),
        ("0 0 24 * FRI", "2026-11-24 00:00:00"),
        ("0 0 */2 * TUE", "2026-12-01 00:00:00"),
        ("0 0 L * *", "2026-11-30 00:00:00"),
        ("0 0 LW 1 *", "2027-01-29 00:00:00"),
        ("0 0 * * 5L", "2026-11-27 00:00:00"),
        ("0 0 * * MON#2", "2026-12-14 00:00:00"),
        ("0 0 29 2 *", "2028-02-29 00:00:00"),
        ("0 0 29 2 */7", "2032-02-29 00:00:00"),
        ("@hourly", "2026-11-23 13:00:00"),
        ("@daily", "2026-11-24 00:00:00"),
        ("@midnight", "2026-11-24 00:00:00"),
        ("@weekly", "2026-11-29 00:00:00"),
        ("@monthly", "2026-12-01 00:00:00"),
        ("@yearly", "2027-01-01 00:00:00"),
        ("@Annually", "2027-01-01 00:00:00"),
    ],
)
def test_the_next_due_time_of_an_expression(expression: str, expected: str) -> None:
    assert table(expression).after(NOW) == at(expected)


@pytest.mark.parametrize(
    "expression",
    [
        *("", " ", "*", "* * * *", "* * * * * * *", "@reboot", "@every 5m", "daily", "hello, world"),
        *("60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 8"),
        *("60 * * * * *", "-1 * * * *", "1.5 * * * *", "5-1 * * * *", "*/0 * * * *", "*/ * * * *"),
        *("1,,2 * * * *", ", * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "? * * * *", "0 0 ? * 1"),
        *("0 0 15W * *", "0 0 L-3 * *", "0 0 L/2 * *", "0 0 LW/2 * *", "0 0 * * L", "0 0 * * 1#6"),
        *("0 0 * * 1#0", "H * * * *", "0 0 * FOO *", "0 0 * * MONDAY", "٣ * * * *", "0 0 * * frı"),
        *("0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 30 2 */7", "0 0 30,31 2 *", "0\u00a00 * * *"),
    ],
)
def test_what_is_no_expression_or_never_comes_is_refused_at_once(expression: str) -> None:
    began = time.perf_counter()
    with pytest.raises(InvalidSchedule, match=r"cron expression|never comes") as refused:
        table(expression)
    assert [problem.path for problem in refused.value.problems] == [("cronExpression",)]
    assert time.perf_counter() - began < 2


def test_what_always_falls_into_a_gap_never_comes() -> None:
    """On the last Sunday of March no clock in Berlin shows 2 to 3."""
    with pytest.raises(InvalidSchedule, match="never comes"):
        table("*/10 2 * 3 0L", "Europe/Berlin")
    assert due("*/10 2,3 * 3 0L", "Europe/Berlin", "2026-01-01", 1) == ["03-29 03:00:00 +0200"]


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mars/Base", "../etc/passwd", "/etc/localtime", "Europe/../UTC", "localtime", "posixrules"),
        *("right/UTC", "posix/UTC", "Europe", "europe/berlin", "UTC ", "UTC\0", "Europe/Berlin\n", "zones"),
    ],
)
def test_an_unknown_time_zone_is_named(name: str) -> None:
    with pytest.raises(InvalidSchedule) as refused:
        table("@daily", name)
    assert [problem.path for problem in refused.value.problems] == [("timeZone",)]
    assert f"'{name}'" in refused.value.reason


BERLIN = "Europe/Berlin"
NEW_YORK = "America/New_York"
LORD_HOWE = "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("expression", "zone", "after", "expected"),
    [
        # A fixed time in the gap runs at the gap's end, once.
        (
            "30 2 * * *",
            BERLIN,
            "2026-03-28",
            ["03-28 02:30:00 +0100", "03-29 03:00:00 +0200", "03-30 02:30:00 +0200"],
        ),
        ("0 30 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29 03:00:00 +0200", "03-30 02:30:00 +0200"]),
        ("15 30 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29 03:00:00 +0200", "03-30 02:30:15 +0200"]),
        ("0-59 2 * * *", BERLIN, "2026-03-28T12:00", ["03-29 03:00:00 +0200", "03-30 02:00:00 +0200"]),
        ("0,30 2,3 * * *", BERLIN, "2026-03-28T12:00", ["03-29 03:00:00 +0200", "03-29 03:30:00 +0200"]),
        ("30 2 29 3 *", BERLIN, "2026-01-01", ["03-29 03:00:00 +0200", "03-29 02:30:00 +0200"]),
        ("15 2 * * *", LORD_HOWE, "2026-10-03T00:00", ["10-04 02:30:00 +1100", "10-05 02:15:00 +1100"]),
        # A fixed time that comes twice runs the first time.
        ("30 2 * * *", BERLIN, "2026-10-24T12:00", ["10-25 02:30:00 +0200", "10-26 02:30:00 +0100"]),
        ("0 30 2 * * *", BERLIN, "2026-10-24T12:00", ["10-25 02:30:00 +0200", "10-26 02:30:00 +0100"]),
        ("30 1 * * *", NEW_YORK, "2026-10-31T12:00", ["11-01 01:30:00 -0400", "11-02 01:30:00 -0500"]),
        ("30 2 * * *", BERLIN, "2026-10-25T00:45", ["10-26 02:30:00 +0100"]),
        ("30 2 * * *", BERLIN, "2026-10-25T01:15", ["10-26 02:30:00 +0100"]),
        ("30 2,3 * * *", BERLIN, "2026-10-25T01:15", ["10-25 03:30:00 +0100"]),
        # With a star or a step elapsed time counts.
        ("30 * * * *", BERLIN, "2026-03-29T00:00", ["03-29 01:30:00 +0100", "03-29 03:30:00 +0200"]),
        ("*/30 2 * * *", BERLIN, "2026-03-28T12:00", ["03-30 02:00:00 +0200"]),
        ("0 */30 2 * * *", BERLIN, "2026-03-28T12:00", ["03-30 02:00:00 +0200"]),
        (
            "*/30 2 * * *",
            BERLIN,
            "2026-10-24T12:00",
            [
                *("10-25 02:00:00 +0200", "10-25 02:30:00 +0200"),
                *("10-25 02:00:00 +0100", "10-25 02:30:00 +0100", "10-26 02:00:00 +0100"),
            ],
        ),
        (
            "0 * * * *",
            NEW_YORK,
            "2026-11-01T04:30",
            ["11-01 01:00:00 -0400", "11-01 01:00:00 -0500", "11-01 02:00:00 -0500"],
        ),
        (
            "15 30 */1 * * *",
            LORD_HOWE,
            "2026-04-04T13:45",
            ["04-05 01:30:15 +1100", "04-05 01:30:15 +1030", "04-05 02:30:15 +1030"],
        ),
        # A whole day that no clock showed.
        ("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00", ["12-29 12:00:00 -1000", "12-31 00:00:00 +1400"]),
        ("0 */12 30 12 *", "Pacific/Apia", "2011-12-29T00:00", ["12-30 00:00:00 +1400"]),
        (
            "0 */12 * * *",
            "Pacific/Apia",
            "2011-12-30T00:00",
            ["12-31 00:00:00 +1400", "12-31 12:00:00 +1400"],
        ),
    ],
)
def test_the_days_when_the_clocks_change(expression: str, zone: str, after: str, expected: list[str]) -> None:
    assert due(expression, zone, after, len(expected)) == expected


def test_a_fraction_of_a_second_is_no_second() -> None:
    every = table("* * * * * *")
    assert every.after(at("2026-11-23T12:00:00.001")) == at("2026-11-23T12:00:01")
    assert every.after(at("2026-11-23T12:00:00.999")) == at("2026-11-23T12:00:01")
    assert every.after(at("2026-11-23T12:00:01")) == at("2026-11-23T12:00:02")


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", BERLIN])
def test_time_begins_and_ends(zone: str) -> None:
    first = table("0 0 * * *", zone).after(datetime(1, 1, 1, tzinfo=UTC))
    assert first is not None
    assert first.year == 1
    for expression in ("* * * * * *", "0 0 29 2 *", "30 2 * * *"):
        assert table(expression, zone).after(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)) is None
        last = list(table(expression, zone).times(datetime(9999, 12, 28, 23, 59, 50, tzinfo=UTC)))
        assert all(instant.year == 9999 for instant in last)


@pytest.mark.parametrize(
    "expression",
    [
        *("59 59 23 31 12 *", "0 0 29 2 */7", "* * 29 2 */7", "*/59 */59 */23 29 2 */7", "0 2 * 3 0L"),
        "0-59 0-59 0-23 31 12 *",
        ",".join(["59"] * 60) + " " + ",".join(["23"] * 20) + " * * *",
    ],
)
def test_a_hundred_due_times_take_little_time_wherever_they_lie(expression: str) -> None:
    for zone in ("UTC", BERLIN):
        for start in ("1800-01-01", "1969-09-30T11:30", "2026-03-28", "9900-01-01"):
            began = time.perf_counter()
            assert list(islice(table(expression, zone).times(at(start)), 100))
            assert time.perf_counter() - began < 5


@given(st.text("0123456789*/,-#LWlwSUNmonJAN @", max_size=40))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    try:
        timetable = table(text)
    except InvalidSchedule:
        return
    assert timetable.after(NOW) is not None


# A second description of the same rules: every second of a few days, one by one.

CHANGES = [
    (BERLIN, "2026-03-29T01:00"),
    (BERLIN, "2026-10-25T01:00"),
    (NEW_YORK, "2026-03-08T07:00"),
    (NEW_YORK, "2026-11-01T06:00"),
    (LORD_HOWE, "2026-04-04T15:00"),
    (LORD_HOWE, "2026-10-03T15:30"),
    ("Africa/Casablanca", "2026-02-15T02:00"),
    ("Africa/Casablanca", "2026-03-22T02:00"),
    ("Asia/Kathmandu", "1985-12-31T18:30"),
    ("Pacific/Apia", "2011-12-30T10:00"),
    ("Pacific/Kwajalein", "1969-09-30T13:00"),
    ("America/St_Johns", "2006-10-29T02:31"),
    ("Asia/Kathmandu", "2026-06-01T00:00"),
]


def numbers(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high).map(str)
    several = st.lists(st.integers(low, high), min_size=1, max_size=4).map(
        lambda found: ",".join(map(str, found))
    )
    between = st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda ends: f"{min(ends)}-{max(ends)}"
    )
    step = st.tuples(st.sampled_from(["*", str(low)]), st.integers(1, high)).map(
        lambda of: f"{of[0]}/{of[1]}"
    )
    return st.one_of(one, several, between, step, st.just("*"))


NEAR_HOURS = st.sampled_from(["1", "2", "3", "0", "23", "1-3", "2,3", "1,2", "*", "*/2", "1/2", "0-23"])
EXPRESSIONS = st.tuples(
    st.one_of(st.just(""), numbers(0, 59)),
    numbers(0, 59),
    st.one_of(NEAR_HOURS, numbers(0, 23)),
    st.sampled_from(["*", "*", "*", "29", "30", "31", "1-15", "*/2"]),
    st.just("*"),
    st.sampled_from(["*", "*", "*", "0", "6,7", "1-5"]),
).map(lambda fields: " ".join(fields).strip())


def matching(field: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if span == "*" else int(first)
        end = high if span == "*" or (step and not last) else int(last or first)
        found.update(range(start, end + 1, int(step or 1)))
    return found


def brute_force(expression: str, zone: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """The due times after one instant up to another, by looking at each second."""
    fields = expression.split()
    fields = fields if len(fields) == 6 else ["0", *fields]
    elapses = any(sign in field for field in fields[:3] for sign in "*/")
    seconds, minutes, hours = (
        matching(field, 0, high) for field, high in zip(fields, (59, 59, 23), strict=False)
    )
    days, weekdays = matching(fields[3], 1, 31), {day % 7 for day in matching(fields[5], 0, 7)}
    either = not fields[3].startswith("*") and not fields[5].startswith("*")

    def matches(wall: datetime) -> bool:
        if wall.second not in seconds or wall.minute not in minutes or wall.hour not in hours:
            return False
        by_day, by_weekday = wall.day in days, wall.isoweekday() % 7 in weekdays
        return by_day or by_weekday if either else by_day and by_weekday

    clock = ZoneInfo(zone)
    instant = start.replace(microsecond=0)
    # The latest wall time that was shown before: the clocks change after the last second of a minute.
    last_seconds = (instant.replace(second=59) - timedelta(minutes=number) for number in range(1, 2880))
    earlier = [instant - timedelta(seconds=1), *last_seconds]
    shown = max(moment.astimezone(clock).replace(tzinfo=None) for moment in earlier)
    while instant <= end:
        wall = instant.astimezone(clock).replace(tzinfo=None)
        if elapses:
            is_due = matches(wall)
        else:
            is_due = False
            missed = shown + timedelta(seconds=1)
            while missed <= wall and not is_due:
                is_due = matches(missed)
                missed += timedelta(seconds=1)
        if is_due and instant > start:
            yield instant
        shown = max(shown, wall)
        instant += timedelta(seconds=1)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(CHANGES), EXPRESSIONS, st.integers(0, 6 * 3600))
def test_due_times_are_those_of_a_look_at_each_second(
    change: tuple[str, str], expression: str, before: int
) -> None:
    zone, moment = change
    start = at(moment) - timedelta(seconds=before)
    end = at(moment) + timedelta(hours=4)
    timetable = Timetable._read(expression, ZoneInfo(zone))
    expected = brute_force(expression, zone, start, end)
    for number, instant in enumerate(timetable.times(start)):
        if instant > end or number > 5000:
            assert number > 5000 or next(expected, None) is None
            return
        assert instant == next(expected, None)
    assert next(expected, None) is None
