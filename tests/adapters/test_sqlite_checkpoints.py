"""The WAL is moved into the file beside the commits."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.stores import sqlite_checkpoints
from gateway.stores.sql_files import migrations
from gateway.stores.sqlite import SQL_FOLDER
from gateway.stores.sqlite_checkpoints import Checkpoints
from gateway.stores.sqlite_file import SqliteFile


@pytest.fixture
def file(tmp_path: Path) -> SqliteFile:
    file = SqliteFile(tmp_path / "gateway.db")
    file.prepare(migrations(SQL_FOLDER))
    return file


@pytest.fixture
def writing(file: SqliteFile) -> Iterator[sqlite3.Connection]:
    with closing(file.connect_to_write()) as connection:
        yield connection


@pytest.fixture
def checkpoints(file: SqliteFile, writing: sqlite3.Connection) -> Iterator[Checkpoints]:
    checkpoints = Checkpoints(writing, file.connect_to_write())
    yield checkpoints
    checkpoints.close()


def write(connection: sqlite3.Connection, name: str, *, pages: int = 0) -> None:
    """Commit a row that takes up so many pages."""
    connection.execute("INSERT INTO settings VALUES (?, ?)", (name, bytes(4096 * pages)))


def test_a_long_wal_is_moved_aside_and_begun_anew_once_the_writer_moved_the_rest(
    file: SqliteFile,
    writing: sqlite3.Connection,
    checkpoints: Checkpoints,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sqlite_checkpoints, "WAL_PAGES", 50)
    write(writing, "long", pages=100)
    with closing(file.connect_to_read()) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT name FROM settings").fetchall()
        write(writing, "behind what is read", pages=3)
        checkpoints._round()
    checkpoints.committed()
    write(writing, "anew")
    pages, _ = sqlite_checkpoints._move(writing)
    assert 0 < pages < 50


def test_a_short_wal_goes_on(
    writing: sqlite3.Connection, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_checkpoints, "WAL_PAGES", 50)
    write(writing, "short", pages=10)
    checkpoints._round()
    moved: list[sqlite3.Connection] = []
    monkeypatch.setattr(sqlite_checkpoints, "_move", moved.append)
    checkpoints.committed()
    assert moved == []


def test_much_that_is_left_is_moved_in_another_round(
    writing: sqlite3.Connection, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written during a round is what the next one finds."""
    monkeypatch.setattr(sqlite_checkpoints, "WAL_PAGES", 50)
    monkeypatch.setattr(sqlite_checkpoints, "FEW_PAGES", 20)
    rounds: list[tuple[int, int]] = []
    real = sqlite_checkpoints._move

    def move(connection: sqlite3.Connection) -> tuple[int, int]:
        found = real(connection)
        write(writing, f"during round {len(rounds)}", pages=60 if not rounds else 0)
        rounds.append(found)
        return found

    monkeypatch.setattr(sqlite_checkpoints, "_move", move)
    write(writing, "long", pages=100)
    checkpoints._round()
    # Each time all was moved, so that the write behind it began the WAL anew.
    first, second, third = (moved for _, moved in rounds)
    assert first > 100 > second > 60 > third
    assert not checkpoints._is_nearly_done


def test_the_thread_begins_after_so_many_changed_rows(
    writing: sqlite3.Connection, checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[sqlite3.Connection] = []
    has_begun = threading.Event()

    def move(connection: sqlite3.Connection) -> tuple[int, int]:
        begun.append(connection)
        has_begun.set()
        return 0, 0

    monkeypatch.setattr(sqlite_checkpoints, "_move", move)
    monkeypatch.setattr(sqlite_checkpoints, "ROWS", writing.total_changes + 2)
    write(writing, "first")
    checkpoints.committed()
    assert not checkpoints._wanted.is_set()
    write(writing, "second")
    checkpoints.committed()
    assert has_begun.wait(10)
    assert begun == [checkpoints._moving]


def test_what_fails_is_left_in_the_wal(
    file: SqliteFile, writing: sqlite3.Connection, checkpoints: Checkpoints
) -> None:
    write(writing, "kept")
    checkpoints._moving.close()
    checkpoints._round()
    with closing(file.connect_to_read()) as reading:
        assert reading.execute("SELECT name FROM settings").fetchall() == [("kept",)]
