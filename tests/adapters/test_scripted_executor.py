"""The executor that the engine's tests script."""

import pytest

from gateway.domain.executor import AttemptKey, Executor, Exited, Launch, Running, StartRefused, Vanished
from gateway.domain.words import OutputChannel
from gateway.executors.scripted import ScriptedExecutor

KEY = AttemptKey("job", 1)


def launch(key: AttemptKey = KEY) -> Launch:
    return Launch(key=key, commands=("true",), image="image", environment={})


def test_it_is_an_executor() -> None:
    executor: Executor = ScriptedExecutor()

    assert executor.name == "scripted"


async def test_without_a_plan_an_attempt_runs_until_it_is_ended() -> None:
    executor, ended = ScriptedExecutor(), list[AttemptKey]()
    await executor.open(ended.append)
    handle = await executor.start(launch())

    assert [await executor.observe(KEY, handle) for _ in range(3)] == [Running()] * 3
    executor.end(KEY, Exited(exit_code=3))
    assert ended == [KEY]
    assert await executor.observe(KEY, handle) == Exited(exit_code=3)


async def test_plans_are_taken_in_order_those_of_the_job_first() -> None:
    executor = ScriptedExecutor()
    executor.plan(Exited(exit_code=1))
    executor.plan(StartRefused("disk full", passing=True), job_id="job")
    executor.plan(Running(), Exited(exit_code=2), job_id="job")

    with pytest.raises(StartRefused, match="disk full"):
        await executor.start(launch())
    second, third = AttemptKey("job", 2), AttemptKey("job", 3)
    handle = await executor.start(launch(second))
    seen = [await executor.observe(second, handle) for _ in range(3)]
    assert seen == [Running(), Exited(exit_code=2), Exited(exit_code=2)]
    assert await executor.observe(third, await executor.start(launch(third))) == Exited(exit_code=1)


async def test_start_is_idempotent_per_key() -> None:
    executor = ScriptedExecutor()

    assert await executor.start(launch()) == await executor.start(launch())
    assert executor.started == [launch()]


async def test_a_stop_is_noted_and_leads_to_the_set_end() -> None:
    executor, ended = ScriptedExecutor(), list[AttemptKey]()
    await executor.open(ended.append)
    handle = await executor.start(launch())

    executor.after_stop = None
    await executor.stop(KEY, handle, grace_seconds=30)
    assert await executor.observe(KEY, handle) == Running()
    executor.after_stop = Exited(exit_code=143, signal=15)
    await executor.stop(KEY, handle, grace_seconds=0)
    assert await executor.observe(KEY, handle) == Exited(exit_code=143, signal=15)
    assert executor.stopped == [(KEY, 30), (KEY, 0)]
    assert ended == [KEY]


async def test_output_is_read_in_pieces_and_goes_with_the_job() -> None:
    executor = ScriptedExecutor()
    handle = await executor.start(launch())
    executor.outputs[KEY, OutputChannel.STDOUT] = b"0123456789"

    piece = await executor.output(KEY, OutputChannel.STDOUT, offset=4, limit=3)
    assert (piece.data, piece.offset, piece.next_offset, piece.size) == (b"456", 4, 7, 10)
    assert (await executor.output(KEY, OutputChannel.STDOUT, offset=-2, limit=9)).data == b"89"
    assert await executor.kept() == ["job"]
    await executor.remove("job")
    assert await executor.kept() == []
    assert (await executor.output(KEY, OutputChannel.STDOUT, offset=0, limit=9)).data == b""
    assert isinstance(await executor.observe(KEY, handle), Vanished)
    assert executor.removed == ["job"]
