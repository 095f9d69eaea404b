"""What a Pod and a Job say about an attempt: plain readings of their JSON, without I/O."""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.executor import AttemptKey, End, Exited, Refused, TimedOut, Vanished
from gateway.executors.kubernetes_manifest import ATTEMPT_LABEL, CONTAINER, JOB_LABEL, PASSING, REFUSED

KILLS = {128 + signal.SIGKILL: signal.SIGKILL, 128 + signal.SIGTERM: signal.SIGTERM}
"""Runtimes tell 128 + n after signal n and mostly not the signal itself. These two come from outside; other
codes above 128 may as well be the command's own."""
NEVER_BEGUN = ("StartError", "ContainerCannotRun")
"""Reasons with which a container ends that could not be started (containerd, Docker)."""
DEADLINE = "DeadlineExceeded"
"""Reason with which the kubelet ends a pod that has been active for longer than it may."""
LOST = "ContainerStatusUnknown"
"""Reason with which the kubelet ends a container that it knows nothing of."""
HOPELESS = ("InvalidImageName", "ErrImageNeverPull")
"""What a container can wait for in vain only."""
TROUBLE = (
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "ImageInspectError",
    "SignatureValidationFailed",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
)
"""What the kubelet tries again, and what may go on for ever."""
PASSING_WORDS = re.compile(
    r"time.?out|timed out|deadline exceeded|connection refused|connection reset|no route to host|"
    r"toomanyrequests|too many requests|no space left|temporary failure|unavailable|bad gateway|"
    r"internal server error",
    re.IGNORECASE,
)
"""What such a trouble says when a later attempt may succeed."""


@dataclass(frozen=True, kw_only=True)
class PodView:
    """A Pod, as far as it matters."""

    key: AttemptKey | None
    """None when its labels name no attempt."""
    name: str
    uid: str
    created_at: str
    """Text that sorts by time."""
    has_run: bool
    """Whether its container has begun."""
    waits_for: str | None
    """One word, such as Unschedulable, ContainerCreating, ImagePullBackOff."""
    message: str | None
    """What is said about that."""
    deleting: bool
    deletion_grace_seconds: int
    end: End | None

    @property
    def age(self) -> tuple[bool, str, bool]:
        """Sorts the pods of an attempt: the first one first, and one that ran before one that did not."""
        # The API writes instants in whole seconds; a pod that is replaced is being deleted.
        return not self.has_run, self.created_at, not self.deleting

    @property
    def waiting(self) -> str | None:
        """For people: what it waits for."""
        return _told(self.waits_for, self.message)


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A Job, as far as it matters."""

    key: AttemptKey | None
    name: str
    uid: str
    sealed: bool
    """Whether it can have no further pod."""
    active: bool
    """Whether the controller counts a pod that is not over."""
    succeeded: bool
    failed: str | None
    """Why it failed."""
    refused: Refused | None
    """Why the gateway gave it up before it began."""


def read_pod(pod: Mapping[str, Any]) -> PodView:
    """What a Pod says."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    state = _state(status)
    waits_for, message = _waiting(status, state)
    ran = "running" in state or "startedAt" in (state.get("terminated") or {})
    return PodView(
        key=_key(metadata),
        name=metadata["name"],
        uid=metadata["uid"],
        created_at=metadata.get("creationTimestamp") or "",
        has_run=ran and (state.get("terminated") or {}).get("reason") not in (*NEVER_BEGUN, LOST),
        waits_for=waits_for,
        message=message,
        deleting="deletionTimestamp" in metadata,
        deletion_grace_seconds=metadata.get("deletionGracePeriodSeconds") or 0,
        end=_end(status, state),
    )


def read_job(job: Mapping[str, Any]) -> JobView:
    """What a Job says."""
    metadata, spec, status = job["metadata"], job.get("spec") or {}, job.get("status") or {}
    conditions = _conditions(status)
    failed = conditions.get("Failed")
    notes = metadata.get("annotations") or {}
    return JobView(
        key=_key(metadata),
        name=metadata["name"],
        uid=metadata["uid"],
        sealed=spec.get("parallelism") == 0,
        active=bool(status.get("active")),
        succeeded=bool(status.get("succeeded")) or "Complete" in conditions,
        failed=_told(failed.get("reason"), failed.get("message")) or "it failed" if failed else None,
        refused=Refused(reason=notes[REFUSED], passing=notes.get(PASSING) == "true")
        if REFUSED in notes
        else None,
    )


