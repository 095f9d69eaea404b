"""The port JobStore over every adapter: storages, idempotency keys, API keys and settings."""

import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from gateway.domain.errors import Conflict
from gateway.domain.ports import JobStore, JobWriter
from gateway.domain.record import AuditEntry, Remembered
from gateway.domain.words import JobStatus, Role
from tests.builders import NOON, a_key, later
from tests.storing import inserted


async def test_a_storage_that_is_open_stays_so(store: JobStore) -> None:
    def work(tx: JobWriter) -> None:
        tx.open_storage("acme", "s", NOON)
        tx.open_storage("acme", "s", later(1))
        tx.open_storage("other", "s", later(1))

    await store.write(work)


def a_request(**overrides: Any) -> Remembered:
    values: dict[str, Any] = {
        "organization_id": "acme",
        "operation": "startJob",
        "key": "k",
        "fingerprint": "f",
        "at": NOON,
    }
    return Remembered(**values | overrides)


async def test_the_first_request_under_a_key_is_kept(store: JobStore) -> None:
    kept = [
        a_request(job_id="j"),
        a_request(operation="rerunJob", reply=b"\x00{}"),
        a_request(organization_id="other", at=later(1)),
    ]

    def work(tx: JobWriter) -> None:
        for request in kept:
            tx.remember(request)

    assert await store.read(lambda tx: tx.oldest_remembered()) is None
    await store.write(work)
    found = await store.read(lambda tx: [tx.remembered(r.organization_id, r.operation, r.key) for r in kept])
    assert found == kept
    assert await store.read(lambda tx: tx.remembered("acme", "startJob", "K")) is None
    assert await store.read(lambda tx: tx.oldest_remembered()) == NOON
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.write(lambda tx: tx.remember(a_request(fingerprint="other")))


async def test_old_requests_are_forgotten_oldest_first(store: JobStore) -> None:
    def work(tx: JobWriter) -> None:
        for number in (3, 1, 2, 4):
            tx.remember(a_request(key=f"k{number}", at=later(number)))

    await store.write(work)
    assert await store.write(lambda tx: tx.forget(later(4), 2)) == 2
    assert await store.read(lambda tx: tx.oldest_remembered()) == later(3)
    assert await store.write(lambda tx: tx.forget(later(4), 9)) == 1
    assert await store.write(lambda tx: tx.forget(later(4), 9)) == 0
    assert await store.read(lambda tx: tx.oldest_remembered()) == later(4)


async def test_keys_are_listed_oldest_first_and_never_go(store: JobStore) -> None:
    assert not await store.read(lambda tx: tx.has_keys())
    newer = a_key(created_at=later(1), role=Role.ADMIN, expires_at=later(9))
    older = a_key(role=Role.READER)

    def work(tx: JobWriter) -> None:
        tx.insert_key(newer)
        tx.insert_key(older)

    await store.write(work)
    assert await store.read(lambda tx: tx.keys()) == [older, newer]
    revoked = replace(older, revoked_at=later(2), last_used_at=later(1))
    await store.write(lambda tx: tx.save_key(revoked))
    assert await store.read(lambda tx: tx.key(older.id)) == revoked
    assert await store.read(lambda tx: tx.keys()) == [revoked, newer]
    assert await store.read(lambda tx: tx.key("none")) is None
    assert await store.read(lambda tx: tx.has_keys())


async def test_a_name_of_a_key_is_free_again_once_it_is_revoked(store: JobStore) -> None:
    first = a_key(name="ci")
    await store.write(lambda tx: tx.insert_key(first))
    with pytest.raises(Conflict, match="organization 'acme' has a key named 'ci' already"):
        await store.write(lambda tx: tx.insert_key(a_key(name="ci")))
    await store.write(lambda tx: tx.insert_key(a_key(name="ci", organization_id="other")))
    await store.write(lambda tx: tx.save_key(replace(first, revoked_at=NOON)))
    await store.write(lambda tx: tx.insert_key(a_key(name="ci")))


async def test_of_many_keys_of_one_name_made_at_once_one_is_stored(store: JobStore) -> None:
    writes = [store.write(lambda tx: tx.insert_key(a_key(name="ci"))) for _ in range(10)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict"] * 9 + ["NoneType"]


async def test_the_audit_table_takes_entries(store: JobStore) -> None:
    entry = AuditEntry(at=NOON, actor="ann", action="job.deleted", subject="j", organization_id="acme")
    await store.write(lambda tx: tx.audit(entry))
    await store.write(lambda tx: tx.audit(entry))


async def test_a_setting_is_made_once(store: JobStore) -> None:
    numbers = count()

    def make() -> bytes:
        return bytes([next(numbers)])

    made = await asyncio.gather(*(store.write(lambda tx: tx.setting("key", make)) for _ in range(20)))
    assert next(numbers) == 1
    assert len(set(made)) == 1
    await store.close()
    await store.open()
    assert await store.write(lambda tx: tx.setting("key", lambda: b"new")) == made[0]


@pytest.mark.parametrize(
    "instant",
    [
        datetime(1, 1, 1, tzinfo=NOON.tzinfo),
        datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=NOON.tzinfo),
        datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=NOON.tzinfo),
    ],
)
async def test_instants_of_all_years_come_back(store: JobStore, instant: datetime) -> None:
    await inserted(store, job_status=JobStatus.WAITING, wake_at=instant, created_at=instant)
    assert await store.read(lambda tx: tx.next_wake()) == instant
