"""The folder in which a gateway keeps everything: who may look into it, and who holds it.

    lock          held by the gateway that runs, with its process id
    node          names the folder among those of other nodes
    address       where that gateway serves
    gateway.db    the database
    secret.key    the key of the secrets, unless SECRET_KEY_FILE names another
    jobs/         scratch folders and output of attempts
    attachments/  files attached to jobs

The folder is 0700, its files are 0600. When jobs run as another user, that user's group may pass through the
folder to its scratch folders (0710), but not list it.
"""

import fcntl
import os
import stat
import uuid
from contextlib import suppress
from pathlib import Path

from gateway.refusal import Refusal

_OURS = ("lock", "gateway.db")
"""One of these tells that a folder is a data folder."""


class DataFolder:
    """The paths in a data folder, and its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.database = self.path / "gateway.db"
        self.secret_key = self.path / "secret.key"
        self.jobs = self.path / "jobs"
        self.attachments = self.path / "attachments"
        self._lock_file = self.path / "lock"
        self._address_file = self.path / "address"
        self._lock: int | None = None

    def exists(self) -> bool:
        """Whether a gateway has ever kept anything here."""
        return self.database.exists()

    def make(self, *, passing_group: int | None = None) -> None:
        """Make the folder, or close one that exists to others; from now on files are made 0600.

        `passing_group` is the id of a group that may pass through. Raises Refusal when the folder cannot be
        written, or holds what is not ours and others can look into it.
        """
        os.umask(0o077)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._close_to_others(passing_group)
        except OSError as error:
            raise Refusal(f"data folder {self.path}: {error.strerror}") from None
        if not os.access(self.path, os.R_OK | os.W_OK | os.X_OK):
            raise Refusal(f"data folder {self.path}: cannot be written by this user")

    def lock(self) -> None:
        """Hold the folder until the process ends. Raises Refusal, naming the holder, when it is held."""
        try:
            descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Refusal(f"data folder {self.path}: lock: {error.strerror}") from None
        try:
            # A lock on the open file, not a file that is there: it ends with the process, however that ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise Refusal(
                f"data folder {self.path} is in use by another gateway (process {holder})"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor

    def tell_address(self, url: str) -> None:
        """Write where the gateway serves, for tools that look for it."""
        new = self._address_file.with_suffix(".new")
        new.write_text(url + "\n", "ascii")
        new.replace(self._address_file)

    def identity(self) -> str:
        """What names this folder among those of other nodes; made at its first use. Raises Refusal."""
        file = self.path / "node"
        try:
            if not file.exists():
                new = file.with_suffix(".new")
                new.write_text(f"{uuid.uuid4()}\n", "ascii")
                new.replace(file)
            return file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Refusal(f"data folder {self.path}: node: {error}") from None

    def release(self) -> None:
        """Give the folder up."""
        if self._lock is not None:
            with suppress(OSError):
                self._address_file.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _close_to_others(self, passing_group: int | None) -> None:
        status = self.path.stat()
        wanted = 0o700 if passing_group is None else 0o710
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o077 & ~wanted or (mode & 0o077 and passing_group != status.st_gid):
            names = [entry.name for entry in os.scandir(self.path)]
            # A mistyped --data must not close somebody's home folder, or /tmp.
            if names and not any(name in _OURS for name in names):
                raise Refusal(
                    f"data folder {self.path}: holds other files and is open to other users "
                    f"(mode {mode:04o}); name an empty folder, or chmod 0700 this one"
                )
            if status.st_uid not in (os.geteuid(), 0) or (status.st_uid == 0 and os.geteuid() != 0):
                raise Refusal(
                    f"data folder {self.path}: is open to other users (mode {mode:04o}) and belongs to "
                    f"another one; name a folder inside it"
                )
        if passing_group is not None and status.st_gid != passing_group:
            os.chown(self.path, -1, passing_group)
        if mode != wanted:
            self.path.chmod(wanted)
