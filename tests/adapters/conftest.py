"""The adapters that the suites of this folder run over."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.domain.ports import JobStore
from gateway.stores.sqlite import SqliteJobStore
from tests.docker_stand import DockerStand, docker_stand

STORES: dict[str, Callable[[Path], JobStore]] = {
    "sqlite": lambda folder: SqliteJobStore(folder, durable=False),
}
"""How each store is made; a new adapter is a new row."""


@pytest.fixture(params=list(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobStore]:
    """An empty store that is open."""
    made = STORES[request.param](tmp_path)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[SqliteJobStore]:
    """The SQLite store as it is used for real."""
    made = SqliteJobStore(tmp_path)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@contextmanager
def other_process(folder: Path) -> Iterator[sqlite3.Connection]:
    """Another connection to the file of a folder."""
    with closing(sqlite3.connect(folder / "gateway.db", isolation_level=None, timeout=0)) as connection:
        yield connection


async def opened_and_closed(folder: Path) -> None:
    """Have a store make or open the file of a folder."""
    store = SqliteJobStore(folder)
    await store.open()
    await store.close()


@pytest.fixture(scope="session")
def docker() -> Iterator[DockerStand]:
    """A dockerd, started once by each process of the tests that needs it."""
    with docker_stand() as stand:
        yield stand
