"""What only the SQLite store has: rules in the database, and errors at run time."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.ports import JobWriter
from gateway.domain.record import AuditEntry
from gateway.domain.words import JobStatus
from gateway.stores.sqlite import SqliteJobStore
from tests.adapters.conftest import other_process
from tests.builders import NOON, a_record, a_start
from tests.storing import insert, inserted, inserts, job_of


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE jobs SET stop = 'OTHER'", "CHECK"),
        ("UPDATE jobs SET status = 'PENDING'", "CHECK"),
        ("UPDATE jobs SET token_hash = 'short'", "CHECK"),
        ("UPDATE lock_places SET holds = 1", "UNIQUE"),
        ("DELETE FROM jobs", "FOREIGN KEY"),
        ("INSERT INTO job_events VALUES (99, 1, '{}')", "FOREIGN KEY"),
    ],
)
async def test_the_database_itself_guards_the_rules(
    sqlite_store: SqliteJobStore, tmp_path: Path, sql: str, told: str
) -> None:
    records = [await inserted(sqlite_store) for _ in range(2)]

    def queue(tx: JobWriter) -> None:
        for record in records:
            tx.take_place(record.job.id, "acme", "lock")

    await sqlite_store.write(queue)
    with other_process(tmp_path) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError, match=told):
            connection.execute(sql)


async def test_the_audit_table_outlives_its_jobs(sqlite_store: SqliteJobStore, tmp_path: Path) -> None:
    record = await inserted(sqlite_store, job_status=JobStatus.FINISHED)
    entry = AuditEntry(
        at=NOON, actor="ann", action="job.deleted", subject=record.job.id, organization_id="acme"
    )

    def work(tx: JobWriter) -> None:
        tx.delete_job(record.job.id)
        tx.audit(entry)

    await sqlite_store.write(work)
    with other_process(tmp_path) as connection:
        rows = connection.execute(
            "SELECT actor, action, subject, organization_id, detail FROM audit"
        ).fetchall()
    assert rows == [("ann", "job.deleted", record.job.id, "acme", "")]


async def test_deleting_a_job_leaves_no_row_of_it(sqlite_store: SqliteJobStore, tmp_path: Path) -> None:
    record = a_record(name="some words", tags=("a",), labels=[{"name": "l"}])

    def work(tx: JobWriter) -> None:
        tx.insert_job(record, request=a_start(), secrets={"A": b"a"})
        tx.delete_job(record.job.id)

    await sqlite_store.write(work)
    with other_process(tmp_path) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        counts = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    assert sum(counts.values()) == 0, counts


async def test_a_full_disk_fails_the_group_and_the_store_goes_on(sqlite_store: SqliteJobStore) -> None:
    before = await inserted(sqlite_store)
    pages = sqlite_store._writing.execute("PRAGMA page_count").fetchone()[0]
    sqlite_store._writing.execute(f"PRAGMA max_page_count = {pages + 5}")
    writes = [sqlite_store.write(inserts(a_record(description="x" * 200))) for _ in range(100)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, ServiceUnavailable)]
    assert failed
    assert {(error.reason, error.retry_after_seconds) for error in failed} == {
        ("the disk of the store is full", 30)
    }
    assert all(isinstance(error.__cause__, sqlite3.OperationalError) for error in failed)
    sqlite_store._writing.execute("PRAGMA max_page_count = 1073741823")
    after = await inserted(sqlite_store)
    assert await job_of(sqlite_store, before.job.id) == before
    assert await job_of(sqlite_store, after.job.id) == after


async def test_a_commit_that_fails_fails_all(sqlite_store: SqliteJobStore) -> None:
    """Also a member that failed by itself: its error may rest on what was not committed."""
    commits = sqlite_store._commits
    assert commits is not None
    real = commits._db

    class Failing:
        in_transaction = True

        def execute(self, sql: str) -> Any:
            if sql == "COMMIT":
                raise sqlite3.OperationalError("disk I/O error")
            return real.execute(sql)

    def fails(tx: JobWriter) -> None:
        raise KeyError

    heard: list[Any] = []
    sqlite_store.listen(heard.append)
    commits._db = Failing()  # type: ignore[assignment]
    record = a_record()
    works: list[Any] = [inserts(record), fails]
    outcomes = await asyncio.gather(*(sqlite_store.write(work) for work in works), return_exceptions=True)
    commits._db = real
    assert [type(outcome) for outcome in outcomes] == [ServiceUnavailable] * 2
    assert heard == []
    assert await job_of(sqlite_store, record.job.id) is None
    await insert(sqlite_store, record)
    assert await job_of(sqlite_store, record.job.id) == record


async def test_a_mistake_in_a_query_is_not_called_unavailable(sqlite_store: SqliteJobStore) -> None:
    def work(tx: Any) -> None:
        tx._db.execute("SELECT missing")

    for long in (False, True):
        with pytest.raises(sqlite3.OperationalError, match="no such column"):
            await sqlite_store.read(work, long=long)
    with pytest.raises(sqlite3.OperationalError, match="no such column"):
        await sqlite_store.write(work)


async def test_a_reader_cannot_write(sqlite_store: SqliteJobStore) -> None:
    for long in (False, True):
        with pytest.raises(ServiceUnavailable, match="cannot be written"):
            await sqlite_store.read(lambda tx: tx._db.execute("DELETE FROM jobs"), long=long)  # type: ignore[attr-defined]


async def test_long_reads_use_connections_again_until_the_store_closes(sqlite_store: SqliteJobStore) -> None:
    def connection(tx: Any) -> sqlite3.Connection:
        found: sqlite3.Connection = tx._db
        return found

    first, second = [await sqlite_store.read(connection, long=True) for _ in range(2)]
    assert first is second
    with pytest.raises(sqlite3.OperationalError):
        await sqlite_store.read(lambda tx: connection(tx).execute("SELECT missing"), long=True)
    third = await sqlite_store.read(connection, long=True)
    assert third is not first
    await sqlite_store.close()
    for closed in (first, third):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            closed.execute("SELECT 1")
