"""The queries of the SQLite store: each is used, and none reads a table from end to end."""

import re
from datetime import timedelta
from itertools import count, product
from typing import Any

import pytest

from gateway.domain.queries import JobQuery
from gateway.domain.record import Position
from gateway.domain.words import JobStatus
from gateway.stores.sql_files import named_queries
from gateway.stores.sqlite import SQL_FOLDER, SqliteJobStore
from gateway.stores.sqlite_lists import SqliteJobLists
from tests.builders import NOON, a_record
from tests.storing import count_of, insert, pages

FILTERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "user": {"user": "ann"},
    "storageId": {"storage_id": "s"},
    "jobType": {"job_type": ("A",)},
    "jobTypes": {"job_type": ("A", "B", "C")},
    "jobStatus": {"job_status": (JobStatus.FAILED,)},
    "jobStatuses": {"job_status": (JobStatus.FAILED, JobStatus.DIED, JobStatus.RUNNING)},
    "tag": {"tag": ("a",)},
    "any tag": {"tag": ("a", "b", "c")},
    "all tags": {"tag": ("a", "b", "c"), "tags_conjunction": True},
    "dependentJobId": {"dependent_job_id": "j", "storage_id": "s", "job_type": ("A",)},
    "createdAfter": {"created_after": NOON},
    "createdBefore": {"created_before": NOON},
    "createdAfter and createdBefore": {"created_after": NOON, "created_before": NOON + timedelta(hours=1)},
    "scheduledJobId": {"scheduled_job_id": "s"},
    "label": {"label": ("l=v",)},
    "labels": {"label": ("l=v", "m=w")},
    "text": {"text": "alpha"},
    "texts": {"text": "alpha word"},
}

MAY_SCAN = {
    "keys": ["SCAN api_keys"],
    "has_keys": ["SCAN api_keys"],
    "claimed": ["SCAN jobs USING INDEX jobs_claimed"],
    "count_claimed": ["SCAN jobs USING COVERING INDEX jobs_claimed"],
    "queue": ["SCAN jobs USING INDEX jobs_in_queue"],
    "next_removed_run": ["SCAN result_runs USING INDEX result_runs_removed"],
    "next_removal": ["SCAN r"],
}
"""Keys are few, and a partial index holds only what is asked for; of removals the first is asked for."""

MAY_SORT = {"keys", "open_dependencies", "places", "blocking_locks"}
"""What one job has, and keys, are few."""

TABLES = {
    *("jobs", "job_requests", "job_secrets", "job_events", "job_tags", "job_labels", "job_words"),
    *("job_dependencies", "lock_places", "storages", "idempotency", "api_keys", "audit", "settings"),
    *("results", "result_runs", "logs", "log_entries", "log_removals"),
    *("schedules", "schedule_secrets"),
    *("j", "r", "s", "e", "w", "l", "own"),
}
"""Tables, and the short names that queries give them."""


class _Unset(dict[str, None]):
    """A value for any parameter."""

    def __missing__(self, name: str) -> None:
        return None


