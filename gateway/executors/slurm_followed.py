"""An attempt that is followed: what was last seen of it, and how it is stopped.

A stop is SIGTERM to all processes of the job, and after the grace SIGUSR2, on which the script kills what is
left. Slurm's own SIGKILL comes last, because it begins with another SIGTERM and then waits for its KillWait.

Of a container the first process alone is asked to end, by the script on SIGURG, which harms nobody else:
Slurm would send SIGTERM to srun, too, which kills at once then, and to the runtime, which passes it on again.
"""

import time
from dataclasses import dataclass

from gateway.domain.executor import AttemptKey, Observation
from gateway.executors.slurm_client import SlurmClient, SlurmRefusal
from gateway.executors.slurm_folder import AttemptFolder
from gateway.executors.slurm_reply import SlurmJob
from gateway.executors.slurm_sight import GOING

ASK, ASK_CONTAINER, SLAY, CANCEL = "SIGTERM", "SIGURG", "SIGUSR2", "SIGKILL"
AGAIN_SECONDS = 0.5
"""Pause after a signal that Slurm refused."""
SLAYING_SECONDS = 2.0
"""How long the script may take to kill everything, before Slurm is told to."""


@dataclass
class Followed:
    """One attempt. Times are seconds since 1970, so that they hold for the next gateway, too."""

    key: AttemptKey
    folder: AttemptFolder
    slurm_id: int
    since: float
    """When it began to be followed, on the monotonic clock: what was seen before says nothing of it."""
    told: type[Observation] | None = None
    """The kind of what was last seen."""
    kill_at: float | None = None
    """When the grace of a stop is over; None when it is not stopped."""
    asked: bool = False
    """Whether it was asked to end."""
    slain_at: float | None = None
    """When the script was told to kill it, or Slurm."""
    contained: bool = False
    """Whether it runs in a container."""
    not_before: float = 0.0
    """When the next signal may be tried, after one that Slurm refused."""

    def stop_within(self, grace_seconds: float) -> None:
        """Begin a stop, or shorten its grace."""
        kill_at = time.time() + grace_seconds
        if self.kill_at is None or kill_at < self.kill_at:
            self.kill_at = kill_at

    def resume(self) -> None:
        """Go on with what an earlier gateway began."""
        self.contained = self.folder.contained()
        if (kept := self.folder.stop()) is not None:
            self.kill_at, self.asked = kept

    def note_stop(self) -> None:
        """Keep the stop for the next gateway."""
        if self.kill_at is not None:
            self.folder.note_stop(self.kill_at, asked=self.asked)

    def next_step(self) -> tuple[str, float] | None:
        """The next signal and when it is due; None when nothing is stopped."""
        if self.kill_at is None:
            return None
        if self.slain_at is not None:
            step, at = CANCEL, self.slain_at + SLAYING_SECONDS
        elif self.asked or time.time() >= self.kill_at:
            step, at = SLAY, self.kill_at
        else:
            step, at = ASK_CONTAINER if self.contained else ASK, 0.0
        return step, max(at, self.not_before)

    async def step(self, client: SlurmClient, job: SlurmJob) -> bool:
        """Send the signal that is due; whether one was. Raises SlurmUnreachable."""
        due = self.next_step()
        if due is None or time.time() < due[1]:
            return False
        # What does not run yet has nobody to ask.
        signal = due[0] if job.states & GOING else CANCEL
        try:
            await client.signal(job.id, signal)
        except SlurmRefusal:
            # It is not as it was seen: it begins or ends just now.
            self.not_before = time.time() + AGAIN_SECONDS
            return False
        if due[0] in (ASK, ASK_CONTAINER):
            self.asked = True
        else:
            self.slain_at = time.time()
        return True
