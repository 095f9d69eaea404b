"""Two servers, or two doors of one, under the same load in turn."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.database import Database
from bench.figures import Figure, Goal, in_turn
from bench.load import Load, load
from bench.process import Server
from bench.stand import Effort


@dataclass(frozen=True)
class Side:
    """What is asked, and of whom."""

    server: Server
    requests: Sequence[bytes]
    database: Database | None = None
    """What the server asks in its turn, unless it has its own in it."""

    @property
    def processor_seconds(self) -> float:
        """Processor time that it has used so far."""
        asked = self.database.processor_seconds if self.database else 0.0
        return self.server.processor_seconds + asked


def compared(
    name: str,
    first: Side,
    second: Side,
    *,
    effort: Effort,
    goal: Goal | None = None,
    connections: int = 2,
    proof: bool = True,
) -> Figure:
    """The time per request of the first side : that of the second.

    Two connections keep a server busy without a pause, so that its own time is what counts. The note tells
    the ratio of the servers' processor time, which what else runs on the machine changes less.
    """
    used: dict[int, list[float]] = {0: [], 1: []}
    caller: list[float] = []

    def measure(number: int, side: Side) -> float:
        before = side.processor_seconds
        measured = load(side.server.port, side.requests, seconds=effort.seconds, connections=connections)
        used[number].append((side.processor_seconds - before) / measured.count)
        caller.append(_share(measured))
        return measured.each

    for side in (first, second):
        load(side.server.port, side.requests, count=2 * len(side.requests), connections=connections)
    ratio, a, b = in_turn(lambda: measure(0, first), lambda: measure(1, second), rounds=effort.rounds)
    processor = [statistics.median(used[number]) for number in (0, 1)]
    note = (
        f"{duration(a)} : {duration(b)}; processor time {duration(processor[0])} : {duration(processor[1])}"
        f" = {processor[0] / processor[1]:.2f}; caller busy {statistics.median(caller):.0%}"
    )
    return Figure(name, ratio, goal, note=note, proof=proof)


def duration(seconds: float) -> str:
    """A short time for people."""
    return f"{seconds * 1e6:.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:.1f} ms"


def _share(measured: Load) -> float:
    return measured.caller_seconds / measured.seconds
