"""Who a request comes from: the holder of a key or of its shared secret, a running job with its token, or
anyone on a gateway without keys.
"""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.contract.credentials import Credentials
from gateway.domain.call import JOB_ACTOR, Caller
from gateway.domain.digests import PasswordDigest, vault_context
from gateway.domain.errors import JobsError, Unauthorized
from gateway.domain.house import House
from gateway.domain.keys import DEFAULT_ORGANIZATION, is_valid, key_id, opens
from gateway.domain.ports import JobReader, JobWriter, VaultError
from gateway.domain.record import KeyRecord
from gateway.domain.tokens import admits, attempt_of
from gateway.domain.words import Role

ANONYMOUS = Caller(name="anonymous", role=Role.ADMIN, organization_id=DEFAULT_ORGANIZATION)
"""The caller of a gateway without keys, which serves loopback alone."""

_TOUCH_EVERY = timedelta(minutes=1)
_LOOK_EVERY_SECONDS = 1.0
"""How long a gateway may go on as one without keys after another process has made the first."""
_log = logging.getLogger("gateway.keys")


class Authentication:
    """Finds who is behind credentials. Every call with a key looks into the store, so a revoked key stops at
    once.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._touched: dict[str, datetime] = {}
        self._touching: set[asyncio.Task[None]] = set()
        self._has_keys = False
        self._looked_at = -_LOOK_EVERY_SECONDS

    async def caller(self, credentials: Credentials) -> Caller:
        """The caller. Raises Unauthorized."""
        if credentials.validity is not None:
            credentials.validity.check(self._house.clock.now())
        if credentials.digest is not None:
            return await self._sharer(credentials.digest)
        secret = credentials.secret
        if secret is None:
            if await self.has_keys():
                raise Unauthorized("a key is needed: X-API-KEY, Authorization: Bearer, or Basic")
            return ANONYMOUS
        if attempt := attempt_of(secret):
            record = await self._house.store.read(lambda tx: tx.job(attempt.job_id), single=True)
            if record is None or record.attempt != attempt or not admits(record, secret):
                raise Unauthorized("the token belongs to no running attempt")
            self._house.heartbeats.beat(attempt.job_id, self._house.clock.monotonic())
            return Caller(
                name=JOB_ACTOR,
                role=Role.OPERATOR,
                organization_id=record.job.organization_id,
                attempt=attempt,
            )
        return await self._holder(secret)

    async def has_keys(self) -> bool:
        """Whether any key was ever made. Once there is one there always is; before that the store is looked
        into once a second, because the command line makes the first. Whoever comes with a key proves it, too.
        """
        if not self._has_keys:
            now = self._house.clock.monotonic()
            if now - self._looked_at >= _LOOK_EVERY_SECONDS:
                self._has_keys = await self._house.store.read(lambda tx: tx.has_keys(), single=True)
                self._looked_at = now
        return self._has_keys

    async def _holder(self, secret: str) -> Caller:
        found = key_id(secret)
        now = self._house.clock.now()
        key = await self._house.store.read(lambda tx: tx.key(found), single=True) if found else None
        if key is None or not opens(key, secret, now):
            raise Unauthorized("the key is not valid")
        return self._caller_with(key, now)

    async def _sharer(self, digest: PasswordDigest) -> Caller:
        """Who knows the shared secret of a key. The nonce is used up, for good and for all workers, before
        the caller is believed; that of a digest which proves nothing is not remembered, or strangers could
        fill the store.
        """
        now = self._house.clock.now()

        def look(tx: JobReader) -> tuple[KeyRecord | None, bytes | None]:
            return tx.key(digest.key_id), tx.digests.secret(digest.key_id)

        key, sealed = await self._house.store.read(look)
        if key is None or not is_valid(key, now) or sealed is None or not self._proves(digest, sealed):
            raise Unauthorized("the password digest is not valid")
        digest.check_age(now)

        def use(tx: JobWriter) -> bool:
            return tx.digests.use_nonce(key.id, digest.nonce_hash, stale_at=digest.stale_at)

        if not await self._house.store.write(use):
            raise Unauthorized("the nonce was used before; each message needs one of its own")
        return self._caller_with(key, now)

    def _proves(self, digest: PasswordDigest, sealed: bytes) -> bool:
        try:
            secret = self._house.vault.open(sealed, context=vault_context(digest.key_id))
        except VaultError as error:
            _log.error("the shared secret of key %s cannot be read: %s", digest.key_id, error)
            return False
        return digest.proves(secret)

    def _caller_with(self, key: KeyRecord, now: datetime) -> Caller:
        self._has_keys = True
        self._touch(key, now)
        return Caller(name=key.name, role=key.role, organization_id=key.organization_id)

    def _touch(self, key: KeyRecord, now: datetime) -> None:
        """Note the use of a key, at most once a minute, without making the caller wait."""
        last = self._touched.get(key.id, key.last_used_at)
        if last is not None and now - last < _TOUCH_EVERY:
            return
        self._touched[key.id] = now
        task = asyncio.ensure_future(self._write_touch(key.id, now))
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)

    async def _write_touch(self, found: str, now: datetime) -> None:
        def work(tx: JobWriter) -> None:
            key = tx.key(found)
            if key is not None:
                tx.save_key(replace(key, last_used_at=now))

        try:
            await self._house.store.write(work)
        except JobsError as error:
            _log.warning("the use of key %s could not be noted: %s", found, error.reason)
