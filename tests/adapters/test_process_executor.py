"""The executor that runs jobs as processes of this host, with real processes."""

import asyncio
import errno
import logging
import os
import pwd
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.domain.executor import (
    AttemptKey,
    Executor,
    Exited,
    Launch,
    Observation,
    Resources,
    Running,
    StartRefused,
    Vanished,
)
from gateway.domain.words import FeatureSupport, OutputChannel
from gateway.executors import (
    process_cgroup,
    process_following,
    process_launch,
    process_program,
    process_stop,
)
from gateway.executors.job_folders import delete_tree
from gateway.executors.process import ProcessExecutor
from gateway.executors.process_folder import AttemptFolder
from gateway.executors.process_rest import Rest
from gateway.executors.process_session import Waiter, boot_id, members, processes, read_process

LIMIT_SECONDS = 60
"""When a test gives up waiting; nothing takes nearly as long."""
PATH = "/usr/local/bin:/usr/bin:/bin"
SHELLS = [path for path in map(shutil.which, ("dash", "bash", "busybox")) if path]
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
KILLED = Exited(exit_code=137, signal=9, out_of_memory=False)
TERMINATED = Exited(exit_code=143, signal=15, out_of_memory=False)
SUCCEEDED = Exited(exit_code=0, out_of_memory=False)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run jobs as another user")


def cgroups_work() -> bool:
    """Whether cgroup v2 is writable here."""
    parent = process_cgroup.find_parent(Path("probe"))
    return parent is not None and process_cgroup.remove(parent)


needs_cgroup = pytest.mark.skipif(not cgroups_work(), reason="no cgroup v2 is writable here")


def on_both_loops(test: Callable[[Path], Coroutine[Any, Any, None]]) -> Callable[[str, Path], None]:
    """Run a test of an executor's folder on asyncio's own event loop and on uvloop's."""

    def run(loop: str, folder: Path) -> None:
        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(test(folder))

    run.__name__ = test.__name__
    return pytest.mark.parametrize("loop", LOOPS)(run)


def processes_in(folder: Path) -> list[int]:
    """Living processes whose working folder is somewhere in a folder."""
    found = []
    for process_ in processes():
        with suppress(OSError):
            if Path(f"/proc/{process_.pid}/cwd").readlink().is_relative_to(folder):
                found.append(process_.pid)
    return found


