"""The list of Slurm's jobs, asked for by many at a time."""

import asyncio
import time
from pathlib import Path

import pytest

from gateway.executors.slurm_client import SlurmClient, SlurmUnreachable
from gateway.executors.slurm_listing import Listing
from gateway.executors.slurm_reply import SlurmJob, read_job

JOB = read_job({"job_id": 5, "job_state": "RUNNING"})


class Client(SlurmClient):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1", version=38, user="me", token_file=Path("token"))
        self.asked = 0
        self.failure: SlurmUnreachable | None = None
        self.go_on = asyncio.Event()

    async def jobs(self) -> list[SlurmJob]:
        self.asked += 1
        await self.go_on.wait()
        if self.failure is not None:
            raise self.failure
        return [JOB]


@pytest.mark.parametrize("failure", [None, SlurmUnreachable("it does not answer")])
async def test_those_who_wait_are_served_by_one_request(failure: SlurmUnreachable | None) -> None:
    client = Client()
    client.failure = failure
    listing, now = Listing(client), time.monotonic()
    waiting = [asyncio.create_task(listing.since(now)) for _ in range(50)]
    await asyncio.sleep(0)
    client.go_on.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert answers == [failure or {5: JOB}] * 50
    assert client.asked == 1


async def test_after_a_failure_it_is_asked_again() -> None:
    client = Client()
    client.go_on.set()
    client.failure = SlurmUnreachable("it does not answer")
    listing = Listing(client)
    with pytest.raises(SlurmUnreachable):
        await listing.since(time.monotonic())
    client.failure = None
    assert await listing.since(time.monotonic()) == {5: JOB}
