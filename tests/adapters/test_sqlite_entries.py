"""How SQLite finds results and log entries: by an index for each filter, in order, without a sort."""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.log_store import Log
from gateway.domain.ports import JobReader
from gateway.domain.processing_logs import ProcessingLogEntryWrite
from gateway.domain.result_store import Filters, Place, Records
from gateway.domain.results import JobResultWrite
from gateway.domain.words import ProcessingLogId, ResultStatus
from gateway.stores.sql_entries import LAST_ID
from gateway.stores.sql_files import migrations, named_queries
from gateway.stores.sqlite import FILE_NAME, SQL_FOLDER, SqliteJobStore
from gateway.stores.sqlite_file import SqliteFile
from gateway.stores.sqlite_reader import SqliteReader
from tests.builders import NOON, a_job, later

LOG = Log(organization_id="acme", storage_id="s", id=ProcessingLogId.CURATION_LOG)
JOB = a_job()
FILTERS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "by_status"),
    "partner": ({"partners": ("p1",)}, "by_partner"),
    "partners": ({"partners": ("p1", "p2", "p3")}, "by_partner"),
    "source": ({"sources": ("d1",)}, "by_source"),
    "external": ({"externals": ("e1",)}, "by_external"),
    "externals": ({"externals": ("e1", "e2")}, "by_external"),
}
INSTANTS: dict[str, dict[str, Any]] = {
    "any time": {},
    "createdAfter": {"created_after": later(-1)},
    "createdBefore": {"created_before": later(1)},
    "createdAfter and createdBefore": {"created_after": later(-1), "created_before": later(1)},
}


@pytest.fixture
async def store(sqlite_store: SqliteJobStore) -> SqliteJobStore:
    """A store with some results and log entries."""
    results = [JobResultWrite(business_partner_id=f"p{n}", status=ResultStatus.OK) for n in range(9)]
    results += [
        JobResultWrite(data_source_id=f"d{n}", external_id=f"e{n}", status=ResultStatus.FAILED)
        for n in range(9)
    ]
    entries = [ProcessingLogEntryWrite.model_construct(**vars(result), job_id=None) for result in results]

    def work(tx: Any) -> None:
        tx.open_storage("acme", "s", NOON)
        tx.results.write(JOB, "s", results, NOON)
        tx.logs.write(LOG, entries, NOON)

    await sqlite_store.write(work)
    return sqlite_store


async def plans(store: SqliteJobStore, work: Callable[[JobReader], Any]) -> list[str]:
    """The steps of all statements that a unit of work runs, but for those that look up single rows."""
    connection = store._connection
    assert connection is not None
    run: list[str] = []
    connection.set_trace_callback(run.append)
    try:
        await store.read(work)
    finally:
        connection.set_trace_callback(None)
    return [
        row[3]
        for sql in run
        if sql.startswith("SELECT")
        for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")
    ]


def check(steps: list[str], index: str) -> None:
    assert any(index in step for step in steps), steps
    scans = [step for step in steps if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
    assert scans == []
    assert [step for step in steps if "TEMP B-TREE" in step] == []


@pytest.mark.parametrize(("name", "status"), list(product(FILTERS, [None, ResultStatus.OK])))
async def test_each_filter_of_results_is_read_in_order_from_an_index(
    store: SqliteJobStore, name: str, status: ResultStatus | None
) -> None:
    given, index = FILTERS[name]
    filters = Filters(**given, status=status)
    for job_id in (None, JOB.id):
        place = Place(organization_id="acme", storage_id="s", job_id=job_id)
        expected = "results_by_run" if job_id and name == "nothing" else f"results_{index}"
        for work in works("results", place, filters):
            check(await plans(store, work), expected)


@pytest.mark.parametrize(("name", "when"), list(product(FILTERS, INSTANTS)))
async def test_each_filter_of_log_entries_is_read_in_order_from_an_index(
    store: SqliteJobStore, name: str, when: str
) -> None:
    given, index = FILTERS[name]
    for status in (None, ResultStatus.OK):
        for work in works("logs", LOG, Filters(**given, **INSTANTS[when], status=status)):
            check(await plans(store, work), f"log_entries_{index}")


def works(entries: str, place: Any, filters: Filters) -> Iterator[Callable[[JobReader], Any]]:
    """A page and, where it is not kept, the total."""
    more: dict[str, Any] = {"data": str} if entries == "logs" else {}
    yield lambda tx: getattr(tx, entries).page(place, filters, after=1, limit=5, **more)
    if filters != Filters():
        yield lambda tx: getattr(tx, entries).count(place, filters)


async def test_instants_are_bounds_of_the_numbers(store: SqliteJobStore) -> None:
    """What lies before createdAfter is not read."""
    entry = ProcessingLogEntryWrite(business_partner_id="late", status=ResultStatus.OK)
    await store.write(lambda tx: tx.logs.write(LOG, [entry], later(60)))
    queries = named_queries(SQL_FOLDER)
    search = SqliteReader(store._writing, queries).logs.search(
        LOG, Filters(created_after=later(60), created_before=later(61))
    )
    assert search is not None
    # The entry has the 37th id of its storage.
    assert (search.low & LAST_ID, search.high & LAST_ID, search.checks) == (36, LAST_ID, ())


async def test_the_newest_results_are_read_from_the_end_of_an_index(store: SqliteJobStore) -> None:
    records = Records(job_type=None, partners=("p1", "p2"), source="d1", externals=("e1",))
    steps = await plans(store, lambda tx: tx.results.newest("acme", "s", records))
    check(steps, "results_by_partner")
    check(steps, "results_by_external")


async def test_what_hides_removed_entries_is_looked_up_for_each(store: SqliteJobStore) -> None:
    def work(tx: Any) -> None:
        tx.results.remove("acme", JOB.id)
        tx.logs.remove(LOG, Filters(partners=("p1",)))

    await store.write(work)
    place, filters = Place(organization_id="acme", storage_id="s"), Filters(partners=("p1", "p2"))
    for of_results in (
        lambda tx: tx.results.page(place, filters, after=0, limit=5),
        lambda tx: tx.results.count(place, filters),
    ):
        check(await plans(store, of_results), "result_runs_removed")
    for of_log in (
        lambda tx: tx.logs.page(LOG, filters, after=0, limit=5, data=None),
        lambda tx: tx.logs.count(LOG, filters),
    ):
        check(await plans(store, of_log), "log_removals_by_log")


async def test_storages_that_an_older_gateway_opened_stay_open(tmp_path: Path) -> None:
    file = SqliteFile(tmp_path / FILE_NAME, durable=False)
    file.prepare(migrations(SQL_FOLDER)[:1])
    with closing(file.connect_to_write()) as connection:
        connection.execute("INSERT INTO storages (organization_id, id, opened_at) VALUES ('acme', 's', 0)")
    store = SqliteJobStore(tmp_path, durable=False)
    await store.open()
    result = JobResultWrite(business_partner_id="p", status=ResultStatus.OK)
    assert await store.write(lambda tx: tx.results.write(JOB, "s", [result], NOON)) == 1
    await store.close()
