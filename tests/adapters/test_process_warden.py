"""The warden: what a node's lease protects is dead when the lease is over, whatever the gateway does."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.domain.executor import AttemptKey, Exited, Launch, Running, Vanished
from gateway.executors.process import ProcessExecutor
from gateway.executors.process_folder import AttemptFolder
from gateway.executors.process_session import Waiter, boot_id, members, processes, read_process
from gateway.executors.warden import watch

LIMIT_SECONDS = 20
KEY = AttemptKey("0198c0de-0000-7000-8000-000000000001", 1)

LEAVES_ALONE = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.domain.executor import AttemptKey, Launch
from gateway.executors.process import ProcessExecutor

async def main():
    executor = ProcessExecutor(Path(sys.argv[1]), default_path=os.environ["PATH"])
    await executor.open(print)
    key = AttemptKey(sys.argv[2], 1)
    launch = Launch(key=key, commands=("sleep", "600"), image="", environment={})
    print(await executor.start(launch), flush=True)
    executor.lease(float(sys.argv[3]))
    os.kill(os.getpid(), getattr(signal, sys.argv[4]))

asyncio.run(main())
"""
"""A gateway that starts an attempt, holds a lease, and is then killed or halted."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not reached: {what}"
        time.sleep(0.005)


def sleeper(key: AttemptKey = KEY) -> Launch:
    return Launch(key=key, commands=("sleep", "600"), image="", environment={})


def waiter_of(handle: str) -> Waiter:
    waiter = Waiter.parse(handle)
    assert waiter is not None
    return waiter


def runs(handle: str) -> bool:
    waiter = waiter_of(handle)
    return waiter.is_alive() or bool(members(waiter, processes()))


def lives(pid: int) -> bool:
    process = read_process(pid)
    return process is not None and not process.dead


def is_watched(folder: Path) -> bool:
    """Whether a warden holds the folder."""
    try:
        lock = os.open(folder / ".warden.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@pytest.fixture
def halted(tmp_path: Path) -> Iterator[Callable[[float, str], tuple[str, subprocess.Popen[str]]]]:
    """Runs a gateway that stops itself with a signal; the attempt's handle, and the gateway."""
    started: list[subprocess.Popen[str]] = []

    def run(lease_seconds: float, how: str) -> tuple[str, subprocess.Popen[str]]:
        gateway = subprocess.Popen(
            [sys.executable, "-c", LEAVES_ALONE, str(tmp_path / "jobs"), KEY.job_id, str(lease_seconds), how],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(gateway)
        assert gateway.stdout is not None
        return gateway.stdout.readline().strip(), gateway

    yield run
    for gateway in started:
        gateway.kill()
        gateway.communicate()


async def test_when_the_lease_is_over_everything_is_dead_though_nobody_told_the_executor(tmp_path):
    executor = ProcessExecutor(tmp_path / "jobs", default_path=os.environ["PATH"])
    ended = asyncio.Event()
    await executor.open(lambda _key: ended.set())
    try:
        handle = await executor.start(sleeper())
        assert runs(handle)
        executor.lease(0.1)
        # The event loop stands still meanwhile, as that of a gateway which hangs.
        wait_until(lambda: not runs(handle), "the end of the attempt")
        while isinstance(seen := await executor.observe(KEY, handle), Running):
            await ended.wait()
        assert isinstance(seen, Vanished)
    finally:
        await executor.close()
    wait_until(lambda: not is_watched(tmp_path / "jobs"), "the end of the warden")


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSTOP"])
def test_a_gateway_that_is_killed_or_halted_leaves_nothing_running_past_its_lease(halted, tmp_path, how):
    handle, gateway = halted(1.0, how)
    wait_until(lambda: is_watched(tmp_path / "jobs"), "a warden")
    wait_until(lambda: not runs(handle), "the end of the attempt")
    # While the gateway is there it may renew its lease, so the warden stays with it.
    assert is_watched(tmp_path / "jobs") or how == "SIGKILL"
    gateway.kill()
    gateway.wait()
    wait_until(lambda: not is_watched(tmp_path / "jobs"), "the end of the warden")


async def test_a_lease_that_is_renewed_keeps_the_attempts_alive(tmp_path):
    first = ProcessExecutor(tmp_path / "first", default_path=os.environ["PATH"])
    second = ProcessExecutor(tmp_path / "second", default_path=os.environ["PATH"])
    await first.open(lambda _key: None)
    await second.open(lambda _key: None)
    try:
        kept, lost = await first.start(sleeper()), await second.start(sleeper())
        first.lease(0.3)
        first.lease(600)
        second.lease(0.3)
        wait_until(lambda: not runs(lost), "the end of the other attempt")
        assert runs(kept)
        assert await first.observe(KEY, kept) == Running()
    finally:
        for pid in (process.pid for process in members(waiter_of(kept), processes())):
            os.kill(pid, signal.SIGKILL)
        first.lease(0)
        await first.close()
        await second.close()


async def test_the_gateway_that_comes_next_renews_the_lease_for_the_warden_that_is_there(halted, tmp_path):
    handle, gateway = halted(30.0, "SIGKILL")
    gateway.wait()
    wait_until(lambda: is_watched(tmp_path / "jobs"), "a warden")
    executor = ProcessExecutor(tmp_path / "jobs", default_path=os.environ["PATH"])
    await executor.open(lambda _key: None)
    try:
        assert await executor.observe(KEY, handle) == Running()
        executor.lease(0.1)
        wait_until(lambda: not runs(handle), "the end of the attempt")
    finally:
        await executor.close()
    wait_until(lambda: not is_watched(tmp_path / "jobs"), "the end of all wardens")


async def test_a_node_that_gives_up_kills_what_it_held_and_can_start_anew(tmp_path):
    told: list[AttemptKey] = []
    executor = ProcessExecutor(tmp_path / "jobs", default_path=os.environ["PATH"])
    await executor.open(told.append)
    try:
        handle = await executor.start(sleeper())
        assert await executor.observe(KEY, handle) == Running()
        await executor.abandon()
        assert not runs(handle)
        assert told == []
        again = AttemptKey(KEY.job_id, 2)
        second = await executor.start(sleeper(again))
        assert await executor.observe(again, second) == Running()
        await executor.abandon()
        assert not runs(second)
    finally:
        await executor.close()


async def test_what_was_started_just_now_is_killed_though_it_has_not_written_down_who_it_is(tmp_path):
    os.mkfifo(gate := tmp_path / "gate")
    late = tmp_path / "late"
    late.write_text(f'#!/bin/sh\nread -r _ <{gate}\nexec /bin/sh "$@"\n')
    late.chmod(0o755)
    executor = ProcessExecutor(tmp_path / "jobs", default_path=os.environ["PATH"], shell=str(late))
    await executor.open(lambda _key: None)
    try:
        handle = await executor.start(sleeper())
        assert await executor.observe(KEY, handle) == Running()
        await executor.abandon()
        assert not runs(handle)
        # Nor is a zombie left of it.
        assert read_process(waiter_of(handle).pid) is None
    finally:
        await executor.close()


ORPHAN = "setsid sh -c 'sleep 600 & echo $$ $! >{file}' </dev/null >/dev/null 2>&1"
"""A process in a session whose leader is gone."""


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[tuple[Waiter, int]]:
    """Another's process, and a waiter that had the number of its session long before."""
    file = tmp_path / "stranger"
    subprocess.run(["sh", "-c", ORPHAN.format(file=file)], check=True)
    leader, pid = map(int, file.read_text().split())
    wait_until(lambda: read_process(leader) is None, "the end of the leader")
    yield Waiter(boot_id(), leader, 1), pid
    os.kill(pid, signal.SIGKILL)


def ended(jobs: Path, waiter: Waiter, *, over: bool) -> None:
    """The folder of an attempt that has ended."""
    attempt = jobs / KEY.job_id / str(KEY.attempt)
    attempt.mkdir(parents=True)
    (attempt / "pid").write_text(f"{waiter.handle}\n\n")
    if over:
        (attempt / "over").touch()
    else:
        (attempt / "exit").write_text("0 exit false\n")
        long_ago = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + 1
        os.utime(attempt / "exit", (long_ago, long_ago))


async def test_a_number_that_has_come_back_is_not_taken_for_what_was_over_before(tmp_path, stranger):
    waiter, pid = stranger
    ended(tmp_path / "jobs", waiter, over=True)
    executor = ProcessExecutor(tmp_path / "jobs", default_path=os.environ["PATH"])
    await executor.open(lambda _key: None)
    await executor.abandon()
    assert isinstance(await executor.observe(KEY, waiter.handle), Vanished)
    await executor.close()
    assert lives(pid)


async def test_a_number_that_has_come_back_is_not_taken_for_what_ended_unseen(tmp_path, stranger):
    waiter, pid = stranger
    ended(tmp_path / "jobs", waiter, over=False)
    executor = ProcessExecutor(tmp_path / "jobs", default_path=os.environ["PATH"])
    await executor.open(lambda _key: None)
    assert await executor.observe(KEY, waiter.handle) == Exited(exit_code=0, out_of_memory=False)
    await executor.abandon()
    await executor.close()
    assert lives(pid)


async def test_what_has_been_cleared_up_after_is_over(tmp_path):
    ends = asyncio.Event()
    executor = ProcessExecutor(tmp_path / "jobs", default_path=os.environ["PATH"])
    await executor.open(lambda _key: ends.set())
    try:
        handle = await executor.start(Launch(key=KEY, commands=("true",), image="", environment={}))
        while isinstance(await executor.observe(KEY, handle), Running):
            await ends.wait()
    finally:
        await executor.close()
    assert AttemptFolder(tmp_path / "jobs" / KEY.job_id / "1").is_over()


def test_a_warden_spares_what_it_found_before_the_lease_was_renewed_and_looks_again(tmp_path, monkeypatch):
    reading, writing = os.pipe()
    folder = tmp_path / "jobs"
    folder.mkdir()
    looks: list[str] = []

    def look() -> Callable[[], object]:
        looks.append("renewed" if not looks else "over")
        if len(looks) > 1:
            return lambda: (killed.append(looks[-1]), shutil.rmtree(folder))
        until = time.clock_gettime(time.CLOCK_BOOTTIME) + 0.2
        (folder / ".lease").write_text(f"{until:.3f}\n")
        return lambda: killed.append(looks[-1])

    killed: list[str] = []
    with os.fdopen(reading) as pipe, monkeypatch.context() as patch:
        patch.setattr("sys.stdin", pipe)
        watch(folder, look)
    os.close(writing)
    assert (looks, killed) == (["renewed", "over"], ["over"])


async def test_the_files_of_the_lease_are_no_jobs(tmp_path):
    executor = ProcessExecutor(tmp_path / "jobs", default_path=os.environ["PATH"])
    await executor.open(lambda _key: None)
    try:
        executor.lease(0)
        assert await executor.kept() == []
    finally:
        await executor.close()
    with suppress(FileNotFoundError):
        wait_until(lambda: not is_watched(tmp_path / "jobs"), "the end of the warden")
