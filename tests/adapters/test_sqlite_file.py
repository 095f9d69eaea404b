"""The file of the SQLite store: how it is made, recognised, migrated and refused."""

import asyncio
import os
import stat
from contextlib import closing
from pathlib import Path

import pytest

from gateway.stores.errors import StoreError
from gateway.stores.sql_files import migrations, named_queries
from gateway.stores.sqlite import SqliteJobStore
from gateway.stores.sqlite_file import APPLICATION_ID, SqliteFile
from tests.adapters.conftest import opened_and_closed, other_process
from tests.builders import a_record
from tests.storing import insert, inserted, job_of


async def test_files_are_private_and_written_through(sqlite_store: SqliteJobStore, tmp_path: Path) -> None:
    await inserted(sqlite_store)
    names = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert names == {"gateway.db": 0o600, "gateway.db-wal": 0o600, "gateway.db-shm": 0o600}
    settings = {name: sqlite_store._writing.execute(f"PRAGMA {name}").fetchone()[0] for name in
                ("journal_mode", "synchronous", "foreign_keys", "application_id")}  # fmt: skip
    full = 2
    assert settings == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 1,
        "application_id": APPLICATION_ID,
    }


async def test_closing_leaves_one_file_with_everything(sqlite_store: SqliteJobStore, tmp_path: Path) -> None:
    record = await inserted(sqlite_store)
    await sqlite_store.close()
    assert [file.name for file in tmp_path.iterdir()] == ["gateway.db"]
    await sqlite_store.open()
    assert await job_of(sqlite_store, record.job.id) == record


async def test_a_file_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path)
    (tmp_path / "gateway.db").chmod(0o644)
    await opened_and_closed(tmp_path)
    assert stat.S_IMODE((tmp_path / "gateway.db").stat().st_mode) == 0o600


async def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path / "a" / "b")
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


async def test_a_store_in_memory_leaves_nothing() -> None:
    store = SqliteJobStore.in_memory()
    await store.open()
    await inserted(store)
    folder = store._file.path.parent
    assert folder.exists()
    await store.close()
    assert not folder.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"this is no database at all, but it is long enough to be read as one" * 20, "no database at all"),
        (b"short", "no database at all"),
    ],
)
async def test_what_is_no_database_is_refused_and_kept(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "gateway.db"
    file.write_bytes(content)
    with pytest.raises(StoreError, match=told) as refused:
        await SqliteJobStore(tmp_path).open()
    assert str(file) in str(refused.value)
    assert file.read_bytes() == content


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    store = SqliteJobStore(tmp_path)
    await store.open()
    await insert(store, *(a_record(name="x" * 50) for _ in range(50)))
    await store.close()
    file = tmp_path / "gateway.db"
    content = bytearray(file.read_bytes())
    content[8192 : len(content) // 2] = os.urandom(len(content) // 2 - 8192)
    file.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"):
        await store.open()


async def test_a_database_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path)
    file = tmp_path / "gateway.db"
    file.write_bytes(file.read_bytes()[:8192])
    with pytest.raises(StoreError, match="is damaged"):
        await SqliteJobStore(tmp_path).open()


async def test_another_programs_database_is_refused_and_kept(tmp_path: Path) -> None:
    with other_process(tmp_path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(StoreError, match="belongs to another program"):
        await SqliteJobStore(tmp_path).open()
    with other_process(tmp_path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    await opened_and_closed(tmp_path)
    with other_process(tmp_path) as connection:
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreError, match=r"has version 999, this gateway knows up to [0-9]+; start a newer"):
        await SqliteJobStore(tmp_path).open()


async def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "gateway.db").mkdir()
    with pytest.raises(StoreError, match="is no file"):
        await SqliteJobStore(tmp_path).open()


async def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(StoreError, match=r"data/gateway\.db: "):
        await SqliteJobStore(tmp_path / "data").open()


async def test_a_database_that_is_held_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.sqlite_file.BUSY_SECONDS", 0.05)
    await opened_and_closed(tmp_path)
    with other_process(tmp_path) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="is held by another process"):
            await SqliteJobStore(tmp_path).open()


def test_migrations_are_applied_once_and_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "sql"
    folder.mkdir()
    (folder / "0001_one.sql").write_text("-- one\nCREATE TABLE one (a);\nINSERT INTO one VALUES (';');\n")
    file = SqliteFile(tmp_path / "x.db")
    file.prepare(migrations(folder))
    (folder / "0002_two.sql").write_text("INSERT INTO one VALUES ('2');\nCREATE TABLE two (a);\n")
    for _ in range(2):
        file.prepare(migrations(folder))
    with closing(file.connect_to_read()) as connection:
        assert connection.execute("SELECT a FROM one").fetchall() == [(";",), ("2",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_migration_that_fails_leaves_the_version_before(tmp_path: Path) -> None:
    folder = tmp_path / "sql"
    folder.mkdir()
    (folder / "0001_one.sql").write_text("CREATE TABLE one (a);\n")
    (folder / "0002_two.sql").write_text("CREATE TABLE two (a);\nCREATE TABLE one (a);\n")
    file = SqliteFile(tmp_path / "x.db")
    with pytest.raises(StoreError, match="table one already exists"):
        file.prepare(migrations(folder))
    with closing(file.connect_to_read()) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("one",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_gap_in_the_numbers_of_migrations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0002_two.sql").write_text("CREATE TABLE two (a);\n")
    with pytest.raises(ValueError, match="without gaps"):
        migrations(tmp_path)


async def test_gateways_that_make_the_database_at_once_make_one(tmp_path: Path) -> None:
    await asyncio.gather(*(opened_and_closed(tmp_path) for _ in range(6)))
    await opened_and_closed(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("-- name: a\n-- What.\nSELECT 1;\n-- name: a\n-- What.\nSELECT 1;\n", "two queries are called a"),
        ("-- name: a\nSELECT 1;\n", "no description"),
        ("-- name: a\n", "no description"),
    ],
)
def test_queries_have_a_name_of_their_own_and_a_description(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "some.sql").write_text(text)
    with pytest.raises(ValueError, match=told):
        named_queries(tmp_path)