def waiters_of(attempt: Path) -> list[int]:
    """The waiters of an attempt, also those that do not work in its folder yet."""
    found = []
    for process_ in processes():
        if process_.pid == process_.session and not process_.dead:
            with suppress(OSError):
                words = Path(f"/proc/{process_.pid}/cmdline").read_bytes().split(b"\0")
                if bytes(attempt) in words:
                    found.append(process_.pid)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can pass through; when the test is over no process may be left in it."""
    path = Path(tempfile.mkdtemp(prefix="process-executor-"))
    path.chmod(0o711)
    yield path
    deadline = time.monotonic() + LIMIT_SECONDS
    while (left := processes_in(path)) and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    delete_tree(path)
    assert left == []


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not reached: {what}"
        await asyncio.sleep(0.002)


def new_key() -> AttemptKey:
    return AttemptKey(str(uuid.uuid4()), 1)


def launch(
    *commands: str,
    key: AttemptKey | None = None,
    environment: Mapping[str, str] | None = None,
    memory_limit_mb: int | None = None,
) -> Launch:
    return Launch(
        key=key or new_key(),
        commands=commands,
        image="not-used",
        environment=environment or {},
        resources=Resources(memory_limit_mb=memory_limit_mb),
    )


def script(text: str, key: AttemptKey | None = None) -> Launch:
    return launch("/bin/sh", "-c", text, key=key)


class Gateway:
    """An open executor and what it told."""

    def __init__(self, folder: Path, executor: ProcessExecutor) -> None:
        self.folder = folder
        self.executor = executor
        self.ended: Counter[AttemptKey] = Counter()

    def told(self, key: AttemptKey) -> None:
        self.ended[key] += 1

    async def end_of(self, key: AttemptKey, handle: str) -> Observation:
        """Wait until the attempt is over, by being told."""
        seen = await self.executor.observe(key, handle)
        if isinstance(seen, Running):
            await until(lambda: self.ended[key], "the end of the attempt")
            seen = await self.executor.observe(key, handle)
        return seen

    async def run(self, launched: Launch) -> Observation:
        handle = await self.executor.start(launched)
        return await self.end_of(launched.key, handle)

    async def text(self, key: AttemptKey, channel: OutputChannel = OutputChannel.STDOUT) -> str:
        return (await self.executor.output(key, channel, offset=0, limit=1 << 20)).data.decode()

    async def output_of(self, launched: Launch) -> str:
        """What the command writes; it must succeed."""
        assert await self.run(launched) == SUCCEEDED, await self.text(launched.key, OutputChannel.STDERR)
        return await self.text(launched.key)

    async def says(self, key: AttemptKey, text: str) -> None:
        """Wait until the attempt has written a text."""
        path = self.attempt(key) / "stdout"
        await until(lambda: path.exists() and text in path.read_text(), f"{text!r} in the output")

    def attempt(self, key: AttemptKey) -> Path:
        return self.folder / key.job_id / str(key.attempt)

    def cgroup(self, key: AttemptKey) -> Path | None:
        record = AttemptFolder(self.attempt(key)).record()
        return None if record is None else record.cgroup


@asynccontextmanager
async def gateway(folder: Path, **settings: Any) -> AsyncIterator[Gateway]:
    executor = ProcessExecutor(folder, **({"default_path": PATH} | settings))
    opened = Gateway(folder, executor)
    await executor.open(opened.told)
    try:
        yield opened
    finally:
        await executor.close()


def members_of(handle: str) -> list[int]:
    waiter = Waiter.parse(handle)
    assert waiter is not None
    return [process_.pid for process_ in members(waiter, processes())]


def name_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def lives(pid: int) -> bool:
    process_ = read_process(pid)
    return process_ is not None and not process_.dead


def sleeps(pid: int) -> bool:
    process_ = read_process(pid)
    return process_ is not None and process_.state == "S"


def number_in(path: Path) -> int:
    """The pid that a job wrote into a file; 0 while it has not."""
    text = path.read_text() if path.exists() else ""
    return int(text) if text.endswith("\n") else 0


# What a command gets


def test_it_is_an_executor_and_says_what_it_supports() -> None:
    executor: Executor = ProcessExecutor(Path("unused"), default_path=PATH)

    assert (executor.name, executor.isolation) == ("process", "none")
    assert executor.support["memoryLimit"] is FeatureSupport.ENFORCED
    assert executor.support["dockerImageUrl"] is FeatureSupport.RECORDED
    assert executor.support["volumes"] is FeatureSupport.REFUSED


@on_both_loops
async def test_a_command_runs_and_its_end_is_told_once(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script("echo out; echo err >&2; exit 3")

        assert await opened.run(launched) == Exited(exit_code=3, out_of_memory=False)
        assert await opened.text(launched.key) == "out\n"
        assert await opened.text(launched.key, OutputChannel.STDERR) == "err\n"
        assert await opened.executor.observe(launched.key, "") == Exited(exit_code=3, out_of_memory=False)
        assert opened.ended[launched.key] <= 1


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exit 0", SUCCEEDED),
        ("exit 137", Exited(exit_code=137, out_of_memory=False)),
        ("exit 139", Exited(exit_code=139, out_of_memory=False)),
        ("exit 255", Exited(exit_code=255, out_of_memory=False)),
        ("kill -KILL $$", KILLED),
        ("kill -TERM $$", TERMINATED),
        ("kill -SEGV $$", Exited(exit_code=139, signal=11, out_of_memory=False)),
        ("kill -INT $$", Exited(exit_code=130, signal=2, out_of_memory=False)),
        ("kill -PIPE $$", Exited(exit_code=141, signal=13, out_of_memory=False)),
        ("kill -USR1 $$", Exited(exit_code=138, signal=10, out_of_memory=False)),
        ("echo Killed >&2; exit 137", Exited(exit_code=137, out_of_memory=False)),
    ],
)
async def test_an_exit_status_is_told_from_a_signal_under_every_shell(
    folder: Path, shell: str, text: str, expected: Exited
) -> None:
    async with gateway(folder, shell=shell) as opened:
        assert await opened.run(script(text)) == expected


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "own",
    [
        {},
        {"GREETING": 'it\'s a "fine" $(day)\nwith `two` lines \\', "EMPTY": ""},
        {"my.var": "1", "-dash": "2", "8": "3", "sp ace": "4", "ünï": "5", "A": "=6"},
        {
            "PWD": "/nowhere",
            "OLDPWD": "/before",
            "IFS": "x",
            "_": "y",
            "SHLVL": "7",
            "PPID": "1",
            "OPTIND": "9",
        },
        {"BASH_ENV": "/nowhere", "SHELLOPTS": "xtrace", "UID": "5", "ENV": "/nowhere", "PS4": "$(false)"},
        {"LD_PRELOAD": "/nowhere.so", "waiter_stop": "1", "waiter_carried_1": "2", "LC_ALL": "xx_XX"},
        {"PATH": "/usr/bin:/bin", "HOME": "/", "TMPDIR": "/tmp", "LANG": "C"},
    ],
)
async def test_the_environment_is_exactly_what_is_given(
    folder: Path, shell: str, own: dict[str, str]
) -> None:
    async with gateway(folder, shell=shell) as opened:
        launched = launch("cat", "/proc/self/environ", environment=own)
        printed = await opened.output_of(launched)

    work = str(folder / launched.key.job_id / "1" / "work")
    entries = printed.removesuffix("\0").split("\0")
    assert len(entries) == len({entry.partition("=")[0] for entry in entries})
    assert dict(entry.split("=", 1) for entry in entries) == {
        "PATH": PATH,
        "HOME": work,
        "TMPDIR": work,
        "LANG": "C.UTF-8",
        **own,
    }


async def test_variables_are_not_shown_among_the_arguments_of_the_waiter(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = launch("sleep", "60", environment={"my.password": "zanzibar"})
        handle = await opened.executor.start(launched)
        await until(lambda: [name_of(pid) for pid in members_of(handle)] == ["sleep"], "the command")

        lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in processes_in(folder)]
        assert len(lines) == 2
        assert not [line for line in lines if b"zanzibar" in line]
        await opened.executor.stop(launched.key, handle, grace_seconds=0)
        assert await opened.end_of(launched.key, handle) == KILLED


async def test_arguments_arrive_as_they_are_and_no_builtin_of_a_shell_is_run(folder: Path) -> None:
    async with gateway(folder) as opened:
        odd = ["", " a  b ", "$HOME", "*", "it's", '"', "\\n", "two\nlines", "-n", "ü"]
        printed = await opened.output_of(launch("/usr/bin/printf", "<%s>", *odd))
        assert printed == "".join(f"<{word}>" for word in odd)
        with pytest.raises(StartRefused, match="no such command: 'exit'"):
            await opened.executor.start(launch("exit", "0"))


async def test_a_path_with_an_equals_sign_is_no_variable(folder: Path) -> None:
    program = folder / "a=b"
    program.write_text("#!/bin/sh\necho ran\n")
    program.chmod(0o755)
    async with gateway(folder) as opened:
        launched = launch(str(program), environment={"my.var": "1"})

        assert await opened.output_of(launched) == "ran\n"


async def test_a_command_starts_in_its_work_folder_with_nothing_to_read(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script("pwd -P; cat; ls -A | wc -l; test -w . && echo writable")

        assert await opened.output_of(launched) == f"{opened.attempt(launched.key)}/work\n0\nwritable\n"


async def test_a_command_has_three_descriptors_no_ignored_signals_and_a_session(folder: Path) -> None:
    async with gateway(folder) as opened:
        with (folder / "something").open("w") as something:
            os.set_inheritable(something.fileno(), True)
            launched = launch("sleep", "60")
            handle = await opened.executor.start(launched)
            await until(lambda: [name_of(pid) for pid in members_of(handle)] == ["sleep"], "the command")
            (pid,) = members_of(handle)
            # Before that its loader has libraries open.
            await until(lambda: sleeps(pid), "the sleep of the command")

            descriptors = {
                int(name): os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")
            }
            attempt = opened.attempt(launched.key)
            assert descriptors == {0: "/dev/null", 1: f"{attempt}/stdout", 2: f"{attempt}/stderr"}
            status = dict(
                line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            )
            # 32 and 33 belong to the C library, nobody can set them; they come from who started the tests.
            ordinary = ~(0b11 << 31)
            assert [int(status[name], 16) & ordinary for name in ("SigIgn", "SigBlk", "SigCgt")] == [0, 0, 0]
            assert os.getsid(pid) == int(handle.split()[1]) != os.getsid(0)
        await opened.executor.stop(launched.key, handle, grace_seconds=0)
        await opened.end_of(launched.key, handle)


async def test_the_memory_limit_bounds_the_data_segment_of_the_command_alone(folder: Path) -> None:
    async with gateway(folder) as opened:
        free = await opened.output_of(script("ulimit -d"))
        launched = launch("/bin/sh", "-c", "ulimit -d; cat /proc/$PPID/limits", memory_limit_mb=64)
        bounded, *limits = (await opened.output_of(launched)).splitlines()

        assert bounded == str(64 * 1024)
        (waiters,) = [line for line in limits if line.startswith("Max data size")]
        assert ("unlimited" in waiters) == (free == "unlimited\n")
        hungry = launch("dd", "if=/dev/zero", "of=/dev/null", "bs=1G", "count=1", memory_limit_mb=64)
        assert await opened.run(hungry) == Exited(exit_code=1, out_of_memory=False)
        assert "memory exhausted" in await opened.text(hungry.key, OutputChannel.STDERR)


@pytest.mark.parametrize("shell", SHELLS)
async def test_the_soft_limit_of_open_files_is_set_for_the_command_alone(folder: Path, shell: str) -> None:
    limits = script("ulimit -S -n; ulimit -H -n; grep files /proc/$PPID/limits")
    async with gateway(folder, shell=shell) as opened:
        soft, hard, _ = (await opened.output_of(limits)).splitlines()
    async with gateway(folder, shell=shell, open_files=123) as opened:
        limits = script("ulimit -S -n; ulimit -H -n; grep files /proc/$PPID/limits")
        *commands, waiters = (await opened.output_of(limits)).splitlines()

    assert commands == ["123", hard]
    assert waiters.split()[3:5] == [soft, hard]


async def test_files_are_closed_to_others(folder: Path) -> None:
    async with gateway(folder / "jobs") as opened:
        launched = script("true")
        await opened.run(launched)
    attempt = folder / "jobs" / launched.key.job_id / "1"

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder / "jobs", *attempt.iterdir())}
    files = dict.fromkeys(("pid", "exit", "over", "stdout", "stderr", "waiter"), 0o600)
    assert modes == {"jobs": 0o700, "work": 0o700, **files}
    assert stat.S_IMODE(attempt.stat().st_mode) == 0o700


# What is refused


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (launch("no-such-thing"), f"no such command: 'no-such-thing' (looked in PATH {PATH})"),
        (launch("/no/such/thing"), "no such command: '/no/such/thing'"),
        (launch("./run.sh"), "no such command: './run.sh'"),
        (launch("ls", environment={"PATH": "/nowhere"}), "no such command: 'ls' (looked in PATH /nowhere)"),
        (launch(""), "no such command: ''"),
        (launch("/etc/passwd"), "the command is not executable: '/etc/passwd'"),
        (launch("/usr"), "no such command: '/usr'"),
        (launch(), "commands is empty, there is nothing to run"),
        (launch("echo", "a\0b"), "arguments and variables cannot hold NUL characters"),
        (launch("echo", environment={"A": "\0"}), "arguments and variables cannot hold NUL characters"),
        (launch("echo", "\ud800"), "arguments and variables cannot hold lone surrogates"),
        (launch("echo", environment={"A=B": "1"}), "a variable cannot be called 'A=B'"),
        (launch("echo", environment={"": "1"}), "a variable cannot be called ''"),
        (launch("echo", "x" * 200_000), "the argument list and environment are too long for this system"),
        (
            launch("echo", environment={f"A{number}": "x" * 100_000 for number in range(100)}),
            "the argument list and environment are too long for this system",
        ),
    ],
)
async def test_what_can_never_start_is_refused_for_good(folder: Path, refused: Launch, reason: str) -> None:
    async with gateway(folder) as opened:
        with pytest.raises(StartRefused) as caught:
            await opened.executor.start(refused)

        assert caught.value.reason.startswith(reason)
        assert not caught.value.passing
        chunk = await opened.executor.output(refused.key, OutputChannel.STDOUT, offset=0, limit=9)
        assert (chunk.data, chunk.size) == (b"", 0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"#!/nonexistent/interp\n", "the interpreter '/nonexistent/interp' of './x' does not exist"),
        (b"#! /nonexistent/interp -u", "the interpreter '/nonexistent/interp' of './x' does not exist"),
        (b"#!/bin/sh\r\ntrue\r\n", r"the interpreter '/bin/sh\r' of './x' does not exist"),
        (b"#!/etc/passwd/sh\n", "the interpreter '/etc/passwd/sh' of './x' does not exist"),
        (b"#!nowhere\n", "the interpreter 'nowhere' of './x' does not exist"),
        (b"#!/etc/passwd\n", "the interpreter '/etc/passwd' of './x' is not executable"),
        (b"#!/usr\n", "the interpreter '/usr' of './x' is not executable"),
        (b"\x7fELF", "'./x' is a damaged program: its ELF header is none of an executable"),
        (b"\x7fELF" + 60 * b"\xff", "'./x' is a damaged program: its ELF header is none of an executable"),
        (b"\x01\0\x02 garbage\n", "'./x' is neither a program nor a script"),
    ],
)
async def test_a_file_that_cannot_be_run_is_refused_for_good(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, reason: str
) -> None:
    formats = folder / "formats"
    formats.mkdir()
    (formats / "register").touch()
    (formats / "status").touch()
    monkeypatch.setattr(process_program, "OTHER_FORMATS", formats)
    async with gateway(folder) as opened:
        launched = launch("./x")
        program = opened.attempt(launched.key) / "work" / "x"
        program.parent.mkdir(parents=True)
        program.write_bytes(content)
        program.chmod(0o755)
        with pytest.raises(StartRefused) as caught:
            await opened.executor.start(launched)

        assert caught.value.reason == reason
        assert not caught.value.passing


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"echo plain text is run by the shell\n", 0),
        (b"", 0),
        (b"#!/bin/sh", 0),
        (b"#!/bin/sh\0 -u\nexit 3\n", 3),
        (b"#! \t/bin/sh \nexit 3\n", 3),
        (b"#!/usr/bin/env nonexistent-interp\n", 127),
        (b"#!/" + 300 * b"x", 0),
    ],
)
async def test_what_a_shell_or_an_interpreter_makes_of_a_file_is_its_exit_code(
    folder: Path, content: bytes, code: int
) -> None:
    program = folder / "x"
    program.write_bytes(content)
    program.chmod(0o755)
    async with gateway(folder) as opened:
        assert await opened.run(launch(str(program))) == Exited(exit_code=code, out_of_memory=False)


async def test_a_binary_is_not_refused_where_other_formats_may_be_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder / "x"
    program.write_bytes(b"MZ\0\0\n")
    program.chmod(0o755)
    out_of_sight, known = folder / "out-of-sight", folder / "known"
    for formats in (out_of_sight, known):
        formats.mkdir()
    for name in ("register", "status", "wine"):
        (known / name).touch()
    async with gateway(folder / "jobs") as opened:
        for formats in (out_of_sight, known):
            monkeypatch.setattr(process_program, "OTHER_FORMATS", formats)
            assert await opened.run(launch(str(program))) != SUCCEEDED


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.ENOSPC, errno.EMFILE])
async def test_what_may_start_later_is_refused_for_now(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*arguments: object, **settings: object) -> int:
        raise OSError(number, os.strerror(number))

    async with gateway(folder) as opened:
        launched = launch("true")
        with monkeypatch.context() as patched:
            patched.setattr(os, "posix_spawn", fail)
            with pytest.raises(StartRefused, match=os.strerror(number)) as caught:
                await opened.executor.start(launched)

        assert caught.value.passing
        assert await opened.run(launched) == SUCCEEDED


async def test_a_job_id_cannot_lead_out_of_the_folder(folder: Path) -> None:
    async with gateway(folder / "jobs") as opened:
        for odd in ("..", "../other", "/etc", "", "a/b"):
            with pytest.raises(ValueError, match="not the id of a job"):
                await opened.executor.remove(odd)


# Once and only once


@on_both_loops
async def test_starting_twice_runs_once(folder: Path) -> None:
    async with gateway(folder) as first, gateway(folder) as second:
        for _ in range(10):
            launched = script(f"echo ran >> {folder}/ran")
            handles = await asyncio.gather(
                *(one.executor.start(launched) for one in (first, second, first, second))
            )
            ends = await asyncio.gather(
                *(
                    one.end_of(launched.key, handle)
                    for one, handle in zip((first, second, first, second), handles, strict=True)
                )
            )

            assert ends == [SUCCEEDED] * 4
            again = await first.executor.start(launched)
            assert await first.end_of(launched.key, again) == SUCCEEDED
            assert (folder / "ran").read_text() == "ran\n"
            (folder / "ran").unlink()


def gate(folder: Path, name: str) -> str:
    """A shell that waits for a file before it does anything; only then is the pid file made."""
    shell = folder / f"{name}-shell"
    shell.write_text(f'#!/bin/sh\nwhile [ ! -e {folder}/{name} ]; do sleep 0.005; done\nexec /bin/sh "$@"\n')
    shell.chmod(0o755)
    return str(shell)


KILLED_GATEWAY = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.domain.executor import AttemptKey, Launch
from gateway.executors.process import ProcessExecutor

async def main(folder, job_id, moment, shell, *commands):
    executor = ProcessExecutor(Path(folder), default_path="/usr/bin:/bin", shell=shell)
    await executor.open(lambda key: None)
    die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    if moment == "spawned":
        executor._following.follow = die
    key = AttemptKey(job_id, 1)
    handle = await executor.start(Launch(key=key, commands=commands, image="", environment={}))
    await executor.observe(key, handle)
    die()

asyncio.run(main(*sys.argv[1:]))
"""


