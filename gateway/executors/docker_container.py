"""How an attempt is made into a container, and how a container is read back."""

import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.domain.executor import AttemptKey, Exited, Launch, Mount, Resources, StartRefused, Vanished

MIB = 1024 * 1024
INSTANCE, JOB, ATTEMPT, ORGANIZATION = (
    f"jobs-gateway.{name}" for name in ("instance", "job", "attempt", "organization")
)
"""Labels of the containers."""
NO_STATUS = 255
LEAST_NANO_CPUS = 10_000_000
"""A hundredth of a core: kernels take no smaller part of it."""
VOLUME_PREFIX = "volume:"
TMP = "/tmp"  # noqa: S108
"""In the container; nobody else is there."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the operator decided for all containers."""

    network: str = "none"
    user: str | None = None
    """None = the image's."""
    capabilities: tuple[str, ...] = ()
    """Those that are not dropped."""
    writable_root: bool = False
    pids_limit: int = 0
    """Most processes and threads; 0 = no limit."""
    volumes: Mapping[str, str]
    """What jobs may mount: a path of the host, or `volume:` and the name of a volume."""
    log_bytes: int
    """Most that the engine may write of a container's output before it drops the oldest."""

    def __post_init__(self) -> None:
        """Raise ValueError when a volume is neither."""
        for name, source in self.volumes.items():
            if not source.startswith("/") and not (
                source.startswith(VOLUME_PREFIX) and len(source) > len(VOLUME_PREFIX)
            ):
                raise ValueError(f"VOLUMES: {name}={source}: must be an absolute path or volume:NAME")

    def source_of(self, mount: Mount) -> str:
        """What a job mounts. Raises StartRefused when the operator has taken it out of the setting since."""
        source = self.volumes.get(mount.source)
        if source is None:
            reason = f"volume {mount.name!r}: the setting VOLUMES has no {mount.source!r}"
            raise StartRefused(reason, passing=False)
        return source


def name_of(key: AttemptKey) -> str:
    """The name of an attempt's container: two can never be made."""
    return f"jobs-gateway-{key.job_id}-{key.attempt}"


def key_of(labels: Mapping[str, str] | None) -> AttemptKey | None:
    """The attempt that the labels of a container name."""
    labels = labels or {}
    attempt = labels.get(ATTEMPT, "")
    return AttemptKey(labels[JOB], int(attempt)) if JOB in labels and attempt.isdecimal() else None


def body_of(launch: Launch, rules: Rules, instance: str) -> dict[str, Any]:
    """The request that creates the container. Raises StartRefused.

    Commands replace the image's entrypoint and its command: they are all that is run. The engine's small init
    process runs them, because a process with the number 1 is deaf to SIGTERM unless it asks for it.
    """
    body: dict[str, Any] = {
        "Image": launch.image,
        "Env": [f"{name}={value}" for name, value in launch.environment.items()],
        "Labels": {
            INSTANCE: instance,
            JOB: launch.key.job_id,
            ATTEMPT: str(launch.key.attempt),
            ORGANIZATION: launch.organization_id,
        },
        # An image may name another one, which `stop` would send.
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": _host_config(launch, rules),
    }
    if launch.commands:
        body["Entrypoint"] = list(launch.commands)
    if rules.user is not None:
        body["User"] = rules.user
    return body


def _host_config(launch: Launch, rules: Rules) -> dict[str, Any]:
    size = {"max-size": str(rules.log_bytes // 2), "max-file": "2"}
    config: dict[str, Any] = {
        "Init": True,
        "NetworkMode": rules.network,
        "ReadonlyRootfs": not rules.writable_root,
        "CapDrop": ["ALL"],
        "CapAdd": list(rules.capabilities),
        "SecurityOpt": ["no-new-privileges"],
        "Mounts": [_mount(mount, rules.source_of(mount)) for mount in launch.mounts],
        # `local` loses the ends of long lines, and every engine knows this one.
        "LogConfig": {"Type": "json-file", "Config": size},
        **_limits(launch.resources),
    }
    if rules.pids_limit:
        config["PidsLimit"] = rules.pids_limit
    if not any(mount.path == TMP for mount in launch.mounts):
        # Executable, because Java unpacks native libraries there.
        config["Tmpfs"] = {TMP: "rw,exec,nosuid,nodev,mode=1777"}
    return config


def _mount(mount: Mount, source: str) -> dict[str, Any]:
    volume = source.removeprefix(VOLUME_PREFIX)
    return {
        "Type": "bind" if volume == source else "volume",
        "Source": volume,
        "Target": mount.path,
        "ReadOnly": mount.read_only,
    }


def _limits(resources: Resources) -> dict[str, int]:
    limits = {}
    if resources.memory_limit_mb is not None:
        # With swap as large as memory there is no swap in addition.
        limits["Memory"] = limits["MemorySwap"] = resources.memory_limit_mb * MIB
    if resources.cpu_limit is not None:
        limits["NanoCpus"] = max(LEAST_NANO_CPUS, math.ceil(resources.cpu_limit * 10**9))
    return limits


def volumes_of(launch: Launch, rules: Rules) -> list[str]:
    """Names of the engine's volumes that a launch mounts. Raises StartRefused."""
    sources = [rules.source_of(mount) for mount in launch.mounts]
    return [source.removeprefix(VOLUME_PREFIX) for source in sources if source.startswith(VOLUME_PREFIX)]


def end_of(state: Mapping[str, Any], *, witnessed: bool, tells_memory: bool) -> Exited | Vanished:
    """How a container ended. `witnessed`: the engine was within reach when it did. `tells_memory`: it knows
    that there was enough memory.

    The engine tells 128 + n alike for a command that died of signal n and one that exited with that number;
    such a number is taken for the signal. When it finds a container ended at its own start, without an exit
    status, because the host was started anew or the two ended together, it tells 255.
    """
    code = int(state["ExitCode"]) & 0xFF
    if code == NO_STATUS and not witnessed:
        return Vanished("it ended while Docker or the gateway was away, and Docker has no exit status of it")
    number = code - 128
    return Exited(
        exit_code=code,
        signal=number if number in set(signal.Signals) else None,
        out_of_memory=True if state.get("OOMKilled") else False if tells_memory else None,
    )
