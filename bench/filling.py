"""Fills a new store fast: rows from patterns (patterns.py), and indexes only when all rows are there.

What comes out is what the store's own writer makes, row by row; sample.py looks at that in the end. Nothing
is kept for each job, so that a store may hold ten million.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import jobs
from bench.patterns import Entries, JobRows
from bench.written import put_entries, stretches, unit, writing
from gateway.stores.sqlite_writer import SqliteWriter

_TABLES = ("jobs", "results", "log_entries")
"""The large tables that have indexes beside their keys."""
_JOBS_AT_ONCE = 2000
_CACHE_KIB = 1_000_000
_FAST = f"""
    PRAGMA cache_size = {-_CACHE_KIB};
    PRAGMA threads = 1;
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA foreign_keys = OFF;
    PRAGMA journal_mode = OFF;
"""
"""A store that was not filled whole is made anew, so there is nothing to roll back to."""


def fill(folder: Path, total: int) -> None:
    """Make a store with so many jobs, results and log entries, and bring it to the disk."""
    with (
        writing(folder, durable=False) as (connection, writer),
        tempfile.TemporaryDirectory() as small,
        writing(Path(small), durable=False) as (small_connection, small_writer),
    ):
        connection.executescript(_FAST)
        rows = JobRows(small_connection, small_writer, total)
        with _without_indexes(connection):
            _fill_jobs(connection, rows, total)
            _fill_entries(connection, writer, total)
        connection.execute("PRAGMA journal_mode = WAL")
    _sync(folder)


def _fill_jobs(connection: sqlite3.Connection, rows: JobRows, total: int) -> None:
    for start in range(0, total, _JOBS_AT_ONCE):
        numbers = range(start, min(start + _JOBS_AT_ONCE, total))
        connection.execute("BEGIN")
        for table, values in rows.of(numbers).items():
            if values:
                marks = ", ".join("?" * len(values[0]))
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
        connection.execute("COMMIT")


def _fill_entries(connection: sqlite3.Connection, writer: SqliteWriter, total: int) -> None:
    """By the writer itself, which counts them; only their JSON is not made anew."""
    results, entries = Entries(jobs.result, total), Entries(jobs.log_entry, total)
    for numbers in stretches(total):
        with unit(connection, writer):
            put_entries(writer, numbers, total, results.of(numbers), entries.of(numbers))


@contextmanager
def _without_indexes(connection: sqlite3.Connection) -> Iterator[None]:
    """Make the indexes after the block: sorting takes a fraction of the time of as many single entries.

    They are made in their old order, which decides where two of them serve a query alike.
    """
    marks = ", ".join("?" * len(_TABLES))
    made = connection.execute(
        "SELECT name, sql FROM sqlite_master "
        f"WHERE type = 'index' AND sql NOT NULL AND tbl_name IN ({marks}) ORDER BY rowid",
        _TABLES,
    ).fetchall()
    for name, _ in made:
        connection.execute(f"DROP INDEX {name}")
    yield
    for _, sql in made:
        connection.execute(sql)


def _sync(folder: Path) -> None:
    """Wait until the disk has everything: writing it would disturb what is measured next."""
    for file in folder.iterdir():
        number = os.open(file, os.O_RDONLY)
        os.fsync(number)
        os.close(number)
