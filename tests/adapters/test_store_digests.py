"""The port JobStore over every adapter: shared secrets of API keys, and used nonces."""

import asyncio

import pytest

from gateway.domain.ports import JobStore
from tests.builders import NOON, a_key, later

HASH = "a" * 64


async def test_a_key_has_one_shared_secret(store: JobStore) -> None:
    key, other = a_key(), a_key()
    await store.write(lambda tx: (tx.insert_key(key), tx.insert_key(other)))
    assert await store.read(lambda tx: tx.digests.secret(key.id)) is None
    for sealed in (b"\x00first", b"second"):
        await store.write(lambda tx, sealed=sealed: tx.digests.save_secret(key.id, sealed))
        assert await store.read(lambda tx: tx.digests.secret(key.id)) == sealed
    assert await store.read(lambda tx: tx.digests.secret(other.id)) is None
    await store.write(lambda tx: tx.digests.save_secret(key.id, None))
    await store.write(lambda tx: tx.digests.save_secret(key.id, None))
    assert await store.read(lambda tx: tx.digests.secret(key.id)) is None


async def test_a_key_that_is_not_there_gets_no_secret(store: JobStore) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await store.write(lambda tx: tx.digests.save_secret("nobody", b"x"))


async def test_a_nonce_is_used_once_per_key(store: JobStore) -> None:
    def use(key_id: str, nonce_hash: str) -> bool:
        return store.write(lambda tx: tx.digests.use_nonce(key_id, nonce_hash, stale_at=later(1)))

    assert await use("a", HASH)
    assert not await use("a", HASH)
    assert await use("b", HASH)
    assert await use("a", "b" * 64)
    await store.close()
    await store.open()
    assert not await use("a", HASH)


async def test_of_many_uses_at_once_one_counts(store: JobStore) -> None:
    uses = [store.write(lambda tx: tx.digests.use_nonce("a", HASH, stale_at=later(1))) for _ in range(20)]
    assert sorted(await asyncio.gather(*uses)) == [False] * 19 + [True]


async def test_stale_nonces_are_forgotten_oldest_first(store: JobStore) -> None:
    def fill(tx) -> None:
        for number in (3, 1, 2, 4):
            tx.digests.use_nonce("a", f"{number:064}", stale_at=later(number))

    await store.write(fill)
    assert not await store.read(lambda tx: tx.digests.has_stale(NOON))
    assert await store.read(lambda tx: tx.digests.has_stale(later(1)))
    assert await store.write(lambda tx: tx.digests.forget_nonces(later(3), 2)) == 2
    assert await store.write(lambda tx: tx.digests.use_nonce("a", f"{2:064}", stale_at=later(9)))
    assert not await store.write(lambda tx: tx.digests.use_nonce("a", f"{3:064}", stale_at=later(9)))
    assert await store.write(lambda tx: tx.digests.forget_nonces(later(3), 9)) == 1
    assert await store.write(lambda tx: tx.digests.forget_nonces(later(3), 9)) == 0
