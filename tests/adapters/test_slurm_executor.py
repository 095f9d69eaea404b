"""The executor that runs jobs in Slurm, with a real cluster of three nodes."""

import asyncio
import json
import os
import pwd
import re
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.executor import (
    AttemptKey,
    Executor,
    ExecutorUnavailable,
    Exited,
    Launch,
    Observation,
    Pending,
    Refused,
    Resources,
    Running,
    StartRefused,
    Unreachable,
    Vanished,
)
from gateway.domain.words import FeatureSupport, OutputChannel
from gateway.executors import slurm_start
from gateway.executors.process_support import SUPPORT as PROCESS_SUPPORT
from gateway.executors.slurm import SlurmExecutor
from gateway.executors.slurm_client import SlurmClient
from gateway.executors.slurm_launch import batch_script
from gateway.executors.slurm_reply import SlurmJob
from gateway.executors.slurm_request import api_number, submission
from tests.slurm_stand import Slurm, slurm  # noqa: F401

LIMIT_SECONDS = 30
"""When a test gives up waiting; nothing takes nearly as long."""
LONG_SECONDS = 600
"""How long a command runs that is to be ended."""
SUCCEEDED = Exited(exit_code=0)
PATH = "/usr/local/bin:/usr/bin:/bin"


def new_key() -> AttemptKey:
    return AttemptKey(str(uuid.uuid4()), 1)


def launch(*commands: str, **members: Any) -> Launch:
    given = {"key": new_key(), "image": "not-used", "environment": {}} | members
    return Launch(commands=commands, **given)


def script(text: str, **members: Any) -> Launch:
    return launch("/bin/sh", "-c", text, **members)


def needs(**resources: Any) -> Resources:
    return Resources(**resources)


class Gateway:
    """An open executor and what it told."""

    def __init__(self, executor: SlurmExecutor, folder: Path) -> None:
        self.executor = executor
        self.folder = folder
        self.ended: list[AttemptKey] = []
        self._news = asyncio.Event()

    def hear(self, key: AttemptKey) -> None:
        self.ended.append(key)
        self._news.set()

    def attempt(self, key: AttemptKey) -> Path:
        return self.folder / key.job_id / str(key.attempt)

    async def until(self, launched: Launch, handle: str, *kinds: type[Observation]) -> Observation:
        """Look whenever the executor tells that there is something to see, until it is one of these."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                self._news.clear()
                seen = await self.executor.observe(launched.key, handle)
                if isinstance(seen, kinds):
                    return seen
                # It does not tell that Slurm is out of reach, which is only seen by looking.
                if Unreachable in kinds:
                    await asyncio.sleep(0.05)
                else:
                    await self._news.wait()

    async def over(self, launched: Launch, handle: str) -> Observation:
        return await self.until(launched, handle, Exited, Vanished, Refused)

    async def running(self, launched: Launch, sign: str = "here") -> str:
        """Start what writes a word when it runs, and wait for it; the handle."""
        handle = await self.executor.start(launched)
        await self.until(launched, handle, Running)
        await eventually(lambda: sign in self.text(launched.key))
        return handle

    async def ran(self, launched: Launch) -> Observation:
        return await self.over(launched, await self.executor.start(launched))

    def text(self, key: AttemptKey, channel: str = "stdout") -> str:
        path = self.attempt(key) / channel
        return path.read_text("utf-8", "replace") if path.exists() else ""


async def eventually(condition: Any) -> None:
    """Wait for what happens on a node."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(cluster: Slurm, folder: Path, **settings: Any) -> AsyncIterator[Gateway]:
    given = {
        "url": cluster.url,
        "api_version": cluster.version,
        "user": cluster.user,
        "token_file": cluster.token_file,
        "default_path": PATH,
    }
    executor = SlurmExecutor(folder, **(given | settings))
    gateway = Gateway(executor, folder)
    await executor.open(gateway.hear)
    try:
        yield gateway
    finally:
        await executor.close()


