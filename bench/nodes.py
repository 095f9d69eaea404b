"""Processes that share a database: a gateway that only answers, those that only work, workers of a rival."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.database import Database, make_key
from bench.http import HOST
from bench.process import Process, Server
from bench.stand import GATEWAY_SETTINGS, Stand

_NODES = "SELECT count(*) FROM jobs_gateway.nodes"
_RIVALS = "SELECT count(*) FROM procrastinate_workers"


@contextmanager
def door(stand: Stand, address: str) -> Iterator[Server]:
    """A gateway that only answers."""
    with stand.new_gateway(None, GATEWAY_WORK="false", **_shared(stand, address)) as server:
        yield server


@contextmanager
def worker(
    stand: Stand, database: Database, name: str, number: int, *, at_a_time: int, door: Server
) -> Iterator[Process]:
    """One more gateway that only works, on the database of that name: it runs so many jobs at a time."""
    folder = stand.folder / f"{name}-{number}"
    folder.mkdir(mode=0o700)
    settings = {
        "GATEWAY_DATA": str(folder),
        "GATEWAY_JOBS_URL": f"http://{HOST}:{door.port}",
        "GATEWAY_MAX_RUNNING_JOBS": str(at_a_time),
    }
    with _process(
        ["-m", "gateway", "work"],
        log=stand.folder / "worker.log",
        environment=GATEWAY_SETTINGS | _shared(stand, database.address(name)) | settings,
        ready=lambda: database.value(name, _NODES) == number,
    ) as process:
        yield process


@contextmanager
def rival_worker(
    stand: Stand, database: Database, name: str, number: int, *, at_a_time: int
) -> Iterator[Process]:
    """One more worker of procrastinate, on the database of that name: it runs so many jobs at a time."""
    with _process(
        ["-m", "bench.servers.procrastinate_queue", database.address(name), str(at_a_time)],
        log=stand.folder / "procrastinate.log",
        environment={},
        ready=lambda: database.value(name, _RIVALS) == number,
    ) as process:
        yield process


@contextmanager
def _process(arguments: list[str], **given: Any) -> Iterator[Process]:
    process = Process(arguments, **given)
    try:
        yield process
    finally:
        process.stop()


def _shared(stand: Stand, address: str) -> dict[str, str]:
    """The settings that all gateways on a database have in common."""
    key = stand.folder / "secret.key"
    if not key.exists():
        make_key(key)
    return {"GATEWAY_STORE": address, "GATEWAY_SECRET_KEY_FILE": str(key)}
