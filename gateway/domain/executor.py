"""The port to whatever runs jobs, and the words that cross it.

An executor starts attempts, looks at them, stops them and hands out what they wrote. It knows nothing of
statuses, retries, locks or tokens: the engine decides those from the observations made here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol

from gateway.domain.words import FeatureSupport, OutputChannel


class AttemptKey(NamedTuple):
    """Names one attempt of one job; `start` is idempotent per key."""

    job_id: str
    attempt: int


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A volume that the attempt sees."""

    name: str
    """Unique within the job."""
    source: str
    """A name of the setting VOLUMES; what it stands for is the executor's to know."""
    path: str
    """Where the attempt sees it, absolute."""
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the attempt may use, and what is to be set aside for it. None = not said."""

    memory_limit_mb: int | None = None
    """Mebibytes."""
    memory_request_mb: int | None = None
    """Mebibytes."""
    cpu_limit: Decimal | None = None
    """Cores."""
    cpu_request: Decimal | None = None
    """Cores."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """All that is needed to start one attempt."""

    key: AttemptKey
    commands: tuple[str, ...]
    """One argument vector, never empty where the executor refuses empty commands."""
    image: str
    environment: Mapping[str, str]
    """The job's own variables and the JOB_ ones, in the clear. Held in memory only."""
    secrets: frozenset[str] = frozenset()
    """Names of the variables whose values nobody may read: the secret ones and JOB_TOKEN."""
    organization_id: str = ""
    mounts: tuple[Mount, ...] = ()
    resources: Resources = Resources()
    timeout_seconds: int | None = None
    """The longest time that it may run. The engine sees to it; an executor may, too, as a second guard."""
    grace_seconds: int = 30
    """The time between a request to end and the kill, unless `stop` names another."""


@dataclass(frozen=True)
class Pending:
    """The engine has the attempt and has not begun to run it."""

    reason: str | None = None
    """What it waits for, if that is known."""


@dataclass(frozen=True)
class Running:
    """The attempt's process or container runs."""


@dataclass(frozen=True, kw_only=True)
class Exited:
    """The attempt ended and its exit status is known."""

    exit_code: int
    """0–255; 128 + n after signal n."""
    signal: int | None = None
    """The signal that ended it, None when it exited by itself."""
    out_of_memory: bool | None = None
    """Whether it was killed for lack of memory; None when that cannot be told."""


@dataclass(frozen=True)
class Vanished:
    """Neither the process nor an exit status is left."""

    reason: str


@dataclass(frozen=True)
class TimedOut:
    """The engine ended the attempt at a time limit of its own."""

    reason: str


@dataclass(frozen=True)
class Unreachable:
    """The engine cannot be asked at the moment; nothing is known."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The engine took the attempt and then could not begin it. It is over."""

    reason: str
    passing: bool
    """Whether a later attempt may succeed."""


End = Exited | Vanished | TimedOut | Refused
"""What nothing follows."""
Observation = Pending | Running | End | Unreachable


class StartRefused(Exception):
    """The attempt was not started and never will be by itself.

    `passing` tells whether a later attempt may succeed (a full disk) or not (no such command).
    """

    def __init__(self, reason: str, *, passing: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passing = passing


class ExecutorUnavailable(Exception):
    """The engine cannot be used. The message is for the operator."""


@dataclass(frozen=True, kw_only=True)
class OutputChunk:
    """A piece of a stream: raw bytes and where they lie."""

    data: bytes
    offset: int
    """Bytes from the start of the stream to the first byte of `data`."""
    next_offset: int
    """Where the next piece begins; greater than offset + len(data) across a dropped middle."""
    dropped_bytes: int
    """Bytes lost between `data` and `next_offset`, because the stream passed its bound."""
    size: int
    """Length of the stream so far, dropped bytes included."""


class Executor(Protocol):
    """Runs attempts. One implementation per engine."""

    name: str
    isolation: str
    """`none`, or what keeps one job from another and from the host."""
    queues: bool
    """Whether an attempt that was started may be Pending; else it runs when `start` returns."""
    reachable_from_anywhere: bool
    """Whether a gateway on another machine can observe, stop and remove what this one started."""
    support: Mapping[str, FeatureSupport]
    """One entry per field of a request that an executor can enforce or refuse."""

    async def open(self, ended: Callable[[AttemptKey], None]) -> None:
        """Get ready. `ended` is called on the event loop when an attempt that is followed has begun to run or
        has ended; it may be called once too often. Raises ExecutorUnavailable.
        """

    async def close(self) -> None:
        """Let go of everything without stopping any attempt."""

    async def start(self, launch: Launch) -> str:
        """Start the attempt, or find it when it was started before; the handle that is to be stored.

        Raises StartRefused when it could not be started. May take long (an image is pulled); others are
        started meanwhile.
        """

    async def observe(self, key: AttemptKey, handle: str) -> Observation:
        """What the attempt does now. From the first call on, the attempt is followed (see `open`)."""

    async def stop(self, key: AttemptKey, handle: str, *, grace_seconds: int) -> None:
        """Ask the attempt to end, and kill it after the grace. Returns at once; may be called again."""

    def keeps(self, job_id: str) -> bool:
        """Whether the output of the job can be read from here."""

    async def output(
        self, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
    ) -> OutputChunk:
        """At most `limit` bytes from `offset` on. A negative offset counts from the end."""

    def lease(self, seconds: float) -> None:
        """The node holds its attempts for so long from now on. What only this node can reach must be dead
        when the time is over, even if the gateway hangs or is gone, unless this is called again before.
        """

    async def abandon(self) -> None:
        """Other nodes take over what this one held: kill what only it can reach and follow nothing any more.
        `ended` is not called for it.
        """

    async def remove(self, job_id: str) -> None:
        """Delete the scratch folders and the output of all attempts of a job."""

    async def kept(self) -> list[str]:
        """Ids of all jobs of which scratch folders or output are kept."""
