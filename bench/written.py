"""Jobs, results and log entries written by the store's own writer, with or without a gateway beside it."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench import jobs
from gateway.domain.log_store import Log
from gateway.domain.processing_logs import ProcessingLogEntryWrite
from gateway.domain.results import JobResultWrite
from gateway.domain.words import DependencyCondition, ProcessingLogId
from gateway.stores.sql_files import migrations, named_queries
from gateway.stores.sqlite import FILE_NAME, SQL_FOLDER
from gateway.stores.sqlite_file import SqliteFile
from gateway.stores.sqlite_writer import SqliteWriter

LOG = ProcessingLogId.VALIDATION_LOG
RUNS = 10
"""How many jobs wrote the results."""
AT_ONCE = 2000
"""So many results, and as many log entries, are written in one call, at one instant."""


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


def put_job(writer: SqliteWriter, number: int, total: int) -> None:
    """Store one job as if it had run."""
    record = jobs.record(number, total)
    job = record.job
    writer.insert_job(record, request=jobs.request(), secrets={})
    for event in jobs.events(job):
        writer.add_event(event)
    for dependency in job.job_dependencies:
        writer.depend(job.id, dependency.job_id, DependencyCondition.FINISHED, open=False)


def stretches(total: int) -> Iterator[range]:
    """The numbers of the results, and of the log entries, that are written in one call each."""
    for start in range(0, total, AT_ONCE):
        yield range(start, min(start + AT_ONCE, total))


def put_entries(
    writer: SqliteWriter,
    numbers: range,
    total: int,
    results: Sequence[JobResultWrite],
    entries: Sequence[ProcessingLogEntryWrite],
) -> None:
    """Store the results and log entries of a stretch; each of RUNS jobs wrote some stretches of results."""
    at = jobs.created_at(numbers[0])
    job = jobs.record(numbers[0] * RUNS // total, total).job.with_(organization_id=jobs.ORGANIZATION)
    writer.open_storage(jobs.ORGANIZATION, jobs.STORAGE, at)
    writer.results.write(job, jobs.STORAGE, results, at)
    log = Log(organization_id=jobs.ORGANIZATION, storage_id=jobs.STORAGE, id=LOG)
    writer.logs.write(log, entries, at)


def fill_plainly(connection: sqlite3.Connection, writer: SqliteWriter, total: int) -> None:
    """Store jobs, results and log entries one by one: what the fast way has to come to."""
    with unit(connection, writer):
        for number in range(total):
            put_job(writer, number, total)
    for numbers in stretches(total):
        results = [jobs.result(number, total) for number in numbers]
        entries = [jobs.log_entry(number, total) for number in numbers]
        with unit(connection, writer):
            put_entries(writer, numbers, total, results, entries)
