"""What the domain needs from outside: a store, a clock, a vault, a sealer. The executor has its own file."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, Protocol, TypeVar

from gateway.domain.digest_store import DigestReader, DigestWriter
from gateway.domain.job import Job, JobEvent, JobStart
from gateway.domain.log_store import LogReader, LogWriter
from gateway.domain.node_store import NodeReader, NodeWriter
from gateway.domain.queries import JobQuery
from gateway.domain.record import AuditEntry, JobRecord, KeyRecord, Position, Remembered, Stored
from gateway.domain.result_store import ResultReader, ResultWriter
from gateway.domain.schedule_store import ScheduleReader, ScheduleWriter
from gateway.domain.words import DependencyCondition, JobStatus

T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """A stored change of a job, told after it is durable. A deleted job has version 0."""

    job_id: str
    version: int
    status: JobStatus
    elsewhere: bool = False
    """Whether another process made it."""


@dataclass(frozen=True)
class ScheduleChange:
    """A stored change of a scheduled job, told after it is durable."""

    scheduled_job_id: str


class JobReader(Protocol):
    """What can be read in one consistent look at the store."""

    @property
    def schedules(self) -> ScheduleReader:
        """What can be read of scheduled jobs."""

    @property
    def results(self) -> ResultReader:
        """The results of jobs."""

    @property
    def logs(self) -> LogReader:
        """The processing logs."""

    @property
    def digests(self) -> DigestReader:
        """Shared secrets of API keys, and used nonces."""

    @property
    def nodes(self) -> NodeReader:
        """The gateways whose engines work on the store."""

    def job(self, job_id: str) -> JobRecord | None:
        """A job with the engine's part."""

    def document(self, job_id: str) -> Stored[Job] | None:
        """A job as replies show it, not parsed."""

    def jobs(
        self,
        query: JobQuery,
        *,
        organization_id: str | None,
        after: Position | None,
        limit: int,
        enough_bytes: float = inf,
    ) -> list[Stored[Job]]:
        """At most `limit` jobs that match every filter of the query, in its order, behind a position.

        `organization_id` None = of all organizations. When the documents have `enough_bytes`, one more is
        read, if there is one, to tell that more follow. The query's own organizationId, limit and startAfter
        are not looked at.
        """

    def count_jobs(self, query: JobQuery, *, organization_id: str | None) -> int:
        """How many jobs match."""

    def events(self, job_id: str, *, after: int, limit: int) -> list[JobEvent]:
        """Entries of the history with an id larger than `after`, oldest first."""

    def request(self, job_id: str) -> JobStart | None:
        """The request that started a job, secrets masked."""

    def secrets(self, job_id: str) -> dict[str, bytes]:
        """The sealed values of a job's secret variables, by name."""

    def open_dependencies(self, job_id: str) -> list[str]:
        """Ids of the jobs that a job still depends on, in the order of the request."""

    def dependents(self, job_id: str) -> list[tuple[str, DependencyCondition]]:
        """Ids and conditions of the jobs that still depend on a job, oldest first."""

    def lock_holder(self, organization_id: str, name: str) -> str | None:
        """Id of the job that is first in the queue of a lock."""

    def blocking_locks(self, job_id: str) -> list[str]:
        """Names of the locks in whose queues a job has a place and is not first."""

    def due(self, now: datetime, limit: int) -> list[str]:
        """Ids of WAITING jobs whose `wake_at` has come, earliest first."""

    def next_wake(self) -> datetime | None:
        """The earliest `wake_at` of a WAITING job."""

    def queue(self, limit: int, *, skip_organizations: Sequence[str] = ()) -> list[str]:
        """Ids of SCHEDULED jobs that are not claimed: larger priority first, then older first."""

    def claimed(self, node: int) -> list[JobRecord]:
        """All jobs that a node holds."""

    def expired(self, now: datetime, limit: int) -> list[str]:
        """Ids of final jobs whose `expiresAt` has come."""

    def count_claimed(self, node: int | None = None) -> dict[str, int]:
        """How many jobs are held, by organization: by one node, or by all."""

    def count_not_final(self, organization_id: str) -> int:
        """How many jobs of an organization are not final."""

    def remembered(self, organization_id: str, operation: str, key: str) -> Remembered | None:
        """The first request under an idempotency key."""

    def oldest_remembered(self) -> datetime | None:
        """When the oldest request under an idempotency key was made."""

    def key(self, key_id: str) -> KeyRecord | None:
        """An API key."""

    def keys(self) -> list[KeyRecord]:
        """All API keys ever made, oldest first."""

    def has_keys(self) -> bool:
        """Whether any API key was ever made."""