@pytest.fixture
async def gateway(slurm: Slurm, tmp_path: Path) -> AsyncIterator[Gateway]:  # noqa: F811
    async with opened(slurm, tmp_path / "shared") as made:
        yield made
        for job_id in await made.executor.kept():
            await made.executor.remove(job_id)


async def test_a_command_runs_and_both_its_streams_and_its_exit_code_are_kept(gateway: Gateway) -> None:
    launched = script("echo out; echo err >&2; exit 7")
    handle = await gateway.executor.start(launched)
    assert await gateway.over(launched, handle) == Exited(exit_code=7)
    assert (gateway.text(launched.key), gateway.text(launched.key, "stderr")) == ("out\n", "err\n")


async def test_the_beginning_and_the_end_are_told(gateway: Gateway) -> None:
    launched = script("echo here; until [ -e go ]; do sleep 0.05; done")
    handle = await gateway.running(launched)
    gateway.ended.clear()
    (gateway.attempt(launched.key) / "work" / "go").touch()
    await eventually(gateway.ended.copy)
    assert await gateway.executor.observe(launched.key, handle) == SUCCEEDED


NASTY = "quotes ' \" ` $HOME $(id) \\ \n new line \t tab ; & | > * ? [a] ~ !x #c é 漢 \x01\x7f"


async def test_arguments_and_variables_reach_the_command_as_they_are(gateway: Gateway) -> None:
    """Whatever is in them, and whatever a shell would do with such a name."""
    environment = {
        "PLAIN": NASTY,
        "EMPTY": "",
        "IFS": "x",
        "PWD": "/somewhere",
        "UID": "7",
        "dotted.name": NASTY,
        "attempt_folder": "mine",
        "LD_BIND_NOW": "1",
    }
    code = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
    launched = launch("python3", "-c", code, NASTY, "", "-n", "a=b", environment=environment)
    assert await gateway.ran(launched) == SUCCEEDED
    arguments, seen = json.loads(gateway.text(launched.key))
    assert arguments == [NASTY, "", "-n", "a=b"]
    assert {name: seen.get(name) for name in environment} == environment
    work = str(gateway.attempt(launched.key) / "work")
    assert {name: seen[name] for name in ("PATH", "HOME", "TMPDIR", "LANG")} == {
        "PATH": PATH,
        "HOME": work,
        "TMPDIR": work,
        "LANG": "C.UTF-8",
    }
    others = seen.keys() - environment.keys() - {"PATH", "HOME", "TMPDIR", "LANG", "LC_CTYPE"}
    assert {name for name in others if not name.startswith("SLURM")} <= {"HOSTNAME", "ENVIRONMENT"}


async def test_a_command_that_looks_like_a_variable_is_run(gateway: Gateway) -> None:
    launched = script("ln -s /bin/echo a=b; exec env -- PATH=. nice -n 0 a=b", environment={"a.b": "c"})
    assert await gateway.ran(launched) == Exited(exit_code=127)
    direct = launch("./a=b", "ran", key=launched.key._replace(attempt=2), environment={"a.b": "c"})
    work = gateway.attempt(direct.key) / "work"
    work.mkdir(parents=True)
    (work / "a=b").symlink_to("/bin/echo")
    assert await gateway.ran(direct) == SUCCEEDED
    assert gateway.text(direct.key) == "ran\n"


async def test_secrets_are_shown_by_no_command_of_slurms_and_lie_around_no_longer_than_needed(
    gateway: Gateway,
    slurm: Slurm,  # noqa: F811
) -> None:
    secret = f"secret-{uuid.uuid4()}"
    launched = script(
        'echo here; [ "$KEY" ] && until [ -e go ]; do sleep 0.05; done',
        environment={"KEY": secret},
        secrets=frozenset({"KEY"}),
    )
    handle = await gateway.running(launched)
    shown = slurm.command("scontrol", "show", "job", handle)
    batch = slurm.command("scontrol", "write", "batch_script", handle, "-")
    assert handle in shown
    assert "attempt_main" in batch
    assert secret not in shown + batch
    files = [path for path in gateway.attempt(launched.key).rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if secret in path.read_text("utf-8", "replace")]
    assert gateway.attempt(launched.key).stat().st_mode & 0o077 == 0
    (gateway.attempt(launched.key) / "work" / "go").touch()
    assert await gateway.over(launched, handle) == SUCCEEDED


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("exit 137", Exited(exit_code=137)),
        ("kill -KILL $$", Exited(exit_code=137, signal=9)),
        ("kill -TERM $$", Exited(exit_code=143, signal=15)),
    ],
)
async def test_an_exit_code_above_128_is_told_from_a_signal(gateway: Gateway, text: str, end: Exited) -> None:
    assert await gateway.ran(script(text)) == end


