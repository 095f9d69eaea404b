"""Rows as arrays, one for each of their columns: so one statement stores many.

Each array has the type of its column, whatever it holds: a statement is prepared once, and not once more for
columns in which nothing is set.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.types.array import ListBinaryDumper


class Texts(list[Any]):
    """A column of text."""


class Numbers(list[Any]):
    """A column of bigint."""


class Flags(list[Any]):
    """A column of boolean."""


class Documents(list[Any]):
    """A column of bytea."""


_TYPES = {Texts: "text", Numbers: "int8", Flags: "bool", Documents: "bytea"}

_COLUMNS: dict[str, type[list[Any]]] = {
    **dict.fromkeys(("created_at", "priority", "version", "finished_at", "expires_at"), Numbers),
    **dict.fromkeys(("event_count", "event_id", "wake_at", "stop_grace_seconds", "node"), Numbers),
    "claimed": Flags,
    **dict.fromkeys(("document", "request"), Documents),
}
"""Those that hold no text."""


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The columns of some rows, all of which have the same."""
    return {name: _COLUMNS.get(name, Texts)(row[name] for row in rows) for name in rows[0]}


def register(adapters: AdaptersMap) -> None:
    """Have a connection send such columns."""
    for column, name in _TYPES.items():
        kind = psycopg.adapters.types[name]
        dumper = type(
            f"{column.__name__}Dumper", (ListBinaryDumper,), {"element_oid": kind.oid, "oid": kind.array_oid}
        )
        adapters.register_dumper(column, dumper)
