"""Containers of a node that shares its store with others: none may run when its lease is over."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from gateway.domain.executor import Running
from gateway.executors.docker_container import name_of
from gateway.executors.docker_engine import DockerEngine
from tests.adapters.docker_gateway import gateway, launch, script, until
from tests.engine_stand import EngineStand

HALTED = """
import os, sys, signal
from pathlib import Path
from gateway.executors.warden import Warden
folder, socket, label = sys.argv[1:]
Warden(Path(folder), "gateway.executors.docker_warden", socket, label).renew(0.2)
print("renewed", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""
"""A gateway that is halted with its lease just renewed."""


async def test_a_warden_kills_what_a_halted_gateway_cannot_and_nothing_of_others(
    docker: EngineStand, tmp_path: Path
) -> None:
    mine, theirs = launch("sleep", "1000"), launch("sleep", "1000")
    async with (
        gateway(docker, tmp_path / "mine", instance="mine") as opened,
        gateway(docker, tmp_path / "theirs", instance="theirs") as others,
    ):
        for at, launched in ((opened, mine), (others, theirs)):
            await at.executor.start(launched)
            assert await at.executor.observe(launched.key, name_of(launched.key)) == Running()
        arguments = [str(tmp_path / "mine"), str(docker.socket), "jobs-gateway.instance=mine"]
        halted = subprocess.Popen([sys.executable, "-c", HALTED, *arguments], stdout=subprocess.PIPE)
        try:
            assert await opened.end_of(mine.key) == opened.killed
            assert await others.executor.observe(theirs.key, name_of(theirs.key)) == Running()
        finally:
            halted.kill()
            halted.communicate()
        # The gateway is gone and its lease over: the warden goes, too.
        await until(lambda: not wardens(tmp_path / "mine"), "the warden ends")
        await others.executor.remove(theirs.key.job_id)


async def test_a_lease_that_is_renewed_harms_nothing_and_what_is_abandoned_is_killed(
    engine: EngineStand, tmp_path: Path
) -> None:
    launched = launch("sleep", "1000")
    stopped = script("trap 'echo asked' TERM; echo up; while true; do sleep 0.05; done")
    async with gateway(engine, tmp_path, keep_seconds=600) as opened:
        await opened.executor.start(launched)
        await opened.executor.start(stopped)
        await opened.says(stopped.key, "up\n")
        await opened.executor.stop(stopped.key, name_of(stopped.key), grace_seconds=600)
        await opened.says(stopped.key, "asked\n")
        opened.executor.lease(600)
        await until(lambda: wardens(tmp_path), "a warden")
        (warden,) = wardens(tmp_path)
        opened.executor.lease(600)
        assert wardens(tmp_path) == [warden]
        assert opened.executor.keeps(launched.key.job_id)
        assert not opened.executor.keeps(name_of(launched.key))
        await opened.executor.abandon()
        for key in (launched.key, stopped.key):
            assert engine.inspect(name_of(key))["State"]["ExitCode"] == 137
        assert not opened.ended
        os.kill(warden, signal.SIGKILL)
        for key in (launched.key, stopped.key):
            await opened.executor.remove(key.job_id)


def test_only_a_docker_behind_an_address_is_reached_from_other_machines() -> None:
    assert DockerEngine("unix:///run/docker.sock").is_local
    assert not DockerEngine("tcp://10.0.0.1:2375").is_local


def wardens(folder: Path) -> list[int]:
    """Processes that watch a folder's lease."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().decode().split("\0")
        except OSError:
            continue
        if "gateway.executors.docker_warden" in words and str(folder) in words:
            found.append(int(process.parent.name))
    return found
