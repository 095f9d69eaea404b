"""The PostgreSQL store when connections are lost, when the server is away, and when commits go unanswered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.ports import Change, JobStore, JobWriter, ScheduleChange
from gateway.domain.record import JobRecord
from gateway.domain.words import JobStatus
from gateway.stores import postgres_notices, postgres_pool, postgres_transactions
from gateway.stores.errors import StoreError
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.postgres_clock import PostgresClock
from gateway.stores.postgres_connection import Connection, Connector
from gateway.stores.postgres_errors import LostError
from tests.adapters.test_store_schedules import a_schedule
from tests.builders import NOON, a_record, a_start
from tests.pg_stand import PgStand, a_stand
from tests.storing import insert, inserted, inserts, job_of


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[PostgresJobStore]:
    """A store that is open."""
    store = PostgresJobStore(address)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
async def store(database: str) -> AsyncIterator[PostgresJobStore]:
    """An empty store that is open."""
    async with opened(database) as made:
        yield made


async def test_a_lost_connection_is_made_again_and_nobody_notices(
    store: JobStore, postgres: PgStand, database: str
) -> None:
    for _ in range(3):
        record = await inserted(store)
        assert await job_of(store, record.job.id) == record
        assert await job_of(store, record.job.id, long=True) == record
        await asyncio.to_thread(postgres.end_connections, database)
        assert await job_of(store, record.job.id) == record
        assert await job_of(store, record.job.id, long=True) == record


async def test_a_unit_whose_connection_is_lost_on_the_way_is_run_again_and_stored_once(
    store: JobStore, postgres: PgStand, database: str
) -> None:
    record = await inserted(store)
    runs = 0

    def work(tx: JobWriter) -> None:
        nonlocal runs
        runs += 1
        now = tx.job(record.job.id)
        assert now is not None
        if runs == 1:
            postgres.end_connections(database)
        tx.save_job(now.with_(event_count=now.event_count + 1))

    await asyncio.gather(store.write(work), store.write(lambda tx: tx.open_storage("acme", "s", NOON)))
    stored = await job_of(store, record.job.id)
    assert stored is not None
    assert (stored.event_count, runs) == (1, 2)


async def test_a_read_whose_connection_is_lost_on_the_way_is_run_again(
    store: JobStore, postgres: PgStand, database: str
) -> None:
    record = await inserted(store)
    runs = 0

    def work(tx: Any) -> Any:
        nonlocal runs
        runs += 1
        if runs == 1:
            postgres.end_connections(database)
        return tx.job(record.job.id)

    assert await store.read(work) == record
    assert runs == 2


def halted_in_a_transaction(raw: "psycopg.Connection[Any]", *statements: str, synced: bool) -> None:
    """Have statements run, as a writer that is halted before it has sent what goes together; or, `synced`,
    when it has and asks for the results.
    """
    raw.execute("SET application_name = 'jobs-gateway writer'")
    # Which ends no such transaction.
    raw.execute("SET idle_in_transaction_session_timeout = '1s'")
    raw.pgconn.enter_pipeline_mode()
    for statement in statements:
        raw.pgconn.send_query_params(statement.encode(), None)
    if synced:
        raw.pgconn.pipeline_sync()
    raw.pgconn.send_flush_request()
    raw.pgconn.flush()
    for _ in statements:
        result = raw.pgconn.get_result()
        assert result is not None
        assert result.status in (psycopg.pq.ExecStatus.COMMAND_OK, psycopg.pq.ExecStatus.TUPLES_OK)
        assert raw.pgconn.get_result() is None


@pytest.mark.parametrize("synced", [False, True])
async def test_what_a_gateway_has_locked_that_was_halted_while_it_wrote_is_free_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, database: str, synced: bool
) -> None:
    monkeypatch.setattr("gateway.stores.postgres.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("gateway.stores.postgres_halted.IDLE_SECONDS", 0.3)
    async with opened(database) as store:
        record = await inserted(store)
        with closing(psycopg.connect(database, autocommit=True)) as raw:
            locks = "SELECT FROM jobs_gateway.jobs FOR UPDATE"
            halted_in_a_transaction(raw, "BEGIN", locks, synced=synced)
            await store.write(lambda tx: tx.save_job(record.with_(event_count=1)))
            process = raw.info.backend_pid
        # The lock is free a moment before the one who ended the session hears of it.
        async with asyncio.timeout(30):
            while f"session {process} is ended" not in caplog.text:
                await asyncio.sleep(0.01)
        assert await job_of(store, record.job.id) == record.with_(event_count=1)


def loses_commits(monkeypatch: pytest.MonkeyPatch, *, before: bool, times: int = 1) -> Callable[[], int]:
    """Have connections be lost before the server hears of a COMMIT, or before its answer comes."""
    run = Connection.run
    lost = 0

    def loses(self: Connection, sql: str) -> None:
        nonlocal lost
        if sql != "COMMIT" or lost == times:
            run(self, sql)
            return
        lost += 1
        if not before:
            run(self, sql)
        self.close()
        raise LostError

    monkeypatch.setattr(Connection, "run", loses)
    return lambda: lost


@pytest.mark.parametrize(("before", "runs_expected"), [(True, 2), (False, 1)])
async def test_of_a_commit_that_is_not_answered_it_is_found_out_what_became_of_it(
    store: JobStore, monkeypatch: pytest.MonkeyPatch, before: bool, runs_expected: int
) -> None:
    heard: list[Change] = []
    store.listen(heard.append)
    record = a_record()
    runs = 0

    def work(tx: JobWriter) -> str:
        nonlocal runs
        runs += 1
        tx.insert_job(record, request=a_start(), secrets={})
        return "stored"

    lost = loses_commits(monkeypatch, before=before)
    assert await store.write(work) == "stored"
    assert (runs, lost()) == (runs_expected, 1)
    assert await job_of(store, record.job.id) == record
    assert heard == [Change(record.job.id, 1, JobStatus.SCHEDULED)]


async def test_a_commit_that_a_crash_has_undone_is_not_taken_for_one_that_was_made_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that comes back gives the numbers of transactions that it has lost to others."""
    with a_stand() as stand:
        if not stand.is_ours:
            pytest.skip("the server that GATEWAY_TEST_DSN names is not stopped")
        address = stand.database()
        async with opened(address) as store:
            record, runs = a_record(), 0
            run, crashed = Connection.run, False

            def crashes(self: Connection, sql: str) -> None:
                nonlocal crashed
                if sql != "COMMIT" or crashed:
                    run(self, sql)
                    return
                crashed = True
                stand.stop()
                stand.start()
                with psycopg.connect(address, autocommit=True) as other:
                    for number in range(50):
                        other.execute(f"CREATE TABLE others_{number} (id bigint)")
                self.close()
                raise LostError

            def work(tx: JobWriter) -> None:
                nonlocal runs
                runs += 1
                tx.insert_job(record, request=a_start(), secrets={})

            monkeypatch.setattr(Connection, "run", crashes)
            await store.write(work)
            assert await job_of(store, record.job.id) == record
            assert runs == 2


