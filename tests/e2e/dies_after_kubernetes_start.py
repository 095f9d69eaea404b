"""A gateway that is killed right after it made its first Kubernetes Job, before it stored the handle."""

import os
import signal
import sys

from gateway.__main__ import main
from gateway.domain.executor import Launch
from gateway.executors.kubernetes import KubernetesExecutor

_start = KubernetesExecutor.start


async def _start_and_die(self: KubernetesExecutor, launch: Launch) -> str:
    await _start(self, launch)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody comes here")


KubernetesExecutor.start = _start_and_die  # type: ignore[method-assign]
sys.exit(main())
