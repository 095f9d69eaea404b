"""A program for a test: writes jobs and says which are confirmed, until it is killed."""

import asyncio
import sys
from pathlib import Path

from gateway.stores.sqlite import SqliteJobStore
from tests.builders import a_record, a_start, an_event


async def main(folder: Path) -> None:
    store = SqliteJobStore(folder)
    await store.open()

    async def caller() -> None:
        while True:
            record = a_record()

            def work(tx, record=record):  # type: ignore[no-untyped-def]
                tx.insert_job(record, request=a_start(), secrets={"A": b"a"})
                tx.add_event(an_event(record.job.id))

            await store.write(work)
            sys.stdout.write(record.job.id + "\n")
            sys.stdout.flush()

    await asyncio.gather(*(caller() for _ in range(16)))


asyncio.run(main(Path(sys.argv[1])))
