"""What listJobs has in common over all databases: the stretch of a page, and what each job is checked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.queries import JobQuery, words
from gateway.domain.record import Position
from gateway.stores.sql_instants import to_number

_EVER = 2**62
ALWAYS = {"low_at": -_EVER, "low_id": "", "high_at": _EVER, "high_id": ""}
"""The bounds of all jobs."""


@dataclass(frozen=True)
class Check:
    """A condition that each job is checked for, unless its filter drives the query."""

    filter: str
    sql: str
    values: dict[str, Any]
    by_place: bool = False
    """Whether it looks at the job's place alone, which other tables know, too."""


class Checks:
    """Makes the conditions of queries from the parts of lists.sql."""

    def __init__(self, queries: Mapping[str, str], *, array: Callable[[tuple[str, ...]], Any]) -> None:
        """`array` makes a parameter of several values."""
        self._sql = queries
        self._array = array

    def of(self, query: JobQuery) -> Iterator[Check]:
        """A condition for each filter of a query, but the organization's and those of time."""
        single = {
            "user": query.user,
            "storage": query.storage_id,
            "schedule": query.scheduled_job_id,
            "dependent": query.dependent_job_id,
        }
        for name, value in single.items():
            if value:
                yield self.one(name, value)
        for name, given in (("type", query.job_type), ("status", query.job_status)):
            if given:
                yield self.one(name, self._array(once(given)))
        if query.tag:
            sql = self._sql["where_all_tags" if query.all_tags else "where_any_tag"]
            yield Check("tags", sql, {"tags": self._array(once(query.tag))}, by_place=True)
        if query.label:
            values = {"labels": self._array(once(query.label))}
            yield Check("labels", self._sql["where_labels"], values, by_place=True)
        for index, word in enumerate(words(query.text) if query.text else ()):
            name = f"word_{index}"
            yield Check("words", self._sql["where_word"].replace("{value}", name), {name: word})

    def one(self, name: str, value: Any) -> Check:
        """The condition of one filter."""
        return Check(name, self._sql[f"where_{name}"], {name: value})


def bounds_of(query: JobQuery, after: Position | None) -> dict[str, Any]:
    """The stretch of the order that is read, as parameters; both ends lie outside."""
    low = (-_EVER if query.created_after is None else to_number(query.created_after), "")
    high = (_EVER if query.created_before is None else to_number(query.created_before), "")
    if after is not None:
        position = (to_number(after.created_at), after.id)
        low, high = (low, min(high, position)) if query.descending else (max(low, position), high)
    return {"low_at": low[0], "low_id": low[1], "high_at": high[0], "high_id": high[1]}


def once(items: Iterable[str]) -> tuple[str, ...]:
    """The items as plain text, each once."""
    return tuple(dict.fromkeys(str(item) for item in items))
