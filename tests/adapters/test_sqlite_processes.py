"""The SQLite store beside other processes, and after its own was killed."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.domain.errors import ServiceUnavailable
from gateway.stores.sqlite import SqliteJobStore
from tests.adapters.conftest import other_process
from tests.builders import a_key, a_record
from tests.storing import inserted, inserts, job_of

CRASH = Path(__file__).with_name("sqlite_crash.py")


async def test_a_write_waits_for_another_process(sqlite_store: SqliteJobStore, tmp_path: Path) -> None:
    record = a_record()
    with other_process(tmp_path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        writing = asyncio.ensure_future(sqlite_store.write(inserts(record)))
        await asyncio.sleep(0.05)
        assert not writing.done()
        assert await job_of(sqlite_store, record.job.id) is None
        connection.execute("COMMIT")
    await writing
    assert await job_of(sqlite_store, record.job.id) == record


async def test_a_store_that_stays_busy_is_unavailable(
    sqlite_store: SqliteJobStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.stores.sqlite_commits.BUSY_SECONDS", 0.02)
    with other_process(tmp_path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        writes = [sqlite_store.write(inserts(a_record())) for _ in range(3)]
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert [(type(one), getattr(one, "reason", "")) for one in outcomes] == [
        (ServiceUnavailable, "the store is busy")
    ] * 3
    await inserted(sqlite_store)


async def test_keys_made_in_another_process_are_seen_while_this_one_writes(
    sqlite_store: SqliteJobStore, tmp_path: Path
) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from gateway.stores.sqlite import SqliteJobStore\n"
        "from tests.builders import a_key\n"
        "async def main():\n"
        "    for number in range(10):\n"
        "        store = SqliteJobStore(Path(sys.argv[1]))\n"
        "        await store.open()\n"
        "        key = a_key(id=f'other{number}', name=f'other {number}')\n"
        "        await store.write(lambda tx: tx.insert_key(key))\n"
        "        await store.close()\n"
        "asyncio.run(main())\n"
    )
    other = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(tmp_path))
    ended = asyncio.ensure_future(other.wait())
    written = 0
    while not ended.done():
        await sqlite_store.write(lambda tx: tx.insert_key(a_key()))
        written += 1
    assert ended.result() == 0
    names = [key.name for key in await sqlite_store.read(lambda tx: tx.keys())]
    assert len(names) == written + 10
    assert {f"other {number}" for number in range(10)} <= set(names)


async def test_what_was_confirmed_survives_kill_9(tmp_path: Path) -> None:
    command = [sys.executable, str(CRASH), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(CRASH.parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as program:
        assert program.stdout is not None
        confirmed = [program.stdout.readline().strip() for _ in range(200)]
        program.send_signal(signal.SIGKILL)
        confirmed += program.stdout.read().split("\n")[:-1]
    store = SqliteJobStore(tmp_path)
    await store.open()
    try:
        kept = await store.read(lambda tx: [tx.document(job_id) is not None for job_id in confirmed])
        secrets = await store.read(lambda tx: [tx.secrets(job_id) for job_id in confirmed])
        events = await store.read(lambda tx: [len(tx.events(i, after=0, limit=9)) for i in confirmed])
        assert kept == [True] * len(confirmed)
        assert secrets == [{"A": b"a"}] * len(confirmed)
        assert events == [1] * len(confirmed)
    finally:
        await store.close()
    assert len(confirmed) >= 200
