"""Streams of numbers in growing order, merged and intersected without reading what is not needed.

A stream is asked for the first number behind another; it never goes back. One that is asked to jump far ahead
seeks in its index and reads nothing in between.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heapreplace
from typing import Protocol

READ_AHEAD = 1024
"""The most numbers that a range reads at a time."""


class Stream(Protocol):
    """Numbers in growing order."""

    def after(self, low: int) -> int | None:
        """The first number above `low`, which never shrinks from call to call; None = there is none."""


class Range:
    """A stretch of an index. It reads more at a time while all is used, and little again after a jump."""

    def __init__(self, read: Callable[[int, int], Sequence[int]], *, first: int) -> None:
        """`read(low, count)` gives the first `count` numbers above `low`; `first` is the count at first."""
        self._read = read
        self._first = self._count = first
        self._numbers: Sequence[int] = ()
        self._at = 0
        self._ended = False

    def after(self, low: int) -> int | None:
        """The first number above `low`."""
        numbers = self._numbers
        at = bisect_right(numbers, low, self._at)
        if at == len(numbers):
            if self._ended:
                return None
            used_up = bool(numbers) and low == numbers[-1]
            self._count = min(self._count * 4, READ_AHEAD) if used_up else self._first
            self._numbers = numbers = self._read(low, self._count)
            self._ended = len(numbers) < self._count
            at = 0
            if not numbers:
                return None
        self._at = at
        return numbers[at]


class Merged:
    """Ranges that have no number in common, as one stream."""

    def __init__(self, ranges: Sequence[Stream]) -> None:
        self._ranges = ranges
        self._heap: list[tuple[int, int]] | None = None

    def after(self, low: int) -> int | None:
        """The first number above `low` in any of the ranges."""
        heap = self._heap
        if heap is None:
            found = ((range_.after(low), index) for index, range_ in enumerate(self._ranges))
            heap = self._heap = [(number, index) for number, index in found if number is not None]
            heapify(heap)
        while heap and heap[0][0] <= low:
            index = heap[0][1]
            number = self._ranges[index].after(low)
            if number is None:
                heappop(heap)
            else:
                heapreplace(heap, (number, index))
        return heap[0][0] if heap else None


class Without:
    """All numbers but those in some stretches, which do not overlap. To be intersected with other streams."""

    def __init__(self, stretches: Sequence[tuple[int, int]]) -> None:
        """A stretch is its first and its last number."""
        self._stretches = sorted(stretches)

    def after(self, low: int) -> int:
        """The first number above `low` outside of the stretches."""
        number = low + 1
        for first, last in self._stretches[max(bisect_right(self._stretches, (number,)) - 1, 0) :]:
            if first > number:
                break
            number = max(number, last + 1)
        return number


def common(streams: Sequence[Stream], low: int) -> Iterator[int]:
    """The numbers above `low` that are in all streams: each leads the others on to its next number."""
    first, *others = streams
    found = first.after(low)
    while found is not None:
        for other in others:
            number = other.after(found - 1)
            if number is None:
                return
            if number != found:
                found = first.after(number - 1)
                break
        else:
            yield found
            found = first.after(found)