async def kill_a_gateway(folder: Path, launched: Launch, *, moment: str, shell: str = "/bin/sh") -> None:
    """Let another gateway start an attempt and be killed at a moment: just "spawned", or "followed"."""
    killed = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KILLED_GATEWAY,
        str(folder),
        launched.key.job_id,
        moment,
        shell,
        *launched.commands,
        cwd=Path(__file__).parents[2],
    )
    assert await killed.wait() == -signal.SIGKILL


@pytest.mark.parametrize("moment", ["spawned", "followed"])
async def test_a_gateway_killed_after_the_start_finds_what_it_started(folder: Path, moment: str) -> None:
    for _ in range(5):
        launched = script(
            f"echo ran >> {folder}/ran; while [ ! -e {folder}/go ]; do sleep 0.01; done; exit 4"
        )
        await kill_a_gateway(folder, launched, moment=moment)
        async with gateway(folder) as opened:
            handle = await opened.executor.start(launched)
            assert await opened.executor.observe(launched.key, handle) == Running()
            (folder / "go").touch()

            assert await opened.end_of(launched.key, handle) == Exited(exit_code=4, out_of_memory=False)
            assert (folder / "ran").read_text() == "ran\n"
            (folder / "ran").unlink()
            (folder / "go").unlink()


@pytest.mark.parametrize("winner", ["first", "second"])
async def test_of_two_waiters_one_runs_and_is_followed(folder: Path, winner: str) -> None:
    launched = script(f"echo ran >> {folder}/ran; while [ ! -e {folder}/go ]; do sleep 0.01; done; exit 5")
    await kill_a_gateway(folder, launched, moment="spawned", shell=gate(folder, "first"))
    async with gateway(folder, shell=gate(folder, "second")) as opened:
        handle = await opened.executor.start(launched)
        assert await opened.executor.observe(launched.key, handle) == Running()
        (folder / winner).touch()
        await until((folder / "ran").exists, "the command")
        (folder / "first").touch()
        (folder / "second").touch()
        # The loser leaves, which is no end of the attempt.
        await until(lambda: len(waiters_of(opened.attempt(launched.key))) == 1, "the end of the loser")
        assert await opened.executor.observe(launched.key, handle) == Running()
        assert opened.ended[launched.key] == 0
        (folder / "go").touch()

        assert await opened.end_of(launched.key, handle) == Exited(exit_code=5, out_of_memory=False)
        assert opened.ended[launched.key] == 1
        assert (folder / "ran").read_text() == "ran\n"


