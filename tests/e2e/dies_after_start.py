"""A gateway that is killed right after it started its first process, before it stored the handle."""

import os
import signal
import sys

from gateway.__main__ import main
from gateway.domain.executor import Launch
from gateway.executors.process import ProcessExecutor

_start = ProcessExecutor.start


async def _start_and_die(self: ProcessExecutor, launch: Launch) -> str:
    await _start(self, launch)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody comes here")


ProcessExecutor.start = _start_and_die  # type: ignore[method-assign]
sys.exit(main())