@pytest.mark.parametrize(
    ("commands", "reason"),
    [
        (("no-such-command",), "there is no such command on node"),
        (("./missing",), "there is no such command on node"),
        (("/etc/passwd",), "the command is not executable on node"),
        (("",), "there is no such command on node"),
    ],
)
async def test_a_command_that_a_node_lacks_is_refused(
    gateway: Gateway, commands: tuple[str, ...], reason: str
) -> None:
    seen = await gateway.ran(launch(*commands))
    assert isinstance(seen, Refused)
    assert seen.reason.startswith(reason)
    assert seen.reason.endswith(commands[0])
    assert not seen.passing


async def test_what_no_command_can_be_given_is_refused_at_once(gateway: Gateway) -> None:
    for launched in (launch(), launch("a\0b"), launch("a", environment={"a=b": ""}), launch("\ud800")):
        with pytest.raises(StartRefused) as refused:
            await gateway.executor.start(launched)
        assert not refused.value.passing


async def test_a_second_start_finds_the_first(gateway: Gateway) -> None:
    launched = script("echo run >> ../runs")
    handle = await gateway.executor.start(launched)
    assert await gateway.executor.start(launched) == handle
    assert await gateway.over(launched, handle) == SUCCEEDED
    assert await gateway.executor.start(launched) == handle
    assert gateway.text(launched.key, "runs") == "run\n"


@pytest.mark.parametrize("over", [False, True], ids=["running", "over"])
async def test_a_start_after_a_kill_finds_what_was_submitted(
    gateway: Gateway,
    slurm: Slurm,  # noqa: F811
    over: bool,
) -> None:
    """The gateway was killed before it could note the id that Slurm gave: no file `handle` is there."""
    launched = script("echo run >> ../runs; until [ -e go ]; do sleep 0.05; done")
    handle = await gateway.executor.start(launched)
    go = gateway.attempt(launched.key) / "work" / "go"
    if over:
        go.touch()
        await gateway.over(launched, handle)
        # Only Slurm knows of it now.
        (gateway.attempt(launched.key) / "begun").unlink()
    (gateway.attempt(launched.key) / "handle").unlink()
    async with opened(slurm, gateway.folder) as again:
        assert await again.executor.start(launched) == handle
        go.touch()
        assert await again.over(launched, handle) == SUCCEEDED
    assert gateway.text(launched.key, "runs") == "run\n"


async def test_of_two_slurm_jobs_for_one_attempt_one_runs_the_command(
    gateway: Gateway,
    slurm: Slurm,  # noqa: F811
) -> None:
    """A submission that was under way for so long that it was not found."""
    launched = script("echo run >> ../runs; sleep 0.2; exit 3")
    folder = gateway.attempt(launched.key)
    handles = [await gateway.executor.start(launched)]
    body = submission(
        launched,
        version=api_number(slurm.version),
        name=slurm_start.name_of(launched.key),
        script=batch_script(str(folder)),
        folder=str(folder),
        partition=None,
        account=None,
    )
    client = SlurmClient(
        slurm.url, version=api_number(slurm.version), user=slurm.user, token_file=slurm.token_file
    )
    second, _ = await client.submit(body)
    await client.close()
    handles.append(str(second))
    assert [await gateway.over(launched, handle) for handle in handles] == [Exited(exit_code=3)] * 2
    assert gateway.text(launched.key, "runs") == "run\n"