async def test_a_stop_reaches_the_waiter_that_wins_later(folder: Path) -> None:
    launched = script(f"touch {folder}/ran; sleep 60")
    await kill_a_gateway(folder, launched, moment="spawned", shell=gate(folder, "first"))
    async with gateway(folder, shell=gate(folder, "second")) as opened:
        handle = await opened.executor.start(launched)
        assert await opened.executor.observe(launched.key, handle) == Running()
        await opened.executor.stop(launched.key, handle, grace_seconds=3600)
        (folder / "first").touch()
        await until((opened.attempt(launched.key) / "pid").exists, "the winner")
        (folder / "second").touch()

        assert await opened.end_of(launched.key, handle) == TERMINATED


@needs_cgroup
async def test_what_the_winner_runs_is_asked_once_though_the_loser_was_followed(folder: Path) -> None:
    launched = script(
        f"trap 'echo asked' TERM; echo ready; while [ ! -e {folder}/go ]; do sleep 0.01; done; exit 4"
    )
    await kill_a_gateway(folder, launched, moment="spawned", shell=gate(folder, "first"))
    async with gateway(folder, shell=gate(folder, "second")) as opened:
        handle = await opened.executor.start(launched)
        (folder / "first").touch()
        await opened.says(launched.key, "ready")
        attempt = AttemptFolder(opened.attempt(launched.key))
        record = attempt.record()
        assert record is not None
        assert record.waiter not in (None, Waiter.parse(handle))
        await opened.executor.stop(launched.key, handle, grace_seconds=3600)
        await until(lambda: attempt.kill_at(record.waiter) is not None, "the stop of the winner")
        (folder / "go").touch()

        assert await opened.end_of(launched.key, handle) == Exited(exit_code=4, out_of_memory=False)
        assert await opened.text(launched.key) == "ready\nasked\n"


async def test_a_waiter_that_died_while_it_began_is_refused_and_vanished(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_following, "LOOKS", 2)
    async with gateway(folder) as opened:
        launched = script(f"touch {folder}/ran")
        opened.attempt(launched.key).mkdir(parents=True)
        (opened.attempt(launched.key) / "pid").touch()

        with pytest.raises(StartRefused, match="ended before it ran") as caught:
            await opened.executor.start(launched)
        assert caught.value.passing
        assert isinstance(await opened.executor.observe(launched.key, "x 1 1"), Vanished)
        assert not (folder / "ran").exists()


# After a restart


@on_both_loops
async def test_a_running_attempt_is_followed_again(folder: Path) -> None:
    launched = script(f"echo one; while [ ! -e {folder}/go ]; do sleep 0.01; done; echo two; exit 6")
    async with gateway(folder) as before:
        handle = await before.executor.start(launched)
        await before.says(launched.key, "one")
    async with gateway(folder) as after:
        assert await after.executor.observe(launched.key, handle) == Running()
        assert await after.text(launched.key) == "one\n"
        (folder / "go").touch()

        assert await after.end_of(launched.key, handle) == Exited(exit_code=6, out_of_memory=False)
        assert after.ended[launched.key] == 1
        assert await after.text(launched.key) == "one\ntwo\n"
    assert before.ended[launched.key] == 0


async def test_an_end_while_no_gateway_ran_is_known(folder: Path) -> None:
    launched = script(
        f"sleep 60 & echo $! > {folder}/left; while [ ! -e {folder}/go ]; do sleep 0.01; done; exit 7"
    )
    async with gateway(folder) as before:
        handle = await before.executor.start(launched)
    (folder / "go").touch()
    await until(AttemptFolder(before.attempt(launched.key)).exited, "the exit status")
    async with gateway(folder) as after:
        assert await after.executor.observe(launched.key, handle) == Exited(exit_code=7, out_of_memory=False)
        await until(lambda: not lives(number_in(folder / "left")), "the death of what is left")
        assert after.ended[launched.key] == 0


