"""The adapters that the suites of this folder run over."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.domain.ports import JobStore
from gateway.executors import kubernetes, kubernetes_following, kubernetes_watch
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.sqlite import SqliteJobStore
from tests.docker_stand import DockerStand
from tests.engine_stand import EngineStand, running
from tests.kubernetes_stand import KubernetesStand
from tests.pg_stand import PgStand
from tests.podman_stand import PodmanStand

STORES: dict[str, Callable[[pytest.FixtureRequest], JobStore]] = {
    "sqlite": lambda request: SqliteJobStore(request.getfixturevalue("tmp_path"), durable=False),
    "postgres": lambda request: PostgresJobStore(request.getfixturevalue("database")),
}
"""How each store is made; a new adapter is a new row."""


@pytest.fixture
def database(postgres: PgStand) -> Iterator[str]:
    """The address of a PostgreSQL database of its own."""
    address = postgres.database()
    yield address
    postgres.drop(address)


@pytest.fixture
def empty_database(postgres: PgStand) -> Iterator[str]:
    """The address of a PostgreSQL database without any table."""
    address = postgres.database(empty=True)
    yield address
    postgres.drop(address)


@pytest.fixture(params=list(STORES))
async def store(request: pytest.FixtureRequest) -> AsyncIterator[JobStore]:
    """A store that is open, empty but for its first node."""
    made = STORES[request.param](request)
    await made.open()
    try:
        assert await made.write(lambda tx: tx.nodes.join("first", "the first", lease_seconds=600)) == 1
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
def docker() -> Iterator[EngineStand]:
    """A dockerd, started once by each process of the tests that needs it."""
    with running(DockerStand) as stand:
        yield stand


@pytest.fixture(scope="session")
def podman() -> Iterator[EngineStand]:
    """A podman likewise."""
    with running(PodmanStand) as stand:
        yield stand


@pytest.fixture(params=["docker", "podman"])
def engine(request: pytest.FixtureRequest) -> EngineStand:
    """Each engine with Docker's API, podman unless the test is marked as not for it."""
    if request.param == "podman" and (mark := request.node.get_closest_marker("not_on_podman")):
        pytest.skip(f"podman differs: {mark.args[0]}")
    stand: EngineStand = request.getfixturevalue(request.param)
    return stand


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