def refusal(pod: PodView, secret: str) -> tuple[Refused, bool] | None:
    """Why a pod that waits will hardly begin, and whether that is certain already; None if it may.

    `secret` is the name of the attempt's Secret, which may be a moment late.
    """
    if pod.end is not None or pod.has_run or pod.deleting or pod.waits_for is None:
        return None
    if pod.waits_for not in (*HOPELESS, *TROUBLE):
        return None
    message = pod.message or ""
    late = pod.waits_for == "CreateContainerConfigError" and f'"{secret}"' in message
    passing = late or _passes(message)
    certain = pod.waits_for in HOPELESS or (pod.waits_for == "CreateContainerConfigError" and not passing)
    return Refused(reason=pod.waiting or pod.waits_for, passing=passing), certain


def _key(metadata: Mapping[str, Any]) -> AttemptKey | None:
    labels = metadata.get("labels") or {}
    job_id, attempt = labels.get(JOB_LABEL), labels.get(ATTEMPT_LABEL, "")
    return AttemptKey(job_id, int(attempt)) if job_id and attempt.isdecimal() else None


def _state(status: Mapping[str, Any]) -> Mapping[str, Any]:
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER:
            found: Mapping[str, Any] = container.get("state") or {}
            return found
    return {}


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Those that hold, by type."""
    return {one["type"]: one for one in status.get("conditions") or () if one.get("status") == "True"}


def _waiting(status: Mapping[str, Any], state: Mapping[str, Any]) -> tuple[str | None, str | None]:
    if waiting := state.get("waiting"):
        return waiting.get("reason"), waiting.get("message")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return condition.get("reason"), condition.get("message")
    return None, None


def _end(status: Mapping[str, Any], state: Mapping[str, Any]) -> End | None:
    phase, terminated = status.get("phase"), state.get("terminated")
    if terminated is None or terminated.get("reason") == LOST:
        if phase == "Failed":
            told = _told(LOST, (terminated or {}).get("message"))
            return _loss(status) or Vanished(told or "it failed")
        return Exited(exit_code=0, out_of_memory=False) if phase == "Succeeded" else None
    code, reason = int(terminated["exitCode"]), terminated.get("reason")
    if reason in NEVER_BEGUN:
        message = terminated.get("message") or ""
        return Refused(reason=_told(reason, message) or reason, passing=_passes(message))
    if phase != "Succeeded" and (loss := _loss(status)) is not None:
        # What it made of the signal on its way out is no outcome of its work.
        return loss
    if code == 0:
        return Exited(exit_code=0, out_of_memory=False)
    if reason == "OOMKilled":
        # Also when only a child was killed for it and the command gave up then.
        return Exited(exit_code=128 + signal.SIGKILL, signal=signal.SIGKILL, out_of_memory=True)
    number = terminated.get("signal") or KILLS.get(code)
    if number:
        return Exited(exit_code=128 + int(number), signal=int(number), out_of_memory=False)
    return Exited(exit_code=code, out_of_memory=False)


def _loss(status: Mapping[str, Any]) -> Vanished | TimedOut | None:
    """Why the pod was taken away (evicted, preempted, its node lost, its time over); None if it was not."""
    told = _told(status.get("reason"), status.get("message"))
    if status.get("reason") == DEADLINE:
        return TimedOut(f"Kubernetes stopped it at its time limit: {told}")
    if status.get("reason"):
        return Vanished(told or "it failed")
    if disruption := _conditions(status).get("DisruptionTarget"):
        told = _told(disruption.get("reason"), disruption.get("message"))
        return Vanished(told or "it was disrupted")
    return None


def _passes(message: str) -> bool:
    # Names of images and commands stand in quotation marks.
    return PASSING_WORDS.search(re.sub(r'"[^"]*"', "", message)) is not None


def _told(reason: str | None, message: str | None) -> str | None:
    return f"{reason}: {message}" if reason and message else reason or message
