"""What is asked of a connection by all that reads and writes alike over every database.

sqlite3's own connection is one; PostgreSQL's is made to be one in postgres_connection.py. Transactions are no
matter of what stands here: whoever has the connection begins and ends them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol


class SqlCursor(Protocol):
    """What a statement has found or done."""

    @property
    def rowcount(self) -> int:
        """How many rows a statement that writes has changed."""

    @property
    def lastrowid(self) -> int | None:
        """The number of the row just inserted. PostgreSQL's statements say RETURNING for it; with that SQLite
        takes a third longer to insert a job.
        """

    def fetchone(self) -> Any:
        """The next row; None = there is none."""

    def fetchall(self) -> list[Any]:
        """The rows that are left."""

    def __iter__(self) -> Iterator[Any]:
        """The rows that are left, one by one."""


class SqlConnection(Protocol):
    """One connection, used by one thread at a time."""

    def execute(self, sql: str, values: Mapping[str, Any], /) -> SqlCursor:
        """Run one statement with its parameters by name."""

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> object:
        """Run a statement for each of many rows, with the columns as its parameters in order."""
