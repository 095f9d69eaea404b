"""The folders of jobs below one folder, `<folder>/<job>/<attempt>/`, and how to delete one with all in it."""

import os
import re
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from gateway.domain.executor import AttemptKey

JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What may name a folder; ids are UUIDs. Names that begin with a dot are the executors' own."""
DELETE_TRIES = 5
"""A process that is being killed may still make files while its folder is deleted."""


class JobFolders:
    """Finds them. What is no id of a job is a ValueError: no id leads out of the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def job(self, job_id: str) -> Path:
        """The folder of a job, which may be not there."""
        if not JOB_ID.fullmatch(job_id):
            raise ValueError(f"not the id of a job: {job_id!r}")
        return self.path / job_id

    def attempt(self, key: AttemptKey) -> Path:
        """The folder of an attempt, which may be not there."""
        return self.job(key.job_id) / str(key.attempt)

    def has(self, job_id: str) -> bool:
        """Whether a job has a folder."""
        return self.job(job_id).is_dir()

    def ids(self) -> list[str]:
        """Ids of the jobs that have a folder."""
        return [name for name in os.listdir(self.path) if JOB_ID.fullmatch(name)]

    def remove(self, job_id: str) -> None:
        """Delete the folder of a job."""
        delete_tree(self.job(job_id))


def delete_tree(folder: Path) -> None:
    """Delete a folder and all in it, also what its owner has closed. Links are deleted, not followed."""
    for left in reversed(range(DELETE_TRIES)):
        try:
            if folder.is_symlink():
                folder.unlink()
            else:
                shutil.rmtree(folder)
        except FileNotFoundError:
            if not os.path.lexists(folder):
                return
        except PermissionError:
            if not left:
                raise
            with suppress(OSError):  # Something has just gone, or is not ours to open.
                _open_folders(folder)
        except OSError:
            if not left:
                raise
        else:
            return


def _open_folders(folder: Path) -> None:
    """Give ourselves the right to look into each folder, from the top down, and to change it."""
    folder.chmod(0o700)
    for _, names, _, parent in os.fwalk(folder, topdown=True, follow_symlinks=False):
        for name in names:
            if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                os.chmod(name, 0o700, dir_fd=parent)
