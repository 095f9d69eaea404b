"""Stores that hold many jobs: filled once, by the store's own writer, and kept in a cache folder.

A store is made anew when anything of its recipe has changed: this file, the jobs, the number of them, or the
store's schema and code. What the writer does not do here is to sync each commit: nobody waits for one.
"""

import hashlib
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gateway.domain.job
import gateway.stores.sqlite
from bench import jobs
from gateway.domain.log_store import Log
from gateway.domain.words import DependencyCondition, ProcessingLogId
from gateway.stores.sql_files import migrations, named_queries
from gateway.stores.sqlite import FILE_NAME, SQL_FOLDER
from gateway.stores.sqlite_file import SqliteFile
from gateway.stores.sqlite_writer import SqliteWriter

CACHE = Path(__file__).with_name(".cache")
LOG = ProcessingLogId.VALIDATION_LOG
RUNS = 10
"""How many jobs wrote the results."""
_CHUNK = 2000
_CACHE_KIB = 1_000_000


def filled(count: int) -> Path:
    """The data folder of a store with so many jobs, as many results and as many log entries."""
    folder = CACHE / f"jobs-{count}"
    made_of = folder / "recipe.json"
    recipe = {"jobs": count, "made_of": _recipe()}
    if made_of.exists() and json.loads(made_of.read_text()) == recipe:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    began = time.monotonic()
    with writing(folder, durable=False) as (connection, writer):
        _fill(connection, writer, count)
    print(f"filled a store with {count} jobs in {time.monotonic() - began:.0f} s", flush=True)
    made_of.write_text(json.dumps(recipe))
    return folder


@contextmanager
def writing(folder: Path, *, durable: bool = True) -> Iterator[tuple[sqlite3.Connection, SqliteWriter]]:
    """The writer of a store, beside a gateway or without one."""
    file = SqliteFile(folder / FILE_NAME, durable=durable)
    file.prepare(migrations(SQL_FOLDER))
    connection = file.connect_to_write()
    try:
        yield connection, SqliteWriter(connection, named_queries(SQL_FOLDER))
    finally:
        connection.close()


@contextmanager
def unit(connection: sqlite3.Connection, writer: SqliteWriter) -> Iterator[None]:
    """One transaction of the writer."""
    connection.execute("BEGIN IMMEDIATE")
    writer.begin()
    yield
    writer.finish()
    connection.execute("COMMIT")


def _fill(connection: sqlite3.Connection, writer: SqliteWriter, count: int) -> None:
    connection.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
    for start in range(0, count, _CHUNK):
        numbers = range(start, min(start + _CHUNK, count))
        with unit(connection, writer):
            for number in numbers:
                put(writer, number, count)
    for start in range(0, count, _CHUNK):
        numbers = range(start, min(start + _CHUNK, count))
        with unit(connection, writer):
            _put_entries(writer, numbers, count)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def put(writer: SqliteWriter, number: int, count: int) -> None:
    """Store one job as if it had run."""
    record = jobs.record(number, count)
    job = record.job
    writer.insert_job(record, request=jobs.request(), secrets={})
    for event in jobs.events(job):
        writer.add_event(event)
    for dependency in job.job_dependencies:
        writer.depend(job.id, dependency.job_id, DependencyCondition.FINISHED, open=False)


def _put_entries(writer: SqliteWriter, numbers: range, count: int) -> None:
    """Store results and log entries; each of RUNS jobs wrote a stretch of the results."""
    at = jobs.created_at(numbers[0])
    job = jobs.record(numbers[0] * RUNS // count, count).job.with_(organization_id=jobs.ORGANIZATION)
    writer.open_storage(jobs.ORGANIZATION, jobs.STORAGE, at)
    writer.results.write(job, jobs.STORAGE, [jobs.result(number, count) for number in numbers], at)
    log = Log(organization_id=jobs.ORGANIZATION, storage_id=jobs.STORAGE, id=LOG)
    writer.logs.write(log, [jobs.log_entry(number, count) for number in numbers], at)


def _recipe() -> str:
    stores = Path(gateway.stores.sqlite.__file__).parent
    models = Path(gateway.domain.job.__file__)
    files = [
        Path(__file__),
        Path(jobs.__file__),
        models,
        *stores.glob("sqlite*.py"),
        *SQL_FOLDER.glob("0*.sql"),
    ]
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()
