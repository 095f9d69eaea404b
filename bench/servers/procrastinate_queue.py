"""The rival of the nodes: procrastinate, a queue in PostgreSQL. Its task runs a command as a child process.

`python -m bench.servers.procrastinate_queue ADDRESS CONCURRENCY` is one worker. It keeps its jobs, as the
gateway does, and has connections enough for all that run at a time.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import uvloop
from procrastinate import App, PsycopgConnector

_TASK = "run"


async def run(command: list[str]) -> None:
    """Run a command, which has to succeed."""
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL)
    code = await process.wait()
    if code:
        raise RuntimeError(f"{command} ended with {code}")


def queue(address: str, connections: int) -> App:
    """The queue in a database, not yet open."""
    app = App(connector=PsycopgConnector(conninfo=address, min_size=connections, max_size=connections))
    app.task(name=_TASK)(run)
    return app


def prepare(address: str) -> None:
    """Make its tables."""

    async def apply() -> None:
        app = queue(address, 1)
        async with app.open_async():
            await app.schema_manager.apply_schema_async()

    asyncio.run(apply())


@contextmanager
def open_queue(address: str, *, connections: int) -> Iterator[Callable[[list[str], int], None]]:
    """What puts a command into the queue so many times, over as many connections side by side."""
    app = queue(address, connections)

    async def defer(command: Sequence[str], count: int) -> None:
        numbers = iter(range(count))

        async def one_after_another() -> None:
            for _ in numbers:
                await app.configure_task(_TASK).defer_async(command=[*command])

        await asyncio.gather(*(one_after_another() for _ in range(connections)))

    async def open_() -> None:
        await app.open_async()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(open_())
        try:
            yield lambda command, count: runner.run(defer(command, count))
        finally:
            runner.run(app.close_async())


async def work(address: str, concurrency: int) -> None:
    """Run jobs until a signal comes."""
    # One connection listens.
    app = queue(address, concurrency + 2)
    async with app.open_async():
        await app.run_worker_async(concurrency=concurrency)


if __name__ == "__main__":
    ADDRESS, CONCURRENCY = sys.argv[1:]
    uvloop.run(work(ADDRESS, int(CONCURRENCY)))
