"""The queries of the PostgreSQL store: each filter reads its index, and a page costs what it shows.

PostgreSQL chooses its plans itself, so they are looked at with many rows, as they were run.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.log_store import Log
from gateway.domain.ports import JobReader
from gateway.domain.queries import JobQuery
from gateway.domain.record import Position
from gateway.domain.result_store import Filters, Place, Records
from gateway.domain.words import JobStatus, ProcessingLogId, ResultStatus
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.postgres_connection import Connection
from gateway.stores.postgres_schema import SQL_FOLDER
from gateway.stores.sql_files import named_queries
from gateway.stores.sql_instants import to_number
from tests.builders import NOON
from tests.pg_stand import PgStand

JOBS = ENTRIES = 20_000
"""How many there are."""
LIMIT = 20

FILTERS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "jobs_by_organization"),
    "user": ({"user": "u7"}, "jobs_by_user"),
    "storageId": ({"storage_id": "s7"}, "jobs_by_storage"),
    "jobType": ({"job_type": ("T7",)}, "jobs_by_type"),
    "jobTypes": ({"job_type": ("T7", "T8", "T9")}, "jobs_by_type"),
    "jobStatus": ({"job_status": (JobStatus.FAILED,)}, "jobs_by_status"),
    "jobStatuses": ({"job_status": (JobStatus.FAILED, JobStatus.WAITING)}, "jobs_by_status"),
    "tag": ({"tag": ("t7",)}, "job_tags_pkey"),
    "any tag": ({"tag": ("t7", "t8", "t9")}, "job_tags_pkey"),
    "all tags": ({"tag": ("t7", "all"), "tags_conjunction": True}, "job_tags_pkey"),
    "label": ({"label": ("l=7",)}, "job_labels_pkey"),
    "text": ({"text": "word77"}, "job_words_pkey"),
    "dependentJobId": (
        {"dependent_job_id": "j7", "storage_id": "s8", "job_type": ("T8",)},
        "job_dependents",
    ),
    "scheduledJobId": ({"scheduled_job_id": "c7"}, "jobs_by_schedule"),
    "user and tag": ({"user": "u7", "tag": ("all",)}, "jobs_by_user"),
    "created": (
        {"created_after": NOON, "created_before": NOON + timedelta(milliseconds=500)},
        "jobs_by_organization",
    ),
}
"""Each finds about a hundredth of the jobs, and the index that it is read from."""

BIG = {"jobs", "job_tags", "job_labels", "job_words", "job_dependencies", "results", "log_entries"}

FILL = Path(__file__).with_name("postgres_fill.sql")


@pytest.fixture(scope="module")
def filled(postgres: PgStand) -> Iterator[str]:
    """The address of a database with many jobs and entries."""
    address = postgres.database()
    stand = postgres.at(address)
    stand.run(FILL.read_text("utf-8").replace(":noon", str(to_number(NOON))))
    stand.run("ANALYZE")
    yield address
    postgres.drop(address)


@pytest.fixture
async def store(filled: str) -> AsyncIterator[PostgresJobStore]:
    made = PostgresJobStore(filled)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def plans(
    store: PostgresJobStore, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[JobReader], Any]], Any]:
    """Runs a unit of work that reads; the steps of all its statements, as PostgreSQL ran them."""
    execute = Connection.execute

    async def run(work: Callable[[JobReader], Any]) -> list[dict[str, Any]]:
        statements: list[tuple[str, Any]] = []

        def noting(self: Connection, sql: str, values: Any = None) -> Any:
            statements.append((sql, values))
            return execute(self, sql, values)

        with monkeypatch.context() as patch:
            patch.setattr(Connection, "execute", noting)
            await store.read(work)

        def explain(tx: Any) -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            for sql, values in statements:
                [(plan,)] = tx._db.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values).fetchall()
                found += _steps(plan[0]["Plan"])
            return found

        return await store.read(explain)

    return run


def _steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _steps(below)


def check(steps: list[dict[str, Any]], index: str, *, most_rows: float) -> None:
    """No big table is read from end to end, the index is used, and few rows are looked at."""
    of_big = [step for step in steps if step.get("Relation Name") in BIG]
    assert [step for step in of_big if step["Node Type"] == "Seq Scan"] == []
    used = {step["Index Name"] for step in steps if "Index Name" in step}
    assert any(name.startswith(index) for name in used), used
    rows = sum(
        step["Actual Loops"] * (step["Actual Rows"] + step.get("Rows Removed by Filter", 0))
        for step in of_big
    )
    assert rows <= most_rows, (rows, of_big)


@pytest.mark.parametrize("name", list(FILTERS))
async def test_a_page_of_each_filter_reads_its_index_and_little_else(plans: Any, name: str) -> None:
    given, index = FILTERS[name]
    middle = Position(NOON + timedelta(milliseconds=JOBS // 2), "j")
    for organization_id, sort, after in product(("acme", None), ("createdAt", "-createdAt"), (None, middle)):
        query = JobQuery(sort=sort, **given)
        steps = await plans(
            lambda tx, query=query, organization_id=organization_id, after=after: tx.jobs(
                query, organization_id=organization_id, after=after, limit=LIMIT, enough_bytes=1000
            )
        )
        # To choose between filters up to a thousand entries of each are counted; then the page is read.
        choices = 2000 * (len(given) > 1 or "text" in given or "tag" in given) + 100
        expected = index if organization_id else index.removesuffix("_organization")
        check(steps, expected, most_rows=choices + 8 * LIMIT * 3)


@pytest.mark.parametrize("name", [name for name in FILTERS if name not in ("nothing", "created")])
async def test_a_count_of_each_filter_reads_what_it_counts(plans: Any, name: str) -> None:
    given, index = FILTERS[name]
    steps = await plans(lambda tx: tx.count_jobs(JobQuery(**given), organization_id="acme"))
    check(steps, index, most_rows=JOBS / 5)


@pytest.mark.parametrize(
    ("work", "index"),
    [
        (lambda tx: tx.queue(LIMIT), "jobs_in_queue"),
        (lambda tx: tx.queue(LIMIT, skip_organizations=["other"]), "jobs_in_queue_by_organization"),
        (lambda tx: tx.due(NOON, LIMIT), "jobs_due"),
        (lambda tx: tx.next_wake(), "jobs_due"),
        (lambda tx: tx.expired(NOON, LIMIT), "jobs_expiring"),
        (lambda tx: tx._rows("claimed", {"node": 1}), "jobs_by_node"),
        (lambda tx: tx.count_claimed(), "jobs_claimed"),
        (lambda tx: tx.count_claimed(1), "jobs_by_node"),
        (lambda tx: tx.count_not_final("acme"), "jobs_not_final"),
        (lambda tx: tx.document("j7"), "jobs_id_key"),
        (lambda tx: tx._rows("jobs", {"ids": ["j7", "j8"]}), "jobs_id_key"),
        (lambda tx: tx.dependents("j7"), "job_dependents"),
        (lambda tx: tx._rows("tied", {"ids": ["j7", "j8"]}), "job_dependents"),
        (lambda tx: tx._rows("tied", {"ids": ["j7", "j8"]}), "lock_places_by_job"),
        (lambda tx: tx.open_dependencies("j7"), "job_dependencies_pkey"),
        (lambda tx: tx.schedules.open_runs("c1"), "jobs_open_by_schedule"),
    ],
)
async def test_what_the_loops_look_for_has_small_indexes(plans: Any, work: Any, index: str) -> None:
    check(await plans(work), index, most_rows=JOBS / 50)


ENTRY_FILTERS: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "by_status"),
    "partners": ({"partners": ("p1", "p2")}, "by_partner"),
    "source": ({"sources": ("d1",)}, "by_source"),
    "externals": ({"externals": ("e1", "e2")}, "by_external"),
}


@pytest.mark.parametrize(("name", "status"), list(product(ENTRY_FILTERS, [None, ResultStatus.OK])))
async def test_a_page_of_entries_reads_the_index_of_its_filter(
    plans: Any, name: str, status: ResultStatus | None
) -> None:
    given, index = ENTRY_FILTERS[name]
    filters = Filters(**given, status=status)
    place = Place(organization_id="acme", storage_id="s")
    log = Log(organization_id="acme", storage_id="s", id=ProcessingLogId.CURATION_LOG)
    few = 8 * LIMIT
    steps = await plans(lambda tx: tx.results.page(place, filters, after=0, limit=LIMIT))
    check(steps, f"results_{index}", most_rows=few)
    steps = await plans(lambda tx: tx.logs.page(log, filters, after=0, limit=LIMIT, data=None))
    check(steps, f"log_entries_{index}", most_rows=few)
    if given:
        steps = await plans(lambda tx: tx.results.count(place, filters))
        check(steps, f"results_{index}", most_rows=ENTRIES / 10)


async def test_the_results_of_a_run_and_the_newest_of_a_record_have_indexes(plans: Any) -> None:
    place = Place(organization_id="acme", storage_id="s", job_id="j7")
    steps = await plans(lambda tx: tx.results.page(place, Filters(), after=0, limit=LIMIT))
    check(steps, "results_by_run", most_rows=8 * LIMIT)
    records = Records(job_type=None, partners=("p1",), source="d1", externals=("e1",))
    steps = await plans(lambda tx: tx.results.newest("acme", "s", records))
    check(steps, "results_by_partner", most_rows=8 * LIMIT)
    check(steps, "results_by_external", most_rows=8 * LIMIT)


def test_each_query_is_used() -> None:
    program = "".join(
        file.read_text()
        for pattern in ("postgres*.py", "sql_*.py")
        for file in SQL_FOLDER.parent.glob(pattern)
    )
    put_together = {
        *(f"{verb}_{kind}" for verb in ("insert", "delete") for kind in ("tag", "label", "word")),
        *("source_type_anywhere", "source_status_anywhere"),
        *("columns_results", "columns_log_entries"),
    }
    said = set(re.findall('"[a-z_]+"', program))
    unused = [
        name
        for name in named_queries(SQL_FOLDER)
        if not {f'"{name}"', f'"{name.removeprefix("where_")}"', f'"{name.removeprefix("source_")}"'} & said
        and name not in put_together
    ]
    assert unused == []
