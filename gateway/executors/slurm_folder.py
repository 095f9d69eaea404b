"""An attempt's folder, which the gateway and all nodes see at one path: `<shared>/<job>/<attempt>/`.

    launch   what to run, with secrets; the script deletes it when it has read it
    work/    working folder, HOME and TMPDIR of the command; /tmp of its container
    bundle/  the bundle of its container, if it gets one
    stdout, stderr, begun, refused, exit, shell, container   see `slurm_script.sh`
    slurm    what Slurm itself has to say
    sent     the attempt is about to be given to Slurm, or was
    handle   the id of the Slurm job, once it is known
    stop     when the grace of a stop is over, and whether the command was asked to end

It is its user's alone, because of what is in `launch`.
"""

import os
import re
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.executor import Exited
from gateway.executors.exit_status import exit_status
from gateway.executors.slurm_bundles import AttemptBundle

WITHDRAWN = "withdrawn"
"""What the gateway writes into `begun`, so that no Slurm job will run the attempt."""
MOST_BYTES = 8192
SLURM_ID = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True)
class SharedFolder:
    """The folder of all attempts, and whose they are."""

    path: Path
    owner: tuple[int, int] | None
    """User and group of the jobs; None when they are the gateway's own."""

    def prepare(self) -> None:
        """Make the folder and see whether it can be used. Raises OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = self.path / f".probe-{secrets.token_hex(8)}"
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if self.owner is not None:
                os.fchown(descriptor, *self.owner)
                # May pass through, not look around.
                self.path.chmod(0o711)
        finally:
            os.close(descriptor)
            probe.unlink()

    def make(self, folder: Path, *others: str) -> None:
        """Make an attempt's folder with its working folder, and others in it. They may be there, from a start
        that was cut off.

        The folder above is not the jobs': none can put a link in the place of another's folder.
        """
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        if self.owner is not None:
            folder.parent.chmod(0o711)
        for step in (folder, folder / "work", *(folder / other for other in others)):
            step.mkdir(mode=0o700, exist_ok=True)
            if self.owner is not None:
                os.chown(step, *self.owner, follow_symlinks=False)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file whole: one that was there before is replaced."""
        new = path.with_name(f"{path.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            # Nodes are to see it whole, and a full disk is to be noticed here.
            os.fsync(descriptor)
            if self.owner is not None:
                os.fchown(descriptor, *self.owner)
        new.replace(path)


class AttemptFolder:
    """Reads what the script wrote, and keeps what the next gateway must know.

    A job can put anything in the place of a file: no link is followed, nothing is waited for.
    """

    def __init__(self, shared: SharedFolder, path: Path) -> None:
        self._shared = shared
        self.path = path

    def prepare(self, launch: bytes, bundle: AttemptBundle | None = None) -> bool:
        """Write all that the script needs, with the bundle of a container.

        Whether it may have been given to Slurm before. Raises OSError.
        """
        self._shared.make(self.path, *(() if bundle is None else ("bundle", "bundle/rootfs")))
        if bundle is not None:
            for name, target in bundle.links.items():
                with suppress(FileExistsError):
                    (self.path / "bundle" / "rootfs" / name).symlink_to(target)
            self._shared.write(self.path / "bundle" / "config.json", bundle.config)
        self._shared.write(self.path / "launch", launch)
        try:
            descriptor = os.open(self.path / "sent", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return True
        os.close(descriptor)
        return False

    def contained(self) -> bool:
        """Whether the attempt runs in a container."""
        return (self.path / "bundle").is_dir()

    def handle(self) -> int | None:
        """The id of the Slurm job that the attempt was given to; None while it is not known."""
        return slurm_id_of((self._read("handle") or "").strip())

    def note_handle(self, slurm_id: int) -> None:
        """Keep the id, for a gateway that is killed before it is stored. Without it, it is looked for."""
        with suppress(OSError):
            self._shared.write(self.path / "handle", f"{slurm_id}\n".encode())

    def begun(self) -> str | None:
        """Which Slurm job runs the attempt, or WITHDRAWN; None when none has begun."""
        text = self._read("begun")
        return text.strip() if text is not None and text.endswith("\n") else None

    def withdraw(self) -> str:
        """See to it that no Slurm job runs the attempt, unless one does already; what `begun` says then."""
        try:
            descriptor = os.open(self.path / "begun", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self.begun() or ""
        os.write(descriptor, f"{WITHDRAWN}\n".encode())
        os.close(descriptor)
        self.forget_launch()
        return WITHDRAWN

    def forget_launch(self) -> None:
        """Nobody will read it any more, and secrets are in it."""
        with suppress(OSError):
            (self.path / "launch").unlink(missing_ok=True)

    def refused(self) -> str | None:
        """Why the command could not be run; None when it could."""
        text = self._read("refused")
        return text.strip() if text and text.endswith("\n") else None

    def exited(self) -> Exited | None:
        """How the command ended; None when it did not, or nobody was left to write it."""
        text = self._read("exit") or ""
        words = text.split()
        status = exit_status(words[0]) if len(words) == 2 and text.endswith("\n") else None
        if status is None:
            return None
        return Exited(exit_code=status, signal=status - 128 if words[1] == "signal" else None)

    def remarks(self) -> str:
        """What Slurm itself had to say, the last of it."""
        return self._read("slurm") or ""

    def stop(self) -> tuple[float, bool] | None:
        """When the grace of a stop is over (seconds since 1970), and whether the command was asked to end."""
        words = (self._read("stop") or "").split()
        try:
            return float(words[0]), words[1] == "asked"
        except (IndexError, ValueError):
            return None

    def note_stop(self, kill_at: float, *, asked: bool) -> None:
        """Keep a stop, for a gateway that starts meanwhile."""
        with suppress(OSError):
            self._shared.write(
                self.path / "stop", f"{kill_at:.3f} {'asked' if asked else 'begun'}\n".encode()
            )

    def _read(self, name: str) -> str | None:
        # NFS keeps for a while that a file is not there; looking into its folder makes it ask anew.
        with suppress(OSError):
            if name in os.listdir(self.path):
                return self._content(name)
        return None

    def _content(self, name: str) -> str | None:
        descriptor = os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            size = os.fstat(descriptor).st_size
            return os.pread(descriptor, MOST_BYTES, max(0, size - MOST_BYTES)).decode("utf-8", "replace")
        finally:
            os.close(descriptor)


def slurm_id_of(text: str) -> int | None:
    """The id of a Slurm job that a text is; None if it is none."""
    return int(text) if SLURM_ID.fullmatch(text) else None
