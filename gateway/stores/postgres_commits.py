"""The threads that write. Units of work that wait are taken together and made durable by one commit.

A unit that is in the way of another transaction (a deadlock, a lock that is held too long) makes its group
be undone and its units be run again one by one, each in a transaction of its own, with pauses; so does a lost
connection. Only when that does not help in the end callers are told SERVICE_UNAVAILABLE. So units may run
more than once before they are stored once.
"""

import asyncio
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.ports import Change, JobWriter, ScheduleChange
from gateway.stores.postgres_connection import Connection, Connector
from gateway.stores.postgres_errors import (
    LostError,
    UnreachableError,
    is_conflict,
    is_passing,
    is_race,
    unavailable,
)
from gateway.stores.postgres_notices import payloads
from gateway.stores.postgres_writer import PostgresWriter

WRITERS = 2
"""How many groups are written at a time: while one is made durable, the next is under way."""
MAX_GROUP = 256
"""The most units of work in one commit."""
GROUP_SECONDS = 0.05
"""After so long a group takes no further unit: others wait for what it has locked."""
GROUP_WAIT_MS = 250
"""How long a unit of a group waits for a lock."""
ALONE_WAIT_MS = 2000
"""How long a unit that runs alone waits for a lock."""
TURN_WAIT_MS = 10_000
"""How long it waits for its turn: one at a time runs alone on all gateways, so that each gets through."""
TRIES = 4
"""How often a unit is run alone."""
PAUSE_SECONDS = 0.01
"""The first pause between them at most; each may be twice as long as the one before."""
LOOK_UP_SECONDS = 10.0
"""How long it is asked what became of a commit whose answer was lost."""
LOOK_AGAIN_SECONDS = 0.02
"""When a claim is tried again that has passed jobs over because others held them."""


@dataclass(eq=False)
class _Unit:
    """A unit of work, who waits for it, and what became of it."""

    work: Callable[[JobWriter], Any]
    waiting: "asyncio.Future[Any] | None" = None
    """None for the follow-up, and for what only calls for it."""
    calls_for_follow_up: bool = False
    result: Any = None
    error: BaseException | None = None
    changes: Sequence[Change | ScheduleChange] = field(default=())


@dataclass(frozen=True)
class FollowUp:
    """A unit of work that certain changes call for, see JobStore.follow_up."""

    due: Callable[[Change], bool]
    work: Callable[[JobWriter], Any]
    done: Callable[[Any], Any]


class _AgainError(Exception):
    """The transaction was undone, and what it did may be tried again; the cause tells why."""


class _UnknownError(Exception):
    """It cannot be found out whether a commit was made."""


