"""From a launch to a process: the attempt's folder, the command, its environment, its waiter.

Everything here is plain and fast, a few system calls and one vfork. There is no thread per job, and no
Python process.
"""

import ctypes
import errno
import os
import pwd
import re
import resource
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gateway.domain.executor import Launch, StartRefused
from gateway.executors.process_program import fault_of
from gateway.executors.process_session import Waiter, boot_id, read_process

WAITER = Path(__file__).with_name("waiter.sh")
SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
"""Where our own helpers are looked for: env, nice, setpriv. Never the job's PATH."""
SHELLS_THAT_ADD_NOTHING = {"dash", "busybox"}
"""They hand on an environment as it is; bash adds `_` and SHLVL."""

HANDLED_BY_DEFAULT = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
"""What a command finds at its default: Python ignores SIGPIPE, and what is ignored stays so across exec."""

SYS_CLOSE_RANGE = 436
"""Number of close_range(2), the same on every processor; C libraries have it by name only since 2021."""
CLOSE_RANGE_CLOEXEC = 4
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.argtypes = (ctypes.c_long, ctypes.c_uint, ctypes.c_uint, ctypes.c_int)
_libc.syscall.restype = ctypes.c_long

# What a shell, or the loader of the shell, takes for itself. Such names are carried past it.
_SHELL_NAME = re.compile(
    r"(?!BASH|LD_|waiter_)"
    r"(?!(_|PWD|OLDPWD|SHLVL|IFS|PPID|LINENO|OPT(IND|ARG|ERR)|CDPATH|RANDOM|GLIBC_TUNABLES)\Z)"
    r"[A-Za-z_][A-Za-z0-9_]*\Z"
)


@dataclass(frozen=True)
class JobUser:
    """The user that jobs run as, when it is not the gateway's own."""

    uid: int
    gid: int
    groups: tuple[int, ...]
    setpriv: str
    """Path of setpriv(1) of util-linux."""

    @classmethod
    def find(cls, name: str | None) -> Self | None:
        """Look the user up. None: jobs run as the gateway does."""
        if name is None:
            return None
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise ValueError(f"JOB_USER: there is no user {name!r}") from None
        if entry.pw_uid == os.geteuid():
            return None
        if os.geteuid() != 0:
            raise ValueError(f"JOB_USER: only root can run jobs as {name!r}")
        setpriv = shutil.which("setpriv", path=SYSTEM_PATH)
        # busybox has a setpriv of its own, which does not change users.
        if setpriv is None or Path(setpriv).resolve().name == "busybox":
            raise ValueError("JOB_USER: needs setpriv of util-linux to change users")
        groups = tuple(os.getgrouplist(name, entry.pw_gid))
        return cls(entry.pw_uid, entry.pw_gid, groups, setpriv)

    @property
    def prefix(self) -> str:
        """Words to put in front of a command."""
        groups = ",".join(map(str, self.groups))
        return f"{self.setpriv} --reuid={self.uid} --regid={self.gid} --groups={groups} --"

    def check_reach(self, folder: Path) -> None:
        """Raise PermissionError if the user cannot pass through to a folder."""
        for step in (*reversed(folder.parents), folder):
            status = step.stat()
            if status.st_uid == self.uid:
                bit = 0o100
            elif status.st_gid in self.groups:
                bit = 0o010
            else:
                bit = 0o001
            if not status.st_mode & bit:
                raise PermissionError(
                    f"JOB_USER: user {self.uid} cannot reach {folder}: {step} is closed to it"
                )


