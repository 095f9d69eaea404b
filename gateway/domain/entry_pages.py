"""The cursors of results and log entries: plain ids or, with USE_NEXT_START_AFTER, sealed ones.

A plain id fits every query on the same storage; a sealed one fits its own query alone.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from gateway.domain.cursors import fingerprint_of, invalid_cursor
from gateway.domain.house import House
from gateway.domain.processing_logs import ProcessingLogQuery
from gateway.domain.record import Stored
from gateway.domain.results import JobResultQuery, StorageResultQuery
from gateway.domain.words import ResultReadFeature

Query: TypeAlias = JobResultQuery | StorageResultQuery | ProcessingLogQuery

_PLAIN = re.compile("[0-9]{1,19}")


class EntryPages:
    """The pages of one query. `scope` tells apart what the query itself does not say."""

    def __init__(self, house: House, query: Query, *scope: str) -> None:
        self._house = house
        self._query = query
        self._sealed = ResultReadFeature.USE_NEXT_START_AFTER in query.features_on
        self._fingerprint = fingerprint_of(house, query, "\n".join(scope)) if self._sealed else ""

    def after(self) -> int:
        """The id behind which the page starts. Raises InvalidCursor."""
        cursor = self._query.start_after
        if cursor is None:
            return 0
        if not self._sealed:
            if not _PLAIN.fullmatch(cursor):
                raise invalid_cursor("startAfter is not the id of an entry")
            return int(cursor)
        opened = self._house.sealer.open(cursor)
        if opened is not None:
            match json.loads(opened):
                case [int(last), self._fingerprint]:
                    return last
        raise invalid_cursor("startAfter is not the nextStartAfter of a page of this query")

    def page(self, values: Sequence[Stored[Any]], *, more: bool, total: int | None) -> dict[str, Any]:
        """The members of the page."""
        return {
            "start_after": self._query.start_after,
            "next_start_after": self._next(int(values[-1].id)) if more else None,
            "limit": self._query.limit,
            "total": total,
            "values": tuple(values),
        }

    def _next(self, last: int) -> str:
        if not self._sealed:
            return str(last)
        return self._house.sealer.seal(json.dumps([last, self._fingerprint]).encode())
