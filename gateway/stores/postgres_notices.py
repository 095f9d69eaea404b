"""What gateways on one database tell each other: which jobs and scheduled jobs have changed.

A commit sends it along (NOTIFY); every gateway listens, and passes on what others have changed. Told is what
has changed and not how: whoever wants to know more looks.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

import psycopg

from gateway.domain.ports import Change, ScheduleChange
from gateway.domain.words import JobStatus
from gateway.stores.postgres_connection import Connection, Connector
from gateway.stores.postgres_errors import LostError, UnreachableError

CHANNEL = "jobs_gateway"
CHANGES = 80
"""So many changes fit into one notice, of which the server takes 8000 bytes."""
AGAIN_SECONDS = 0.2
"""How long after a lost connection, or a failure to make one, the next is tried."""

_log = logging.getLogger(__name__)


def payloads(node: str, changes: Iterable[Change | ScheduleChange]) -> Iterator[str]:
    """The notices about some changes, the last of each job."""
    last = {
        change.job_id if isinstance(change, Change) else change.scheduled_job_id: change for change in changes
    }
    left = iter(last.values())
    while some := list(islice(left, CHANGES)):
        told = [
            [change.job_id, change.version, change.status]
            if isinstance(change, Change)
            else [change.scheduled_job_id]
            for change in some
        ]
        yield json.dumps([node, told], separators=(",", ":"))


class Notices:
    """Hears what other gateways tell, on the event loop that it was opened on."""

    def __init__(
        self,
        connector: Connector,
        tell: Callable[[Change | ScheduleChange], None],
        missed: Callable[[], None],
        heard: Callable[[Mapping[str, Any]], None],
        *,
        node: str,
    ) -> None:
        """`missed` is called when changes may have gone by unheard, `heard` with what is no change."""
        self._connector = connector
        self._tell = tell
        self._missed = missed
        self._heard = heard
        self._node = node
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to listen. Raises UnreachableError."""
        self._listen(await asyncio.to_thread(self._connect))

    async def close(self) -> None:
        """Listen no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._stop()

    def _connect(self) -> Connection:
        connection = self._connector.connect()
        try:
            connection.run(f"LISTEN {CHANNEL}")
        except (psycopg.Error, LostError) as error:
            connection.close()
            raise UnreachableError(str(error)) from error
        return connection

    def _listen(self, connection: Connection) -> None:
        self._connection = connection
        # A connection that is lost does not know its socket any more.
        self._socket = connection.raw.fileno()
        asyncio.get_running_loop().add_reader(self._socket, self._hear)

    def _stop(self) -> None:
        if self._connection is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._connection.close()
            self._connection = None

    def _hear(self) -> None:
        """The socket can be read: pass on what came, or see that the connection is gone."""
        connection = self._connection
        if connection is None:
            return
        pgconn = connection.raw.pgconn
        try:
            pgconn.consume_input()
            while (notice := pgconn.notifies()) is not None:
                try:
                    self._pass_on(notice.extra)
                except (ValueError, KeyError, TypeError):
                    _log.warning("a notice on the channel %s cannot be read", CHANNEL)
                    self._missed()
        except psycopg.Error:
            self._stop()
            self._task = asyncio.create_task(self._listen_again(), name="store notices")

    async def _listen_again(self) -> None:
        while True:
            connecting = asyncio.ensure_future(asyncio.to_thread(self._connect))
            try:
                self._listen(await asyncio.shield(connecting))
            except UnreachableError:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            except asyncio.CancelledError:
                with suppress(UnreachableError):
                    (await connecting).close()
                raise
            self._missed()
            return

    def _pass_on(self, payload: bytes) -> None:
        message = json.loads(payload)
        if isinstance(message, dict):
            self._heard(message)
            return
        node, told = message
        if node == self._node:
            return
        for change in told:
            match change:
                case [str(job_id), int(version), str(status)]:
                    self._tell(Change(job_id, version, JobStatus[status], elsewhere=True))
                case [str(schedule_id)]:
                    self._tell(ScheduleChange(schedule_id))
