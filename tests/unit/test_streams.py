"""Streams of numbers: merged, intersected and jumped in, they give what sets would."""

from collections.abc import Sequence
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.sqlite_streams import Merged, Range, Without, common

NUMBERS = st.sets(st.integers(1, 60), max_size=40)
HUGE = 1_000_000


class Index:
    """A stretch of an index that counts what is read of it."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers = numbers
        self.reads: list[int] = []

    def read(self, low: int, count: int) -> list[int]:
        self.reads.append(count)
        start = max(low - self.numbers[0] + 1, 0) if isinstance(self.numbers, range) else 0
        return list(islice((number for number in self.numbers[start:] if number > low), count))


def a_range(numbers: set[int], first: int = 2) -> Range:
    return Range(Index(sorted(numbers)).read, first=first)


@given(st.lists(st.lists(NUMBERS, min_size=1, max_size=3), min_size=1, max_size=3), st.integers(0, 60))
def test_common_numbers_of_merged_ranges(filters: list[list[set[int]]], low: int) -> None:
    streams = []
    expected = set(range(61))
    for ranges in filters:
        # A number lies in one range of a filter alone.
        apart = [{n for n in numbers if n % len(ranges) == i} for i, numbers in enumerate(ranges)]
        streams.append(Merged([a_range(numbers) for numbers in apart]))
        expected &= set().union(*apart)
    assert list(common(streams, low)) == sorted(n for n in expected if n > low)


@given(NUMBERS, st.sets(st.integers(0, 11), max_size=6))
def test_stretches_are_passed_over(numbers: set[int], hidden: set[int]) -> None:
    stretches = [(5 * i, 5 * i + 4) for i in hidden]
    gone = {n for first, last in stretches for n in range(first, last + 1)}
    found = list(common([a_range(numbers), Without(stretches)], 0))
    assert found == sorted(numbers - gone)


def test_a_jump_reads_nothing_in_between() -> None:
    rare, many = Index([HUGE]), Index(range(1, 2 * HUGE))
    streams = [Range(index.read, first=8) for index in (many, rare)]
    assert list(common(streams, 0)) == [HUGE]
    assert sum(many.reads) < 50


def test_hidden_stretches_cost_one_jump_each() -> None:
    many = Index(range(1, 2 * HUGE))
    found = common([Range(many.read, first=8), Without([(1, HUGE - 1), (HUGE + 1, HUGE + 5)])], 0)
    assert list(islice(found, 2)) == [HUGE, HUGE + 6]
    assert sum(many.reads) < 50


def test_a_range_that_is_used_up_reads_more_at_a_time() -> None:
    many = Index(range(1, HUGE))
    assert len(list(islice(common([Range(many.read, first=8)], 0), 3000))) == 3000
    assert len(many.reads) < 10
