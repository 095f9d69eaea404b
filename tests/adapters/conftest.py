"""The adapters that the suites of this folder run over."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.domain.ports import JobStore
from gateway.executors import kubernetes, kubernetes_following, kubernetes_watch
from gateway.stores.sqlite import SqliteJobStore
from tests.kubernetes_stand import KubernetesStand

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


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesStand]:
    """A stand-in cluster, on which the executor makes no long pauses."""
    for module in (kubernetes, kubernetes_following, kubernetes_watch):
        monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.01)
        monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.05)
    made = KubernetesStand().up()
    try:
        yield made
    finally:
        made.close()
