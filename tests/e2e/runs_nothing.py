"""A gateway that runs no command, whatever it is told: each attempt ends at once with exit code 0.

An attempt whose first argument is `stay` runs until it is stopped.
"""

import asyncio
import sys
from typing import Any

import gateway.executor_choice
from gateway.__main__ import main
from gateway.domain.executor import Exited, Launch
from gateway.executors.scripted import ScriptedExecutor


class IdleExecutor(ScriptedExecutor):
    """Stands in for ProcessExecutor."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    async def start(self, launch: Launch) -> str:
        """Begin an attempt, and mostly end it."""
        handle = await super().start(launch)
        self.started.clear()
        if launch.commands[:1] != ("stay",):
            asyncio.get_running_loop().call_soon(self.end, launch.key, Exited(exit_code=0))
        return handle


gateway.executor_choice.ProcessExecutor = IdleExecutor  # type: ignore[misc, assignment]
sys.exit(main())
