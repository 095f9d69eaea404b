"""The threads that write. Units of work that wait are taken together and made durable by one commit.

One thread writes group after group. When one of them takes long, a second thread helps: it writes what waits
meanwhile.

Units of a group run one after the other in one transaction. One that is refused before it has written
anything has nothing to be undone. When one fails after that, when the database refuses something, or when the
group is in the way of another transaction (a deadlock, a lock that is held too long), or the connection is
lost, the whole group is undone, and its units are run again one by one, each in a transaction of its own: so
each fails alone. What was in the way is tried several times, with pauses; only when that does not help
callers are told SERVICE_UNAVAILABLE. So units may run more than once before they are stored once.
"""

import asyncio
import concurrent.futures
import math
import os
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.ports import Change, JobWriter, ScheduleChange
from gateway.stores.postgres_connection import Connector
from gateway.stores.postgres_errors import (
    LostError,
    UndoneError,
    UnknownError,
    is_conflict,
    is_passing,
    is_race,
    unavailable,
)
from gateway.stores.postgres_notices import payloads
from gateway.stores.postgres_transactions import Transactions
from gateway.stores.postgres_writer import PostgresWriter
from gateway.stores.units import FollowUp, Unit, carried, settle

BESIDE_SECONDS = 0.05
"""After so long another group is begun beside one that is not done yet: it waits for a lock, or for the disk.
Until then units gather, for a group costs nearly the same whatever its size.
"""
MAX_GROUP = 256
"""The most units of work in one commit."""
TOGETHER = 16
"""So many units of a group are taken at a time: the jobs that they are about are read by one statement."""
GROUP_SECONDS = 0.05
"""After so long a group takes no further unit: others wait for what it has locked."""
GROUP_WAIT_MS = 250
"""How long a unit of a group waits for a lock."""
ALONE_WAIT_MS = 2000
"""How long a unit that runs alone waits for a lock."""
TRIES = 4
"""How often a unit is run alone."""
PAUSE_SECONDS = 0.01
"""The first pause between them at most; each may be twice as long as the one before."""
LOOK_AGAIN_SECONDS = 0.02
"""When a claim is tried again that has passed jobs over because others held them."""


