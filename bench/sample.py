"""A look at a store that was filled fast: its rows are those that the store's own writer makes.

A sample of the jobs, and some stretches of results and log entries, are made once more by the writer, in a
small store; each of their rows in each table is then looked up in the large one, all columns of it. What is
counted once for the whole store is counted anew.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import jobs
from bench.written import AT_ONCE, fill_plainly, put_entries, put_job, stretches, unit, writing
from gateway.stores.sqlite_writer import SqliteWriter

_STEPS = 1000
"""How many jobs the sample has beside the rare ones."""
_NUMBERED = ("jobs", "job_requests", "job_events")
_ONE_EACH = ("jobs", "job_requests", "job_labels", "results", "log_entries")
"""Tables with as many rows as there are jobs."""
_COUNTERS = {
    "storages": "SELECT 1, organization_id, id, opened_at, (SELECT count(*) FROM results)"
    " + (SELECT count(*) FROM log_entries), (SELECT count(*) FROM results) FROM storages",
    "result_runs": "SELECT r.run, r.storage, o.job_id, o.job_type, min(r.number), max(r.number), count(*), 0"
    " FROM results AS r JOIN result_runs AS o ON o.number = r.run GROUP BY r.run",
    "logs": "SELECT e.log, o.storage, o.id, count(*), max(e.created_at), 1"
    " FROM log_entries AS e JOIN logs AS o ON o.number = e.log GROUP BY e.log",
}
"""Tables that count the rows of others, and what must stand in them."""
_SCHEMA = "SELECT tbl_name, type, name, sql FROM sqlite_master ORDER BY tbl_name, rowid"


def check_filled(connection: sqlite3.Connection, total: int) -> None:
    """Raises RuntimeError when a store is not what the writer would have made of so many jobs."""
    with _made(total) as sample:
        if connection.execute(_SCHEMA).fetchall() != sample.execute(_SCHEMA).fetchall():
            raise RuntimeError("the schema is not the one of the migrations")
        for table in _tables(sample):
            if table not in _COUNTERS:
                _check_rows(connection, sample, table)
    for table in _ONE_EACH:
        _check_equal(table, connection.execute(f"SELECT count(*) FROM {table}").fetchall(), [(total,)])
    for table, counted in _COUNTERS.items():
        found = connection.execute(f"SELECT * FROM {table} ORDER BY number").fetchall()
        _check_equal(table, found, connection.execute(counted).fetchall())


def rows_now(total: int) -> Iterator[str]:
    """All rows of a small store that the writer fills as it is now."""
    with _small() as (connection, writer):
        fill_plainly(connection, writer, total)
        for table in _tables(connection):
            yield table
            yield from map(repr, connection.execute(f"SELECT * FROM {table}"))


@contextmanager
def _small() -> Iterator[tuple[sqlite3.Connection, SqliteWriter]]:
    with tempfile.TemporaryDirectory() as folder, writing(Path(folder), durable=False) as made:
        yield made


@contextmanager
def _made(total: int) -> Iterator[sqlite3.Connection]:
    """The sample, by the writer, each row with the number that it has in the large store."""
    with _small() as (connection, writer):
        connection.execute("PRAGMA foreign_keys = OFF")
        with unit(connection, writer):
            numbers = _sample(total)
            for number in numbers:
                put_job(writer, number, total)
        for place, number in reversed(list(enumerate(numbers, 1))):
            for table in _NUMBERED:
                connection.execute(f"UPDATE {table} SET number = ? WHERE number = ?", (number + 1, place))
        every = list(stretches(total))
        with unit(connection, writer):
            for stretch in every:
                # Without entries: the runs are made in their order.
                put_entries(writer, stretch, total, [], [])
        for stretch in (every[place] for place in sorted({0, len(every) // 3, len(every) - 1})):
            results = [jobs.result(number, total) for number in stretch]
            entries = [jobs.log_entry(number, total) for number in stretch]
            connection.execute("UPDATE storages SET last_id = ?", (2 * stretch.start,))
            with unit(connection, writer):
                put_entries(writer, stretch, total, results, entries)
        yield connection


def _sample(total: int) -> list[int]:
    """Jobs of every kind: an odd step meets each remainder, the rare and the last are taken beside."""
    rare = [number for number in range(0, total, total // jobs.RARE) if jobs.is_rare(number, total)]
    last = range(max(0, total - AT_ONCE // 10), total)
    return sorted({*range(0, total, total // _STEPS | 1), *rare, *last})


def _check_rows(connection: sqlite3.Connection, sample: sqlite3.Connection, table: str) -> None:
    columns = sample.execute(f"PRAGMA table_info({table})").fetchall()
    key = [place for place, *_, in_key in columns if in_key]
    wanted = " AND ".join(f"{columns[place][1]} = ?" for place in key)
    for row in sample.execute(f"SELECT * FROM {table}"):
        found = connection.execute(f"SELECT * FROM {table} WHERE {wanted}", [row[place] for place in key])
        _check_equal(table, found.fetchall(), [row])


def _check_equal(table: str, found: list[Any], wanted: list[Any]) -> None:
    if found != wanted:
        raise RuntimeError(f"the table {table} has {found}, the store's writer makes {wanted}")


def _tables(connection: sqlite3.Connection) -> list[str]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in names.fetchall()]
