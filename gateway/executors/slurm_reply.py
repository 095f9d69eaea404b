"""Reads the replies of slurmrestd, whose shapes differ between the versions of its API.

A number is plain up to v0.0.38 and an object of `set`, `infinite` and `number` later; an exit code was a wait
status and became an object; a state was one word and became a list of them. All are read, whatever version
was asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN_JOB = 2017
"""Slurm's number for a job that it does not know, or no longer (ESLURM_INVALID_JOB_ID)."""


@dataclass(frozen=True, kw_only=True)
class SlurmFault:
    """One entry of `errors`."""

    number: int
    """Slurm's own number; 0 when it gave none."""
    text: str


@dataclass(frozen=True, kw_only=True)
class SlurmJob:
    """What Slurm says of a job."""

    id: int
    name: str
    user: str
    states: frozenset[str]
    """The state and its flags, such as COMPLETING."""
    reason: str | None
    """Why it is in that state; None when nothing stands in its way."""
    exit_code: int | None
    """How its script ended by itself; None while it runs, and when a signal ended it."""
    signal: int | None
    """Which signal ended its script."""
    restarts: int
    """How often Slurm began it anew."""
    nodes: str
    time_limit_minutes: int | None


def read_job(document: Mapping[str, Any]) -> SlurmJob:
    """A job of the list `jobs`."""
    state = document.get("job_state")
    code, signal = _read_exit(document.get("exit_code"))
    reason = str(document.get("state_reason") or "None")
    return SlurmJob(
        id=read_number(document.get("job_id")) or 0,
        name=str(document.get("name") or ""),
        user=str(document.get("user_name") or ""),
        states=frozenset(map(str, state)) if isinstance(state, list) else frozenset({str(state)}),
        reason=None if reason == "None" else reason,
        exit_code=code,
        signal=signal,
        restarts=read_number(document.get("restart_cnt")) or 0,
        nodes=str(document.get("nodes") or ""),
        time_limit_minutes=read_number(document.get("time_limit")),
    )


def read_faults(document: Mapping[str, Any]) -> list[SlurmFault]:
    """The list `errors`. Its members have had several names, even within one version."""
    faults = []
    for entry in document.get("errors") or ():
        number = read_number(entry.get("error_number", entry.get("error_code"))) or 0
        texts = (entry.get("description"), entry.get("error"))
        # The description often ends with the error.
        text = next((str(text) for text in texts if text), "no reason was given")
        faults.append(SlurmFault(number=number, text=text))
    return faults


def read_number(value: Any) -> int | None:
    """A number in either shape; None when it is not set, or endless."""
    if isinstance(value, Mapping):
        if not value.get("set", True) or value.get("infinite"):
            return None
        value = value.get("number", value.get("id"))
    return value if isinstance(value, int) else None


def _read_exit(value: Any) -> tuple[int | None, int | None]:
    """Exit code and signal, one of them None."""
    if isinstance(value, Mapping):
        signal = read_number((value.get("signal") or {}).get("id"))
        code = read_number(value.get("return_code"))
    else:
        # A wait status, as wait(2) gives it: the signal in the low seven bits, the exit code above them.
        status = read_number(value)
        if status is None:
            return None, None
        code, signal = (status >> 8) & 0xFF, status & 0x7F
    return (None, signal) if signal else (code, None)
