"""The tables in a PostgreSQL database: made, recognised, and brought up to date.

They lie in a schema of their own, whose table `schema_version` says how far the migrations have come. Several
gateways may start at once: the first brings the schema up to date, the others wait for it.
"""

from collections.abc import Sequence
from pathlib import Path

import psycopg

from gateway.stores.errors import StoreError
from gateway.stores.postgres_connection import SCHEMA, Connection, Connector
from gateway.stores.postgres_errors import LostError, UnreachableError
from gateway.stores.sql_files import Migration, migrations

SQL_FOLDER = Path(__file__).with_name("postgres")
OLDEST_SERVER = 130000
"""PostgreSQL 13, the oldest that its makers keep well, or did when this was written."""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('jobs_gateway/schema', 0))"


def migrate_address(address: str) -> tuple[str, int, int]:
    """Bring a database up to date: its name, the version before and after. Raises StoreError."""
    connector = Connector(address)
    return connector.name, *migrate(connector, migrations(SQL_FOLDER))


def migrate(connector: Connector, steps: Sequence[Migration]) -> tuple[int, int]:
    """Apply the migrations that are lacking; the version before and after. Raises StoreError."""
    try:
        connection = connector.connect()
    except UnreachableError as error:
        raise StoreError(f"database {connector.name}: {_first_line(error)}") from error
    try:
        _check_server(connection, connector.name)
        before = version_of(connection)
        if before > len(steps):
            raise StoreError(
                f"database {connector.name}: has version {before}, this gateway knows up to {len(steps)}; "
                "start a newer gateway"
            )
        for step in steps[before:]:
            _apply(connection, step)
        return before, len(steps)
    except (psycopg.Error, LostError) as error:
        raise StoreError(f"database {connector.name}: {_first_line(error)}") from error
    finally:
        connection.close()


def version_of(connection: Connection) -> int:
    """The version of the schema; 0 = there is none yet."""
    # Not with to_regclass: it may still know that there was none before the lock was waited for.
    there = connection.execute(
        "SELECT 1 FROM pg_tables WHERE schemaname = :schema AND tablename = 'schema_version'",
        {"schema": SCHEMA},
    )
    if there.fetchone() is None:
        return 0
    row = connection.execute(f"SELECT max(version) FROM {SCHEMA}.schema_version").fetchone()
    return int(row[0] or 0)


def _apply(connection: Connection, step: Migration) -> None:
    connection.run(f"BEGIN; {_LOCK}")
    try:
        # Another gateway may have been faster.
        if version_of(connection) < step.number:
            if step.number == 1:
                connection.run(
                    f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}; CREATE TABLE {SCHEMA}.schema_version ("
                    "version bigint PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
                )
            connection.run(step.sql)
            connection.run(f"INSERT INTO {SCHEMA}.schema_version (version) VALUES ({step.number})")
        connection.run("COMMIT")
    except BaseException:
        if not connection.is_lost:
            connection.recover("ROLLBACK")
        raise


def _check_server(connection: Connection, name: str) -> None:
    if connection.raw.info.server_version < OLDEST_SERVER:
        raise StoreError(f"database {name}: the server is older than PostgreSQL 13")
    encoding = connection.execute("SHOW server_encoding").fetchone()[0]
    if encoding != "UTF8":
        raise StoreError(f"database {name}: its encoding is {encoding}; make one with UTF8")


def _first_line(error: BaseException) -> str:
    """What libpq says, without the hints and the statement that follow."""
    cause = error.__cause__ if isinstance(error, LostError) else error
    return (str(cause).strip().splitlines() or ["no answer"])[0]
