"""Ids of jobs: UUIDs of version 7, ordered by time (RFC 9562 section 5.7)."""

import re
import secrets
import threading
import uuid
from datetime import UTC, datetime

from gateway.domain.errors import JobNotFound

_lock = threading.Lock()
_last = 0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_job_id(now: datetime) -> str:
    """A new id, larger than every one that this process made before."""
    global _last  # noqa: PLW0603 - ids of one process grow, so that they sort as they were made
    since = now - _EPOCH
    milliseconds = (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000
    with _lock:
        # 48 bits of milliseconds, then a counter of 12 bits that carries into them.
        _last = max(milliseconds << 12, _last + 1)
        ticks = _last
    value = (ticks >> 12) << 80 | 7 << 76 | (ticks & 0xFFF) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


_CANONICAL = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""RFC 9562 section 4: how ids are written."""


def job_key(job_id: str) -> str:
    """The id as the store knows it. Raises JobNotFound for text that is no UUID."""
    if _CANONICAL.fullmatch(job_id):
        return job_id
    if len(job_id) == 36:
        try:
            return str(uuid.UUID(job_id))
        except ValueError:
            pass
    raise JobNotFound(f"there is no job '{job_id}'")