@on_both_loops
async def test_a_command_whose_waiter_was_killed_is_killed_and_vanished(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script(f"echo $$ > {folder}/pid; exec sleep 60")
        handle = await opened.executor.start(launched)
        assert await opened.executor.observe(launched.key, handle) == Running()
        await until(lambda: number_in(folder / "pid"), "the command")
        os.kill(int(handle.split()[1]), signal.SIGKILL)

        assert isinstance(await opened.end_of(launched.key, handle), Vanished)
        await until(lambda: not lives(number_in(folder / "pid")), "the death of the command")
        assert isinstance(await opened.executor.observe(launched.key, handle), Vanished)


async def test_a_waiter_killed_while_no_gateway_ran_has_vanished_with_all_its_session(folder: Path) -> None:
    launched = script(f"set -m; sleep 60 & echo $! > {folder}/pid; sleep 60")
    async with gateway(folder) as before:
        handle = await before.executor.start(launched)
        await until(lambda: number_in(folder / "pid"), "the command")
    os.kill(int(handle.split()[1]), signal.SIGKILL)
    await until(lambda: not lives(int(handle.split()[1])), "the death of the waiter")
    async with gateway(folder) as after:
        seen = await after.executor.observe(launched.key, handle)

        assert seen == Vanished("its process is gone and left no exit status")
        await until(lambda: not lives(number_in(folder / "pid")), "the death of the session")


async def test_an_attempt_of_an_earlier_boot_has_vanished_and_nobody_is_killed(folder: Path) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as bystander:
        process_ = read_process(bystander.pid)
        assert process_ is not None
        key = new_key()
        async with gateway(folder) as opened:
            opened.attempt(key).mkdir(parents=True)
            for boot, started in (
                ("another-boot", process_.started),
                (boot_id(), process_.started - 1),
            ):
                handle = f"{boot} {bystander.pid} {started}"
                (opened.attempt(key) / "pid").write_text(f"{handle}\n\n")
                assert isinstance(await opened.executor.observe(key, handle), Vanished)
        assert bystander.poll() is None
        bystander.kill()


async def test_an_attempt_without_a_trace_has_vanished(folder: Path) -> None:
    async with gateway(folder) as opened:
        for handle in ("", "nonsense", f"{boot_id()} 0 0", f"{boot_id()} 1 1"):
            assert isinstance(await opened.executor.observe(new_key(), handle), Vanished)


@pytest.mark.parametrize("number", ["9" * 5000, "256"])
async def test_numbers_that_a_job_made_up_do_not_count(folder: Path, number: str) -> None:
    key = new_key()
    path = folder / key.job_id / "1"
    path.mkdir(parents=True)
    (path / "exit").write_text(f"{number} exit false\n")
    async with gateway(folder) as opened:
        # No kernel gives out so high a pid.
        handle = f"{boot_id()} 99999{number} {number}"
        seen = await opened.executor.observe(key, handle)
        assert seen == Vanished("its process is gone and left no exit status")


async def test_closing_lets_go_of_every_descriptor_and_of_no_job(folder: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    started = [script(f"while [ ! -e {folder}/go ]; do sleep 0.01; done") for _ in range(5)]
    async with gateway(folder) as opened:
        handles = [await opened.executor.start(launched) for launched in started]
        for launched, handle in zip(started, handles, strict=True):
            assert await opened.executor.observe(launched.key, handle) == Running()
    assert set(os.listdir("/proc/self/fd")) == before
    (folder / "go").touch()
    async with gateway(folder) as again:
        for launched, handle in zip(started, handles, strict=True):
            assert await again.end_of(launched.key, handle) == SUCCEEDED
    assert set(os.listdir("/proc/self/fd")) == before


async def test_without_pidfds_attempts_are_followed_by_looking(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", fail)
    monkeypatch.setattr(process_following, "TICK_SECONDS", 0.01)
    async with gateway(folder) as opened:
        assert await opened.run(script("sleep 0.1; exit 8")) == Exited(exit_code=8, out_of_memory=False)
    assert "looking now and then" in caplog.text


# Without descriptors


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """This process can open nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = [os.open("/dev/null", os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened[0] + 1, hard))
    try:
        with suppress(OSError):
            while True:
                opened.append(os.open("/dev/null", os.O_RDONLY))
        yield
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_without_descriptors_what_runs_is_not_taken_for_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pid: int, flags: int = 0) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "pidfd_open", fail)
    launched = script(f"echo ready; while [ ! -e {folder}/go ]; do sleep 0.01; done")
    async with gateway(folder) as opened:
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        with no_descriptor_left():
            opened.executor._following._tick()
        assert await opened.executor.observe(launched.key, handle) == Running()
    async with gateway(folder) as again:
        with no_descriptor_left(), pytest.raises(OSError, match="Too many open files"):
            await again.executor.observe(launched.key, handle)
        assert await again.executor.observe(launched.key, handle) == Running()
        (folder / "go").touch()
        assert await again.end_of(launched.key, handle) == SUCCEEDED


async def test_without_descriptors_a_start_is_refused_and_leaves_no_process(folder: Path) -> None:
    async with gateway(folder) as opened:
        # What is read once for all.
        await opened.run(script(":"))
        with no_descriptor_left(), pytest.raises(StartRefused, match="Too many open files") as refused:
            await opened.executor.start(script("sleep 600"))
        assert refused.value.passing
        # The waiter was waited for; what it may have started has been killed with it, and goes by itself.
        await until(lambda: not processes_in(folder), "the death of all")


@pytest.mark.parametrize("grace_seconds", [0, 3600])
async def test_a_stop_without_descriptors_is_made_when_there_are_some(
    folder: Path, grace_seconds: int
) -> None:
    async with gateway(folder) as opened:
        launched = script("echo ready; exec sleep 60")
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        with no_descriptor_left():
            await opened.executor.stop(launched.key, handle, grace_seconds=grace_seconds)
        assert await opened.end_of(launched.key, handle) == (TERMINATED if grace_seconds else KILLED)


# Stopping


DEAF = "trap '' TERM; echo ready; while :; do sleep 0.02; done"


@on_both_loops
async def test_a_stop_ends_a_command(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script("echo ready; exec sleep 60")
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        await opened.executor.stop(launched.key, handle, grace_seconds=3600)

        assert await opened.end_of(launched.key, handle) == TERMINATED
        await opened.executor.stop(launched.key, handle, grace_seconds=0)
        assert await opened.executor.observe(launched.key, handle) == TERMINATED


async def test_a_command_may_end_itself_when_it_is_asked(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script("trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done")
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        await opened.executor.stop(launched.key, handle, grace_seconds=3600)

        assert await opened.end_of(launched.key, handle) == Exited(exit_code=9, out_of_memory=False)


@on_both_loops
async def test_a_deaf_command_is_killed_after_the_grace(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script(DEAF)
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        begun = time.monotonic()
        await opened.executor.stop(launched.key, handle, grace_seconds=1)

        assert await opened.end_of(launched.key, handle) == KILLED
        assert time.monotonic() - begun >= 1


async def test_a_second_stop_may_shorten_the_grace_and_not_lengthen_it(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script(DEAF)
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        await opened.executor.stop(launched.key, handle, grace_seconds=3600)
        assert await opened.executor.observe(launched.key, handle) == Running()
        await opened.executor.stop(launched.key, handle, grace_seconds=0)
        await opened.executor.stop(launched.key, handle, grace_seconds=3600)

        assert await opened.end_of(launched.key, handle) == KILLED


async def test_a_stop_works_after_a_restart_without_a_look_before(folder: Path) -> None:
    launched = script(DEAF)
    async with gateway(folder) as before:
        handle = await before.executor.start(launched)
        await before.says(launched.key, "ready")
    async with gateway(folder) as after:
        await after.executor.stop(launched.key, handle, grace_seconds=0)

        assert await after.end_of(launched.key, handle) == KILLED


@on_both_loops
async def test_a_stop_at_any_moment_of_the_start_is_not_lost(folder: Path) -> None:
    async with gateway(folder) as opened:
        for step in range(50):
            launched = launch("sleep", "60")
            handle = await opened.executor.start(launched)
            await asyncio.sleep(step / 10_000)
            # With a grace longer than the test waits, only SIGTERM can have ended it.
            await opened.executor.stop(launched.key, handle, grace_seconds=3600)

            assert await opened.end_of(launched.key, handle) == TERMINATED


@pytest.mark.parametrize("grace_seconds", [0, 3600])
async def test_a_stop_reaches_process_groups_and_halted_processes(folder: Path, grace_seconds: int) -> None:
    async with gateway(folder) as opened:
        launched = script("set -m; sleep 60 & sleep 60 & kill -STOP $!; echo ready; exec sleep 60")
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        pids = members_of(handle)
        assert len(pids) == 3
        await opened.executor.stop(launched.key, handle, grace_seconds=grace_seconds)

        assert await opened.end_of(launched.key, handle) == (KILLED if grace_seconds == 0 else TERMINATED)
        await until(lambda: not any(map(lives, pids)), "the death of the session")


async def test_a_command_that_forks_all_the_time_is_killed(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script(
            "trap '' TERM; echo ready; f() { while :; do (sleep 0.01 & :); done; }; f & f & wait"
        )
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        await opened.executor.stop(launched.key, handle, grace_seconds=0)

        assert await opened.end_of(launched.key, handle) == KILLED
        await until(lambda: not members_of(handle), "the death of the session")


@pytest.mark.parametrize("cgroup", [True, False])
async def test_what_a_command_leaves_in_its_session_is_killed_at_its_end(folder: Path, cgroup: bool) -> None:
    async with gateway(folder, cgroup=cgroup) as opened:
        launched = script(f"sleep 60 & set -m; sleep 60 & echo $! > {folder}/group; echo done")
        handle = await opened.executor.start(launched)

        assert await opened.end_of(launched.key, handle) == SUCCEEDED
        await until(lambda: not members_of(handle), "the death of the session")
        assert not lives(number_in(folder / "group"))


ESCAPE = "setsid sh -c 'trap : TERM; echo $$ > {folder}/escaped; while :; do sleep 0.02; done' & "


@needs_cgroup
async def test_a_command_moves_into_its_cgroup_by_its_thread_alone(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script(f"cat /proc/self/cgroup > {folder}/place; echo ready; exec sleep 60")
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        cgroup = opened.cgroup(launched.key)
        assert cgroup is not None
        assert f"/{cgroup.name}\n" in (folder / "place").read_text()
        assert (cgroup / "cgroup.type").read_text() == "threaded\n"
        await opened.executor.stop(launched.key, handle, grace_seconds=0)
        assert await opened.end_of(launched.key, handle) == KILLED


@needs_cgroup
async def test_what_forks_on_and_on_outside_of_the_session_is_killed_with_the_cgroup(folder: Path) -> None:
    # Each lives for a moment only and leaves the next one behind, so a look at all of them is soon old.
    (folder / "on").write_text('setsid sh "$0" & echo $$ > "${0%/*}/latest"')
    (folder / "on").chmod(0o755)
    async with gateway(folder) as opened:
        launched = script(f"sh {folder}/on; while [ ! -s {folder}/latest ]; do sleep 0.01; done")
        handle = await opened.executor.start(launched)
        await until(lambda: opened.cgroup(launched.key), "the pid file")
        cgroup = opened.cgroup(launched.key)
        assert cgroup is not None
        assert await opened.end_of(launched.key, handle) == SUCCEEDED
        await until(lambda: not cgroup.exists(), "the end of the cgroup")


@needs_cgroup
@pytest.mark.parametrize("threaded", [True, False])
async def test_what_leaves_the_session_is_killed_with_the_cgroup(
    folder: Path, monkeypatch: pytest.MonkeyPatch, threaded: bool
) -> None:
    if not threaded:
        monkeypatch.setattr(process_cgroup, "_make_threaded", lambda cgroup: None)
    escape = ESCAPE.format(folder=folder)
    wait = f"while [ ! -s {folder}/escaped ]; do sleep 0.01; done; "
    async with gateway(folder) as opened:
        for text in (f"{escape}{wait}exit 0", f"{escape}{wait}echo ready; exec sleep 60"):
            (folder / "escaped").unlink(missing_ok=True)
            launched = script(text)
            handle = await opened.executor.start(launched)
            await until(lambda: opened.cgroup(launched.key), "the pid file")  # noqa: B023 - called at once
            cgroup = opened.cgroup(launched.key)
            assert cgroup is not None
            if "ready" in text:
                await opened.says(launched.key, "ready")
                assert number_in(folder / "escaped") in process_cgroup.pids(cgroup)
                assert number_in(folder / "escaped") not in members_of(handle)
                await opened.executor.stop(launched.key, handle, grace_seconds=0)
            await opened.end_of(launched.key, handle)
            await until(lambda: not lives(number_in(folder / "escaped")), "the death of what escaped")
            await until(lambda: not cgroup.exists(), "the end of the cgroup")  # noqa: B023 - called at once


@needs_cgroup
async def test_the_cgroup_is_known_after_a_restart(folder: Path) -> None:
    launched = script(ESCAPE.format(folder=folder) + "exec sleep 60")
    async with gateway(folder) as before:
        handle = await before.executor.start(launched)
        await until(lambda: number_in(folder / "escaped"), "the escape")
    async with gateway(folder) as after:
        await after.executor.stop(launched.key, handle, grace_seconds=0)
        assert await after.end_of(launched.key, handle) == KILLED
        await until(lambda: not lives(number_in(folder / "escaped")), "the death of what escaped")


async def test_without_a_cgroup_what_leaves_the_session_is_not_followed(folder: Path) -> None:
    async with gateway(folder, cgroup=False) as opened:
        launched = script(
            ESCAPE.format(folder=folder) + f"while [ ! -s {folder}/escaped ]; do sleep 0.01; done"
        )
        assert await opened.run(launched) == SUCCEEDED
    assert lives(number_in(folder / "escaped"))
    os.kill(number_in(folder / "escaped"), signal.SIGKILL)


@pytest.mark.parametrize(("before", "expected"), [("-1", True), ("", None)])
async def test_a_kill_for_lack_of_memory_shows_in_the_hosts_counter(
    folder: Path, monkeypatch: pytest.MonkeyPatch, before: str, expected: bool | None
) -> None:
    if not process_launch._oom_kills():
        pytest.skip("this kernel does not count such kills")
    monkeypatch.setattr(process_launch, "_oom_kills", lambda: before)
    async with gateway(folder, cgroup=False) as opened:
        seen = await opened.run(script("kill -KILL $$"))

        assert seen == Exited(exit_code=137, signal=9, out_of_memory=expected)


# The rest of a stopped session


WORKER = """
clean() {{
    echo cleaning
    while [ ! -e {folder}/go ]; do sleep 0.01 || exit 1; done
    touch {folder}/clean
    exit
}}
trap clean TERM
echo ready
while :; do sleep 0.01; done
"""
DEAF_REST = "(trap '' TERM; echo ready; while :; do sleep 0.01; done) & wait"


def workers(folder: Path) -> list[Launch]:
    """Commands that end at once when they are asked to, and whose worker then cleans up until it may `go`."""
    (folder / "worker").write_text(WORKER.format(folder=folder))
    return [script(text.format(folder)) for text in ("sh {}/worker; echo after", "sh {}/worker & wait")]


async def stopped(opened: Gateway, launched: Launch, *, grace_seconds: int = 3600) -> str:
    """Start and stop an attempt whose command ends then, and whose rest does not."""
    handle = await opened.executor.start(launched)
    assert await opened.executor.observe(launched.key, handle) == Running()
    await opened.says(launched.key, "ready")
    await opened.executor.stop(launched.key, handle, grace_seconds=grace_seconds)
    waiter = Waiter.parse(handle)
    assert waiter is not None
    await until(lambda: not waiter.is_alive(), "the end of the command")
    return handle


async def waiter_is_reaped(handle: str) -> None:
    """Wait until the executor has seen the end of its child, the waiter."""
    await until(lambda: read_process(int(handle.split()[1])) is None, "the look at the waiter")


@on_both_loops
async def test_a_stop_leaves_its_grace_to_what_outlives_the_command(folder: Path) -> None:
    async with gateway(folder) as opened:
        for launched in workers(folder):
            handle = await stopped(opened, launched)
            await opened.says(launched.key, "cleaning")
            await waiter_is_reaped(handle)
            assert await opened.executor.observe(launched.key, handle) == Running()
            assert opened.ended[launched.key] == 0
            (folder / "go").touch()

            assert await opened.end_of(launched.key, handle) == TERMINATED
            assert members_of(handle) == []
            assert opened.ended[launched.key] == 1
            (folder / "clean").unlink()
            (folder / "go").unlink()
            await opened.executor.stop(launched.key, handle, grace_seconds=0)
            assert await opened.executor.observe(launched.key, handle) == TERMINATED


@on_both_loops
async def test_what_outlives_the_command_is_killed_after_the_grace(folder: Path) -> None:
    async with gateway(folder) as opened:
        begun = time.monotonic()
        launched = script(DEAF_REST)
        handle = await stopped(opened, launched, grace_seconds=1)

        assert await opened.end_of(launched.key, handle) == TERMINATED
        assert time.monotonic() - begun >= 1
        assert members_of(handle) == []
        assert opened.ended[launched.key] == 1


@pytest.mark.parametrize("with_pidfds", [True, False])
async def test_the_grace_of_what_outlives_the_command_may_be_shortened(
    folder: Path, monkeypatch: pytest.MonkeyPatch, with_pidfds: bool
) -> None:
    def fail(pid: int, flags: int = 0) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    if not with_pidfds:
        monkeypatch.setattr(os, "pidfd_open", fail)
        monkeypatch.setattr(process_following, "TICK_SECONDS", 0.01)
    async with gateway(folder) as opened:
        launched = script(DEAF_REST)
        handle = await stopped(opened, launched)
        await waiter_is_reaped(handle)
        assert await opened.executor.observe(launched.key, handle) == Running()
        await opened.executor.stop(launched.key, handle, grace_seconds=0)

        assert await opened.end_of(launched.key, handle) == TERMINATED
        assert members_of(handle) == []
        assert opened.ended[launched.key] == 1


@on_both_loops
async def test_a_grace_goes_on_after_a_restart(folder: Path) -> None:
    for launched in workers(folder):
        before_all = set(os.listdir("/proc/self/fd"))
        async with gateway(folder) as before:
            handle = await stopped(before, launched)
            await before.says(launched.key, "cleaning")
            await waiter_is_reaped(handle)
        assert set(os.listdir("/proc/self/fd")) == before_all
        async with gateway(folder) as after:
            assert await after.executor.observe(launched.key, handle) == Running()
            await after.executor.stop(launched.key, handle, grace_seconds=3600)
            assert await after.executor.observe(launched.key, handle) == Running()
            (folder / "go").touch()

            assert await after.end_of(launched.key, handle) == TERMINATED
            assert after.ended[launched.key] == 1
        assert before.ended[launched.key] == 0
        (folder / "clean").unlink()
        (folder / "go").unlink()


async def test_a_rest_that_ended_while_no_gateway_ran_is_known(folder: Path) -> None:
    launched, _ = workers(folder)
    async with gateway(folder) as before:
        handle = await stopped(before, launched)
        await before.says(launched.key, "cleaning")
    (folder / "go").touch()
    await until(lambda: not members_of(handle), "the end of the rest")
    async with gateway(folder) as after:
        assert await after.end_of(launched.key, handle) == TERMINATED
        assert await after.executor.observe(launched.key, handle) == TERMINATED
        assert after.ended[launched.key] <= 1
    assert (folder / "clean").exists()


async def test_a_grace_that_passed_while_no_gateway_ran_is_over(folder: Path) -> None:
    launched = script(DEAF_REST)
    async with gateway(folder) as before:
        handle = await stopped(before, launched)
        await waiter_is_reaped(handle)
    stop = before.attempt(launched.key) / "stop"
    stop.write_text(f"{handle} {time.monotonic():.3f}\n")
    async with gateway(folder) as after:
        assert await after.end_of(launched.key, handle) == TERMINATED
        assert members_of(handle) == []
    assert not stop.exists()


async def test_a_waiter_killed_during_a_stop_takes_no_grace_from_the_command(folder: Path) -> None:
    (folder / "worker").write_text(WORKER.format(folder=folder))
    launched = script(f"exec sh {folder}/worker")
    async with gateway(folder) as opened:
        handle = await opened.executor.start(launched)
        assert await opened.executor.observe(launched.key, handle) == Running()
        await opened.says(launched.key, "ready")
        await opened.executor.stop(launched.key, handle, grace_seconds=3600)
        await opened.says(launched.key, "cleaning")
        os.kill(int(handle.split()[1]), signal.SIGKILL)
        await waiter_is_reaped(handle)
        assert await opened.executor.observe(launched.key, handle) == Running()
        (folder / "go").touch()

        assert isinstance(await opened.end_of(launched.key, handle), Vanished)
        assert (folder / "clean").exists()


async def test_what_withstands_being_killed_does_not_hold_up_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_stop, "LAST_PAUSE_SECONDS", 0.1)
    async with gateway(folder) as opened:
        launched = script(DEAF_REST)
        handle = await stopped(opened, launched)
        await waiter_is_reaped(handle)
        with monkeypatch.context() as patched:
            patched.setattr(Rest, "kill", lambda rest: None)
            await opened.executor.stop(launched.key, handle, grace_seconds=0)

            assert await opened.end_of(launched.key, handle) == TERMINATED
        assert opened.ended[launched.key] == 1
        await until(lambda: not members_of(handle), "the death of the session")


@needs_cgroup
async def test_what_left_the_session_has_its_grace_too(folder: Path) -> None:
    async with gateway(folder) as opened:
        launched = script(
            ESCAPE.format(folder=folder)
            + f"while [ ! -s {folder}/escaped ]; do sleep 0.01; done; echo ready; exec sleep 60"
        )
        handle = await stopped(opened, launched)
        cgroup = opened.cgroup(launched.key)
        assert cgroup is not None
        await waiter_is_reaped(handle)
        assert await opened.executor.observe(launched.key, handle) == Running()
        assert lives(number_in(folder / "escaped"))
        await opened.executor.stop(launched.key, handle, grace_seconds=0)

        assert await opened.end_of(launched.key, handle) == TERMINATED
        assert not lives(number_in(folder / "escaped"))
        await until(lambda: not cgroup.exists(), "the end of the cgroup")


# What a handler starts


@on_both_loops
async def test_what_a_handler_starts_is_not_asked_to_end(folder: Path) -> None:
    work = "echo cleaning; while [ ! -e {folder}/go ]; do sleep 0.01 || exit 1; done; exit 0"
    async with gateway(folder) as opened:
        # A hundred commands, one after the other: each would be hit by another round of asking.
        launched = script(
            "trap 'i=0; while [ $i -lt 100 ]; do sleep 0.01 || exit 1; i=$((i+1)); done; exit 0' TERM; "
            "echo ready; while :; do sleep 0.01; done"
        )
        handle = await opened.executor.start(launched)
        await opened.says(launched.key, "ready")
        await opened.executor.stop(launched.key, handle, grace_seconds=3600)
        assert await opened.end_of(launched.key, handle) == SUCCEEDED

        held = script(f"trap '{work.format(folder=folder)}' TERM; echo ready; while :; do sleep 0.01; done")
        handle = await opened.executor.start(held)
        await opened.says(held.key, "ready")
        await opened.executor.stop(held.key, handle, grace_seconds=3600)
        await opened.says(held.key, "cleaning")
        await opened.executor.stop(held.key, handle, grace_seconds=1800)
    async with gateway(folder) as after:
        assert await after.executor.observe(held.key, handle) == Running()
        await after.executor.stop(held.key, handle, grace_seconds=3600)
        (folder / "go").touch()

        assert await after.end_of(held.key, handle) == SUCCEEDED


@pytest.mark.parametrize("shell", SHELLS)
async def test_a_command_is_asked_however_soon_after_its_start(folder: Path, shell: str) -> None:
    async with gateway(folder, shell=shell) as opened:
        for named in ({}, {"my.var": "1"}):
            for _ in range(10):
                launched = launch("sleep", "60", environment=named)
                handle = await opened.executor.start(launched)
                await opened.executor.stop(launched.key, handle, grace_seconds=3600)

                assert await opened.end_of(launched.key, handle) == TERMINATED


# Output


@on_both_loops
async def test_output_is_read_while_the_command_runs_and_bounded(folder: Path) -> None:
    async with gateway(folder, output_limit_bytes=64 * 1024) as opened:
        launched = script(
            "i=0; while [ $i -lt 20 ]; do head -c 100000 /dev/zero | tr '\\0' x; i=$((i+1)); done; "
            f"echo ready; while [ ! -e {folder}/go ]; do sleep 0.01; done; echo end"
        )
        handle = await opened.executor.start(launched)
        path = opened.attempt(launched.key) / "stdout"
        await until(lambda: path.exists() and path.stat().st_size == 2_000_006, "the output")
        await until(lambda: path.stat().st_blocks * 512 < 100_000, "the hole")
        first = await opened.executor.output(launched.key, OutputChannel.STDOUT, offset=0, limit=1 << 20)
        assert first.data == b"x" * 32768
        assert first.dropped_bytes > 1_900_000
        last = await opened.executor.output(launched.key, OutputChannel.STDOUT, offset=-6, limit=100)
        assert last.data == b"ready\n"
        (folder / "go").touch()
        assert await opened.end_of(launched.key, handle) == SUCCEEDED
        last = await opened.executor.output(
            launched.key, OutputChannel.STDOUT, offset=last.next_offset, limit=100
        )
        assert (last.data, last.next_offset, last.size) == (b"end\n", 2_000_010, 2_000_010)


async def test_output_of_a_short_command_is_bounded_at_its_end(folder: Path) -> None:
    async with gateway(folder, output_limit_bytes=64 * 1024) as opened:
        launched = script("head -c 3000000 /dev/zero | tr '\\0' x")
        assert await opened.run(launched) == SUCCEEDED

        assert (opened.attempt(launched.key) / "stdout").stat().st_blocks * 512 < 100_000
    async with gateway(folder, output_limit_bytes=64 * 1024) as after:
        first = await after.executor.output(launched.key, OutputChannel.STDOUT, offset=0, limit=1 << 20)
        assert len(first.data) == 32768
        assert first.size == 3_000_000


async def test_a_file_system_without_holes_is_warned_of_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process_following, "can_punch", lambda folder: False)
    with caplog.at_level(logging.WARNING):
        async with gateway(folder, output_limit_bytes=64 * 1024) as opened:
            launched = script("head -c 300000 /dev/zero")
            assert await opened.run(launched) == SUCCEEDED
            chunk = await opened.executor.output(launched.key, OutputChannel.STDOUT, offset=0, limit=1 << 20)

    assert len(chunk.data) == 32768
    assert chunk.dropped_bytes > 200_000
    assert caplog.text.count("takes no holes") == 1


# Removal


async def test_removing_a_job_deletes_all_its_attempts_and_nothing_else(folder: Path) -> None:
    outside = folder / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    async with gateway(folder / "jobs") as opened:
        first = script(f"ln -s {outside} link; mkdir -p a/b; touch a/b/c; chmod 0 a/b a; chmod 555 .")
        second = script("true", AttemptKey(first.key.job_id, 2))
        other = script("true")
        for launched in (first, second, other):
            assert await opened.run(launched) == SUCCEEDED
        assert sorted(await opened.executor.kept()) == sorted([first.key.job_id, other.key.job_id])
        await opened.executor.remove(first.key.job_id)
        await opened.executor.remove(first.key.job_id)

        assert await opened.executor.kept() == [other.key.job_id]
        assert [path.name for path in (folder / "jobs").iterdir()] == [other.key.job_id]
        assert (outside / "kept").read_text() == "kept"
        chunk = await opened.executor.output(first.key, OutputChannel.STDOUT, offset=0, limit=9)
        assert chunk.size == 0


async def test_a_link_in_place_of_a_jobs_folder_is_deleted_alone(folder: Path) -> None:
    outside = folder / "outside"
    outside.mkdir()
    async with gateway(folder / "jobs") as opened:
        (folder / "jobs" / "job").symlink_to(outside)
        await opened.executor.remove("job")

        assert outside.is_dir()
        assert not os.path.lexists(folder / "jobs" / "job")


# Another user


@needs_root
@pytest.mark.parametrize("shell", SHELLS)
async def test_a_job_runs_as_the_set_user_and_the_books_are_out_of_its_hands(
    folder: Path, shell: str
) -> None:
    nobody = pwd.getpwnam("nobody")
    async with gateway(folder, user="nobody", shell=shell) as opened:
        launched = script(
            "id -u; id -g; touch $HOME/mine && echo mine; echo again > /dev/stderr; "
            "for f in ../pid ../exit ../waiter; do cat $f 2>/dev/null; (echo x >> $f) 2>/dev/null; done; "
            "kill -KILL $PPID 2>/dev/null || echo safe; ls .. 2>/dev/null; exit 0"
        )
        printed = await opened.output_of(launched)

        assert printed.split() == [str(nobody.pw_uid), str(nobody.pw_gid), "mine", "safe"]
        assert await opened.text(launched.key, OutputChannel.STDERR) == "again\n"
        environment = {"LD_PRELOAD": "/nowhere.so", "A": "1"}
        shown = await opened.output_of(launch("cat", "/proc/self/environ", environment=environment))
        assert {"LD_PRELOAD=/nowhere.so", "A=1"} < set(shown.split("\0"))
        assert len(shown.split("\0")) == 7
        await opened.executor.remove(launched.key.job_id)
        assert not opened.attempt(launched.key).parent.exists()


@needs_root
@pytest.mark.parametrize("grace_seconds", [0, 3600])
async def test_a_job_of_another_user_is_stopped(folder: Path, grace_seconds: int) -> None:
    async with gateway(folder, user="nobody") as opened:
        for step in range(10):
            launched = launch("sleep", "60")
            handle = await opened.executor.start(launched)
            await asyncio.sleep(step / 2000)
            await opened.executor.stop(launched.key, handle, grace_seconds=grace_seconds)

            assert await opened.end_of(launched.key, handle) in (KILLED, TERMINATED)


@needs_root
async def test_a_folder_that_the_user_cannot_reach_is_told_at_once(folder: Path) -> None:
    folder.chmod(0o700)
    with pytest.raises(PermissionError, match=f"JOB_USER: user .* cannot reach .*: {folder} is closed to it"):
        async with gateway(folder / "jobs", user="nobody"):
            pass


@needs_root
async def test_root_said_outright_runs_jobs_as_root(folder: Path) -> None:
    async with gateway(folder, user="root") as opened:
        assert await opened.output_of(launch("id", "-u")) == "0\n"


def test_an_unknown_user_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="there is no user 'no-such-user'"):
        ProcessExecutor(folder, default_path=PATH, user="no-such-user")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can become anyone")
def test_only_root_can_have_another_user(folder: Path) -> None:
    with pytest.raises(ValueError, match="only root can run jobs as 'root'"):
        ProcessExecutor(folder, default_path=PATH, user="root")
