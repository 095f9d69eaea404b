"""The clock of the database, which all gateways on it go by: it decides what is due."""

import time
from datetime import UTC, datetime, timedelta

from gateway.stores.postgres_connection import Connection

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PostgresClock:
    """The port Clock: the database's time, told by this machine's monotonic clock between two looks at it."""

    def __init__(self) -> None:
        # Until the first look it is this machine's time.
        self._ahead = time.time() - time.monotonic()

    def now(self) -> datetime:
        """The present instant: aware, UTC, cut to milliseconds."""
        milliseconds = int((time.monotonic() + self._ahead) * 1000)
        return _EPOCH + timedelta(milliseconds=milliseconds)

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps; only differences mean something."""
        return time.monotonic()

    def look(self, connection: Connection, query: str) -> None:
        """Compare with the database; `query` tells its time in microseconds. The answer was true in the
        middle of the time that it took; of a few the quickest counts.
        """
        looks = []
        for _ in range(3):
            asked = time.monotonic()
            microseconds = connection.execute(query).fetchone()[0]
            heard = time.monotonic()
            looks.append((heard - asked, microseconds / 1e6 - (asked + heard) / 2))
        self._ahead = min(looks)[1]
