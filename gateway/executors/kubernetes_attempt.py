"""What is known of one attempt, and what follows from that: decisions without I/O."""

import asyncio
from dataclasses import dataclass, field

from gateway.domain.executor import AttemptKey, End, Exited, Observation, Pending, Refused, Running, Vanished
from gateway.executors.kubernetes_output import Log
from gateway.executors.kubernetes_pod import JobView, PodView


@dataclass
class Attempt:
    """One attempt, as the watches and the gateway's own wishes have made it."""

    key: AttemptKey
    job: JobView | None = None
    pods: dict[str, PodView] = field(default_factory=dict)
    """Those that are there, by uid. More than one only where the job controller replaced one."""
    gone: PodView | None = None
    """The attempt's pod as it was when it was deleted, or had ended before the watch told of it."""
    followed: bool = False
    """Whether somebody wants to be told of it."""
    end: End | None = None
    """How it ended, once that and its output are kept."""
    grace_seconds: int | None = None
    """The grace with which it was to stop."""
    refused: Refused | None = None
    """Why the gateway gives it up, should it never have run."""
    hint: str | None = None
    """What events tell of why it does not begin."""
    waits_for: str | None = None
    """What the timer below was set for."""
    timer: asyncio.TimerHandle | None = None
    along: Log | None = None
    """What was read along from a pod that is being deleted."""
    follow_task: asyncio.Task[None] | None = None
    """Reads it."""
    keep_task: asyncio.Task[None] | None = None
    seal_task: asyncio.Task[None] | None = None
    stop_task: asyncio.Task[None] | None = None

    @property
    def is_there(self) -> bool:
        """Whether the cluster shows anything of it."""
        return self.job is not None or bool(self.pods)

    @property
    def pod(self) -> PodView | None:
        """The attempt's pod: the first one that there was, and one that ran before one that did not."""
        if self.gone is not None:
            return self.gone
        return min(self.pods.values(), key=lambda pod: pod.age, default=None)

    def seen(self) -> Observation | None:
        """What the attempt does; None if the cluster shows neither a Job nor a pod of it."""
        pod = self.pod
        if pod is not None:
            return self._seen_by(pod)
        job = self.job
        if job is None:
            return None
        if job.succeeded:
            return Exited(exit_code=0, out_of_memory=False)
        if job.failed is not None:
            return self._given_up or Vanished(f"its pod is gone: {job.failed}")
        if job.sealed and not job.active:
            return self._given_up or Vanished("it was stopped before it began to run")
        return Pending(self.hint)

    @property
    def _given_up(self) -> Refused | None:
        return self.refused or (self.job.refused if self.job else None)

    def _seen_by(self, pod: PodView) -> Observation:
        if pod.end is not None:
            return pod.end if pod.has_run else self._given_up or pod.end
        if pod is self.gone:
            if pod.has_run:
                return Vanished("its pod was deleted and left no exit code")
            return self._given_up or Vanished("its pod was deleted before it began to run")
        if pod.has_run:
            return Running()
        return Pending(self.hint or pod.waiting)

    def cancel(self) -> None:
        """Let go of timers and tasks."""
        if self.timer is not None:
            self.timer.cancel()
        for task in (self.follow_task, self.keep_task, self.seal_task, self.stop_task):
            if task is not None:
                task.cancel()
