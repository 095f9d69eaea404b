"""What others feel: of a very large reply, and of expired jobs being deleted."""

import os
import sqlite3
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from bench import jobs
from bench.compared import duration
from bench.figures import Figure, Spread, at_most, quantile
from bench.filled import filled
from bench.http import Line, get, send, soap
from bench.load import Load, aside, load
from bench.stand import Stand
from bench.written import unit, writing
from gateway.stores.sqlite import FILE_NAME

_MANY = 5000
_HOLD_MS = 10
_SECOND = [get(f"/v2/jobs/{jobs.job_id(1)}")]
_FULL = 1_000_000
_OWN_GOAL = 2
"""The contract names none for this; the one of row 12 is taken."""


def large_replies(stand: Stand) -> Iterator[Figure]:
    """The longest that a second caller waits for a getJob while a reply of 5000 results is made."""
    server = stand.small()
    query = f"<storageId>{jobs.STORAGE}</storageId><query><limit>{_MANY}</limit></query>"
    doors = {
        "REST": get(f"/v2/jobs/results/{jobs.STORAGE}?limit={_MANY}"),
        "SOAP": soap("listStorageResults", query),
    }
    for door, request in doors.items():
        busy: list[tuple[float, float]] = []
        quiet: list[tuple[float, float]] = []
        with Line(server.port) as line, aside(server.port, _SECOND) as second:
            line.ask(request)
            for _ in range(stand.effort.some(40, 6)):
                began = time.perf_counter()
                line.ask(request)
                ended = time.perf_counter()
                busy.append((began, ended))
                time.sleep(ended - began)
                quiet.append((ended, time.perf_counter()))
            waited = second.end()
        with_reply = _longest(waited, busy, sent_before=True)
        without = _longest(waited, quiet, sent_before=False)
        taken = statistics.median(ended - began for began, ended in busy)
        yield Figure(
            f"longest wait of a second caller beside a reply of {_MANY} results, {door}",
            Spread.of([1000 * wait for wait in with_reply]),
            at_most(_HOLD_MS),
            unit="ms",
            note=f"{1000 * statistics.median(without):.1f} ms without; the reply takes {1000 * taken:.0f} ms",
        )


def pruning(stand: Stand) -> Iterator[Figure]:
    """Readers and writers while expired jobs are deleted from the large store."""
    count = stand.effort.some(20_000, 500)
    server, total = stand.large(), stand.effort.large
    folder = filled(total)
    readers = [get(f"/v2/jobs/{jobs.job_id(number)}") for number in range(1, total, total // 1000)]
    writers = [
        send(
            f"/v2/jobs/{jobs.job_id(number)}",
            b'{"description": "changed while others are deleted"}',
            method="PATCH",
            content_type="application/merge-patch+json",
        )
        for number in range(2, 2000, 10)
    ]
    quiet_reads, quiet_writes, seconds = [], [], 0.0
    with aside(server.port, readers) as reading, aside(server.port, writers) as writing_:
        time.sleep(stand.effort.some(5, 1))
        quiet_reads, quiet_writes = reading.end().latencies, writing_.end().latencies
    _put_expired(folder, count, total)
    # The disk is busy with it for some seconds more, and every commit waits.
    load(server.port, writers, connections=1, seconds=stand.effort.some(5, 1))
    with aside(server.port, readers) as reading, aside(server.port, writers) as writing_:
        seconds = _until_deleted(folder)
        reads, writes = reading.end().latencies, writing_.end().latencies
    for name, busy, quiet in (("getJob", reads, quiet_reads), ("updateJobFields", writes, quiet_writes)):
        ratio = quantile(busy, 0.99) / quantile(quiet, 0.99)
        yield Figure(
            f"{name} p99 while {count:,} expired of {total:,} jobs are deleted : without",
            Spread(ratio, ratio, ratio),
            at_most(_OWN_GOAL),
            note=f"{duration(quantile(busy, 0.99))} : {duration(quantile(quiet, 0.99))}, "
            f"longest {duration(max(busy))}; {count / seconds:.0f} deleted/s",
            proof=total >= _FULL,
        )


def _longest(waited: Load, windows: list[tuple[float, float]], *, sent_before: bool) -> list[float]:
    """In each window the longest wait of a request that was under way in it; or only of those sent in it."""
    found = []
    requests = list(zip(waited.sent_at, waited.latencies, strict=True))
    for began, ended in windows:
        inside = [
            wait
            for sent, wait in requests
            if sent < ended and (sent + wait > began if sent_before else sent >= began)
        ]
        if inside:
            found.append(max(inside))
    return found


def _put_expired(folder: Path, count: int, total: int) -> None:
    """Store jobs that have expired, spread over the whole store, in one transaction."""
    with writing(folder) as (connection, writer), unit(connection, writer):
        for place in range(count):
            record = jobs.record(place * (total // count), total)
            # Beside the job of that number, which keeps the id.
            own = str(uuid.UUID(int=uuid.UUID(record.job.id).int | 1 << 61))
            # Over by now, also for the last of ten million jobs, one of which is made each second.
            expired = jobs.FIRST_AT + timedelta(days=1)
            job = record.job.with_(id=own, expires_at=expired, job_dependencies=(), tags=("nightly", "old"))
            writer.insert_job(record.with_(job=job), request=jobs.request(), secrets={})
            for event in jobs.events(job):
                writer.add_event(event)
    # No gateway writes so much at once: it is to be on the disk before anything is timed.
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    os.sync()


def _until_deleted(folder: Path) -> float:
    """Wait until no expired job is left; the seconds since the first was gone."""
    left_sql = "SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL AND expires_at IS NOT NULL"
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        all_, began = connection.execute(left_sql).fetchone()[0], time.perf_counter()
        while True:
            (left,) = connection.execute(left_sql).fetchone()
            if left == all_:
                began = time.perf_counter()
            if left == 0:
                return time.perf_counter() - began
            time.sleep(0.05)