class Launcher:
    """Starts waiters."""

    def __init__(
        self, *, default_path: str, user: JobUser | None, shell: str, open_files: int | None = None
    ) -> None:
        self._default_path = default_path
        self._open_files = _limit(open_files)
        self.user = user
        self._shell = shell
        self._env = shutil.which("env", path=SYSTEM_PATH) or "/usr/bin/env"
        self._nice = shutil.which("nice", path=SYSTEM_PATH) or "/usr/bin/nice"
        # Variables of a job must not act on a waiter with more rights than the job has.
        self._carry_all = user is not None or Path(shell).resolve().name not in SHELLS_THAT_ADD_NOTHING
        self._umask = _own_umask()

    def spawn(self, launch: Launch, folder: Path, cgroup: Path | None) -> Waiter:
        """Start the waiter of an attempt in the attempt's folder."""
        try:
            self._make_folders(folder)
            environment = self._environment(launch, folder)
            command = self._command(launch, folder, environment)
            arguments, variables = self._waiter_call(launch, folder, cgroup, environment, command)
            _close_on_exec()
            pid = os.posix_spawn(
                self._shell,
                arguments,
                variables,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    _append(1, folder / "stdout"),
                    _append(2, folder / "waiter"),
                    _append(3, folder / "stderr"),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=HANDLED_BY_DEFAULT,
            )
        except OSError as error:
            if error.errno == errno.E2BIG:
                raise StartRefused(
                    "the argument list and environment are too long for this system", passing=False
                ) from error
            raise StartRefused(f"the attempt could not be started: {error.strerror}", passing=True) from error
        try:
            # It cannot be gone: it is our child and was not waited for.
            process = read_process(pid)
        except OSError as error:
            # Nobody could follow it.
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            reason = f"the attempt could not be followed: {error.strerror}"
            raise StartRefused(reason, passing=True) from error
        return Waiter(boot_id(), pid, process.started if process else 0)

    def _make_folders(self, folder: Path) -> None:
        """Make the attempt's folder and `work` in it. They may be there, from a start that was cut off."""
        for step in (folder.parent, folder, folder / "work"):
            step.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None:
            # May pass through, not look around.
            folder.parent.chmod(0o711)
            folder.chmod(0o711)
            os.chown(folder / "work", self.user.uid, self.user.gid, follow_symlinks=False)
            for name in ("stdout", "stderr"):
                # Theirs, because `echo x > /dev/stderr` opens the file anew. They can write it anyway.
                descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
                os.fchown(descriptor, self.user.uid, self.user.gid)
                os.close(descriptor)

    def _environment(self, launch: Launch, folder: Path) -> dict[str, str]:
        work = str(folder / "work")
        defaults = {"PATH": self._default_path, "HOME": work, "TMPDIR": work, "LANG": "C.UTF-8"}
        environment = defaults | dict(launch.environment)
        for name in environment:
            if not name or "=" in name:
                raise StartRefused(f"a variable cannot be called {name!r}", passing=False)
        return environment

    @staticmethod
    def _command(launch: Launch, folder: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
        """The argument vector, its first word made a full path: a shell has built-ins of the same names."""
        if not launch.commands:
            raise StartRefused("commands is empty, there is nothing to run", passing=False)
        name = launch.commands[0]
        words = (*launch.commands, *environment, *environment.values())
        if any("\0" in word for word in words):
            raise StartRefused("arguments and variables cannot hold NUL characters", passing=False)
        work = folder / "work"
        path = environment["PATH"]
        where = "" if "/" in name else f" (looked in PATH {path})"
        # An empty entry of PATH is the working folder (POSIX, XBD 8.3).
        places = [""] if "/" in name else path.split(":")
        closed = None
        # Once for each start, and with plain texts, which take a tenth of what paths do.
        for place in places if name else ():
            file = os.path.join(work, place, name)
            if not os.path.isfile(file):
                continue
            if os.access(file, os.X_OK):
                fault = fault_of(Path(file), name, work)
                if fault is not None:
                    raise StartRefused(fault, passing=False)
                return (file, *launch.commands[1:])
            closed = closed or file
        if closed is not None:
            raise StartRefused(f"the command is not executable: {closed!r}", passing=False)
        raise StartRefused(f"no such command: {name!r}{where}", passing=False)

    def _waiter_call(
        self,
        launch: Launch,
        folder: Path,
        cgroup: Path | None,
        environment: Mapping[str, str],
        command: tuple[str, ...],
    ) -> tuple[list[bytes], dict[bytes, bytes]]:
        """Arguments and environment of the waiter."""
        memory_limit_mb = launch.resources.memory_limit_mb
        variables: Mapping[str, str] = environment
        carried = 0
        if self._carry_all or not all(map(_SHELL_NAME.match, environment)):
            carried = len(environment)
            pairs = enumerate(environment.items(), start=1)
            variables = {f"waiter_carried_{index}": f"{name}={value}" for index, (name, value) in pairs}
            if "=" in command[0]:
                # env(1) would take the path for a variable; `nice -n 0` changes nothing and would not.
                command = (self._nice, "-n", "0", *command)
        arguments = (
            "sh",
            str(WAITER),
            str(folder),
            boot_id(),
            _oom_kills(),
            self._umask,
            "" if memory_limit_mb is None else str(memory_limit_mb * 1024),
            "" if cgroup is None else str(cgroup),
            self._open_files,
            str(carried),
            "" if self.user is None else self.user.prefix,
            self._env,
            *command,
        )
        try:
            return [_encode(word) for word in arguments], {
                _encode(name): _encode(value) for name, value in variables.items()
            }
        except UnicodeEncodeError as error:
            raise StartRefused(
                "arguments and variables cannot hold lone surrogates", passing=False
            ) from error


def _limit(number: int | None) -> str:
    """A limit as ulimit takes it; empty = none is to be set."""
    if number is None:
        return ""
    return "unlimited" if number == resource.RLIM_INFINITY else str(number)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _append(descriptor: int, path: Path) -> tuple[int, int, str, int, int]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
    return (os.POSIX_SPAWN_OPEN, descriptor, str(path), flags, 0o600)


def _close_on_exec() -> None:
    """See to it that a job inherits no descriptor of the gateway: a listening socket would outlive it.

    Python's own are close-on-exec (PEP 446), but not those that the gateway itself inherited, nor those that
    a library made inheritable. One system call, whatever their number; where it is missing, one for each.
    """
    if _libc.syscall(SYS_CLOSE_RANGE, 3, 2**32 - 1, CLOSE_RANGE_CLOEXEC) != 0:
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2:
                with suppress(OSError):  # The descriptor of the listing itself.
                    os.set_inheritable(int(name), False)


def _own_umask() -> str:
    """Jobs have the gateway's umask. From /proc, because umask(2) tells it only by changing it."""
    status = Path("/proc/self/status").read_text("utf-8", "replace")
    found = re.search(r"^Umask:\s*([0-7]+)$", status, re.MULTILINE)
    return found[1] if found else "022"


def _oom_kills() -> str:
    """How often this host has killed for lack of memory; empty where the kernel does not count it."""
    try:
        counters = Path("/proc/vmstat").read_bytes()
    except OSError:
        return ""
    # It has two hundred lines and is read for each start: a plain search is much shorter than a pattern.
    after = counters.partition(b"\noom_kill ")[2]
    return after.partition(b"\n")[0].decode()
