"""The domain with its parts: what each operation is handed beside the call."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf

from gateway.domain.attachment_files import AttachmentFiles
from gateway.domain.catalogue import Catalogue
from gateway.domain.executor import Executor
from gateway.domain.ports import Change, Clock, Exchange, JobStore, Sealer, Vault


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the operator decided. 0 = no limit."""

    max_running_jobs: int = 4
    max_running: int = 0
    """Per organization: jobs that an executor holds."""
    max_not_final: int = 0
    """Per organization: jobs that have not ended."""
    retention_days: int = 0
    """Days until a final job without `expiresAt` is deleted; 0 = never."""
    allowed_images: tuple[str, ...] = ()
    """Shell patterns of images that may be named; empty = any."""
    volumes: frozenset[str] = frozenset()
    """Names that a volume's `source` may have."""
    max_attachment_bytes: int = 100 * 2**20
    """Longest attachment."""
    max_job_attachment_bytes: int = 2**30
    """Most bytes of attachments of one job."""
    features: tuple[str, ...] = ()
    """What getServiceInfo lists as features."""
    lease_seconds: float = 30.0
    """How long a node that is not heard of keeps what it holds."""
    api_url: str = ""
    """Base address of the REST door, for running jobs; the paths of operations follow it."""
    soap_url: str = ""
    """Address of the SOAP door, for running jobs."""


class Changes:
    """Wakes those who wait for a change of a job."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self.closing = asyncio.Event()

    def tell(self, change: Change) -> None:
        """A job has changed."""
        for event in self._waiting.get(change.job_id, ()):
            event.set()

    def tell_all(self) -> None:
        """Any job may have changed."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    def close(self) -> None:
        """The gateway stops: wake everyone, now and from now on."""
        self.closing.set()
        self.tell_all()

    @asynccontextmanager
    async def of(self, job_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever the job changes."""
        event = asyncio.Event()
        self._waiting[job_id].add(event)
        try:
            yield event
        finally:
            self._waiting[job_id].discard(event)
            if not self._waiting[job_id]:
                del self._waiting[job_id]


class Heartbeats:
    """When each job that is watched here was last heard of, on the monotonic clock."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self.pass_on: Callable[[str], None] | None = None
        """Tells the other nodes, of which one may watch the job; None where there are none."""

    def watch(self, job_id: str) -> None:
        """The job is watched here: nothing was heard of it yet."""
        self._last[job_id] = -inf

    def beat(self, job_id: str, at: float) -> None:
        """The job was heard of, here."""
        if job_id in self._last:
            self._last[job_id] = at
        elif self.pass_on is not None:
            self.pass_on(job_id)

    def heard(self, job_id: str, at: float) -> None:
        """The job was heard of by another node."""
        if job_id in self._last:
            self._last[job_id] = at

    def last(self, job_id: str) -> float:
        """When the job was last heard of, long ago if it never was."""
        return self._last.get(job_id, -inf)

    def drop(self, job_id: str) -> None:
        """The attempt is over, or watched elsewhere."""
        self._last.pop(job_id, None)


@dataclass
class OwnNode:
    """This gateway among the nodes of the store."""

    identity: str = "sole"
    """Stays the same when the gateway is started again."""
    name: str = "this gateway"
    """For people."""
    number: int = 0
    """0 = it is no node: its engine has not joined, or has lost its lease."""


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything that operations and loops work with."""

    store: JobStore
    executor: Executor
    attachments: AttachmentFiles
    clock: Clock
    vault: Vault
    sealer: Sealer
    catalogue: Catalogue
    policy: Policy
    exchange: Exchange | None = None
    """None where no other node can be asked."""
    node: OwnNode = field(default_factory=OwnNode)
    changes: Changes = field(default_factory=Changes)
    heartbeats: Heartbeats = field(default_factory=Heartbeats)
