"""Idempotency keys: the first request counts, a repeat is answered, another request is refused."""

import asyncio
from typing import Any

import pytest

from gateway.domain.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    JobNotFound,
    ValidationFailed,
)
from gateway.domain.executor import Exited
from tests.house import TestHouse


async def test_a_repeat_gets_the_job_as_it_is_now(house: TestHouse) -> None:
    first = await house.start(idempotency_key="k", name="n")
    await house.tick()
    again = await house.start(idempotency_key="k", name="n")
    assert (again.id, again.job_status) == (first.id, "RUNNING")
    assert len((await house.call("listJobs")).jobs) == 1


async def test_equal_after_validation_is_the_same(house: TestHouse) -> None:
    first = await house.start(idempotency_key="k", priority=5, notBefore="2026-11-23T13:00:00+01:00")
    again = await house.start(idempotency_key="k", tags=[], notBefore="2026-11-23T12:00:00.000Z")
    assert again.id == first.id


async def test_another_request_under_the_key_is_refused(house: TestHouse) -> None:
    await house.start(idempotency_key="k", name="n")
    with pytest.raises(IdempotencyKeyReused, match="'k'"):
        await house.start(idempotency_key="k", name="m")
    secret = {"name": "S", "value": "one", "secret": True}
    await house.start(idempotency_key="s", environmentVariables=[secret])
    with pytest.raises(IdempotencyKeyReused):
        await house.start(idempotency_key="s", environmentVariables=[secret | {"value": "two"}])


async def test_a_key_counts_for_its_operation_alone(house: TestHouse) -> None:
    job = await house.start(idempotency_key="k")
    canceled = await house.call("cancelJob", jobId=job.id, idempotency_key="k")
    assert canceled.job_status == "CANCELED"
    again = await house.call("rerunJob", jobId=job.id, idempotency_key="k")
    assert (await house.call("rerunJob", jobId=job.id, idempotency_key="k")).id == again.id


async def test_a_refused_request_uses_up_no_key(house: TestHouse) -> None:
    with pytest.raises(ValidationFailed):
        await house.start(idempotency_key="k", expiresAt="2020-01-01T00:00:00Z")
    await house.start(idempotency_key="k")


async def test_a_repeat_after_the_deletion_is_not_found(house: TestHouse) -> None:
    job = await house.start(idempotency_key="k")
    await house.tick()
    await house.end(job.id, Exited(exit_code=0))
    await house.call("deleteJob", jobId=job.id)
    with pytest.raises(JobNotFound):
        await house.start(idempotency_key="k")


async def test_a_key_is_forgotten_after_a_day(house: TestHouse) -> None:
    first = await house.start(idempotency_key="k")
    house.clock.advance(86400 - 1)
    await house.engine.pruner.tick()
    assert (await house.start(idempotency_key="k")).id == first.id
    house.clock.advance(2)
    await house.engine.pruner.tick()
    assert (await house.start(idempotency_key="k")).id != first.id


async def test_a_repeat_while_the_first_still_runs_is_refused(
    house: TestHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = house.house.store.write
    begun, go = asyncio.Event(), asyncio.Event()

    async def held(work: Any) -> Any:
        """The first is about to write; whoever comes behind it would write at once."""
        if not begun.is_set():
            begun.set()
            await go.wait()
        return await write(work)

    monkeypatch.setattr(house.house.store, "write", held)
    first = asyncio.create_task(house.start(idempotency_key="k", name="n"))
    await begun.wait()
    try:
        with pytest.raises(IdempotencyKeyInUse, match="'k' still runs"):
            await house.start(idempotency_key="k", name="n")
        with pytest.raises(IdempotencyKeyReused, match="'k' was used"):
            await house.start(idempotency_key="k", name="m")
    finally:
        go.set()
    started = await first
    assert (await house.start(idempotency_key="k", name="n")).id == started.id