class GroupCommit:
    """Runs units of work in groups, see JobStore.write. Nobody is answered before the commit."""

    def __init__(
        self,
        connector: Connector,
        queries: Mapping[str, str],
        tell: Callable[[Change | ScheduleChange], None],
        *,
        node: str,
    ) -> None:
        """`node` is this gateway's name among those that use the database."""
        self._connector = connector
        self._queries = queries
        self._tell = tell
        self._node = node
        self._loop = asyncio.get_running_loop()
        self._units: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._closing = False
        self.follow_up: FollowUp | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"store-writer-{number}", daemon=True)
            for number in range(WRITERS)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[JobWriter], Any]) -> "asyncio.Future[Any]":
        """Have a unit of work run; the future is done when it is durable. Canceling it undoes nothing."""
        if self._closing:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        waiting: asyncio.Future[Any] = self._loop.create_future()
        self._units.put(_Unit(work, waiting))
        return waiting

    async def close(self) -> None:
        """Finish what was submitted and end the threads."""
        self._closing = True
        self._units.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _run(self) -> None:
        writing = _Writing(self._connector, self._queries)
        while (unit := self._units.get()) is not None:
            self._write(writing, unit)
        # The other threads end, too.
        self._units.put(None)
        writing.close()

    def _write(self, writing: "_Writing", first: _Unit) -> None:
        group = [first]
        try:
            again = self._commit(writing, group, until=time.monotonic() + GROUP_SECONDS)
        except (_AgainError, LostError):
            again = group
        except Exception as error:
            self._refuse(group, error)
            return
        for unit in again:
            self._write_alone(writing, unit)

    def _write_alone(self, writing: "_Writing", unit: _Unit) -> None:
        """Run a unit that was in the way of another transaction until it gets through."""
        problem: BaseException | None = None
        pause = PAUSE_SECONDS
        for _ in range(TRIES):
            try:
                self._commit(writing, [unit])
                return
            except _AgainError as error:
                problem = error.__cause__
            except LostError as error:
                problem = error
            except Exception as error:
                problem = error
                break
            time.sleep(random.uniform(0, pause))  # noqa: S311 - so that two do not meet again
            pause *= 2
        self._refuse([unit], problem)

    def _refuse(self, group: list[_Unit], problem: BaseException | None) -> None:
        for unit in group:
            unit.error = problem if is_race(problem) else _unavailable(problem)
            unit.changes = ()
        self._call(self._settle, group, None)

    def _commit(self, writing: "_Writing", group: list[_Unit], *, until: float | None = None) -> list[_Unit]:
        """Run a group, and what it takes until then of those that wait, in one transaction, and answer.
        Without a time its one unit is run alone.

        The units that are left to be run again by themselves. Raises _AgainError or LostError when nothing
        was stored, UnreachableError and _UnknownError.
        """
        db, writer = writing.begin(GROUP_WAIT_MS if until is not None else TURN_WAIT_MS)
        try:
            if until is None:
                writing.take_turn(ALONE_WAIT_MS)
            again = []
            passed_over = False
            for unit in self._following(group, until or 0.0):
                if not self._perform(db, writer, unit):
                    again.append(unit)
                passed_over = passed_over or writer.passed_over
            if again == group and len(group) == 1:
                raise _AgainError from group[0].error
            done = [unit for unit in group if unit not in again]
            follow_up = self._follow(db, writer, done)
            if follow_up is not None:
                passed_over = passed_over or writer.passed_over
            changes = [change for unit in (*done, follow_up) if unit for change in unit.changes]
            writing.commit(payloads(self._node, changes))
        except BaseException:
            writing.roll_back()
            raise
        self._call(self._settle, done, follow_up)
        if passed_over:
            self._call(self._look_again)
        return again

    def _following(self, group: list[_Unit], until: float) -> Any:
        """The units of a group, which grows by those that wait."""
        yield group[0]
        while len(group) < MAX_GROUP and time.monotonic() < until:
            try:
                unit = self._units.get_nowait()
            except queue.Empty:
                return
            if unit is None:
                self._units.put(None)
                return
            group.append(unit)
            yield unit

    def _perform(self, db: Connection, writer: PostgresWriter, unit: _Unit) -> bool:
        """Run a unit in a savepoint. False when it is to be run again by itself.

        Raises _AgainError when the whole group is, because it is in the way of others.
        """
        unit.error, unit.changes = None, ()
        writer.begin()
        db.run("SAVEPOINT unit")
        try:
            unit.result = unit.work(writer)
            writer.finish()
        except BaseException as error:
            unit.error = error
        # A unit that swallows the database's error has failed all the same.
        problem = db.failed or unit.error
        if problem is None:
            unit.changes = tuple(writer.changes.values())
            db.run("RELEASE unit")
            return True
        if db.is_lost:
            raise LostError from problem
        if is_conflict(db.failed):
            raise _AgainError from problem
        db.recover("ROLLBACK TO unit; RELEASE unit")
        if is_race(problem):
            unit.error = problem
            return False
        unit.error = _told(unit.error or problem)
        return True

    def _follow(self, db: Connection, writer: PostgresWriter, group: list[_Unit]) -> _Unit | None:
        """Have the follow-up in the same transaction, if a change of the group calls for it."""
        follow_up = self.follow_up
        if follow_up is None:
            return None
        changes = (change for unit in group for change in unit.changes)
        called = any(unit.calls_for_follow_up for unit in group)
        if not called and not any(isinstance(change, Change) and follow_up.due(change) for change in changes):
            return None
        last = _Unit(follow_up.work)
        try:
            self._perform(db, writer, last)
        except _AgainError as error:
            # It can be done later; the others need not wait for it.
            db.recover("ROLLBACK TO unit; RELEASE unit")
            last.error = error
        return last

    def _call(self, function: Callable[..., None], *values: Any) -> None:
        # A loop that was closed before the store has nobody left to tell.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *values)

    def _settle(self, group: list[_Unit], follow_up: _Unit | None) -> None:
        """On the event loop: tell the changes, then answer those who still wait."""
        for unit in (*group, follow_up):
            for change in unit.changes if unit else ():
                self._tell(change)
        for unit in group:
            if unit.waiting is None or unit.waiting.done():
                continue
            if unit.error is None:
                unit.waiting.set_result(unit.result)
            else:
                unit.waiting.set_exception(unit.error)
        if follow_up is not None and self.follow_up is not None:
            self.follow_up.done(follow_up.result if follow_up.error is None else None)

    def _look_again(self) -> None:
        """On the event loop: have the follow-up run for jobs that were passed over."""
        if not self._closing:
            unit = _Unit(lambda _tx: None, calls_for_follow_up=True)
            self._loop.call_later(LOOK_AGAIN_SECONDS, self._units.put, unit)


