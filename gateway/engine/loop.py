"""Runs one tick after another: when woken, or when the time comes that the last tick named."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from gateway.domain.errors import JobsError

_log = logging.getLogger("gateway.engine")

_AFTER_FAILURE_SECONDS = 1.0


class Loop:
    """One loop of the engine.

    `tick` returns the seconds until it wants to be called again, None = when woken. A tick that fails is
    logged and tried again a second later: a loop never ends by itself.
    """

    def __init__(self, name: str, tick: Callable[[], Awaitable[float | None]]) -> None:
        self._name = name
        self._tick = tick
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Have the next tick at once; during a tick, another one right after it."""
        self._woken.set()

    def start(self) -> None:
        """Begin, with a tick at once."""
        self._task = asyncio.create_task(self._run(), name=f"loop {self._name}")

    async def stop(self, *, at_once: bool = False) -> None:
        """End, after the tick that is under way; `at_once`: or break that off."""
        if self._task is not None:
            task, self._task = self._task, None
            self._woken.set()
            if at_once:
                task.cancel()
            await asyncio.wait([task])

    async def _run(self) -> None:
        pause: float | None = 0.0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            if self._task is None:
                return
            self._woken.clear()
            pause = await self._one()

    async def _one(self) -> float | None:
        try:
            return await self._tick()
        except JobsError as error:
            _log.warning("%s: %s", self._name, error.reason)
        except Exception:
            _log.exception("the loop %s failed and goes on", self._name)
        return _AFTER_FAILURE_SECONDS
