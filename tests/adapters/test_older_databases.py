"""Databases that older gateways left behind: opened, brought up to date, and every document read right.

The files in `older/` were written by gateways of those versions: the database as SQL, and what they replied.
That of PostgreSQL holds what that of SQLite's version 3 does, so the same was replied.
"""

import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lxml import etree

from gateway.contract.shapes import shape_of
from gateway.domain.job import Job, JobEvent
from gateway.domain.log_store import Log
from gateway.domain.ports import JobReader, JobStore, JobWriter
from gateway.domain.queries import JobQuery
from gateway.domain.record import Stored
from gateway.domain.result_store import Filters, Place
from gateway.domain.schedules import ScheduledJobQuery
from gateway.domain.words import JobStatus, ProcessingLogId
from gateway.soap.golden import documents
from gateway.stores.postgres import PostgresJobStore
from gateway.stores.sqlite import SqliteJobStore
from gateway.translate import NAMESPACE
from gateway.translate.xml_writer import XmlWriter

OLDER = Path(__file__).parent / "older"
VERSIONS = sorted(path.stem for path in OLDER.glob("*.sql"))
REPLIES = {version: version for version in VERSIONS} | {"postgres_2": "version_3"}
WITH_RESULTS = [version for version in VERSIONS if version != "version_1"]
XSD = "{http://www.w3.org/2001/XMLSchema}"


class Older:
    """A store that has just opened the database of an older gateway, and what that gateway replied."""

    def __init__(self, store: JobStore, replied: dict[str, Any]) -> None:
        self.store = store
        self.replied = replied

    async def jobs(self) -> list[Stored[Job]]:
        """All jobs, oldest first."""
        return await self.store.read(
            lambda tx: tx.jobs(JobQuery(), organization_id="default", after=None, limit=100)
        )


@pytest.fixture(params=VERSIONS)
async def older(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Older]:
    """Each of the databases."""
    dump = (OLDER / f"{request.param}.sql").read_text("utf-8")
    store: JobStore
    if request.param.startswith("postgres"):
        address = request.getfixturevalue("empty_database")
        with psycopg.connect(address) as target:
            target.execute(dump)
        store = PostgresJobStore(address)
    else:
        with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection:
            connection.executescript(dump)
        store = SqliteJobStore(tmp_path)
    await store.open()
    try:
        yield Older(store, json.loads((OLDER / f"{REPLIES[request.param]}.json").read_text("utf-8")))
    finally:
        await store.close()


with_results = pytest.mark.parametrize("older", WITH_RESULTS, indirect=True)


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    """The schema of the WSDL, in which each type is an element of its name."""
    found = etree.fromstring(documents()["jobs-v2.wsdl"]).find(f".//{XSD}schema")
    assert found is not None
    for model in ("Job", "JobResult", "ProcessingLogEntry", "ScheduledJob"):
        etree.SubElement(found, f"{XSD}element", {"name": model, "type": f"tns:{model}"})
    return etree.XMLSchema(found)


def check(stored: list[Stored[Any]], replied: list[Any], schema: etree.XMLSchema) -> None:
    """The documents say what they said, the models take them, and their XML is that of the contract."""
    writer = XmlWriter()
    assert [json.loads(document.json) for document in stored] == replied
    for document in stored:
        assert document.load().id == document.id
        text = writer.fragment(document).decode()
        name = document.model.__name__
        schema.assertValid(etree.fromstring(f'<{name} xmlns="{NAMESPACE}">{text}</{name}>'))


async def test_jobs_are_what_they_were(older: Older, schema: etree.XMLSchema) -> None:
    jobs = await older.jobs()
    statuses = {document.load().job_status for document in jobs}
    assert {JobStatus.FINISHED, JobStatus.FAILED, JobStatus.WAITING, JobStatus.CANCELED} <= statuses
    check(jobs, older.replied["jobs"], schema)


async def test_the_jobs_of_the_databases_say_nearly_everything(older: Older) -> None:
    """Else they would prove little."""
    said = {name for job in older.replied["jobs"] for name, value in job.items() if value not in ([], "")}
    unsaid = {member.wire for member in shape_of(Job).members} - said
    assert unsaid <= {"volumes", "reportUri", "progress", "totalItems", "processedItems", "failedItems"} | {
        "scheduledJobId",
        "rerunOf",
    }


async def test_the_engine_finds_its_part(older: Older) -> None:
    def work(tx: JobReader) -> None:
        for job in older.replied["jobs"]:
            record = tx.job(job["id"])
            assert record is not None
            assert (str(record.job.job_status), record.claimed) == (job["jobStatus"], False)
            request = tx.request(job["id"])
            assert request is not None
            assert request.commands == tuple(job["commands"])
        waiting, dependent = (
            next(job["id"] for job in older.replied["jobs"] if job.get("name") == name)
            for name in ("waiting", "dependent")
        )
        assert tx.open_dependencies(dependent) == [waiting]
        assert tx.lock_holder("default", "w") == waiting
        assert tx.blocking_locks(dependent) == ["w"]

    await older.store.read(work)


async def test_history_is_what_it_was(older: Older) -> None:
    for job_id, events in older.replied["events"].items():
        found: list[JobEvent] = await older.store.read(
            lambda tx, job_id=job_id: tx.events(job_id, after=0, limit=100)
        )
        assert [event.model_dump(mode="json", by_alias=True, exclude_none=True) for event in found] == events


async def test_a_job_goes_on_from_there(older: Older) -> None:
    job_id = next(job["id"] for job in older.replied["jobs"] if job.get("name") == "waiting")

    def work(tx: JobWriter) -> int:
        record = tx.job(job_id)
        assert record is not None
        tx.save_job(record.with_(job=record.job.with_(name="renamed", version=record.job.version + 1)))
        return record.job.version

    before = await older.store.write(work)
    document = next(document for document in await older.jobs() if document.id == job_id)
    assert (document.load().name, document.version) == ("renamed", before + 1)


@with_results
async def test_results_and_log_entries_are_what_they_were(older: Older, schema: etree.XMLSchema) -> None:
    place = Place(organization_id="default", storage_id="s")
    results = await older.store.read(lambda tx: tx.results.page(place, Filters(), after=0, limit=10))
    check(list(results.items), older.replied["results"], schema)
    assert await older.store.read(lambda tx: tx.results.count(place, Filters())) == 2
    log = Log(organization_id="default", storage_id="s", id=ProcessingLogId.CURATION_LOG)
    entries = await older.store.read(
        lambda tx: tx.logs.page(log, Filters(), after=0, limit=10, data=lambda text: text)
    )
    check(list(entries.items), older.replied["log"], schema)


@with_results
async def test_scheduled_jobs_are_what_they_were(older: Older, schema: etree.XMLSchema) -> None:
    found = await older.store.read(
        lambda tx: tx.schedules.page(ScheduledJobQuery(), organization_id="default", after=None, limit=9)
    )
    check(found, older.replied["scheduledJobs"], schema)
