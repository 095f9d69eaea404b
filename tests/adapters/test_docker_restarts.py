"""Containers outlive the gateway and dockerd and are found again; nothing runs or is told twice."""

import asyncio
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.executor import (
    AttemptKey,
    Mount,
    Running,
    StartRefused,
    Unreachable,
    Vanished,
)
from gateway.executors import docker_starter
from gateway.executors.docker_container import name_of
from gateway.executors.docker_engine import DockerEngine, EngineUnreachable
from tests.adapters.docker_gateway import (
    LIMIT_SECONDS,
    Gateway,
    gateway,
    launch,
    new_key,
    script,
    until,
)
from tests.docker_stand import DockerStand
from tests.engine_stand import EngineStand, running


@pytest.fixture(scope="module")
def dockerd() -> Iterator[EngineStand]:
    """A dockerd that tests end and start again."""
    with running(DockerStand) as stand:
        yield stand


COUNTER = "trap 'exit 0' TERM; n=0; while true; do n=$((n+1)); echo $n; echo e$n >&2; sleep 0.01; done"


def counted(text: str) -> int:
    """The last number; all before it must be there, once."""
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    assert numbers == list(range(1, len(numbers) + 1))
    return len(numbers)


async def test_a_gateway_that_comes_back_goes_on_where_it_was(engine: EngineStand, tmp_path: Path) -> None:
    counting, quick = script(COUNTER), script("echo one; sleep 0.3; echo two; exit 4")
    async with gateway(engine, tmp_path) as opened:
        for launched in (counting, quick):
            await opened.executor.start(launched)
        await opened.says(counting.key, "3\n")
        await opened.says(quick.key, "one\n")
    # What is written while no gateway is there is not lost either.
    await until(lambda: not engine.runs(name_of(quick.key)), "the quick one ends")
    async with gateway(engine, tmp_path) as opened:
        seen = [await opened.end_of(quick.key)]
        # From now on the note goes before the engine.
        await opened.gone(quick.key)
        seen.append(await opened.executor.observe(quick.key, name_of(quick.key)))
        assert seen == [opened.exited(4)] * 2
        assert await opened.text(quick.key) == "one\ntwo\n"
        assert await opened.executor.start(quick) == name_of(quick.key)
        assert name_of(quick.key) not in engine.names()

        assert await opened.executor.observe(counting.key, name_of(counting.key)) == Running()
        last = counted(await opened.text(counting.key))
        await opened.says(counting.key, f"\n{last + 5}\n")
        await opened.executor.stop(counting.key, name_of(counting.key), grace_seconds=600)
        assert await opened.end_of(counting.key) == opened.succeeded
        counted(await opened.text(counting.key))
        await opened.executor.remove(counting.key.job_id)


async def test_the_engine_goes_on_with_a_stop_when_the_gateway_is_gone(
    docker: EngineStand, tmp_path: Path
) -> None:
    deaf = script("trap 'echo asked' TERM; echo up; while true; do sleep 0.05; done")
    async with gateway(docker, tmp_path) as opened:
        await opened.executor.start(deaf)
        await opened.says(deaf.key, "up\n")
        await opened.executor.stop(deaf.key, name_of(deaf.key), grace_seconds=1)
        await opened.says(deaf.key, "asked\n")
    await until(lambda: not docker.runs(name_of(deaf.key)), "it is killed")
    async with gateway(docker, tmp_path) as opened:
        assert await opened.end_of(deaf.key) == opened.killed


async def test_those_that_are_being_stopped_run_on_for_the_next_gateway_and_can_be_removed(
    engine: EngineStand, tmp_path: Path
) -> None:
    deaf, removed = (
        script("trap 'echo asked' TERM; echo up; while true; do sleep 0.05; done") for _ in range(2)
    )
    async with gateway(engine, tmp_path) as opened:
        for launched in (deaf, removed):
            await opened.executor.start(launched)
            await opened.says(launched.key, "up\n")
            await opened.executor.stop(launched.key, name_of(launched.key), grace_seconds=600)
            await opened.says(launched.key, "asked\n")
    async with gateway(engine, tmp_path) as opened:
        assert await opened.executor.observe(deaf.key, name_of(deaf.key)) == Running()
        await opened.executor.remove(removed.key.job_id)
        assert await opened.executor.kept() == [deaf.key.job_id]
        await opened.executor.stop(deaf.key, name_of(deaf.key), grace_seconds=0)
        assert await opened.end_of(deaf.key) == opened.killed


async def test_255_is_an_exit_code_only_if_somebody_was_there(docker: EngineStand, tmp_path: Path) -> None:
    (tmp_path / "sign").mkdir()
    async with gateway(docker, tmp_path / "jobs", rules={"volumes": {"sign": f"{tmp_path}/sign"}}) as opened:
        assert await opened.run(script("exit 255")) == opened.exited(255)
        sign = Mount(name="sign", source="sign", path="/sign")
        alone = script("until [ -e /sign/end ]; do sleep 0.02; done; exit 255", mounts=(sign,))
        await opened.executor.start(alone)
    (tmp_path / "sign" / "end").touch()
    await until(lambda: not docker.runs(name_of(alone.key)), "it ends")
    async with gateway(docker, tmp_path / "jobs") as opened:
        for _ in range(2):
            seen = await opened.end_of(alone.key)
            assert isinstance(seen, Vanished)
            assert "no exit status" in seen.reason


