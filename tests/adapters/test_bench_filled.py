"""The stores of the bench: filled fast, with the rows that the store's own writer makes."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bench import copied, filled, filling, jobs
from bench.sample import check_filled
from bench.written import fill_plainly, writing
from gateway.domain.model import Model, dump
from gateway.stores.postgres import SQL_FOLDER
from gateway.stores.postgres_connection import Connector
from gateway.stores.postgres_schema import migrate
from gateway.stores.sql_files import migrations
from gateway.stores.sqlite import FILE_NAME

MANY = 4400
"""So many that every kind of job and entry is met twice, the late ones, too."""
FEW = 2 * jobs.RARE
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'jobs_gateway'"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    filling.fill(folder, FEW)
    return folder


@pytest.fixture
def store(few: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A store with FEW jobs that a test may spoil."""
    shutil.copy(few / FILE_NAME, tmp_path)
    with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as connection:
        yield connection


def test_a_store_filled_fast_is_the_one_that_the_writer_fills(tmp_path: Path):
    fast, plain = tmp_path / "fast", tmp_path / "plain"
    filling.fill(fast, MANY)
    with writing(plain, durable=False) as made:
        fill_plainly(*made, MANY)
    tables = _tables(plain)
    assert _tables(fast) == tables
    for table in tables:
        assert _rows(fast, table) == _rows(plain, table), table


def test_a_store_filled_fast_is_whole(store: sqlite3.Connection):
    assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert store.execute("PRAGMA foreign_key_check").fetchall() == []
    assert store.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
    check_filled(store, FEW)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        ("UPDATE jobs SET document = replace(document, 'ledger', 'Ledger')", "table jobs"),
        ("UPDATE job_events SET document = document || ' ' WHERE id = 4", "table job_events"),
        ("DELETE FROM job_words WHERE word = 'curates'", "table job_words"),
        ("DELETE FROM job_dependencies", "table job_dependencies"),
        ("UPDATE log_entries SET result_data = NULL", "table log_entries"),
        ("DELETE FROM results WHERE number = (SELECT max(number) FROM results)", "table results"),
        ("UPDATE storages SET result_count = result_count - 1", "table storages"),
        ("UPDATE result_runs SET last = last - 1", "table result_runs"),
        ("UPDATE logs SET entry_count = entry_count + 1", "table logs"),
        ("DROP INDEX jobs_by_user", "the schema"),
    ],
)
def test_a_store_with_other_rows_is_refused(store: sqlite3.Connection, spoil: str, found: str):
    store.execute(spoil)
    with pytest.raises(RuntimeError, match=found):
        check_filled(store, FEW)


def test_a_store_is_kept_until_the_writer_makes_other_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(filled, "CACHE", tmp_path)
    recipe = filled._recipe.__wrapped__
    monkeypatch.setattr(filled, "_recipe", recipe)
    folder = filled.filled(FEW)
    kept = folder / "kept"
    kept.touch()

    assert filled.filled(FEW) == folder
    assert kept.exists()

    def dump_otherwise(model: Model) -> bytes:
        return dump(model) + b" "

    monkeypatch.setattr("gateway.stores.sql_writer.dump", dump_otherwise)
    assert filled.filled(FEW) == folder
    assert not kept.exists()


def test_a_copy_in_postgresql_holds_the_same_jobs_and_has_all_indexes(few: Path, database: str):
    with psycopg.connect(database) as connection:
        migrate(Connector(database), migrations(SQL_FOLDER))
        indexes = connection.execute(INDEXES).fetchall()
        connection.execute("DROP SCHEMA jobs_gateway CASCADE")
        connection.commit()
        copied.fill(few, database)
        assert connection.execute("SELECT count(*) FROM jobs_gateway.jobs").fetchall() == [(FEW,)]
        assert sorted(connection.execute(INDEXES).fetchall()) == sorted(indexes)


def test_a_disk_without_room_is_said_so_before_anything_is_filled(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(filled, "CACHE", tmp_path)
    with pytest.raises(RuntimeError, match=r"jobs need [0-9,]+ bytes, the disk has"):
        filled.filled(10**12)


def _tables(folder: Path) -> list[Any]:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in tables]


def _rows(folder: Path, table: str) -> list[Any]:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return sorted(connection.execute(f"SELECT * FROM {table}"), key=repr)