class _Writing:
    """The connection of one thread, made anew when it is lost, and its transactions."""

    def __init__(self, connector: Connector, queries: Mapping[str, str]) -> None:
        self._connector = connector
        self._queries = queries
        self._db: Connection | None = None
        self._writer: PostgresWriter | None = None

    def begin(self, wait_ms: int) -> tuple[Connection, PostgresWriter]:
        """Begin a transaction. Raises UnreachableError."""
        begin = f"BEGIN; SET LOCAL lock_timeout = {wait_ms}"
        if self._db is not None and self._writer is not None:
            try:
                self._db.run(begin)
                return self._db, self._writer
            except (psycopg.Error, LostError):
                # It was lost since the last transaction.
                self.close()
        db = self._connector.connect()
        writer = PostgresWriter(db, self._queries)
        self._db, self._writer = db, writer
        db.run(begin)
        return db, writer

    def take_turn(self, wait_ms: int) -> None:
        """Wait until nobody else runs a unit alone, and then for no lock longer than `wait_ms`."""
        db = self._db
        assert db is not None
        try:
            db.execute(self._queries["lock"], {"what": "jobs_gateway/alone"})
        except psycopg.Error as error:
            raise (LostError if db.is_lost else _AgainError) from error
        db.run(f"SET LOCAL lock_timeout = {wait_ms}")

    def commit(self, told: Iterable[str]) -> None:
        """Commit, and tell other gateways. Raises LostError when nothing was stored, else _UnknownError when
        that cannot be found out.
        """
        db = self._db
        assert db is not None
        try:
            number = db.execute(self._queries["last_words"], {"payloads": list(told)}).fetchone()[0]
        except psycopg.Error as error:
            raise (LostError if db.is_lost else _AgainError) from error
        try:
            db.run("COMMIT")
        except LostError:
            if number is not None and not self._was_committed(number):
                raise

    def roll_back(self) -> None:
        """Undo the transaction, if the server has not done so."""
        if self._db is None:
            return
        try:
            self._db.recover("ROLLBACK")
        except (psycopg.Error, LostError):
            self.close()

    def close(self) -> None:
        """Disconnect."""
        if self._db is not None:
            self._db.close()
        self._db = self._writer = None

    def _was_committed(self, number: str) -> bool:
        """What became of a transaction whose end was not heard of. Raises _UnknownError."""
        self.close()
        until = time.monotonic() + LOOK_UP_SECONDS
        while time.monotonic() < until:
            with suppress(UnreachableError, psycopg.Error, LostError):
                db = self._connector.connect()
                try:
                    outcome = db.execute(self._queries["outcome"], {"number": number}).fetchone()[0]
                finally:
                    db.close()
                if outcome in ("committed", "aborted"):
                    return bool(outcome == "committed")
                if outcome is None:
                    break
            time.sleep(0.05)
        raise _UnknownError


def _told(error: BaseException) -> BaseException:
    """What the caller of a unit of work is told of the error that it raised."""
    if is_passing(error):
        return unavailable(error)
    if isinstance(error, StopIteration):  # which no future can carry
        wrapped = RuntimeError("a unit of work raised StopIteration")
        wrapped.__cause__ = error
        return wrapped
    return error


def _unavailable(error: BaseException | None) -> ServiceUnavailable:
    if isinstance(error, _UnknownError):
        told = ServiceUnavailable(
            "the database was lost during a commit; look whether the change was stored",
            retry_after_seconds=5,
        )
        told.__cause__ = error
        return told
    return unavailable(error)
