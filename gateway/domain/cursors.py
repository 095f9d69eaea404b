"""Sealed cursors of lists in the order of (createdAt, id): a place in the list of one query."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.domain.errors import InvalidCursor, Problem
from gateway.domain.house import House
from gateway.domain.model import Model, dump
from gateway.domain.queries import JobQuery
from gateway.domain.record import Position

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fingerprint_of(house: House, query: Model, organization_id: str | None) -> str:
    """Tells queries apart whose pages do not belong together; the size of pages may change.

    The query has `start_after` and `limit`. `organization_id` None = of all organizations.
    """
    changes: dict[str, Any] = {"start_after": None, "limit": 1}
    if isinstance(query, JobQuery):
        changes["sort"] = "-createdAt" if query.descending else None
    same = query.with_(**changes)
    return house.sealer.fingerprint(dump(same) + b"\n" + (organization_id or "*").encode())


def cursor_of(house: House, position: Position, fingerprint: str) -> str:
    """The cursor of a position, for the query of that fingerprint alone."""
    milliseconds = (position.created_at - EPOCH) // timedelta(milliseconds=1)
    return house.sealer.seal(json.dumps([milliseconds, position.id, fingerprint]).encode())


def position_of(house: House, cursor: str, fingerprint: str) -> Position:
    """The position of a cursor. Raises InvalidCursor when it was changed or belongs to another query."""
    opened = house.sealer.open(cursor)
    if opened is not None:
        milliseconds, last_id, of = json.loads(opened)
        if of == fingerprint:
            return Position(EPOCH + timedelta(milliseconds=milliseconds), last_id)
    raise invalid_cursor("startAfter is not the nextStartAfter of a page of this query")


def invalid_cursor(detail: str) -> InvalidCursor:
    """The error that names startAfter."""
    return InvalidCursor(detail, problems=[Problem(("query", "startAfter"), detail)])
