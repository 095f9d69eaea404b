"""From measurements to figures: medians, quartiles, and ratios of two things that were measured in turn."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Goal:
    """What a figure is to be."""

    relation: str
    """`<=` or `>=`."""
    value: float

    def met_by(self, value: float) -> bool:
        """Whether a value reaches it."""
        return value <= self.value if self.relation == "<=" else value >= self.value

    def __str__(self) -> str:
        return f"{'≤' if self.relation == '<=' else '≥'} {self.value:g}"


def at_most(value: float) -> Goal:
    """A goal that is an upper bound."""
    return Goal("<=", value)


def at_least(value: float) -> Goal:
    """A goal that is a lower bound."""
    return Goal(">=", value)


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one or more values; of fewer than four the quartiles are the extremes."""
        ordered = sorted(values)
        if len(ordered) < 4:
            return cls(statistics.median(ordered), ordered[0], ordered[-1])
        low, median, high = statistics.quantiles(ordered, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    name: str
    spread: Spread
    goal: Goal | None = None
    unit: str = ""
    """Empty for a ratio."""
    note: str = ""
    proof: bool = True
    """Whether it was measured at the size that the goal names."""

    @property
    def outcome(self) -> str:
        """`met`, `short`, or what keeps it from being either."""
        if self.goal is None:
            return "told"
        met = self.goal.met_by(self.spread.median)
        if not self.proof:
            return "no proof" if met else "short, no proof"
        return "met" if met else "short"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "outcome": self.outcome}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> "Figure":
        """From `plain`."""
        goal = None if plain["goal"] is None else Goal(**plain["goal"])
        known = {name: plain[name] for name in ("name", "unit", "note", "proof")}
        return cls(spread=Spread(**plain["spread"]), goal=goal, **known)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which so large a share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def in_turn(
    first: Callable[[], float], second: Callable[[], float], *, rounds: int
) -> tuple[Spread, float, float]:
    """The ratio first : second over rounds in which both are measured, and the medians of both.

    Every other round begins with the second, so that what drifts falls on both.
    """
    pairs = []
    for number in range(rounds):
        if number % 2:
            b, a = second(), first()
        else:
            a, b = first(), second()
        pairs.append((a, b))
    ratios = Spread.of([a / b for a, b in pairs])
    return ratios, statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
