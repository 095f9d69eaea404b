"""The filled stores in PostgreSQL: copied once from those in SQLite by what `gateway copy` runs, and kept.

A copy is made anew when the store that it comes from has changed, or the tables of PostgreSQL, or the server.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from bench.database import make_folder, make_key, running, version
from bench.filled import CACHE, filled
from gateway.stores import sqlite_to_postgres
from gateway.stores.postgres_connection import SCHEMA, Connector
from gateway.stores.postgres_schema import SQL_FOLDER, migrate
from gateway.stores.sql_files import migrations
from gateway.stores.sqlite import FILE_NAME

NAME = "gateway"
DATA = "data"
SECRET_KEY = "secret.key"
_BYTES_EACH = 9000
"""What a job takes on the disk, with all that belongs to it, and with an index being sorted."""
_WAL_GB = 8
_FAST = {
    "fsync": "off",
    "max_wal_size": f"{_WAL_GB}GB",
    "wal_recycle": "off",  # else as much of it is kept
    "maintenance_work_mem": "512MB",
}
"""A copy that was not made whole is made anew."""
_UNCHECKED = "options=-c%20session_replication_role%3Dreplica"
"""The rows have been checked where they come from: that each points at one that is there."""
_INDEXES = f"""
SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
FROM pg_index
WHERE indrelid::regclass::text LIKE '{SCHEMA}.%'
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
ORDER BY indexrelid
"""


def copied(total: int) -> Path:
    """A folder with the DATA of a server, stopped, and the SECRET_KEY for its database NAME, which holds what
    the filled store does.
    """
    source = filled(total)
    folder = CACHE / f"postgres-{total}"
    data = folder / DATA
    recipe = folder / "recipe.json"
    made_of = {"jobs": total, "made_of": _made_of(source), "server": version()}
    if recipe.exists() and json.loads(recipe.read_text()) == made_of:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    make_folder(folder)
    _check_room(folder, total)
    began = time.monotonic()
    with running(data, **_FAST) as database:
        fill(source, database.make(NAME))
    # It was made without syncs.
    with running(data) as database:
        database.value(NAME, "CHECKPOINT")
    make_key(folder / SECRET_KEY)
    print(f"copied a store with {total:,} jobs in {time.monotonic() - began:.0f} s", flush=True)
    recipe.write_text(json.dumps(made_of))
    return folder


def _check_room(folder: Path, total: int) -> None:
    needed, free = total * _BYTES_EACH + _WAL_GB * 2**30, shutil.disk_usage(folder).free
    if free < needed:
        raise RuntimeError(f"{folder}: {total:,} jobs need {needed:,} bytes, the disk has {free:,}")


def fill(source: Path, address: str) -> None:
    """Copy the filled store in a folder into an empty database."""
    migrate(Connector(address), migrations(SQL_FOLDER))
    with psycopg.connect(address, autocommit=True) as connection:
        with _without_indexes(connection):
            unchecked = f"{address}&{_UNCHECKED}"
            sqlite_to_postgres.copy_all(source / FILE_NAME, source / "attachments", unchecked, identity=NAME)
        # What the server does by itself, some time later.
        connection.execute("VACUUM ANALYZE")


@contextmanager
def _without_indexes(connection: "psycopg.Connection[tuple[str, str]]") -> Iterator[None]:
    """Make the indexes after the block: sorting takes a fraction of the time of as many single entries."""
    made = connection.execute(_INDEXES).fetchall()
    for name, _ in made:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, sql in made:
        connection.execute(sql)


def _made_of(source: Path) -> str:
    digest = hashlib.sha256((source / "recipe.json").read_bytes())
    modules = [Path(str(sqlite_to_postgres.__file__)), Path(__file__)]
    for file in (*modules, *sorted(SQL_FOLDER.glob("0*.sql"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()