async def test_the_command_itself_is_asked_to_end_and_has_its_grace(gateway: Gateway) -> None:
    launched = script(
        "trap 'echo asked; sleep 0.3; echo cleaned; exit 5' TERM; echo here; while :; do sleep 0.05; done"
    )
    handle = await gateway.running(launched)
    await gateway.executor.stop(launched.key, handle, grace_seconds=LONG_SECONDS)
    await gateway.executor.stop(launched.key, handle, grace_seconds=LONG_SECONDS - 1)
    assert await gateway.over(launched, handle) == Exited(exit_code=5)
    assert gateway.text(launched.key) == "here\nasked\ncleaned\n"


DEAF = "trap '' TERM; (while :; do sleep 0.05; done) & echo here $$ $!; while :; do sleep 0.05; done"


def pids(gateway: Gateway, launched: Launch) -> list[int]:
    return [int(word) for word in gateway.text(launched.key).split()[1:]]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("grace", [0, 1])
async def test_what_does_not_end_is_killed_with_all_its_processes_after_the_grace(
    gateway: Gateway, grace: int
) -> None:
    launched = script(DEAF)
    handle = await gateway.running(launched)
    running = pids(gateway, launched)
    assert all(map(alive, running))
    began = time.monotonic()
    await gateway.executor.stop(launched.key, handle, grace_seconds=grace)
    assert await gateway.over(launched, handle) == Exited(exit_code=137, signal=9)
    assert time.monotonic() - began >= grace
    await eventually(lambda: not any(map(alive, running)))


async def test_a_shorter_grace_goes_before_a_longer_one(gateway: Gateway) -> None:
    launched = script(DEAF)
    handle = await gateway.running(launched)
    await gateway.executor.stop(launched.key, handle, grace_seconds=LONG_SECONDS)
    await gateway.executor.stop(launched.key, handle, grace_seconds=0)
    assert await gateway.over(launched, handle) == Exited(exit_code=137, signal=9)


async def test_a_stop_goes_on_after_a_restart_without_asking_twice(
    gateway: Gateway,
    slurm: Slurm,  # noqa: F811
) -> None:
    launched = script("trap 'echo asked' TERM; echo here; while :; do sleep 0.05; done")
    handle = await gateway.running(launched)
    await gateway.executor.stop(launched.key, handle, grace_seconds=1)
    await eventually(lambda: "asked" in gateway.text(launched.key))
    await eventually(lambda: "asked" in gateway.text(launched.key, "stop"))
    await gateway.executor.close()
    async with opened(slurm, gateway.folder) as again:
        assert await again.over(launched, handle) == Exited(exit_code=137, signal=9)
    assert gateway.text(launched.key) == "here\nasked\n"


async def test_what_waits_is_told_with_its_reason_and_is_canceled_at_once(
    slurm: Slurm,  # noqa: F811
    tmp_path: Path,
) -> None:
    with slurm.lone_node():
        async with opened(slurm, tmp_path / "shared", partition="lone") as gateway:
            whole = needs(cpu_request=Decimal(slurm.cores))
            first = script("echo here; exec sleep 600", resources=whole)
            handle = await gateway.running(first)
            second = script("echo here", resources=whole, environment={"KEY": "secret"})
            waiting = await gateway.executor.start(second)
            async with asyncio.timeout(LIMIT_SECONDS):
                while (seen := await gateway.executor.observe(second.key, waiting)) != Pending("Resources"):
                    assert isinstance(seen, Pending)
                    await asyncio.sleep(0.05)
            assert (gateway.attempt(second.key) / "launch").exists()
            await gateway.executor.stop(second.key, waiting, grace_seconds=LONG_SECONDS)
            seen = await gateway.over(second, waiting)
            assert seen == Vanished("it was canceled in Slurm before it began")
            assert not (gateway.attempt(second.key) / "launch").exists()
            await gateway.executor.stop(first.key, handle, grace_seconds=LONG_SECONDS)
            assert await gateway.over(first, handle) == Exited(exit_code=143, signal=15)


async def test_a_job_is_found_again_by_another_gateway(
    gateway: Gateway,
    slurm: Slurm,  # noqa: F811
) -> None:
    launched = script("echo here; until [ -e go ]; do sleep 0.05; done; exit 4")
    handle = await gateway.running(launched)
    await gateway.executor.close()
    async with opened(slurm, gateway.folder) as again:
        assert await again.executor.observe(launched.key, handle) == Running()
        (gateway.attempt(launched.key) / "work" / "go").touch()
        assert await again.over(launched, handle) == Exited(exit_code=4)


async def test_an_end_is_known_when_slurm_has_forgotten_the_job(gateway: Gateway) -> None:
    launched = script("exit 6")
    assert await gateway.ran(launched) == Exited(exit_code=6)
    (gateway.attempt(launched.key) / "begun").write_text("999999\n")
    assert await gateway.executor.observe(launched.key, "999999") == Exited(exit_code=6)
    (gateway.attempt(launched.key) / "exit").unlink()
    seen = await gateway.executor.observe(launched.key, "999999")
    assert seen == Vanished("Slurm does not know its job any more, and it left no exit status")
    assert isinstance(await gateway.executor.observe(new_key(), "1"), Vanished)


async def test_slurm_out_of_reach_is_told_and_everything_is_looked_at_again_afterwards(
    slurm: Slurm,  # noqa: F811
    tmp_path: Path,
) -> None:
    with slurm.another_rest() as rest:
        async with opened(slurm, tmp_path / "shared", url=rest.url) as gateway:
            launched = script("echo here; until [ -e go ]; do sleep 0.05; done")
            handle = await gateway.running(launched)
            rest.stop()
            seen = await gateway.until(launched, handle, Unreachable)
            assert isinstance(seen, Unreachable)
            assert "slurmrestd does not answer" in seen.reason
            started = asyncio.create_task(gateway.executor.start(other := script("echo run >> ../runs")))
            (gateway.attempt(launched.key) / "work" / "go").touch()
            await eventually((gateway.attempt(other.key) / "sent").exists)
            rest.start()
            assert await gateway.over(launched, handle) == SUCCEEDED
            assert await gateway.over(other, await started) == SUCCEEDED
            assert gateway.text(other.key, "runs") == "run\n"


async def test_a_start_is_given_up_only_so_that_nothing_can_run_it(
    slurm: Slurm,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slurm_start, "START_SECONDS", 0.0)
    with slurm.another_rest() as rest:
        async with opened(slurm, tmp_path / "shared", url=rest.url) as gateway:
            rest.stop()
            launched = script("echo run >> ../runs")
            with pytest.raises(StartRefused) as refused:
                await gateway.executor.start(launched)
            assert refused.value.passing
            assert not (gateway.attempt(launched.key) / "launch").exists()
            script_file = tmp_path / "late"
            script_file.write_text(batch_script(str(gateway.attempt(launched.key))))
            slurm.command("sbatch", "--wait", "--output=/dev/null", str(script_file))
            assert gateway.text(launched.key, "runs") == ""
            with pytest.raises(StartRefused):
                await gateway.executor.start(launched)


async def test_a_token_is_read_again_when_its_file_changes(
    slurm: Slurm,  # noqa: F811
    tmp_path: Path,
) -> None:
    token = tmp_path / "token"
    token.write_text(slurm.token())
    async with opened(slurm, tmp_path / "shared", token_file=token) as gateway:
        launched = script("echo here; until [ -e go ]; do sleep 0.05; done")
        handle = await gateway.running(launched)
        token.write_text("SLURM_JWT=no.such.token\n")
        seen = await gateway.until(launched, handle, Unreachable)
        assert isinstance(seen, Unreachable)
        assert "token" in seen.reason
        token.write_text(slurm.token())
        (gateway.attempt(launched.key) / "work" / "go").touch()
        assert await gateway.over(launched, handle) == SUCCEEDED


