"""Ends the transactions of gateways that were halted in the middle of one, and keep what they have locked.

A transaction whose client says nothing between two statements is ended by the server itself
(idle_in_transaction_session_timeout). One whose client has sent a part of some statements that go together is
not: until the rest comes, its session counts as active. So all gateways look for such sessions.
"""

import logging
from collections.abc import Mapping

from gateway.stores.postgres_connection import IDLE_SECONDS, Connection

LOOK_SECONDS = 5.0
"""How often they are looked for."""
_log = logging.getLogger(__name__)


def end_halted(connection: Connection, queries: Mapping[str, str]) -> None:
    """End the sessions of writers that have waited for the rest of what their gateway sends for as long as
    they may wait between two statements.
    """
    for process, ended in connection.execute(queries["end_halted"], {"seconds": IDLE_SECONDS}).fetchall():
        if ended:
            _log.warning("a gateway was halted while it wrote: its session %d is ended", process)
