"""The tables in a PostgreSQL database: made once, brought up to date, and refused when they are not ours."""

import asyncio
from typing import Any

import pytest

from gateway.stores import sqlite
from gateway.stores.errors import StoreError
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.postgres_connection import SCHEMA, Connector
from gateway.stores.postgres_schema import SQL_FOLDER, migrate
from gateway.stores.sql_files import Migration, migrations
from gateway.stores.sqlite_file import SqliteFile
from gateway.stores.sqlite_to_postgres import TABLES
from tests.pg_stand import PgStand, name_in

STEPS = migrations(SQL_FOLDER)


def tables(stand: PgStand) -> dict[str, list[str]]:
    """The columns of all tables, by table."""
    found: dict[str, list[str]] = {}
    rows = stand.run(
        "SELECT table_name, column_name FROM information_schema.columns "
        f"WHERE table_schema = '{SCHEMA}' ORDER BY ordinal_position"
    )
    for table, column in rows:
        found.setdefault(table, []).append(column)
    return found


async def test_gateways_that_start_at_once_make_the_tables_once(
    postgres: PgStand, empty_database: str
) -> None:
    stores = [PostgresJobStore(empty_database) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        await store.close()
    stand = postgres.at(empty_database)
    versions = [version for (version,) in stand.run(f"SELECT version FROM {SCHEMA}.schema_version")]
    assert sorted(versions) == [step.number for step in STEPS]


async def test_a_database_that_is_newer_is_refused_and_left_alone(postgres: PgStand, database: str) -> None:
    stand = postgres.at(database)
    stand.run(f"INSERT INTO {SCHEMA}.schema_version (version) VALUES (99)")
    with pytest.raises(StoreError, match=r"has version 99, this gateway knows up to \d+; start a newer"):
        await PostgresJobStore(database).open()


def test_a_step_that_fails_leaves_the_version_before(postgres: PgStand, empty_database: str) -> None:
    broken = [STEPS[0], Migration(number=2, sql="CREATE TABLE half (); SELECT 1 / 0")]
    with pytest.raises(StoreError, match="division by zero"):
        migrate(Connector(empty_database), broken)
    assert "half" not in tables(postgres.at(empty_database))
    assert migrate(Connector(empty_database), STEPS) == (1, len(STEPS))


def test_tables_of_others_are_left_alone(postgres: PgStand, empty_database: str) -> None:
    stand = postgres.at(empty_database)
    stand.run("CREATE TABLE public.jobs (theirs text)")
    migrate(Connector(empty_database), STEPS)
    assert stand.run("SELECT * FROM public.jobs") == []
    assert "id" in tables(stand)["jobs"]


def test_both_databases_have_the_same_tables_and_columns(
    postgres: PgStand, database: str, tmp_path: Any
) -> None:
    """Copying rests on it."""
    file = SqliteFile(tmp_path / "gateway.db", durable=False)
    file.prepare(migrations(sqlite.SQL_FOLDER))
    connection = file.connect_to_read()
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    of_sqlite = {
        name: sorted(row[1] for row in connection.execute(f"PRAGMA table_info({name})")) for name in names
    }
    connection.close()
    own = {"schema_version", "attachment_files", "attachment_pieces", "nodes", "answers", "commits"}
    of_postgres = {
        name: sorted(set(columns) - {"node"})
        for name, columns in tables(postgres.at(database)).items()
        if name not in own
    }
    assert of_postgres == of_sqlite
    assert set(TABLES) == set(of_postgres)


async def test_a_database_in_another_encoding_is_refused(postgres: PgStand) -> None:
    name = name_in(postgres.address_of("gateway_test_latin"))
    postgres.run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        with pytest.raises(StoreError, match="encoding is LATIN1"):
            await PostgresJobStore(postgres.address_of(name)).open()
    finally:
        postgres.run(f"DROP DATABASE {name}")
