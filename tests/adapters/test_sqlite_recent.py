"""What SQLite's writer remembers of the jobs that it has stored: never anything but what the tables have."""

from decimal import Decimal
from pathlib import Path

import pytest

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.executor import Exited
from gateway.domain.ports import JobWriter
from gateway.domain.record import JobRecord
from gateway.stores.sqlite import SqliteJobStore
from gateway.stores.sqlite_recent import MAX_DOCUMENT_BYTES, MAX_RECORDS
from tests.adapters.conftest import other_process
from tests.builders import a_record
from tests.house import a_house
from tests.storing import insert, inserted


async def known_of(store: SqliteJobStore, job_id: str) -> JobRecord | None:
    """A job as the writer finds it."""
    return await store.write(lambda tx: tx.job(job_id))


async def reads_while(store: SqliteJobStore, *job_ids: str) -> int:
    """How many jobs the writer reads from the tables when it is asked for these."""
    statements: list[str] = []
    store._writing.set_trace_callback(statements.append)
    for job_id in job_ids:
        await known_of(store, job_id)
    store._writing.set_trace_callback(None)
    return sum("SELECT CAST(document" in statement for statement in statements)


async def test_a_job_that_was_stored_a_moment_ago_is_not_read(sqlite_store: SqliteJobStore) -> None:
    record = await inserted(sqlite_store)
    assert await reads_while(sqlite_store, record.job.id) == 0


async def test_in_all_its_life_a_job_is_known_as_it_is_stored(tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        store = house.house.store
        assert isinstance(store, SqliteJobStore)
        job = await house.start(
            name="name",
            labels=[{"name": "a"}],
            resourceRequest={"cpuLimit": 0.25, "memoryLimit": 512},
            environmentVariables=[{"name": "KEY", "value": "word", "secret": True}],
            retryPolicy={"maxAttempts": 2, "backoffSeconds": 1, "backoffFactor": 1.5},
            attachments=[{"name": "a.txt", "uri": "https://example.org/a.txt"}],
        )

        async def same() -> JobRecord:
            assert await reads_while(store, job.id) == 0
            stored = await house.record(job.id)
            assert await known_of(store, job.id) == stored
            return stored

        await same()
        await house.tick()
        assert (await same()).handle is not None
        await house.end(job.id, Exited(exit_code=3))
        assert (await same()).wake_at is not None
        metrics = {"metrics": [{"name": "share", "value": Decimal("0.1")}]}
        await house.call("recordJobMetrics", jobId=job.id, metrics=metrics)
        assert (await same()).job.metrics


async def test_what_another_process_has_written_is_seen(sqlite_store: SqliteJobStore, tmp_path: Path) -> None:
    record = await inserted(sqlite_store)
    with other_process(tmp_path) as connection:
        connection.execute("UPDATE jobs SET handle = 'other', version = 7")
    known = await known_of(sqlite_store, record.job.id)
    assert known is not None
    assert known.handle == "other"


async def test_what_was_undone_is_forgotten(sqlite_store: SqliteJobStore) -> None:
    record = await inserted(sqlite_store)

    def fail(tx: JobWriter) -> None:
        tx.save_job(record.with_(handle="undone"))
        tx.queue(1)  # which has it written
        raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        await sqlite_store.write(fail)
    assert await known_of(sqlite_store, record.job.id) == record


async def test_what_a_lost_transaction_had_written_is_forgotten(sqlite_store: SqliteJobStore) -> None:
    record = await inserted(sqlite_store)

    def lose(tx: JobWriter) -> None:
        sqlite_store._writing.execute("ROLLBACK")
        raise OSError("the disk is gone")

    saved = sqlite_store.write(lambda tx: tx.save_job(record.with_(handle="lost")))
    lost = sqlite_store.write(lose)
    for writing in (saved, lost):
        with pytest.raises(ServiceUnavailable):
            await writing
    assert await known_of(sqlite_store, record.job.id) == record


async def test_a_deleted_job_is_forgotten(sqlite_store: SqliteJobStore) -> None:
    record = await inserted(sqlite_store)
    await sqlite_store.write(lambda tx: tx.delete_job(record.job.id))
    assert await known_of(sqlite_store, record.job.id) is None


async def test_the_latest_jobs_are_known_and_no_large_ones(sqlite_store: SqliteJobStore) -> None:
    oldest, large = await inserted(sqlite_store), a_record(result_data="x" * MAX_DOCUMENT_BYTES)
    latest = [a_record() for _ in range(MAX_RECORDS)]
    await insert(sqlite_store, *latest, large)
    assert await reads_while(sqlite_store, *(record.job.id for record in latest)) == 0
    assert await reads_while(sqlite_store, oldest.job.id, large.job.id) == 2