async def test_an_ended_container_whose_end_was_told_is_deleted_by_the_next_gateway(
    docker: EngineStand, tmp_path: Path
) -> None:
    launched = script("echo done")
    async with gateway(docker, tmp_path, keep_seconds=600) as opened:
        assert await opened.run(launched) == opened.succeeded
        assert name_of(launched.key) in docker.names()
    async with gateway(docker, tmp_path) as opened:
        await opened.gone(launched.key)
        assert await opened.executor.observe(launched.key, name_of(launched.key)) == opened.succeeded
        assert await opened.text(launched.key) == "done\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_containers_outlive_dockerd(
    dockerd: EngineStand, tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "sign").mkdir()
    async with gateway(dockerd, tmp_path / "jobs", rules={"volumes": {"sign": f"{tmp_path}/sign"}}) as opened:
        sign = Mount(name="sign", source="sign", path="/sign")
        counting, removed = script(COUNTER), launch("sleep", "1000")
        ending = script("until [ -e /sign/end ]; do sleep 0.02; done; exit 6", mounts=(sign,))
        for launched in (counting, ending, removed):
            await opened.executor.start(launched)
            assert await opened.executor.observe(launched.key, name_of(launched.key)) == Running()
        await opened.says(counting.key, "3\n")
        process = Path(f"/proc/{dockerd.inspect(name_of(ending.key))['State']['Pid']}")
        dockerd.stop(number)
        await lost(opened, counting.key)
        (tmp_path / "sign" / "end").touch()
        await until(lambda: not process.exists(), "the container ends while dockerd is away")
        # It is remembered and done later.
        await opened.executor.remove(removed.key.job_id)
        never = new_key()
        assert isinstance(await opened.executor.observe(never, name_of(never)), Unreachable)
        told = opened.ended[counting.key]
        dockerd.start()
        await until(lambda: opened.ended[counting.key] > told, "it is told that it is there again")
        assert await opened.executor.observe(counting.key, name_of(counting.key)) == Running()
        assert await opened.end_of(ending.key) == opened.exited(6)
        assert await opened.executor.observe(never, name_of(never)) == Vanished("its container is gone")
        await opened.gone(removed.key)
        await opened.executor.stop(counting.key, name_of(counting.key), grace_seconds=600)
        assert await opened.end_of(counting.key) == opened.succeeded
        if number is signal.SIGTERM:
            counted(await opened.text(counting.key))


async def test_a_start_waits_for_an_engine_that_is_away(dockerd: EngineStand, tmp_path: Path) -> None:
    async with gateway(dockerd, tmp_path) as opened:
        dockerd.stop()
        launched = script("echo late")
        start = asyncio.create_task(opened.executor.start(launched))
        stopped = new_key()
        await opened.executor.stop(stopped, name_of(stopped), grace_seconds=0)
        await asyncio.to_thread(dockerd.start)
        await start
        assert await opened.end_of(launched.key) == opened.succeeded
        assert await opened.text(launched.key) == "late\n"


async def test_a_start_gives_up_when_it_is_certain_that_nothing_runs(
    dockerd: EngineStand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_starter, "START_SECONDS", 0.0)
    async with gateway(dockerd, tmp_path) as opened:
        dockerd.stop()
        with pytest.raises(StartRefused, match="could not be asked to start it") as refused:
            await opened.executor.start(script("true"))
        assert refused.value.passing
        dockerd.start()


async def test_a_start_whose_answer_is_lost_is_found_and_not_repeated(
    docker: EngineStand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = DockerEngine.start
    lost_answers = 0

    async def start(engine: DockerEngine, name: str) -> None:
        nonlocal lost_answers
        await really(engine, name)
        lost_answers += 1
        raise EngineUnreachable("the answer was lost")

    monkeypatch.setattr(DockerEngine, "start", start)
    async with gateway(docker, tmp_path) as opened:
        launched = script("echo once")
        await opened.executor.start(launched)
        assert await opened.end_of(launched.key) == opened.succeeded
        assert await opened.text(launched.key) == "once\n"
        assert lost_answers == 1
        monkeypatch.setattr(docker_starter, "START_SECONDS", 0.0)
        unsure = script("echo unsure; sleep 1000")
        assert await opened.executor.start(unsure) == name_of(unsure.key)
        await opened.says(unsure.key, "unsure\n")

    async def silent(*_: object) -> None:
        raise EngineUnreachable("it does not answer")

    # The gateway was killed before it stored the handle, and now the engine is silent.
    async with gateway(docker, tmp_path) as opened:
        monkeypatch.setattr(DockerEngine, "create", silent)
        assert await opened.executor.start(unsure) == name_of(unsure.key)
        monkeypatch.undo()
        assert await opened.executor.observe(unsure.key, name_of(unsure.key)) == Running()
        await opened.executor.remove(unsure.key.job_id)


async def lost(opened: Gateway, key: AttemptKey) -> None:
    """Wait until the engine is known to be away."""
    seen = Running()
    deadline = time.monotonic() + LIMIT_SECONDS
    while not isinstance(seen, Unreachable):
        assert isinstance(seen, Running)
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)
        seen = await opened.executor.observe(key, name_of(key))