def plan_of(store: SqliteJobStore, sql: str, values: Any) -> list[str]:
    """How SQLite would run a query."""
    return [row[3] for row in store._writing.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


def instructions_of(store: SqliteJobStore, sql: str, values: Any) -> int:
    """How many instructions of its machine SQLite runs for a query."""
    seen = count()
    store._writing.set_progress_handler(lambda: next(seen) < 0, 1)
    try:
        store._writing.execute(sql, values).fetchall()
    finally:
        store._writing.set_progress_handler(None, 1)
    return next(seen)


async def test_no_query_reads_a_table_from_end_to_end(sqlite_store: SqliteJobStore) -> None:
    for name, sql in named_queries(SQL_FOLDER).items():
        if name.startswith(("columns_", "range_", "where_")) or name == "jobs_near":
            continue
        values: Any = [None] * sql.count("?") or _Unset()
        plan = plan_of(sqlite_store, sql, values)
        scans = [step for step in plan if step.startswith("SCAN") and step.split()[1] in TABLES]
        assert scans == MAY_SCAN.get(name, []), (name, plan)
        assert "USE TEMP B-TREE FOR ORDER BY" not in plan or name in MAY_SORT, name


@pytest.mark.parametrize("name", list(FILTERS))
async def test_each_filter_is_read_in_order_from_an_index(sqlite_store: SqliteJobStore, name: str) -> None:
    """A page costs what it shows, however many jobs there are: each range is searched and none is sorted."""
    records = [
        a_record(name="alpha alpine word", tags=("a", "b"), type="A", organization_id=organization)
        for organization in ("acme", "other", "third")
    ]
    await insert(sqlite_store, *records)
    lists = SqliteJobLists(sqlite_store._writing, named_queries(SQL_FOLDER))
    position = Position(NOON, "j")
    for organization_id, sort, after in product(
        ("acme", None), ("createdAt", "-createdAt"), (None, position)
    ):
        query = JobQuery(sort=sort, **FILTERS[name])
        sql, values = lists.statement(query, organization_id=organization_id, after=after, limit=100)
        plan = plan_of(sqlite_store, sql, values)
        scans = [step for step in plan if step.startswith("SCAN") and "VIRTUAL TABLE" not in step]
        sorts = [step for step in plan if step.startswith("USE TEMP B-TREE")]
        # Ranges that are merged are merged in order; of the page that comes out its documents are looked up.
        merged = "CO-ROUTINE page" in plan
        assert scans == (["SCAN page"] if merged else []), plan
        assert sorts == (["USE TEMP B-TREE FOR ORDER BY"] if merged else []), plan
        assert not sorts or plan.index("SCAN page") < plan.index(sorts[0]), plan
        bounds = [step for step in plan if "created_at" in step and ">(?,?)" in step and "<(?,?)" in step]
        assert bounds, plan


async def test_of_several_filters_the_one_that_finds_least_drives(sqlite_store: SqliteJobStore) -> None:
    common = [a_record(tags=("common",), type="A") for _ in range(50)]
    await insert(sqlite_store, *common, a_record(tags=("common", "rare"), type="A", user="bob"))
    lists = SqliteJobLists(sqlite_store._writing, named_queries(SQL_FOLDER))
    for query, expected in (
        (JobQuery(tag=("common",), user="bob"), "jobs_by_user"),
        (JobQuery(tag=("rare",), user="ann"), "SEARCH k USING PRIMARY KEY"),
        (JobQuery(job_type=("B",), user="ann"), "jobs_by_type"),
    ):
        sql, values = lists.statement(query, organization_id="acme", after=None, limit=9)
        assert expected in plan_of(sqlite_store, sql, values)[0]
    query = JobQuery(tag=("common", "rare"), tags_conjunction=True)
    sql, values = lists.statement(query, organization_id="acme", after=None, limit=9)
    assert values["value_0"] == "rare"


async def test_the_text_of_a_query_is_made_once_for_all_values(sqlite_store: SqliteJobStore) -> None:
    lists = SqliteJobLists(sqlite_store._writing, named_queries(SQL_FOLDER))

    def text(query: JobQuery) -> str:
        return lists.statement(query, organization_id="acme", after=None, limit=9)[0]

    assert text(JobQuery(user="ann")) is text(JobQuery(user="bob"))
    different = [
        JobQuery(user="ann"),
        JobQuery(user="ann", sort="-createdAt"),
        JobQuery(job_type=("A",)),
        JobQuery(job_type=("A", "B")),
        JobQuery(user="ann", text="alpha"),
        JobQuery(user="ann", text="alpha word"),
    ]
    assert len({text(query) for query in different}) == len(different)


def test_each_query_is_used() -> None:
    program = "".join(
        file.read_text()
        for pattern in ("sql_*.py", "sqlite_*.py")
        for file in SQL_FOLDER.parent.glob(pattern)
    )
    put_together = {
        *(f"{verb}_{kind}" for verb in ("insert", "delete") for kind in ("tag", "label", "word")),
        *("range_type", "range_status", "range_type_anywhere", "range_status_anywhere"),
        *("columns_results", "columns_log_entries"),
    }
    unused = [
        name
        for name in named_queries(SQL_FOLDER)
        if not {f'"{name}"', f'"{name.removeprefix("where_")}"'} & set(re.findall('"[a-z_]+"', program))
        and name not in put_together
    ]
    assert unused == []


@pytest.mark.parametrize(("probed", "merged"), [(3, 100), (1000, 100), (3, 4)])
async def test_a_text_that_is_found_too_often_to_be_sorted_is_found_all_the_same(
    sqlite_store: SqliteJobStore, monkeypatch: pytest.MonkeyPatch, probed: int, merged: int
) -> None:
    """Merged word by word, or read job by job because it is met soon, or because of too many words."""
    monkeypatch.setattr("gateway.stores.sqlite_drives.MAX_RANGES", 3)
    monkeypatch.setattr("gateway.stores.sqlite_drives.MAX_SORTED", 5)
    monkeypatch.setattr("gateway.stores.sqlite_drives.MAX_MERGED", merged)
    monkeypatch.setattr("gateway.stores.sqlite_drives.PROBED", probed)
    monkeypatch.setattr("gateway.stores.sqlite_lists.FEW", 2)
    records = [
        a_record(
            name=f"w00{number % 5} w00{number}",
            tags=("a",),
            organization_id="other" if number % 3 == 2 else "acme",
            created_at=NOON + timedelta(seconds=number // 2),
        )
        for number in range(12)
    ]
    await insert(sqlite_store, *records, a_record(name="other", tags=("a",)))
    for sort, organization_id in product(("createdAt", "-createdAt"), ("acme", None)):
        expected = [one.job for one in records if organization_id in (one.job.organization_id, None)]
        expected.sort(key=lambda job: (job.created_at, job.id), reverse=sort == "-createdAt")
        for query in (
            JobQuery(text="w00", sort=sort),
            JobQuery(text="w00", sort=sort, tag=("a",), user="ann"),
        ):
            assert await pages(sqlite_store, query, organization_id) == [job.id for job in expected]
            assert await count_of(sqlite_store, query, organization_id) == len(expected)


async def test_a_page_of_words_that_only_late_jobs_have_costs_what_it_shows(
    sqlite_store: SqliteJobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the entries of each word no more are read than the page needs, however many there are."""
    monkeypatch.setattr("gateway.stores.sqlite_drives.MAX_RANGES", 3)
    monkeypatch.setattr("gateway.stores.sqlite_drives.MAX_SORTED", 5)
    monkeypatch.setattr("gateway.stores.sqlite_drives.PROBED", 3)
    lists = SqliteJobLists(sqlite_store._writing, named_queries(SQL_FOLDER))
    await insert(sqlite_store, *(a_record(name="other") for _ in range(3)))
    costs = []
    for first in (0, 100):
        at = NOON + timedelta(seconds=first)
        late = (a_record(name=f"w00{number % 5}", created_at=at) for number in range(100))
        await insert(sqlite_store, *late)
        sql, values = lists.statement(JobQuery(text="w00"), organization_id="acme", after=None, limit=2)
        assert "RECURSIVE STEP" in plan_of(sqlite_store, sql, values)
        costs.append(instructions_of(sqlite_store, sql, values))
    assert costs[0] == costs[1]
