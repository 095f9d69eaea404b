"""Tokens of running jobs: `jt_<job id>_<attempt>_<code>`. Stored as a hash, valid for one attempt."""

import hashlib
import hmac
import re

from gateway.domain.executor import AttemptKey
from gateway.domain.record import JobRecord

_TOKEN = re.compile(r"jt_([0-9a-f-]{36})_([0-9]{1,9})_[A-Za-z0-9_-]{20,100}")


def attempt_of(token: str) -> AttemptKey | None:
    """The attempt that a token names; None when the text has not the form of a token."""
    found = _TOKEN.fullmatch(token)
    return AttemptKey(found[1], int(found[2])) if found else None


def token_hash(token: str) -> str:
    """SHA-256 in hexadecimal. The code has 256 bits, so neither salt nor a slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def admits(record: JobRecord, token: str) -> bool:
    """Whether the token is the one of the attempt that the job is in."""
    return record.token_hash is not None and hmac.compare_digest(record.token_hash, token_hash(token))