async def test_what_cannot_be_found_out_is_told_so(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_transactions, "LOOK_UP_SECONDS", 0.0)
    record = a_record()
    loses_commits(monkeypatch, before=False)
    with pytest.raises(ServiceUnavailable, match="look whether the change was stored") as caught:
        await insert(store, record)
    assert caught.value.retry_after_seconds
    assert await job_of(store, record.job.id) == record


async def test_while_the_server_is_away_callers_are_told_to_come_again_and_then_all_goes_on() -> None:
    with a_stand() as stand:
        if not stand.is_ours:
            pytest.skip("the server that GATEWAY_TEST_DSN names is not stopped")
        async with opened(stand.database()) as store:
            gaps: asyncio.Queue[None] = asyncio.Queue()
            store.listen_to_gaps(lambda: gaps.put_nowait(None))
            first = await inserted(store)
            await asyncio.to_thread(stand.stop)
            for _ in range(2):
                for doing in (job_of(store, first.job.id), inserted(store)):
                    with pytest.raises(ServiceUnavailable, match="cannot be reached") as caught:
                        await doing
                    assert caught.value.retry_after_seconds
            await asyncio.to_thread(stand.start)
            second = await _inserted_in_the_end(store)
            for record in (first, second):
                assert await job_of(store, record.job.id) == record
            await asyncio.wait_for(gaps.get(), 30)


async def _inserted_in_the_end(store: JobStore) -> JobRecord:
    """Store a job as a caller does who comes again."""
    record = a_record()
    async with asyncio.timeout(30):
        while True:
            try:
                await insert(store, record)
            except ServiceUnavailable:
                await asyncio.sleep(0.05)
            else:
                return record


async def test_a_gateway_hears_what_another_changes_and_its_own_once(store: JobStore, database: str) -> None:
    heard: asyncio.Queue[Change | ScheduleChange] = asyncio.Queue()
    own: list[Change] = []
    async with opened(database) as other:
        other.listen(heard.put_nowait)
        other.listen_to_schedules(heard.put_nowait)
        store.listen(own.append)
        record = await inserted(store)
        assert await asyncio.wait_for(heard.get(), 30) == Change(
            record.job.id, 1, JobStatus.SCHEDULED, elsewhere=True
        )
        schedule = a_schedule()
        await store.write(lambda tx: tx.schedules.insert(schedule, {}))
        assert await asyncio.wait_for(heard.get(), 30) == ScheduleChange(schedule.id)
        await store.write(lambda tx: tx.delete_job(record.job.id))
        assert await asyncio.wait_for(heard.get(), 30) == Change(
            record.job.id, 0, JobStatus.SCHEDULED, elsewhere=True
        )
        assert heard.empty()
    assert own == [
        Change(record.job.id, 1, JobStatus.SCHEDULED),
        Change(record.job.id, 0, JobStatus.SCHEDULED),
    ]


