"""The attempts of a shared folder: where each lies, its output, and what is kept of them."""

import logging
import os
import pwd
import re
from pathlib import Path

from gateway.domain.executor import AttemptKey
from gateway.domain.words import OutputChannel
from gateway.executors.job_folders import JobFolders
from gateway.executors.output_file import OutputFile, can_punch
from gateway.executors.slurm_folder import AttemptFolder, SharedFolder

log = logging.getLogger(__name__)


class Attempts(JobFolders):
    """All attempts of a shared folder. Whatever Slurm has, has a folder: it is made first."""

    def __init__(self, path: Path, *, user: str, output_limit_bytes: int) -> None:
        """`user`: as whom jobs run. Raises ValueError, which begins with the setting's name."""
        if not path.is_absolute() or re.search(r"[%\\\x00-\x1f]", str(path)):
            raise ValueError("SLURM_SHARED_FOLDER: must be an absolute path without % and \\")
        super().__init__(path)
        self._shared = SharedFolder(path, _owner(user))
        self._output_limit_bytes = output_limit_bytes
        self._punching = True

    def prepare(self) -> None:
        """Make the shared folder and see whether it can be used. Raises OSError."""
        self._shared.prepare()
        self._punching = can_punch(self.path)
        if not self._punching:
            log.warning("output is not bounded on disk: the file system of %s takes no holes", self.path)

    def folder(self, key: AttemptKey) -> AttemptFolder:
        """The attempt's folder, which may be not there yet."""
        return AttemptFolder(self._shared, self.attempt(key))

    def output(self, key: AttemptKey, channel: OutputChannel) -> OutputFile:
        """One of the attempt's streams."""
        path = self.attempt(key) / channel.value.lower()
        return OutputFile(path, self._output_limit_bytes, punching=self._punching)

    def open_of(self, job_id: str) -> list[AttemptKey]:
        """Attempts of a job that were given to Slurm and wrote no exit status."""
        try:
            names = os.listdir(self.job(job_id))
        except FileNotFoundError:
            return []
        keys = [AttemptKey(job_id, int(name)) for name in names if name.isdecimal()]
        return [key for key in keys if self.folder(key).exited() is None]

    def trim(self, key: AttemptKey) -> None:
        """Hold the attempt's output to its bound."""
        for channel in OutputChannel:
            self.output(key, channel).trim()

    def settle(self, key: AttemptKey) -> None:
        """The attempt is over."""
        self.trim(key)
        self.folder(key).forget_launch()


def _owner(user: str) -> tuple[int, int] | None:
    """User and group of the jobs, when they are not the gateway's own."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ValueError(f"SLURM_USER: there is no user {user!r} here") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise ValueError(
            f"SLURM_USER: the gateway must run as {user!r}, or as root, to share files with its jobs"
        )
    return entry.pw_uid, entry.pw_gid
