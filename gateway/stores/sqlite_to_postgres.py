"""Copies what a SQLite gateway keeps into an empty PostgreSQL database, in one transaction.

Both databases have the same tables with the same columns; only their types differ.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from gateway.stores import sqlite
from gateway.stores.errors import StoreError
from gateway.stores.postgres_attachments import PIECE_BYTES
from gateway.stores.postgres_connection import SCHEMA, Connection, Connector
from gateway.stores.postgres_errors import LostError, UnreachableError
from gateway.stores.postgres_schema import SQL_FOLDER, migrate
from gateway.stores.sql_files import migrations
from gateway.stores.sqlite_file import SqliteFile

TABLES = (
    *("jobs", "job_requests", "job_secrets", "job_events", "job_tags", "job_labels", "job_words"),
    *("job_dependencies", "lock_places", "schedules", "schedule_secrets", "idempotency"),
    *("api_keys", "digest_secrets", "nonces", "audit", "settings"),
    *("storages", "result_runs", "results", "logs", "log_entries", "log_removals"),
)
"""In an order in which no row points at one that is not there yet."""

_COLUMNS = """
SELECT column_name, data_type, is_identity = 'YES'
FROM information_schema.columns
WHERE table_schema = :schema AND table_name = :name
ORDER BY ordinal_position
"""


_NODE = """
INSERT INTO nodes (identity, name, lease_until)
VALUES (:identity, :name, clock_timestamp() + interval '1 hour')
RETURNING number
"""
"""Long enough to start a gateway with the data folder."""


def copy_all(database: Path, attachments: Path, address: str, *, identity: str) -> dict[str, int]:
    """Copy a database file and a folder of attachments; how many rows of each table there were, and files.

    `identity`: that of the data folder; what its gateway held is held by the next one with that folder. No
    gateway may run on the source. Raises StoreError; then nothing was copied, unless it says otherwise.
    """
    steps = migrations(sqlite.SQL_FOLDER)
    file = SqliteFile(database)
    if file.version() != len(steps):
        raise StoreError(
            f"database {database}: has version {file.version()}, not {len(steps)}; run gateway migrate first"
        )
    connector = Connector(address)
    migrate(connector, migrations(SQL_FOLDER))
    try:
        target = connector.connect()
    except UnreachableError as error:
        raise StoreError(f"database {connector.name}: cannot be reached any more") from error
    with closing(target), closing(file.connect_to_read()) as source:
        try:
            target.run("BEGIN")
            _check_empty(target, connector.name)
            source.execute("BEGIN")
            number = target.execute(_NODE, {"identity": identity, "name": "copied"}).fetchone()[0]
            counts = {name: _copy_table(source, target, name, node=number) for name in TABLES}
            counts["attachments"] = _copy_files(target, attachments)
            # The server would do it by itself, but not at once.
            target.run("ANALYZE")
        except (psycopg.Error, LostError, sqlite3.Error, OSError) as error:
            raise StoreError(f"database {connector.name}: nothing was copied: {error}") from error
        try:
            target.run("COMMIT")
        except (psycopg.Error, LostError) as error:
            raise StoreError(
                f"database {connector.name}: the connection was lost at the end; look whether it has jobs now"
            ) from error
    return counts


def _check_empty(target: Connection, name: str) -> None:
    """Raise StoreError when anything was kept in the database. Nobody else can begin to until the end."""
    target.run(f"LOCK TABLE {', '.join((*TABLES, 'attachment_files'))} IN EXCLUSIVE MODE")
    for table in (*TABLES, "attachment_files"):
        if target.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0]:
            raise StoreError(f"database {name}: holds something already (in {table}); name an empty one")


def _copy_table(source: sqlite3.Connection, target: Connection, name: str, *, node: int) -> int:
    columns = target.execute(_COLUMNS, {"schema": SCHEMA, "name": name}).fetchall()
    names = ", ".join(f'"{column}"' for column, _, _ in columns)
    types = [data_type for _, data_type, _ in columns]
    count = 0
    with target.raw.cursor().copy(sql.SQL(f"COPY {name} ({names}) FROM STDIN")) as copy:
        # Over SQLite there is but one node, which has no column.
        found = names.replace('"node"', f"CASE WHEN claimed THEN {node} END")
        for row in source.execute(f"SELECT {found} FROM {name}"):
            copy.write_row([_converted(value, type_) for value, type_ in zip(row, types, strict=True)])
            count += 1
    for column, _, is_identity in columns:
        if is_identity and count:
            sequence = f"pg_get_serial_sequence('{SCHEMA}.{name}', '{column}')"
            target.execute(f"SELECT setval({sequence}, max({column})) FROM {name}")
    return count


def _converted(value: Any, data_type: str) -> Any:
    if value is None:
        return None
    if data_type == "boolean":
        return bool(value)
    if data_type == "bytea" and isinstance(value, str):
        return value.encode()
    return value


def _copy_files(target: Connection, folder: Path) -> int:
    count = 0
    for path in sorted(folder.glob("*/*")) if folder.is_dir() else ():
        if path.parent.name == "incoming":
            continue
        number = target.execute(
            "INSERT INTO attachment_files (job_id, attachment_id, size, touched_at) "
            "VALUES (:job_id, :attachment_id, :size, clock_timestamp() - interval '1 day') RETURNING number",
            {"job_id": path.parent.name, "attachment_id": path.name, "size": path.stat().st_size},
        ).lastrowid
        for place, data in enumerate(_pieces(path)):
            target.execute(
                "INSERT INTO attachment_pieces (file, place, data) VALUES (:file, :place, :data)",
                {"file": number, "place": place, "data": data},
            )
        count += 1
    return count


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece
