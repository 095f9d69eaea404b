"""Password digests: the ports DigestReader and DigestWriter over one connection."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.stores.sql_connection import SqlConnection, SqlCursor
from gateway.stores.sql_instants import to_number


class SqlDigestReader:
    """The port DigestReader."""

    def __init__(self, connection: SqlConnection, queries: Mapping[str, str]) -> None:
        self._db = connection
        self._sql = queries

    def secret(self, key_id: str) -> bytes | None:
        """The sealed shared secret of an API key; None = it has none."""
        row = self._run("digest_secret", key_id=key_id).fetchone()
        return None if row is None else row[0]

    def has_stale(self, now: datetime) -> bool:
        """Whether a nonce is remembered that need not be any more."""
        return bool(self._run("has_stale_nonces", now=to_number(now)).fetchone()[0])

    def _run(self, name: str, /, **values: Any) -> SqlCursor:
        return self._db.execute(self._sql[name], values)


class SqlDigestWriter(SqlDigestReader):
    """The port DigestWriter."""

    def save_secret(self, key_id: str, sealed: bytes | None) -> None:
        """Give an API key a shared secret in place of the one it had; None = take it away."""
        if sealed is None:
            self._run("delete_digest_secret", key_id=key_id)
        else:
            self._run("save_digest_secret", key_id=key_id, sealed=sealed)

    def use_nonce(self, key_id: str, nonce_hash: str, *, stale_at: datetime) -> bool:
        """Remember a nonce until then; False when it is remembered already."""
        values = {"key_id": key_id, "hash": nonce_hash, "stale_at": to_number(stale_at)}
        return self._run("use_nonce", **values).rowcount == 1

    def forget_nonces(self, now: datetime, limit: int) -> int:
        """Forget nonces that are stale, oldest first; how many."""
        return self._run("forget_nonces", now=to_number(now), limit=limit).rowcount
