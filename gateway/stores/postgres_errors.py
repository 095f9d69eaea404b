"""What PostgreSQL's errors at run time mean to a unit of work and to a caller."""

import psycopg

from gateway.domain.errors import ServiceUnavailable

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_CONFLICTS = frozenset({"40P01", "40001", "55P03"})
"""Deadlock, serialization failure, lock timeout: nothing is wrong with the unit, only with the moment."""

_RACES = frozenset(
    {"idempotency_pkey", "api_keys_pkey", "api_keys_by_name", "storages_organization_id_id_key"}
)
"""Constraints that refuse the later of two who looked at the same time and both found nothing. Run again, the
later one finds what the other has stored."""

_PASSING = {
    "25006": ("the database takes no changes at the moment", 5),
    "53": ("the database is short of resources", 10),
    "53100": ("the disk of the database is full", 30),
    "55P03": ("the database is busy", 1),
    "57014": ("the database takes too long for this", 5),
    "57P": ("the database is stopping or starting", 2),
    "58": ("the database cannot be read or written", 10),
    "08": ("the database cannot be reached", 2),
    "40": ("the database is busy", 1),
}
"""By SQLSTATE or its beginning."""


class LostError(Exception):
    """The connection is gone, and nothing of the transaction was stored."""


class UnreachableError(Exception):
    """There is no connection, and none can be made now."""


class UndoneError(Exception):
    """The transaction has to be undone, and what it did may be tried again; the cause tells why."""


class UnknownError(Exception):
    """It cannot be found out whether a commit was made."""


def is_conflict(error: BaseException | None) -> bool:
    """Whether a unit of work that met this error may be run again as it is."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _CONFLICTS


def is_race(error: BaseException | None) -> bool:
    """Whether two did the same at the same time, of whom this one was later."""
    return isinstance(error, psycopg.errors.UniqueViolation) and error.diag.constraint_name in _RACES


def is_passing(error: BaseException | None) -> bool:
    """Whether an error is the server's or the network's doing, not a mistake in the program."""
    return isinstance(error, LostError | UnreachableError) or _told(error) is not None


def unavailable(error: BaseException | None) -> ServiceUnavailable:
    """What callers are told of an error, its cause kept."""
    default = ("the database could not commit", 5)
    if isinstance(error, UnknownError):
        default = ("the database was lost during a commit; look whether the change was stored", 5)
    if isinstance(error, LostError | UnreachableError):
        default = ("the database cannot be reached", 2)
    reason, seconds = _told(error) or default
    told = ServiceUnavailable(reason, retry_after_seconds=seconds)
    told.__cause__ = error
    return told


def _told(error: BaseException | None) -> tuple[str, int] | None:
    if not isinstance(error, psycopg.Error):
        return None
    state = error.sqlstate
    if state is None:
        # libpq's own: the connection broke, or was not there.
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return _PASSING["08"] if lost else None
    return _PASSING.get(state) or _PASSING.get(state[:3]) or _PASSING.get(state[:2])
