"""A gateway that is killed after it claimed its first job, before it started the process."""

import os
import signal
import sys

from gateway.__main__ import main
from gateway.domain.executor import Launch
from gateway.executors.process import ProcessExecutor


async def _die(self: ProcessExecutor, launch: Launch) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody comes here")


ProcessExecutor.start = _die  # type: ignore[method-assign]
sys.exit(main())
