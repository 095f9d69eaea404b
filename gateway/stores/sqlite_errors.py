"""What SQLite's errors at run time mean to a caller."""

import sqlite3

from gateway.domain.errors import ServiceUnavailable

# https://www.sqlite.org/rescode.html, primary result codes
_PASSING = {
    sqlite3.SQLITE_BUSY: ("the store is busy", 1),
    sqlite3.SQLITE_LOCKED: ("the store is busy", 1),
    sqlite3.SQLITE_FULL: ("the disk of the store is full", 30),
    sqlite3.SQLITE_NOMEM: ("the store is out of memory", 10),
    sqlite3.SQLITE_IOERR: ("the store cannot be read or written", 10),
    sqlite3.SQLITE_CANTOPEN: ("the store cannot be opened", 10),
    sqlite3.SQLITE_READONLY: ("the store cannot be written", 10),
    sqlite3.SQLITE_CORRUPT: ("the store is damaged", 60),
    sqlite3.SQLITE_NOTADB: ("the store is damaged", 60),
    sqlite3.SQLITE_PROTOCOL: ("the store is busy", 1),
}


def is_passing(error: BaseException) -> bool:
    """Whether an error is the disk's or another process's doing, not a mistake in the program."""
    return primary_code(error) in _PASSING


def unavailable(error: BaseException | None) -> ServiceUnavailable:
    """What callers are told of an error, its cause kept."""
    reason, seconds = _PASSING.get(primary_code(error), ("the store could not commit", 5))
    told = ServiceUnavailable(reason, retry_after_seconds=seconds)
    told.__cause__ = error
    return told


def primary_code(error: BaseException | None) -> int:
    """SQLite's result code without the details; 0 for other errors."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