async def test_more_changes_than_a_notice_holds_are_all_heard(store: JobStore, database: str) -> None:
    records = [a_record(id=f"{number:064}") for number in range(3 * postgres_notices.CHANGES + 1)]
    heard: asyncio.Queue[Change] = asyncio.Queue()
    async with opened(database) as other:
        other.listen(heard.put_nowait)
        await store.write(inserts(*records))
        ids = [(await asyncio.wait_for(heard.get(), 30)).job_id for _ in records]
    assert ids == [record.job.id for record in records]


@pytest.mark.parametrize(
    "unread", ["none of ours", "[1]", '["node",[["id",1,"UNHEARD_OF"]]]', "null", '["node",7]', "[]"]
)
async def test_a_notice_that_cannot_be_read_is_taken_for_a_gap_and_those_behind_it_are_heard(
    store: JobStore, database: str, unread: str
) -> None:
    gaps: asyncio.Queue[None] = asyncio.Queue()
    heard: asyncio.Queue[Change] = asyncio.Queue()
    store.listen_to_gaps(lambda: gaps.put_nowait(None))
    store.listen(heard.put_nowait)
    read = '["node",[["id",1,"RUNNING"]]]'
    with psycopg.connect(database) as connection:
        # Of one transaction, so that they come together.
        for payload in (unread, read):
            connection.execute("SELECT pg_notify(%s, %s)", (postgres_notices.CHANNEL, payload))
    await asyncio.wait_for(gaps.get(), 30)
    assert await asyncio.wait_for(heard.get(), 30) == Change("id", 1, JobStatus.RUNNING, elsewhere=True)


async def test_after_a_gap_in_the_listening_it_is_told_and_changes_are_heard_again(
    store: JobStore, postgres: PgStand, database: str
) -> None:
    gaps: asyncio.Queue[None] = asyncio.Queue()
    heard: asyncio.Queue[Change] = asyncio.Queue()
    store.listen_to_gaps(lambda: gaps.put_nowait(None))
    store.listen(heard.put_nowait)
    await asyncio.to_thread(postgres.end_connections, database)
    await asyncio.wait_for(gaps.get(), 30)
    async with opened(database) as other:
        record = await inserted(other)
        assert (await asyncio.wait_for(heard.get(), 30)).job_id == record.job.id


async def test_a_read_that_takes_too_long_is_ended(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_pool, "STATEMENT_SECONDS", 1)
    async with opened(database) as store:
        with pytest.raises(ServiceUnavailable, match="too long"):
            await store.read(lambda tx: tx._db.execute("SELECT pg_sleep(30)"))  # type: ignore[attr-defined]
        assert not await store.read(lambda tx: tx.has_keys())


async def test_the_clock_is_the_databases(store: PostgresJobStore, postgres: PgStand) -> None:
    def database_now() -> Any:
        [(now,)] = postgres.run("SELECT clock_timestamp()")
        return now

    store.clock._ahead = 0.0
    before = await asyncio.to_thread(database_now)
    await store._reads.use(store._look_at_clock)
    now = store.clock.now()
    after = await asyncio.to_thread(database_now)
    # Half of a look may be wrong, and the looks were in between; and it is cut to milliseconds.
    wrong = (after - before) / 2
    assert before - wrong - timedelta(milliseconds=1) <= now <= after + wrong


def test_the_clock_goes_by_a_database_whose_time_is_another() -> None:
    class Elsewhere:
        def execute(self, query: str) -> "Elsewhere":
            return self

        def fetchone(self) -> tuple[int]:
            return (1_000_000_000_000_000,)

    clock = PostgresClock()
    connection: Any = Elsewhere()
    clock.look(connection, "time")
    assert (clock.now().year, clock.now().month) == (2001, 9)
    assert clock.now().microsecond % 1000 == 0


@pytest.mark.parametrize(
    "address", ["postgresql://u:hunter2@localhost:notaport/x", "postgresql://u:hunter2@127.0.0.1:1/x"]
)
async def test_an_address_that_does_not_work_is_told_without_its_password(address: str) -> None:
    with pytest.raises(StoreError, match="database") as caught:
        await PostgresJobStore(address).open()
    assert "hunter2" not in str(caught.value)


async def test_a_failure_to_connect_is_told_at_once_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    def connect(*_args: Any, **_options: Any) -> None:
        nonlocal tries
        tries += 1
        raise psycopg.OperationalError("refused")

    monkeypatch.setattr(psycopg, "connect", connect)
    connector = Connector("postgresql://localhost/x")
    for _ in range(3):
        with pytest.raises(Exception, match="refused"):
            connector.connect()
    assert tries == 1
