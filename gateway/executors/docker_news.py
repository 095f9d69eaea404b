"""What Docker tells of containers with a label: a stream of events, and now and then a list of them all."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from gateway.executors.docker_engine import DockerEngine, EngineRefused, EngineUnreachable

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
"""Between two tries to reach the engine again."""
LOOK_SECONDS = 30.0
"""How often all containers are listed, in case an event was lost or the connection is dead."""
REPLAY_SECONDS = 60
"""Events so old are read again when the stream is taken up, against gaps and clocks that differ."""

UNEXPECTED = "the executor failed unexpectedly; the gateway's log tells more"


class News:
    """Listens as long as its two tasks run, and knows whether the engine can be reached."""

    def __init__(
        self,
        engine: DockerEngine,
        label: str,
        *,
        happened: Callable[[Mapping[str, Any]], None],
        listed: Callable[[list[dict[str, Any]]], Awaitable[None]],
        found_again: Callable[[], None],
    ) -> None:
        """`happened` gets each event, `listed` each list; `found_again`: the engine is back within reach."""
        self._engine = engine
        self._label = label
        self._happened = happened
        self._listed = listed
        self._found_again = found_again
        self.lost: str | None = "it was not reached yet"
        """Why the engine cannot be asked; None when it can."""
        self.connected = asyncio.Event()
        """Set once the first list was handed over."""

    async def listen(self) -> None:
        """Read the stream of events; each time that it is taken up, list everything first."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                since = int(time.time()) - REPLAY_SECONDS
                async with aclosing(self._engine.events(self._label, since=since)) as events:
                    async for event in events:
                        if event is None:
                            await self._look()
                            self.connected.set()
                            pause = FIRST_PAUSE_SECONDS
                        else:
                            self._happened(event)
                reason = "it closed the connection"
            except (EngineUnreachable, EngineRefused) as error:
                reason = str(error)
            except Exception:
                # A listener that ended for good would leave all attempts as they are for ever.
                log.exception("what Docker tells is read again")
                reason = UNEXPECTED
            self._lose(reason)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def look_now_and_then(self) -> None:
        """List everything, however quiet the stream is."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._look()
            except (EngineUnreachable, EngineRefused) as error:
                self._lose(str(error))
            except Exception:
                log.exception("what Docker has is listed again")
                self._lose(UNEXPECTED)

    async def _look(self) -> None:
        await self._listed(await self._engine.list(self._label))
        if self.lost is not None:
            self.lost = None
            self._found_again()

    def _lose(self, reason: str) -> None:
        if self.lost is None:
            log.warning("Docker at %s is out of reach: %s", self._engine.url, reason)
        self.lost = reason
