"""Writes what slurmrestd is to submit, in the shapes of the API's version."""

import math
import re
from decimal import Decimal
from typing import Any

from gateway.domain.executor import Launch

FIRST_WITH_OBJECTS = 39
"""From v0.0.39 on numbers are objects, and the environment is a list."""
FIRST_WITH_INNER_SCRIPT = 40
"""From v0.0.40 on the script is a member of the job."""
SPARE_MINUTES = 1
"""What Slurm's time limit is longer than the gateway's own, which is to act first."""


def api_number(version: str) -> int:
    """The last number of a version such as v0.0.38. Raises ValueError."""
    found = re.fullmatch(r"v0\.0\.(\d+)", version)
    if found is None:
        raise ValueError(f"{version!r} is no version of Slurm's API, such as v0.0.38")
    return int(found[1])


def cores(launch: Launch) -> int:
    """Whole cores, because Slurm gives no parts of one: what is limited, else what is requested, else 1."""
    wanted = launch.resources.cpu_limit or launch.resources.cpu_request or Decimal(1)
    return math.ceil(wanted)


def memory_mb(launch: Launch) -> int | None:
    """Slurm sets aside what it limits to: the limit, else what is requested."""
    return launch.resources.memory_limit_mb or launch.resources.memory_request_mb


def minutes(launch: Launch) -> int | None:
    """Slurm's time limit, which holds when no gateway is there to see to it."""
    if launch.timeout_seconds is None:
        return None
    return math.ceil((launch.timeout_seconds + launch.grace_seconds) / 60) + SPARE_MINUTES


def submission(
    launch: Launch,
    *,
    version: int,
    name: str,
    script: str,
    folder: str,
    partition: str | None,
    account: str | None,
) -> dict[str, Any]:
    """The body of a submission. `folder` takes what Slurm and the script have to say; no secret is in it."""
    objects = version >= FIRST_WITH_OBJECTS

    def number(value: int) -> Any:
        return {"set": True, "infinite": False, "number": value} if objects else value

    # Slurm needs an environment; what the command gets is in the attempt's folder.
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    job: dict[str, Any] = {
        "name": name,
        "environment": [f"{key}={value}" for key, value in environment.items()] if objects else environment,
        "current_working_directory": folder,
        "standard_output": f"{folder}/slurm",
        "standard_error": f"{folder}/slurm",
        "tasks": 1,
        "cpus_per_task": cores(launch),
    }
    # Attempts are ours to repeat. v0.0.38 takes any `requeue` for true.
    job |= {"requeue": False} if objects else {"no_requeue": True}
    if (memory := memory_mb(launch)) is not None:
        job["memory_per_node"] = number(memory)
    if (limit := minutes(launch)) is not None:
        job["time_limit"] = number(limit)
    if partition is not None:
        job["partition"] = partition
    if account is not None:
        job["account"] = account
    if version >= FIRST_WITH_INNER_SCRIPT:
        return {"job": job | {"script": script}}
    return {"script": script, "job": job}
