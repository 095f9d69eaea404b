"""SQL in files, a folder per database: numbered migrations (`0001_jobs.sql`) and files of named queries."""

import re
from dataclasses import dataclass
from pathlib import Path

_MIGRATION = re.compile(r"([0-9]{4})_[a-z_]+[.]sql")
_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Migration:
    """A step of the schema. Number n leads from version n - 1 to version n."""

    number: int
    sql: str


def migrations(folder: Path) -> list[Migration]:
    """The migrations of a folder in their order. Raises ValueError when a number is missing."""
    found = [
        Migration(number=int(match.group(1)), sql=file.read_text("utf-8"))
        for file in sorted(folder.glob("*.sql"))
        if (match := _MIGRATION.fullmatch(file.name))
    ]
    if [step.number for step in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations in {folder} are not numbered without gaps from 0001")
    return found


def named_queries(folder: Path) -> dict[str, str]:
    """The queries of a folder by their names.

    A query begins with the line `-- name: some_name`; comment lines that describe it
    and its SQL follow. Raises ValueError for a name that is taken and a query without description.
    """
    queries: dict[str, str] = {}
    for file in sorted(folder.glob("*.sql")):
        if _MIGRATION.fullmatch(file.name):
            continue
        _, *parts = _NAME.split(file.read_text("utf-8"))
        for name, text in zip(parts[::2], parts[1::2], strict=True):
            if name in queries:
                raise ValueError(f"two queries are called {name}")
            lines = [line for line in text.splitlines() if line.strip()]
            if not lines or not lines[0].startswith("-- "):
                raise ValueError(f"the query {name} has no description")
            sql = "\n".join(line for line in lines if not line.startswith("--"))
            queries[name] = sql.strip().removesuffix(";")
    return queries
