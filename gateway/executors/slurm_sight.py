"""What a job of Slurm and the attempt's folder show together: one observation, without asking anybody."""

from gateway.domain.executor import Exited, Observation, Pending, Refused, Running, TimedOut, Vanished
from gateway.executors.slurm_folder import AttemptFolder
from gateway.executors.slurm_reply import SlurmJob

WAITING = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"})
GOING = frozenset({"RUNNING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"})
ENDING = "COMPLETING"
NEVER = frozenset(
    {"BadConstraints", "PartitionConfig", "PartitionTimeLimit", "PartitionNodeLimit"}
    | {"InvalidAccount", "InvalidQOS", "AccountNotAllowed", "QOSNotAllowed"}
)
"""Reasons of waiting that no waiting ends."""
MEMORY_REMARKS = ("exceeded memory limit", "Exceeded job memory limit", "oom_kill event", "oom-kill event")
"""What Slurm writes when it, or the kernel, kills for lack of memory."""


def is_over(job: SlurmJob) -> bool:
    """Whether Slurm is done with the job."""
    return not job.states & (WAITING | GOING) and ENDING not in job.states


def sight(job: SlurmJob, folder: AttemptFolder) -> Observation:
    """What becomes of the attempt that was given to Slurm as this job."""
    if job.states & WAITING:
        return _waiting(job, folder)
    # Until it is completed some of its processes may live, and v0.0.38 does not tell what ended it.
    if job.states & GOING or ENDING in job.states:
        return Running()
    return _ended(job, folder)


def sight_of_forgotten(folder: AttemptFolder) -> Observation:
    """What is left of an attempt whose job Slurm does not know any more."""
    refused = folder.refused()
    if refused is not None:
        return Refused(reason=refused, passing=False)
    return folder.exited() or Vanished("Slurm does not know its job any more, and it left no exit status")


def _waiting(job: SlurmJob, folder: AttemptFolder) -> Observation:
    if job.restarts and folder.begun() is not None:
        return Vanished(f"its node failed, or it was taken back: Slurm has queued job {job.id} again")
    if job.reason in NEVER:
        return Refused(reason=f"Slurm can never start it: {job.reason}", passing=False)
    return Pending(job.reason)


def _ended(job: SlurmJob, folder: AttemptFolder) -> Observation:
    # What came over it from outside goes before how the command took that.
    on = f" on {job.nodes}" if job.nodes else ""
    if "NODE_FAIL" in job.states:
        return Vanished(f"its node failed{on}")
    if "PREEMPTED" in job.states:
        return Vanished(f"Slurm stopped it{on} for a job that goes before it")
    if "TIMEOUT" in job.states or "DEADLINE" in job.states:
        limit = job.time_limit_minutes
        return TimedOut("Slurm stopped it at its time limit" + (f" of {limit} minutes" if limit else ""))
    refused = folder.refused()
    if refused is not None:
        return Refused(reason=refused, passing=False)
    exited = folder.exited()
    out_of_memory = _out_of_memory(job, folder)
    if exited is None:
        if folder.begun() is None:
            return _never_began(job, folder)
        exited = _exited_by_slurm(job, out_of_memory)
    if exited is None:
        return Vanished(f"Slurm ended it{on} ({', '.join(sorted(job.states))}), and it left no exit status")
    if exited.signal is None:
        return exited
    return Exited(exit_code=exited.exit_code, signal=exited.signal, out_of_memory=out_of_memory)


def _never_began(job: SlurmJob, folder: AttemptFolder) -> Observation:
    if "CANCELLED" in job.states:
        return Vanished("it was canceled in Slurm before it began")
    said = folder.remarks().strip()
    why = ", ".join(filter(None, (*sorted(job.states), job.reason, said)))
    return Refused(reason=f"Slurm could not begin it: {why}"[:2000], passing=True)


def _exited_by_slurm(job: SlurmJob, out_of_memory: bool | None) -> Exited | None:
    """The end as Slurm saw it: of the script, which ends as the command did unless it is killed itself."""
    if job.signal:
        return Exited(exit_code=128 + job.signal, signal=job.signal)
    if out_of_memory:
        return Exited(exit_code=137, signal=9)
    if job.exit_code is None or "CANCELLED" in job.states:
        return None
    return Exited(exit_code=job.exit_code)


def _out_of_memory(job: SlurmJob, folder: AttemptFolder) -> bool | None:
    """None: not known. Slurm keeps quiet about it where it does not watch memory."""
    if "OUT_OF_MEMORY" in job.states:
        return True
    said = folder.remarks()
    return True if any(remark in said for remark in MEMORY_REMARKS) else None