async def test_what_cannot_work_is_told_when_it_opens(slurm: Slurm, tmp_path: Path) -> None:  # noqa: F811
    bad = tmp_path / "bad"
    bad.write_text("SLURM_JWT=no.such.token\n")
    file = tmp_path / "file"
    file.touch()
    for settings, reason in (
        ({"token_file": bad}, "the token is not good"),
        ({"token_file": tmp_path / "none"}, "cannot be read"),
        ({"url": "unix:///nowhere"}, "slurmrestd does not answer"),
        ({"api_version": "v0.0.99"}, "v0.0.99"),
        ({"folder": file}, "SLURM_SHARED_FOLDER"),
        ({"bundles": tmp_path / "none"}, "SLURM_BUNDLES"),
    ):
        folder = settings.pop("folder", tmp_path / "shared")
        with pytest.raises(ExecutorUnavailable, match=re.escape(reason)):
            async with opened(slurm, folder, **settings):
                pass


@pytest.mark.parametrize(
    "wrong",
    [{"shared_folder": Path("relative")}, {"shared_folder": Path("/a%j")}, {"user": "nobody-at-all"}]
    + [{"bundles": Path("relative")}, {"bundles": Path("/a%b")}],
)
def test_settings_that_cannot_be_obeyed_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    given = {
        "shared_folder": tmp_path,
        "url": "http://127.0.0.1:1",
        "api_version": "v0.0.38",
        "token_file": tmp_path,
        "default_path": PATH,
    }
    with pytest.raises(ValueError, match=r"^SLURM_"):
        SlurmExecutor(**(given | wrong))


async def test_limits_that_no_node_has_are_refused(gateway: Gateway) -> None:
    for resources in (needs(memory_limit_mb=10**7), needs(cpu_limit=Decimal(4000))):
        with pytest.raises(StartRefused) as refused:
            await gateway.executor.start(launch("true", resources=resources))
        assert not refused.value.passing
        assert "onfiguration" in refused.value.reason


async def test_a_time_beyond_the_partitions_is_refused_and_nothing_stays_queued(
    slurm: Slurm,  # noqa: F811
    tmp_path: Path,
) -> None:
    async with opened(slurm, tmp_path / "shared", partition="lone") as gateway:
        launched = launch("true", timeout_seconds=100 * 3600)
        with pytest.raises(StartRefused) as refused:
            await gateway.executor.start(launched)
        assert not refused.value.passing
        names = slurm.command("squeue", "-h", "-o", "%j", "-t", "PENDING,RUNNING")
        assert slurm_start.name_of(launched.key) not in names


async def test_unknown_partitions_are_refused(slurm: Slurm, tmp_path: Path) -> None:  # noqa: F811
    async with opened(slurm, tmp_path / "shared", partition="nowhere") as gateway:
        with pytest.raises(StartRefused, match=r"Invalid partition") as refused:
            await gateway.executor.start(launch("true"))
        assert not refused.value.passing


async def test_memory_cores_and_time_are_what_slurm_is_told(gateway: Gateway, slurm: Slurm) -> None:  # noqa: F811
    launched = script(
        "echo here; sleep 600",
        resources=needs(memory_limit_mb=300, memory_request_mb=200, cpu_limit=Decimal("0.5")),
        timeout_seconds=61,
        grace_seconds=30,
    )
    shown = slurm.command("scontrol", "show", "job", await gateway.running(launched))
    for part in ("MinMemoryNode=300M", "NumCPUs=1", "TimeLimit=00:03:00", "Requeue=0"):
        assert part in shown


async def test_a_command_is_held_to_its_cores_which_are_rounded_up(gateway: Gateway, slurm: Slurm) -> None:  # noqa: F811
    for limit, expected in (("0.1", 1), ("1", 1), (f"{slurm.cores - 1}.1", slurm.cores)):
        launched = launch("nproc", resources=needs(cpu_limit=Decimal(limit)))
        assert await gateway.ran(launched) == SUCCEEDED
        assert gateway.text(launched.key) == f"{expected}\n"


async def test_a_command_is_held_to_its_memory(gateway: Gateway) -> None:
    code = "import time; held = bytearray(400 * 2**20); print('held', flush=True); time.sleep(600)"
    launched = launch("python3", "-c", code, resources=needs(memory_limit_mb=100))
    assert await gateway.ran(launched) == Exited(exit_code=137, signal=9, out_of_memory=True)


