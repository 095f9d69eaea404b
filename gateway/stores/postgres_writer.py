"""What can be read and written in PostgreSQL in one transaction, and what keeps others from it meanwhile.

Transactions are READ COMMITTED: each statement sees what others have committed before it. So what a unit of
work reads in order to write is locked until its end, and this is all that is read so:

    what is read, then written                       what keeps others away
    a job, a scheduled job, an API key               its row, from the first look at it
    a job and those that depend on it                the row of the job that they name: who ends it looks for
                                                     dependents when nobody can add one any more
    what a job waits for                             its own row: who frees it first writes what is free, and
                                                     then looks at the job; of two the later sees both
    the queue of a lock                              an advisory lock of organization and name
    the runs of a schedule that have not ended       the row of the schedule, and those of the runs
    how many jobs of an organization have not ended  an advisory lock of the organization
    what a node holds, and the queue                 an advisory lock of the node's claims, or of all claims
                                                     where organizations have limits; rows of the queue that
                                                     others hold are passed over, and looked at again
    a node, and what it holds                        the node's row, for as long as it claims; who finds its
                                                     lease over removes it when it claims no more
    the next id and the count of a storage           the storage's row, so that ids grow in commit order
    what a job wrote, while it is deleted            the job's row; the runs' counts change with the storage's
    what the pruner and the promoter find            its rows; those that others hold are passed over
    all API keys (may they share a host?)            an advisory lock of all keys
    a setting that is not there yet                  an advisory lock of all settings
    an idempotency key, the name of a key            a unique index: the later unit is run again, and sees
                                                     what the earlier has stored
    a nonce                                          its primary key: ON CONFLICT DO NOTHING waits and tells

Locks that two take in different orders end as deadlocks; then the unit is run again (postgres_commits.py).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gateway.domain.record import KeyRecord
from gateway.stores.postgres_connection import Connection
from gateway.stores.postgres_entries import PostgresEntries
from gateway.stores.postgres_lists import PostgresJobLists
from gateway.stores.postgres_nodes import Claims, PostgresNodeWriter
from gateway.stores.postgres_reader import PostgresReader
from gateway.stores.sql_writer import SqlWriter

LOCKS = {
    # No row's key ever changes, so those who only point at it need not wait.
    **dict.fromkeys(("job", "claimed", "open_runs", "schedule", "key", "storage"), "FOR NO KEY UPDATE"),
    **dict.fromkeys(("due", "queue", "queue_of_organization", "expired"), "FOR NO KEY UPDATE SKIP LOCKED"),
    "lapsed_nodes": "FOR UPDATE SKIP LOCKED",
    "next_removed_run": "FOR UPDATE SKIP LOCKED",
    "next_removal": "FOR UPDATE OF r SKIP LOCKED",
}
"""How the rows that a query finds are locked when a unit of work that writes asks for them."""


class PostgresWriter(Claims, SqlWriter):
    """The port JobWriter over one connection. `begin` comes before each unit of work, `finish` after it."""

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        self._looking = PostgresReader(connection, queries)
        """Reads in the same transaction, without locking."""
        locking = {**queries, **{name: f"{queries[name]}\n{lock}" for name, lock in LOCKS.items()}}
        super().__init__(
            connection,
            locking,
            lists=PostgresJobLists(connection, locking),
            entries=partial(PostgresEntries, connection, locking),
            nodes=PostgresNodeWriter(connection, locking, before_removal=self.finish),
            recent=_NoRecords(),
        )
        self.begin()

    def begin(self) -> None:
        """Forget what the unit of work before this one did."""
        super().begin()
        self.passed_over = False
        """Whether others hold jobs of the queue that would have been found."""

    def queue(self, limit: int, *, skip_organizations: Sequence[str] = ()) -> list[str]:
        """Ids of SCHEDULED jobs that are not claimed and that nobody else is changing."""
        found = super().queue(limit, skip_organizations=skip_organizations)
        if len(found) < limit:
            there = self._looking.queue(limit, skip_organizations=skip_organizations)
            self.passed_over = self.passed_over or len(there) > len(found)
        return found

    def count_claimed(self, node: int | None = None) -> dict[str, int]:
        """How many jobs are held, by organization; nobody claims another until the end: the node, or anybody
        when all are counted.
        """
        self._lock("claims", *([] if node is None else [str(node)]))
        return super().count_claimed(node)

    def count_not_final(self, organization_id: str) -> int:
        """How many jobs of an organization are not final; nobody else starts one until the end."""
        self._lock("organization", organization_id)
        return super().count_not_final(organization_id)

    def lock_holder(self, organization_id: str, name: str) -> str | None:
        """Id of the job that is first in the queue of a lock; the queue stays as it is until the end."""
        self._lock("lock", organization_id, name)
        return super().lock_holder(organization_id, name)

    def take_place(self, job_id: str, organization_id: str, lock: str) -> None:
        """Give a job the last place in the queue of a lock; in an empty queue it is first."""
        self._lock("lock", organization_id, lock)
        super().take_place(job_id, organization_id, lock)

    def give_up_places(self, job_id: str) -> list[str]:
        """Take a job out of the queues of its locks; ids of the jobs that are first in one now, each once."""
        # Whether it holds them is only known when nobody else moves up any more.
        for organization_id, name, _, _ in self._rows("places", {"id": job_id}):
            self._lock("lock", organization_id, name)
        return super().give_up_places(job_id)

    def keys(self) -> list[KeyRecord]:
        """All API keys ever made, oldest first; who decides by them goes one after the other."""
        self._lock("keys")
        return super().keys()

    def setting(self, name: str, make: Any) -> bytes:
        """A value that all nodes on this store share, made at its first use."""
        value: bytes | None = self._value("setting", {"name": name})
        if value is None:
            self._lock("settings")
            value = super().setting(name, make)
        return value

    def _lock(self, *what: str) -> None:
        # Not with _do: what is held back need not be written for it.
        self._run("lock", {"what": "/".join(("jobs_gateway", *what))})


class _NoRecords:
    """Remembers no jobs: other gateways change them, too."""

    def get(self, job_id: str) -> None:
        """It is not remembered."""

    def drop(self, job_id: str) -> None:
        """There is nothing to forget."""