class JobWriter(JobReader, Protocol):
    """What can be read and written in one transaction. Nothing of it is seen before it is durable."""

    @property
    def schedules(self) -> ScheduleWriter:
        """What can be read and written of scheduled jobs."""

    @property
    def results(self) -> ResultWriter:
        """The results of jobs."""

    @property
    def logs(self) -> LogWriter:
        """The processing logs."""

    @property
    def digests(self) -> DigestWriter:
        """Shared secrets of API keys, and used nonces."""

    @property
    def nodes(self) -> NodeWriter:
        """The gateways whose engines work on the store."""

    def insert_job(self, record: JobRecord, *, request: JobStart, secrets: dict[str, bytes]) -> None:
        """Store a new job."""

    def save_job(self, record: JobRecord) -> None:
        """Store a job that has changed."""

    def delete_job(self, job_id: str) -> None:
        """Remove a job with its history, request, secrets, tags and dependencies."""

    def add_event(self, event: JobEvent) -> None:
        """Append to a job's history."""

    def depend(self, job_id: str, on_job_id: str, condition: DependencyCondition, *, open: bool) -> None:
        """Store that a job depends on another; `open` = the outcome is not decided yet."""

    def close_dependency(self, job_id: str, on_job_id: str) -> None:
        """Store that the outcome of a dependency is decided."""

    def take_place(self, job_id: str, organization_id: str, lock: str) -> None:
        """Give a job the last place in the queue of a lock."""

    def give_up_places(self, job_id: str) -> list[str]:
        """Take a job out of the queues of its locks; ids of the jobs that are first in one now."""

    def open_storage(self, organization_id: str, storage_id: str, at: datetime) -> None:
        """Open the result storage; one that is open stays so."""

    def remember(self, request: Remembered) -> None:
        """Keep the first request under an idempotency key."""

    def forget(self, before: datetime, limit: int) -> int:
        """Remove requests first made before an instant; how many."""

    def insert_key(self, key: KeyRecord) -> None:
        """Store a new API key. Raises Conflict when the organization has a valid one of that name."""

    def save_key(self, key: KeyRecord) -> None:
        """Store an API key that has changed."""

    def audit(self, entry: AuditEntry) -> None:
        """Append to the audit table."""

    def setting(self, name: str, make: Callable[[], bytes]) -> bytes:
        """A value that all nodes on this store share, made at its first use."""


class JobStore(Protocol):
    """Keeps everything. A unit of work is a plain function that is called in one transaction. It may be
    called again, in another, until it is stored once: it changes nothing but through what it is handed.
    """

    shared: bool
    """Whether other nodes may work on it at the same time."""

    async def open(self) -> None:
        """Connect, and bring the schema up to date."""

    async def close(self) -> None:
        """Finish what is being written and disconnect."""

    def read(
        self, work: Callable[[JobReader], T], *, long: bool = False, single: bool = False
    ) -> Awaitable[T]:
        """Run a unit of work that reads; `long` when it may take more than a millisecond, `single` when it
        asks for one thing: then nothing need be done to keep what it reads of one moment.
        """

    def write(self, work: Callable[[JobWriter], T], *, about: str | None = None) -> Awaitable[T]:
        """Run a unit of work that writes: durable when this returns, undone whole when it raises.

        `about`: id of the job that it looks at; those of units that are stored together may be read together.
        """

    def renew_lease(self, number: int, *, lease_seconds: float) -> Awaitable[bool]:
        """Hold a node's lease for so long from now on; False when the node is one no more. It waits for no
        unit of work.
        """

    async def settled(self) -> None:
        """Wait until what is being written is stored or refused, and told. What begins meanwhile is not
        waited for.
        """

    def follow_up(
        self, due: Callable[[Change], bool], work: Callable[[JobWriter], T], done: Callable[[T | None], Any]
    ) -> None:
        """Have a unit of work run in each commit with a change that it is due for, behind all others. `done`
        is called on the event loop with its result when that is durable, with None when it failed; then the
        others are stored all the same. There is one follow-up.
        """

    def listen(self, listener: Callable[[Change], Any]) -> None:
        """Have a function called on the event loop after each durable change of a job."""

    def listen_to_schedules(self, listener: Callable[[ScheduleChange], Any]) -> None:
        """Have a function called on the event loop after each durable change of a scheduled job."""

    def listen_to_gaps(self, listener: Callable[[], Any]) -> None:
        """Have a function called on the event loop when changes may have gone by untold: those of others in
        the same store, or its own in a commit of which it is not known whether it was made.
        """


class Exchange(Protocol):
    """Questions from one node to the others that share a store."""

    async def ask(self, question: bytes) -> bytes | None:
        """The first answer that is not None; None when there is none within a few seconds."""

    def answer(self, answerer: Callable[[bytes], Awaitable[bytes | None]]) -> None:
        """Have others' questions answered, on the event loop."""

    def tell_heartbeat(self, job_id: str) -> None:
        """Tell the others within a second that a job was heard of, once for many times. It may get lost."""

    def hear_heartbeats(self, listener: Callable[[str], Any]) -> None:
        """Have a function called on the event loop with each job that others have heard of."""


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant: aware, UTC, cut to milliseconds."""

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps; only differences mean something."""


class Vault(Protocol):
    """Keeps values secret that must be read again, and makes the tokens of attempts."""

    def seal(self, value: str, *, context: str) -> bytes:
        """Encrypt; the ciphertext names its key and can be opened with the same context only."""

    def open(self, sealed: bytes, *, context: str) -> str:
        """Decrypt. Raises VaultError when the key or the context is another."""

    def token(self, job_id: str, attempt: int) -> str:
        """The token of an attempt; always the same for the same attempt."""


class VaultError(Exception):
    """A sealed value cannot be opened."""


class Sealer(Protocol):
    """Makes cursors that callers can neither read nor change."""

    def seal(self, value: bytes) -> str:
        """Encrypt and sign, as text for a URL."""

    def open(self, sealed: str) -> bytes | None:
        """What was sealed; None when it was not sealed here or was changed."""

    def fingerprint(self, value: bytes) -> str:
        """A keyed hash."""
