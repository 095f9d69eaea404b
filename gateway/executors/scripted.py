"""Plays given observations, for tests of the engine. Runs nothing.

executor = ScriptedExecutor()
executor.plan(Running(), Exited(exit_code=3))          # the next attempt of any job without a plan
executor.plan(StartRefused("disk full", passing=True), job_id=job_id)
executor.end(key, Exited(exit_code=0))                 # what it shows from now on, and `ended` is called
"""

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType

from gateway.domain.executor import (
    AttemptKey,
    Exited,
    Launch,
    Observation,
    OutputChunk,
    Running,
    StartRefused,
    Vanished,
)
from gateway.domain.words import FeatureSupport, OutputChannel


class ScriptedExecutor:
    """Takes one plan per attempt, those of its job first. Without any, attempts run until they are ended."""

    name = "scripted"
    isolation = "none"
    reachable_from_anywhere = True

    def __init__(self, support: Mapping[str, FeatureSupport] = MappingProxyType({})) -> None:
        self.support = support
        self.queues = False
        """Whether an attempt may be shown Pending first."""
        self.started: list[Launch] = []
        """Launches in order; one that was refused too, one that was known already not."""
        self.stopped: list[tuple[AttemptKey, int]] = []
        """Attempts and graces, in order of the calls."""
        self.removed: list[str] = []
        """Ids of jobs, in order of the calls."""
        self.after_stop: Observation | None = Exited(exit_code=143, signal=15, out_of_memory=False)
        """How an attempt ends when it is stopped; None = it is deaf to that."""
        self.outputs: dict[tuple[AttemptKey, OutputChannel], bytes] = {}
        """What attempts have written."""
        self._plans: dict[str | None, deque[StartRefused | list[Observation]]] = {}
        self._shown: dict[AttemptKey, list[Observation]] = {}
        self._ended: Callable[[AttemptKey], None] | None = None

    def plan(self, *steps: StartRefused | Observation, job_id: str | None = None) -> None:
        """Say how one coming attempt goes: refused, or shown as each step in turn, the last one for good."""
        refusals = [step for step in steps if isinstance(step, StartRefused)]
        shown = [step for step in steps if not isinstance(step, StartRefused)]
        self._plans.setdefault(job_id, deque()).append(refusals[0] if refusals else shown)

    def show(self, key: AttemptKey, observation: Observation) -> None:
        """From now on the attempt is seen like this; `ended` is not called."""
        self._shown[key] = [observation]

    def end(self, key: AttemptKey, observation: Observation) -> None:
        """From now on the attempt is seen like this, and `ended` is called."""
        self.show(key, observation)
        if self._ended is not None:
            self._ended(key)

    async def open(self, ended: Callable[[AttemptKey], None]) -> None:
        """Keep whom to call."""
        self._ended = ended

    async def close(self) -> None:
        """Nothing to let go of."""

    async def start(self, launch: Launch) -> str:
        """Begin the next plan, once per key. The handle is made of the key."""
        key = launch.key
        if key not in self._shown:
            self.started.append(launch)
            plans = self._plans.get(key.job_id) or self._plans.get(None)
            play: StartRefused | list[Observation] = plans.popleft() if plans else [Running()]
            if isinstance(play, StartRefused):
                raise play
            self._shown[key] = play
        return _handle(key)

    async def observe(self, key: AttemptKey, handle: str) -> Observation:
        """The next step of the plan."""
        steps = self._shown.get(key)
        if steps is None or handle != _handle(key):
            return Vanished("no such attempt was started")
        return steps.pop(0) if len(steps) > 1 else steps[0]

    async def stop(self, key: AttemptKey, handle: str, *, grace_seconds: int) -> None:
        """End a known attempt as `after_stop` says."""
        self.stopped.append((key, grace_seconds))
        if self.after_stop is not None and key in self._shown and handle == _handle(key):
            self.end(key, self.after_stop)

    def keeps(self, job_id: str) -> bool:  # noqa: ARG002
        """Nothing is kept elsewhere."""
        return True

    async def output(
        self, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
    ) -> OutputChunk:
        """A piece of what `outputs` holds."""
        whole = self.outputs.get((key, channel), b"")
        start = max(0, len(whole) + offset) if offset < 0 else min(offset, len(whole))
        data = whole[start : start + limit]
        end = start + len(data)
        return OutputChunk(data=data, offset=start, next_offset=end, dropped_bytes=0, size=len(whole))

    def lease(self, seconds: float) -> None:
        """Any node can reach everything here."""

    async def abandon(self) -> None:
        """Other nodes go on with the plans."""

    async def remove(self, job_id: str) -> None:
        """Forget the job's attempts and what they wrote."""
        self.removed.append(job_id)
        self._shown = {key: steps for key, steps in self._shown.items() if key.job_id != job_id}
        self.outputs = {name: data for name, data in self.outputs.items() if name[0].job_id != job_id}

    async def kept(self) -> list[str]:
        """Jobs whose attempts were started or whose output was set, and that were not removed."""
        return sorted({key.job_id for key in self._shown} | {key.job_id for key, _ in self.outputs})


def _handle(key: AttemptKey) -> str:
    return f"{key.job_id}/{key.attempt}"
