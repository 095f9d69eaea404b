"""Ends the transactions of gateways that were halted in the middle of one, and keep what they have locked.

A transaction whose client says nothing between two statements is ended by the server itself
(idle_in_transaction_session_timeout), but not when the client has sent a part of some statements that go
together, or has asked for their results behind the last one. So all gateways look for such sessions.
"""

import logging
from collections.abc import Mapping

from gateway.stores.postgres_connection import IDLE_SECONDS, Connection

LOOK_SECONDS = 5.0
"""How often they are looked for."""
_log = logging.getLogger(__name__)


def end_halted(connection: Connection, queries: Mapping[str, str]) -> None:
    """End the sessions of writers that have waited in a transaction for as long as they may."""
    for process, ended in connection.execute(queries["end_halted"], {"seconds": IDLE_SECONDS}).fetchall():
        if ended:
            _log.warning("a gateway was halted while it wrote: its session %d is ended", process)
