"""Questions between gateways on one database: the port Exchange.

All are told of a question (NOTIFY). Who has an answer puts it into a table and tells that; the asker takes it
from there. A question that nobody answers in time has no answer.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from secrets import token_hex
from typing import Any

from gateway.domain.errors import JobsError
from gateway.stores.postgres_connection import Connection
from gateway.stores.postgres_pool import Pool

GATHER_SECONDS = 1.0
"""How long heartbeats are gathered; the shortest that a job may promise is ten seconds."""
HEARTBEATS = 150
"""So many fit into one notice, of which the server takes 8000 bytes."""
ANSWER_SECONDS = 3.0
"""How long an answer is waited for."""
_log = logging.getLogger(__name__)


class PostgresExchange:
    """Asks, and has others' questions answered."""

    def __init__(self, pool: Pool, queries: Mapping[str, str], *, node: str) -> None:
        self._pool = pool
        self._queries = queries
        self._node = node
        self._answerer: Callable[[bytes], Awaitable[bytes | None]] | None = None
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._heartbeats: set[str] = set()
        """Jobs that were heard of, not told yet."""
        self._listener: Callable[[str], Any] = lambda _job_id: None

    def tell_heartbeat(self, job_id: str) -> None:
        """Tell the others that a job was heard of, together with others within a second."""
        if not self._heartbeats:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell_heartbeats)
        self._heartbeats.add(job_id)

    def hear_heartbeats(self, listener: Callable[[str], Any]) -> None:
        """Have a function called with each job that others have heard of."""
        self._listener = listener

    async def ask(self, question: bytes) -> bytes | None:
        """The first answer; None when there is none in time."""
        name = token_hex(16)
        answered = self._asked[name] = asyncio.get_running_loop().create_future()
        try:
            await self._tell(asked=name, by=self._node, question=question.decode())
            async with asyncio.timeout(ANSWER_SECONDS):
                await answered
        except TimeoutError:
            return None
        finally:
            del self._asked[name]
        return await self._pool.use(lambda db: self._fetched(db, name))

    def answer(self, answerer: Callable[[bytes], Awaitable[bytes | None]]) -> None:
        """Have others' questions answered, on the event loop."""
        self._answerer = answerer

    def hear(self, message: Mapping[str, Any]) -> None:
        """What another gateway has told, on the event loop."""
        match message:
            case {"asked": str(name), "by": str(node), "question": str(question)} if node != self._node:
                self._spawn(self._answer(name, question.encode()))
            case {"heard": list(job_ids), "by": str(node)} if node != self._node:
                for job_id in job_ids:
                    self._listener(job_id)
            case {"answered": str(name)}:
                waiting = self._asked.get(name)
                if waiting is not None and not waiting.done():
                    waiting.set_result(None)

    async def _answer(self, name: str, question: bytes) -> None:
        if self._answerer is None:
            return
        try:
            content = await self._answerer(question)
            if content is not None:
                found = content
                await self._pool.use(lambda db: self._put(db, name, found))
                await self._tell(answered=name)
        except JobsError as error:
            _log.warning("a question of another gateway was not answered: %s", error.reason)
        except Exception:
            _log.exception("a question of another gateway could not be answered")

    def _tell_heartbeats(self) -> None:
        job_ids, self._heartbeats = sorted(self._heartbeats), set()
        for start in range(0, len(job_ids), HEARTBEATS):
            self._spawn(self._told_heartbeats(job_ids[start : start + HEARTBEATS]))

    async def _told_heartbeats(self, job_ids: Sequence[str]) -> None:
        try:
            await self._tell(heard=list(job_ids), by=self._node)
        except JobsError as error:
            _log.warning("other gateways were not told of %d heartbeats: %s", len(job_ids), error.reason)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, **message: Any) -> None:
        text = json.dumps(message)
        await self._pool.use(lambda db: db.execute(self._queries["tell"], {"message": text}))

    def _put(self, db: Connection, name: str, content: bytes) -> None:
        db.execute(self._queries["forget_answers"], {})
        db.execute(self._queries["insert_answer"], {"question": name, "content": content})

    def _fetched(self, db: Connection, name: str) -> bytes | None:
        row = db.execute(self._queries["fetch_answer"], {"question": name}).fetchone()
        return None if row is None else bytes(row[0])
