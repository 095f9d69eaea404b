"""Output that another node keeps is asked for there."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.executor import AttemptKey
from gateway.domain.house import House
from gateway.domain.outputs import answer_for_output, read_output
from gateway.domain.words import OutputChannel
from gateway.executors.scripted import ScriptedExecutor
from tests.house import a_house

KEY = AttemptKey("0198c0de-0000-7000-8000-000000000001", 2)


class Nowhere(ScriptedExecutor):
    """Keeps no output."""

    def keeps(self, job_id: str) -> bool:
        return False


class OneOther:
    """The port Exchange with one other node."""

    def __init__(self, other: House) -> None:
        self.other = other

    async def ask(self, question: bytes) -> bytes | None:
        return await answer_for_output(self.other, question)

    def answer(self, answerer: Callable[[bytes], Awaitable[bytes | None]]) -> None:
        raise AssertionError("nobody asks here")

    def tell_heartbeat(self, job_id: str) -> None:
        raise AssertionError("nothing runs here")

    def hear_heartbeats(self, listener: Callable[[str], Any]) -> None:
        raise AssertionError("nothing runs here")


async def test_a_node_that_keeps_the_output_is_asked_for_it(tmp_path: Path) -> None:
    async with a_house(tmp_path) as made:
        made.executor.outputs[KEY, OutputChannel.STDERR] = b"one\ntwo\x00\xff\nthree"
        asking = replace(made.house, executor=Nowhere(), exchange=OneOther(made.house))
        for offset, limit in ((0, 100), (4, 5), (-5, 3)):
            wanted = await made.executor.output(KEY, OutputChannel.STDERR, offset=offset, limit=limit)
            found = await read_output(asking, KEY, OutputChannel.STDERR, offset=offset, limit=limit)
            assert found == wanted
            assert found.data


async def test_without_an_answer_the_caller_is_told_to_come_again(tmp_path: Path) -> None:
    async with a_house(tmp_path) as made:
        nowhere = replace(made.house, executor=Nowhere())
        asking = replace(nowhere, exchange=OneOther(nowhere))
        with pytest.raises(ServiceUnavailable) as refused:
            await read_output(asking, KEY, OutputChannel.STDOUT, offset=0, limit=9)
        assert refused.value.retry_after_seconds == 5


async def test_nobody_is_asked_about_a_job_that_was_never_started(tmp_path: Path) -> None:
    async with a_house(tmp_path) as made:
        nowhere = replace(made.house, executor=Nowhere())
        asking = replace(nowhere, exchange=OneOther(nowhere))
        chunk = await read_output(asking, KEY._replace(attempt=0), OutputChannel.STDOUT, offset=0, limit=9)
        assert (chunk.data, chunk.size) == (b"", 0)