class GroupCommit:
    """Runs units of work in groups, see JobStore.write. Nobody is answered before the commit."""

    def __init__(
        self,
        connector: Connector,
        queries: Mapping[str, str],
        tell: Callable[[Change | ScheduleChange], None],
        missed: Callable[[], None],
        *,
        node: str,
    ) -> None:
        """`missed` is called when changes may have been stored untold. `node` is this gateway's name among
        those that use the database.
        """
        self._connector = connector
        self._queries = queries
        self._tell = tell
        self._missed = missed
        self._node = node
        self._loop = asyncio.get_running_loop()
        self._units: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._closing = False
        self.follow_up: FollowUp | None = None
        self._under_way: dict[str, concurrent.futures.Future[None]] = {}
        """The latest group of each thread; done when its outcome is told."""
        self._began = math.inf
        """When the group began that the first thread writes; never, if it writes none."""
        self._looks = False
        """Whether it is looked after."""
        self._calls: queue.SimpleQueue[bool] = queue.SimpleQueue()
        """Calls for the second thread; False ends it."""
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for run, name in ((self._run, "store-writer"), (self._help, "store-writer-beside"))
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[JobWriter], Any], about: str | None = None) -> "asyncio.Future[Any]":
        """Have a unit of work run, see JobStore.write; the future is done when it is durable. Canceling it
        undoes nothing.
        """
        if self._closing:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        waiting: asyncio.Future[Any] = self._loop.create_future()
        self._put(Unit(work, waiting, about))
        return waiting

    async def settled(self) -> None:
        """Wait until each thread is done with the group that it has under way."""
        for group in list(self._under_way.values()):
            # Who is canceled while he waits does not cancel what the thread will say.
            await asyncio.shield(asyncio.wrap_future(group))

    async def close(self) -> None:
        """Finish what was submitted and end the threads."""
        self._closing = True
        self._units.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _put(self, unit: Unit) -> None:
        """On the event loop: have a unit run."""
        self._units.put(unit)
        if not self._looks:
            self._looks = True
            self._loop.call_later(BESIDE_SECONDS, self._look)

    def _look(self) -> None:
        """On the event loop, as long as units wait: see whether the first thread gets on."""
        self._looks = not self._units.empty()
        if self._looks:
            if time.monotonic() - self._began >= BESIDE_SECONDS:
                self._calls.put(True)
            self._loop.call_later(BESIDE_SECONDS, self._look)

    def _run(self) -> None:
        transactions = Transactions(self._connector, self._queries, wait_ms=GROUP_WAIT_MS)
        while (unit := self._units.get()) is not None:
            # Who is about to have more to write goes first, if there is somebody: it is one group then.
            os.sched_yield()
            self._began = time.monotonic()
            self._write(transactions, unit)
            self._began = math.inf
        self._calls.put(False)
        transactions.close()

    def _help(self) -> None:
        transactions = Transactions(self._connector, self._queries, wait_ms=GROUP_WAIT_MS)
        while self._calls.get():
            while (unit := self._next()) is not None:
                self._write(transactions, unit)
        transactions.close()

    def _next(self) -> Unit | None:
        """A unit that waits; None when none does."""
        try:
            unit = self._units.get_nowait()
        except queue.Empty:
            return None
        if unit is None:
            # The end is for the first thread.
            self._units.put(None)
        return unit

    def _write(self, transactions: Transactions, first: Unit) -> None:
        group = [first]
        done: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._under_way[threading.current_thread().name] = done
        try:
            self._write_group(transactions, group)
        except (UndoneError, LostError) as error:
            for unit in group:
                self._write_alone(transactions, unit, error.__cause__)
        except Exception as error:
            self._refuse(group, error)
        done.set_result(None)

    def _write_group(self, transactions: Transactions, group: list[Unit]) -> None:
        """Run a group, which grows by those that wait, in one transaction, and answer. Raises UndoneError or
        LostError when nothing was stored.
        """
        writer = transactions.begin()
        try:
            for some in self._gathered(group, time.monotonic() + GROUP_SECONDS):
                _look_at_jobs(writer, some)
                for unit in some:
                    _perform(writer, unit)
            last = None
            if self.follow_up is not None and self.follow_up.is_called_for(group):
                last = Unit(self.follow_up.work)
                _perform(writer, last)
            self._commit(transactions, [*group, last] if last else group)
        except BaseException:
            transactions.roll_back()
            raise
        self._call(self._settle, group, last)
        if writer.passed_over:
            self._call(self._look_again)

    def _write_alone(self, transactions: Transactions, unit: Unit, problem: BaseException | None) -> None:
        """Run a unit whose group was undone for some reason, until it gets through."""
        pause = PAUSE_SECONDS
        for _ in range(TRIES):
            try:
                self._try_alone(transactions, unit, in_turn=is_conflict(problem))
                return
            except LostError as error:
                problem = error
            except UndoneError as error:
                problem = error.__cause__
                if not (is_conflict(problem) or is_race(problem)):
                    self._fail([unit], _told(unit.error or problem or error))
                    return
            except Exception as error:
                problem = error
                break
            time.sleep(random.uniform(0, pause))  # noqa: S311 - so that two do not meet again
            pause *= 2
        self._refuse([unit], problem)

    def _try_alone(self, transactions: Transactions, unit: Unit, *, in_turn: bool) -> None:
        """Run a unit in a transaction of its own. The follow-up, which may be what fails, is not run in it,
        but told to have failed: so it is tried by itself.

        `in_turn`: with nobody else on any gateway who does so, for who was in the way gets through then.
        """
        try:
            writer = transactions.begin_alone(ALONE_WAIT_MS, in_turn=in_turn)
            _perform(writer, unit)
            self._commit(transactions, [unit])
        except BaseException:
            transactions.roll_back()
            raise
        last = None
        if self.follow_up is not None and self.follow_up.is_called_for([unit]):
            last = Unit(self.follow_up.work, error=UndoneError())
        self._call(self._settle, [unit], last)
        if writer.passed_over:
            self._call(self._look_again)

    def _commit(self, transactions: Transactions, group: list[Unit]) -> None:
        transactions.commit(payloads(self._node, [change for unit in group for change in unit.changes]))

    def _gathered(self, group: list[Unit], until: float) -> Iterator[list[Unit]]:
        """The units of a group, which grows by those that wait, some at a time."""
        waiting = iter(self._next, None)
        some = [*group, *islice(waiting, TOGETHER - 1)]
        group.clear()
        while some:
            group += some
            yield some
            late = len(group) >= MAX_GROUP or time.monotonic() >= until
            some = [] if late else list(islice(waiting, TOGETHER))

    def _refuse(self, group: list[Unit], problem: BaseException | None) -> None:
        """What was to be written could not be, for no fault of the units."""
        self._fail(group, problem if problem and is_race(problem) else unavailable(problem))
        if isinstance(problem, UnknownError):
            self._call(self._missed)

    def _fail(self, group: list[Unit], told: BaseException) -> None:
        for unit in group:
            unit.error, unit.changes = told, ()
        self._call(self._settle, group, None)

    def _call(self, function: Callable[..., None], *values: Any) -> None:
        # A loop that was closed before the store has nobody left to tell.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *values)

    def _settle(self, group: list[Unit], last: Unit | None) -> None:
        settle(group, last, self.follow_up, self._tell)

    def _look_again(self) -> None:
        """On the event loop: soon have the follow-up run for jobs that were passed over."""
        self._loop.call_later(LOOK_AGAIN_SECONDS, self._call_for_follow_up)

    def _call_for_follow_up(self) -> None:
        if not self._closing:
            self._put(Unit(lambda _tx: None, calls_for_follow_up=True))


def _look_at_jobs(writer: PostgresWriter, units: Iterable[Unit]) -> None:
    """Read and lock the jobs that some units are about. What goes wrong is for the units to find."""
    with suppress(Exception):
        writer.look_at({unit.about for unit in units if unit.about is not None})


def _perform(writer: PostgresWriter, unit: Unit) -> None:
    """Run a unit. Raises UndoneError when its transaction has to be undone, LostError when it is."""
    unit.error, unit.changes = None, ()
    db = writer.connection
    writer.begin()
    try:
        unit.result = unit.work(writer)
    except BaseException as error:
        unit.error = error
    # A unit that swallows the database's error has failed all the same.
    problem = db.failed or unit.error
    if problem is None:
        unit.changes = tuple(writer.changes.values())
        return
    if db.is_lost:
        raise LostError from problem
    if db.failed is not None or writer.unit_has_written:
        raise UndoneError from problem
    writer.drop()
    unit.error = _told(problem)


def _told(error: BaseException) -> BaseException:
    """What the caller of a unit of work is told of the error that it raised."""
    if is_passing(error):
        return unavailable(error)
    return carried(error)
