"""The store in a PostgreSQL database, for one gateway or for many side by side.

Two threads write (postgres_commits.py), each with a connection of its own; others read, and one renews the
lease, so that the event loop never waits for the network. How many connections there are is bounded. One
listens to what other gateways change (postgres_notices.py). A connection that is lost is made again by
itself: a read, or a unit of work of which nothing was stored, is run again; what cannot be done meanwhile is
SERVICE_UNAVAILABLE.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from secrets import token_hex
from typing import Any, TypeVar

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.ports import Change, JobReader, JobWriter, ScheduleChange
from gateway.stores.errors import StoreError
from gateway.stores.postgres_attachments import PostgresAttachments
from gateway.stores.postgres_clock import PostgresClock
from gateway.stores.postgres_commits import GroupCommit
from gateway.stores.postgres_connection import Connection, Connector
from gateway.stores.postgres_errors import UnreachableError
from gateway.stores.postgres_exchange import PostgresExchange
from gateway.stores.postgres_halted import LOOK_SECONDS, end_halted
from gateway.stores.postgres_notices import Notices
from gateway.stores.postgres_pool import Pool
from gateway.stores.postgres_schema import SQL_FOLDER, migrate
from gateway.stores.sql_files import migrations, named_queries
from gateway.stores.units import FollowUp

T = TypeVar("T")

READS = 6
"""How many short reads run at a time."""
LONG_READS = 3
"""How many long reads run at a time."""
FILES = 2
"""How many pieces of attachments are stored or read at a time."""
CLOCK_SECONDS = 30.0
"""How often the clock is compared with the database's."""

_log = logging.getLogger(__name__)


class PostgresJobStore:
    """The port JobStore over a database. It is used from the event loop that opened it."""

    shared = True

    def __init__(self, address: str) -> None:
        """`address` is a URL, or what else libpq takes. Raises StoreError when it cannot be read."""
        self._connector = Connector(address)
        self.name = self._connector.name
        """The address without its secrets."""
        self.clock = PostgresClock()
        """The database's clock."""
        self._listeners: list[Callable[[Change], Any]] = []
        self._schedule_listeners: list[Callable[[ScheduleChange], Any]] = []
        self._gap_listeners: list[Callable[[], Any]] = []
        self._queries = named_queries(SQL_FOLDER)
        self._commits: GroupCommit | None = None
        self._reads = Pool(self._connector, self._queries, most=READS)
        self._long_reads = Pool(self._connector, self._queries, most=LONG_READS)
        self._files = Pool(self._connector, self._queries, most=FILES)
        self.attachments = PostgresAttachments(self._files, self._queries)
        """Where attached files lie."""
        self._node = token_hex(8)
        """Tells what this gateway sends from what others do."""
        self.exchange = PostgresExchange(self._files, self._queries, node=self._node)
        """Questions to the other gateways."""
        self._leases = Pool(self._connector, self._queries, most=1)
        self._pools = (self._reads, self._long_reads, self._files, self._leases)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect, and bring the schema up to date. Raises StoreError."""
        await asyncio.to_thread(migrate, self._connector, migrations(SQL_FOLDER))
        self._notices = Notices(self._connector, self._tell, self._gap, self.exchange.hear, node=self._node)
        try:
            await self._notices.open()
            for pool in self._pools:
                pool.open()
            await self._reads.use(self._look_at_clock)
        except (UnreachableError, ServiceUnavailable) as error:
            await self._disconnect()
            raise StoreError(f"database {self.name}: cannot be reached any more") from error
        self._commits = GroupCommit(self._connector, self._queries, self._tell, self._gap, node=self._node)
        self._tasks = [
            asyncio.create_task(self._repeat(CLOCK_SECONDS, self._look_at_clock), name="store clock"),
            asyncio.create_task(self._repeat(LOOK_SECONDS, self._end_halted), name="store halted"),
        ]

    async def close(self) -> None:
        """Finish what is being written and disconnect. Does nothing when it is not open."""
        if self._commits is None:
            return
        await self._commits.close()
        self._commits = None
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await self._disconnect()

    async def read(self, work: Callable[[JobReader], T], *, long: bool = False, single: bool = False) -> T:
        """Run a unit of work that reads; `long` when it may take more than a millisecond, `single` when it
        asks for one thing.
        """
        if self._commits is None:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        return await (self._long_reads if long else self._reads).read(work, single=single)

    def write(self, work: Callable[[JobWriter], T], *, about: str | None = None) -> "asyncio.Future[T]":
        """Run a unit of work that writes. It is durable when this returns, and undone whole when it raises.
        `about`: id of the job that it looks at.

        It may be run more than once until it is stored once, so it changes nothing but through its writer. A
        caller that is canceled while it waits changes nothing: the unit is written or not, but never half.
        """
        if self._commits is None:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        return self._commits.submit(work, about)

    async def renew_lease(self, number: int, *, lease_seconds: float) -> bool:
        """Hold a node's lease for so long from now on; False when the node is one no more. It has a
        connection of its own, because what writes may wait for what another node has locked.
        """
        values = {"number": number, "lease_seconds": lease_seconds}
        renewed = await self._leases.use(lambda db: db.execute(self._queries["renew_node"], values).rowcount)
        return renewed == 1

    async def settled(self) -> None:
        """Wait until what is being written is stored or refused, and told."""
        if self._commits is not None:
            await self._commits.settled()

    def listen(self, listener: Callable[[Change], Any]) -> None:
        """Have a function called on the event loop after each durable change of a job, by any gateway."""
        self._listeners.append(listener)

    def listen_to_schedules(self, listener: Callable[[ScheduleChange], Any]) -> None:
        """Have a function called on the event loop after each durable change of a scheduled job."""
        self._schedule_listeners.append(listener)

    def listen_to_gaps(self, listener: Callable[[], Any]) -> None:
        """Have a function called on the event loop when changes may have gone by unheard: others' while this
        gateway was cut off, its own in a commit of which it cannot be found out whether it was made.
        """
        self._gap_listeners.append(listener)

    def follow_up(
        self, due: Callable[[Change], bool], work: Callable[[JobWriter], T], done: Callable[[T | None], Any]
    ) -> None:
        """Have a unit of work run in each commit of this gateway with a change that it is due for, behind all
        others, see JobStore.
        """
        if self._commits is None:
            raise ServiceUnavailable("the store is closed", retry_after_seconds=5)
        self._commits.follow_up = FollowUp(due, work, done)

    async def _disconnect(self) -> None:
        await self._notices.close()
        for pool in self._pools:
            await pool.close()

    def _look_at_clock(self, connection: Connection) -> None:
        # Meanwhile the monotonic clock goes on; it drifts by some milliseconds a minute at most.
        self.clock.look(connection, self._queries["time"])

    def _end_halted(self, connection: Connection) -> None:
        end_halted(connection, self._queries)

    async def _repeat(self, seconds: float, work: Callable[[Connection], None]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await self._reads.use(work)
            except ServiceUnavailable as error:
                _log.warning(
                    "%s: the database could not be asked: %s", work.__name__.strip("_"), error.reason
                )

    def _tell(self, change: Change | ScheduleChange) -> None:
        listeners: list[Any] = self._listeners if isinstance(change, Change) else self._schedule_listeners
        for listener in listeners:
            _call(listener, change)

    def _gap(self) -> None:
        _log.warning("changes may have been missed; everything is looked at again")
        for listener in self._gap_listeners:
            _call(listener)


def _call(listener: Callable[..., Any], *values: Any) -> None:
    try:
        listener(*values)
    except Exception as error:
        # A listener's fault is not the writer's.
        context = {"message": "a listener of the store failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
