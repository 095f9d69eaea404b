"""Rows `nodes` and `across`: jobs on several gateways that share a PostgreSQL database, which is durable.

The database, the gateways, their jobs, and the workers of the rival with theirs all have the servers' core.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import psycopg

from bench.database import Database, running
from bench.figures import Figure, Spread, at_least, at_most, in_turn
from bench.http import Line
from bench.load import load
from bench.nodes import door, rival_worker, worker
from bench.process import Process, Server
from bench.rows.starting import CONCURRENCY, IDLE_SECONDS, NO_OP, milliseconds, no_op, run_one
from bench.servers.procrastinate_queue import open_queue, prepare
from bench.stand import Stand

_CALLERS = 8
_LOOK_SECONDS = 0.02
_GOALS = {0.5: 10, 0.99: 100}
"""Milliseconds of one digit; of two for the slowest."""


@dataclass
class _Side:
    """The gateways, or the rival."""

    database: Database
    name: str
    """Of their database."""
    start: Callable[[int], object]
    """Starts so many jobs; it returns when all are stored."""
    not_ended: str
    """The query that counts the jobs which have not ended."""
    ended_well: str
    """The query that counts those that did what they should."""
    processes: list[Process]
    used: list[tuple[float, float]] = field(default_factory=list)
    """Processor time of each run for each job: the processes', without the commands, and the database's."""

    def run_all(self, count: int) -> float:
        """Seconds from the first start to the last job's end. Raises RuntimeError unless all end well."""
        with psycopg.connect(self.database.address(self.name), autocommit=True) as connection:

            def counted(sql: str) -> int:
                (found,) = connection.execute(sql.encode()).fetchone() or (0,)
                return int(found)

            before, used = counted(self.ended_well), self._processor_seconds()
            began = time.perf_counter()
            self.start(count)
            while counted(self.not_ended):
                time.sleep(_LOOK_SECONDS)
            taken = time.perf_counter() - began
            ended_well = counted(self.ended_well) - before
        if ended_well != count:
            raise RuntimeError(f"{self.name}: {ended_well} of {count} jobs ended well")
        own, databases = (after - then for after, then in zip(self._processor_seconds(), used, strict=True))
        self.used.append((own / count, databases / count))
        return taken

    def _processor_seconds(self) -> tuple[float, float]:
        return sum(process.processor_seconds for process in self.processes), self.database.processor_seconds


def many_short_jobs(stand: Stand) -> Iterator[Figure]:
    """Jobs a second, beside procrastinate with as many workers that run the same command."""
    with running() as database, ExitStack() as stack:
        prepare(database.make("theirs"))
        defer = stack.enter_context(open_queue(database.address("theirs"), connections=_CALLERS))
        theirs = _Side(
            database,
            "theirs",
            lambda count: defer(NO_OP, count),
            "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')",
            "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'",
            [],
        )
        answering = stack.enter_context(door(stand, database.make("ours")))
        ours = _Side(
            database,
            "ours",
            lambda count: load(answering.port, [no_op()], count=count, connections=_CALLERS),
            "SELECT count(*) FROM jobs_gateway.jobs WHERE finished_at IS NULL",
            "SELECT count(*) FROM jobs_gateway.jobs WHERE status = 'FINISHED'",
            [answering],
        )
        for number in range(1, stand.effort.some(3, 1) + 1):
            working = worker(stand, database, ours.name, number, at_a_time=CONCURRENCY, door=answering)
            ours.processes.append(stack.enter_context(working))
            other = rival_worker(stand, database, theirs.name, number, at_a_time=CONCURRENCY)
            theirs.processes.append(stack.enter_context(other))
            yield _rates(stand, ours, theirs, number)


def start_to_running(stand: Stand) -> Iterator[Figure]:
    """From startJob at one gateway until a caller there is told that the job runs on another one."""
    effort = stand.effort
    each, rounds = effort.some(100, 10), min(effort.rounds, 5)
    across: list[list[float]] = []
    alone: list[list[float]] = []
    with running() as database, ExitStack() as stack:
        one = stack.enter_context(stand.new_gateway(GATEWAY_STORE=database.make("one")))
        two = stack.enter_context(door(stand, database.make("two")))
        stack.enter_context(worker(stand, database, "two", 1, at_a_time=CONCURRENCY, door=two))
        for server in (one, two):
            _started(server, 5)
        for _ in range(rounds):
            across.append(_started(two, each))
            alone.append(_started(one, each))
    for share, goal in _GOALS.items():
        by_round = [milliseconds([values], share) for values in across]
        yield Figure(
            f"startJob at one gateway to RUNNING on another, p{100 * share:.0f}",
            Spread(milliseconds(across, share), min(by_round), max(by_round)),
            at_most(goal),
            unit="ms",
            note=f"{milliseconds(alone, share):.1f} ms on one gateway that does both",
            proof=not effort.quick,
        )


def _rates(stand: Stand, ours: _Side, theirs: _Side, workers: int) -> Figure:
    effort = stand.effort
    count = effort.some(400, 60)
    for side in (ours, theirs):
        side.run_all(_CALLERS)
        side.used.clear()
    ratio, slow, fast = in_turn(
        lambda: theirs.run_all(count), lambda: ours.run_all(count), rounds=min(effort.rounds, 5)
    )
    own, databases = (
        " : ".join(
            f"{1000 * statistics.median(used[place] for used in side.used):.1f}" for side in (ours, theirs)
        )
        for place in (0, 1)
    )
    return Figure(
        f"{count} no-op jobs on {workers} worker{'s' * (workers > 1)}, jobs/s : procrastinate's",
        ratio,
        at_least(1),
        note=f"{count / fast:.0f}/s : {count / slow:.0f}/s, {CONCURRENCY} at a time on each; processor time "
        f"of a job {own} ms, in the database {databases} ms",
        proof=not effort.quick,
    )


def _started(server: Server, count: int) -> list[float]:
    """Seconds until the caller is told of RUNNING, for one job after another."""
    seconds = []
    with Line(server.port) as line:
        for _ in range(count):
            seconds.append(run_one(line, no_op())[0])
            time.sleep(IDLE_SECONDS)
    return seconds
