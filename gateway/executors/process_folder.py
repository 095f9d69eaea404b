"""An attempt's folder: the files that its waiter and the gateway write."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.executor import Exited
from gateway.executors.exit_status import exit_status
from gateway.executors.process_session import Waiter

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
"""How many make a second."""


@dataclass(frozen=True)
class Record:
    """What the file `pid` says."""

    waiter: Waiter | None
    """Who runs the attempt; None while the file is there and not yet written."""
    cgroup: Path | None
    """The attempt's cgroup, if it was given one."""


class AttemptFolder:
    """Reads what a waiter wrote, and keeps a stop for the next gateway.

    A file counts once its last newline is there. A job that runs as the gateway can put anything in its
    place: no link is followed, nothing is waited for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def record(self) -> Record | None:
        """Who runs the attempt; None if nobody has begun."""
        text = self._read("pid")
        if text is None:
            return None
        lines = text.split("\n")
        if len(lines) < 3:
            return Record(None, None)
        return Record(Waiter.parse(lines[0]), Path(lines[1]) if lines[1] else None)

    def exited(self) -> Exited | None:
        """How the attempt ended; None if it did not, or its waiter could not write it."""
        text = self._read("exit") or ""
        words = text.split()
        status = exit_status(words[0]) if len(words) == 3 and text.endswith("\n") else None
        if status is None:
            return None
        return Exited(
            exit_code=status,
            signal=status - 128 if words[1] == "signal" else None,
            out_of_memory={"true": True, "false": False}.get(words[2]),
        )

    def ended_at(self) -> float | None:
        """When its end was written, in clock ticks since boot; None when none was."""
        try:
            written = os.stat(self.path / "exit", follow_symlinks=False).st_mtime
        except OSError:
            return None
        return (written - time.time() + time.clock_gettime(time.CLOCK_BOOTTIME)) * CLOCK_TICKS

    def is_over(self) -> bool:
        """Whether nothing runs of the attempt any more, and never will: its waiter's number may be that of
        another's session by now.
        """
        return os.path.lexists(self.path / "over")

    def note_over(self) -> None:
        """The waiter is gone, and its session and cgroup were seen empty."""
        if self.record() is not None:
            self._write("over", b"")

    def kill_at(self, waiter: Waiter) -> float | None:
        """When the grace of a stop is over, in seconds of the monotonic clock; None without one."""
        handle, _, kill_at = (self._read("stop") or "").rpartition(" ")
        if handle != waiter.handle or not kill_at.endswith("\n"):
            return None
        try:
            return float(kill_at)
        except ValueError:
            return None

    def note_stop(self, waiter: Waiter, kill_at: float) -> None:
        """Write down that all of a waiter's session was asked to end, for a gateway that starts meanwhile.

        If it cannot be written, that gateway takes the end of the command for the end of it all.
        """
        self._write("stop", f"{waiter.handle} {kill_at:.3f}\n".encode())

    def forget_stop(self) -> None:
        """The stop is over."""
        with suppress(OSError):
            (self.path / "stop").unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        """If it cannot be written, it is not there for the next gateway."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
        with suppress(OSError):
            descriptor = os.open(self.path / name, flags, 0o600)
            try:
                os.write(descriptor, content)
            finally:
                os.close(descriptor)

    def _read(self, name: str) -> str | None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self.path / name, flags)
        except OSError:
            return None
        try:
            return os.read(descriptor, 8192).decode("utf-8", "replace")
        except OSError:
            return None
        finally:
            os.close(descriptor)
