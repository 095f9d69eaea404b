"""What the gateway keeps in memory of an attempt that it follows."""

from dataclasses import dataclass
from pathlib import Path

from gateway.domain.executor import Exited, Vanished
from gateway.executors.output_file import OutputFile
from gateway.executors.process_session import Waiter
from gateway.executors.process_stop import Stop


@dataclass(kw_only=True)
class Followed:
    """An attempt that runs, as far as is known."""

    waiter: Waiter
    """Who runs it, or tries to."""
    cgroup: Path | None
    stop: Stop
    """Ends it when somebody wants it ended."""
    outputs: tuple[OutputFile, ...]
    pidfd: int | None = None
    """Readable once the waiter is gone; None where the kernel gave none, then every tick looks."""
    end: Exited | Vanished | None = None
    """How the waiter ended, while the rest of a stopped attempt has its grace."""
    observed: bool = False
    """Whether somebody asked for it, and so wants to hear of its end."""