async def test_a_lost_node_ends_the_attempt_for_good(slurm: Slurm, tmp_path: Path) -> None:  # noqa: F811
    with slurm.lone_node() as node:
        async with opened(slurm, tmp_path / "shared", partition="lone") as gateway:
            launched = script("echo run >> ../runs; echo here; sleep 600")
            handle = await gateway.running(launched)
            slurm.command("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
            seen = await gateway.over(launched, handle)
            assert seen == Vanished("its node failed on n3")


async def test_a_job_that_is_queued_again_by_hand_does_not_run_again(
    gateway: Gateway,
    slurm: Slurm,  # noqa: F811
) -> None:
    launched = script("echo run >> ../runs; echo here; sleep 600")
    handle = await gateway.running(launched)
    # Slurm refuses that for jobs that say no to it, unless that is taken back.
    slurm.command("scontrol", "update", f"jobid={handle}", "requeue=1")
    slurm.command("scontrol", "requeue", handle)
    seen = await gateway.over(launched, handle)
    assert isinstance(seen, Vanished)
    assert "queued" in seen.reason
    await eventually(lambda: "CANCELLED" in slurm.command("scontrol", "show", "job", handle))
    assert gateway.text(launched.key, "runs") == "run\n"


async def test_a_job_that_gives_way_to_another_has_died(slurm: Slurm, tmp_path: Path) -> None:  # noqa: F811
    with slurm.lone_node():
        async with (
            opened(slurm, tmp_path / "low", partition="lone") as low,
            opened(slurm, tmp_path / "high", partition="first") as high,
        ):
            whole = needs(cpu_request=Decimal(slurm.cores))
            launched = script("echo here; sleep 600", resources=whole)
            handle = await low.running(launched)
            first = launch("true", resources=whole)
            first_handle = await high.executor.start(first)
            seen = await low.over(launched, handle)
            assert seen == Vanished("Slurm stopped it on n3 for a job that goes before it")
            assert await high.over(first, first_handle) == SUCCEEDED


async def test_output_is_read_in_pieces_while_it_grows_and_from_its_end(gateway: Gateway) -> None:
    launched = script("echo 0123456789; echo here; until [ -e go ]; do sleep 0.05; done; echo more")
    handle = await gateway.running(launched)
    read = gateway.executor.output
    piece = await read(launched.key, OutputChannel.STDOUT, offset=2, limit=3)
    assert (piece.data, piece.offset, piece.next_offset, piece.size) == (b"234", 2, 5, 16)
    (gateway.attempt(launched.key) / "work" / "go").touch()
    await gateway.over(launched, handle)
    tail = await read(launched.key, OutputChannel.STDOUT, offset=-5, limit=100)
    assert (tail.data, tail.offset) == (b"more\n", 16)
    assert (await read(launched.key, OutputChannel.STDERR, offset=0, limit=9)).size == 0
    assert (await read(new_key(), OutputChannel.STDOUT, offset=0, limit=9)).data == b""


async def test_of_long_output_the_middle_is_dropped(slurm: Slurm, tmp_path: Path) -> None:  # noqa: F811
    async with opened(slurm, tmp_path / "shared", output_limit_bytes=64 * 1024) as gateway:
        launched = script("head -c 1000000 /dev/zero | tr '\\0' x; echo end")
        assert await gateway.ran(launched) == SUCCEEDED
        read = gateway.executor.output
        head = await read(launched.key, OutputChannel.STDOUT, offset=0, limit=2**20)
        tail = await read(launched.key, OutputChannel.STDOUT, offset=head.next_offset, limit=2**20)
        assert head.size == tail.next_offset == 1000004
        assert head.dropped_bytes > 900000
        assert len(head.data) + len(tail.data) + head.dropped_bytes == head.size
        assert tail.data.endswith(b"xend\n")
        kept = (gateway.attempt(launched.key) / "stdout").stat().st_blocks * 512
        assert kept <= 2 * 64 * 1024


async def test_output_that_grew_while_no_gateway_ran_is_bounded_when_its_end_is_seen(
    gateway: Gateway,
    slurm: Slurm,  # noqa: F811
) -> None:
    launched = script("head -c 1000000 /dev/zero | tr '\\0' x")
    handle = await gateway.executor.start(launched)
    assert await gateway.over(launched, handle) == SUCCEEDED
    async with opened(slurm, gateway.folder, output_limit_bytes=64 * 1024) as again:
        assert await again.executor.observe(launched.key, handle) == SUCCEEDED
    kept = (gateway.attempt(launched.key) / "stdout").stat().st_blocks * 512
    assert kept <= 2 * 64 * 1024


async def test_removal_cancels_what_runs_and_deletes_the_folder(gateway: Gateway, slurm: Slurm) -> None:  # noqa: F811
    launched = script("echo here; mkdir closed; chmod 0 closed; sleep 600")
    handle = await gateway.running(launched)
    assert await gateway.executor.kept() == [launched.key.job_id]
    await gateway.executor.remove(launched.key.job_id)
    assert await gateway.executor.kept() == []
    assert not (gateway.folder / launched.key.job_id).exists()
    await eventually(lambda: "CANCELLED" in slurm.command("scontrol", "show", "job", handle))
    await gateway.executor.remove(launched.key.job_id)


async def test_many_attempts_are_followed_with_one_request_at_a_time(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    jobs = SlurmClient.jobs

    async def counted(self: SlurmClient) -> list[SlurmJob]:
        nonlocal asked
        asked += 1
        return await jobs(self)

    launches = [script(f"exit {number}") for number in range(6)]
    handles = await asyncio.gather(*(gateway.executor.start(launched) for launched in launches))
    monkeypatch.setattr(SlurmClient, "jobs", counted)
    looks = (gateway.executor.observe(one.key, handle) for one, handle in zip(launches, handles, strict=True))
    await asyncio.gather(*looks)
    assert asked <= 3
    ends = [await gateway.over(one, handle) for one, handle in zip(launches, handles, strict=True)]
    assert [end.exit_code for end in ends if isinstance(end, Exited)] == list(range(6))


async def test_abandoned_attempts_are_followed_no_more_and_go_on(gateway: Gateway) -> None:
    launched = script("echo here; until [ -e go ]; do sleep 0.05; done")
    handle = await gateway.running(launched)
    await gateway.executor.abandon()
    assert await gateway.executor.observe(launched.key, handle) == Running()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run jobs as another user")
async def test_jobs_run_as_another_user(slurm: Slurm) -> None:  # noqa: F811
    folder = Path(slurm.folder) / f"shared-{uuid.uuid4()}"
    token = Path(slurm.folder) / "token-of-nobody"
    token.write_text(slurm.command("scontrol", "token", "username=nobody", "lifespan=600"))
    async with opened(slurm, folder, user="nobody", token_file=token) as gateway:
        launched = script("id -un; echo x > file; ls ../../.. && echo seen", environment={"KEY": "secret"})
        assert await gateway.ran(launched) == Exited(exit_code=2)
        assert gateway.text(launched.key) == "nobody\n"
        uid = pwd.getpwnam("nobody").pw_uid
        assert (gateway.attempt(launched.key) / "work" / "file").stat().st_uid == uid
        assert gateway.attempt(launched.key).stat().st_uid == uid
        assert gateway.attempt(launched.key).parent.stat().st_uid == 0
        await gateway.executor.remove(launched.key.job_id)
        assert await gateway.executor.kept() == []


def test_every_field_is_told_of(gateway: Gateway) -> None:
    """ENFORCED and REFUSED are shown by the tests above."""
    executor: Executor = gateway.executor
    assert executor.support.keys() == PROCESS_SUPPORT.keys()
    assert executor.support["dockerImageUrl"] == FeatureSupport.RECORDED
    assert (executor.queues, executor.reachable_from_anywhere) == (True, True)
    assert executor.isolation.startswith("slurm: jobs run on the cluster's nodes as user")
