"""The objects of an attempt: a Job, and a Secret that the Job owns.

The Job is made first and the Secret next, owned by it: whatever moment a gateway is killed at, no Secret can
be left without a Job, with which the garbage collector takes it. A pod that is quicker than the Secret waits
for it (CreateContainerConfigError); the kubelet takes longer for the pod's sandbox than we do for the Secret.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.executor import AttemptKey, Launch, Mount, Resources, StartRefused

INSTANCE_LABEL = "jobs-gateway/instance"
JOB_LABEL = "jobs-gateway/job"
ATTEMPT_LABEL = "jobs-gateway/attempt"
ORGANIZATION = "jobs-gateway/organization"
"""An annotation: not all ids of organizations can be the value of a label."""
REFUSED = "jobs-gateway/refused"
"""An annotation: why the gateway gave the attempt up before it began."""
PASSING = "jobs-gateway/passing"
"""An annotation beside it: whether a later attempt may succeed."""

CONTAINER = "job"
START_ROOM_SECONDS = 600
"""What a pod may take on its node, for pulling the image mostly, beside the time that the job has."""

# "a lowercase RFC 1123 label"; the name of a pod adds a dash and five characters to it, and may have 63.
JOB_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,43}[a-z0-9])?")
SECRET_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
SIZE = re.compile(r"\d+(\.\d+)?([EPTGMk]i?|Ki|m)?")
SOURCES = "claim:NAME, configMap:NAME, emptyDir or emptyDir:SIZE"


@dataclass(frozen=True, kw_only=True)
class Maker:
    """Makes the objects, as the operator's settings want them."""

    namespace: str
    instance: str
    """Keeps the Jobs of this gateway apart from those of others in the namespace."""
    volumes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Volume sources by the names that jobs may use, see `volume_source`."""
    service_account: str | None = None
    image_pull_secrets: tuple[str, ...] = ()
    node_selector: Mapping[str, str] = field(default_factory=dict)
    writable_root: bool = False
    run_as_non_root: bool = False
    keep_seconds: int = 86400
    """How long a Job that is over stays."""

    @property
    def selector(self) -> str:
        """Selects all our objects."""
        return f"{INSTANCE_LABEL}={self.instance}"

    def name(self, key: AttemptKey) -> str:
        """The name of an attempt's Job and of its Secret: one attempt cannot have two."""
        return f"job-{key.job_id}-{key.attempt}"

    def labels(self, key: AttemptKey) -> dict[str, str]:
        """The labels of all objects of an attempt."""
        return {
            "app.kubernetes.io/managed-by": "jobs-gateway",
            INSTANCE_LABEL: self.instance,
            JOB_LABEL: key.job_id,
            ATTEMPT_LABEL: str(key.attempt),
        }

    def job(self, launch: Launch) -> dict[str, Any]:
        """The Job of an attempt. Raises StartRefused if there can be none."""
        if not JOB_ID.fullmatch(launch.key.job_id):
            raise StartRefused(f"{launch.key.job_id!r} cannot name a Kubernetes Job", passing=False)
        labels = self.labels(launch.key)
        about = {ORGANIZATION: launch.organization_id} if launch.organization_id else {}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": self._metadata(launch.key) | ({"annotations": about} if about else {}),
            "spec": {
                # The gateway makes further attempts, as its jobs want them; Kubernetes none.
                "backoffLimit": 0,
                "completions": 1,
                "parallelism": 1,
                "ttlSecondsAfterFinished": self.keep_seconds,
                "template": {
                    "metadata": {"labels": labels} | ({"annotations": about} if about else {}),
                    "spec": self._pod(launch),
                },
            },
        }

    def secret(self, launch: Launch, owner: Mapping[str, Any]) -> dict[str, Any] | None:
        """The Secret of the variables that nobody may read; None if there are none. `owner` is the Job."""
        keys = _secret_keys(launch)
        if not keys:
            return None
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": self._metadata(launch.key)
            | {
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": owner["metadata"]["name"],
                        "uid": owner["metadata"]["uid"],
                    }
                ]
            },
            "type": "Opaque",
            "immutable": True,
            "data": {
                key: base64.b64encode(launch.environment[name].encode()).decode()
                for name, key in keys.items()
            },
        }

    def _metadata(self, key: AttemptKey) -> dict[str, Any]:
        return {"name": self.name(key), "namespace": self.namespace, "labels": self.labels(key)}

    def _pod(self, launch: Launch) -> dict[str, Any]:
        volumes, mounts = self._volumes(launch.mounts)
        pod: dict[str, Any] = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            # Else the addresses of all Services of the namespace were in the environment.
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": launch.grace_seconds,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [self._container(launch, mounts)],
        }
        if self.run_as_non_root:
            pod["securityContext"]["runAsNonRoot"] = True
        if launch.timeout_seconds is not None:
            # A guard for when no gateway is there. Not the Job's own activeDeadlineSeconds: that one runs
            # while the pod waits for a node, too, and the timeout of a job counts from when it runs.
            pod["activeDeadlineSeconds"] = launch.timeout_seconds + launch.grace_seconds + START_ROOM_SECONDS
        if volumes:
            pod["volumes"] = volumes
        if self.service_account is not None:
            pod["serviceAccountName"] = self.service_account
        if self.image_pull_secrets:
            pod["imagePullSecrets"] = [{"name": name} for name in self.image_pull_secrets]
        if self.node_selector:
            pod["nodeSelector"] = dict(self.node_selector)
        return pod

    def _container(self, launch: Launch, mounts: list[dict[str, Any]]) -> dict[str, Any]:
        container: dict[str, Any] = {
            "name": CONTAINER,
            "image": launch.image,
            "env": self._environment(launch),
            "resources": _resources(launch.resources),
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": not self.writable_root,
            },
        }
        if launch.commands:
            # `command` takes the place of the image's entry point; without `args` its own ones are dropped.
            container["command"] = [_literal(part) for part in launch.commands]
        if mounts:
            container["volumeMounts"] = mounts
        return container

    def _environment(self, launch: Launch) -> list[dict[str, Any]]:
        keys = _secret_keys(launch)
        return [
            {
                "name": name,
                "valueFrom": {"secretKeyRef": {"name": self.name(launch.key), "key": keys[name]}},
            }
            if name in keys
            else {"name": name, "value": _literal(value)}
            for name, value in launch.environment.items()
        ]

    def _volumes(self, wanted: tuple[Mount, ...]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The pod's volumes, and where its container sees them."""
        volumes: list[dict[str, Any]] = []
        mounts: list[dict[str, Any]] = []
        for number, mount in enumerate(wanted):
            source = self.volumes.get(mount.source)
            if source is None:
                reason = f"volume {mount.name!r}: the setting VOLUMES has no {mount.source!r}"
                raise StartRefused(reason, passing=False)
            volumes.append({"name": f"volume-{number}", **source})
            mounts.append({"name": f"volume-{number}", "mountPath": mount.path})
            # What comes from a configMap can never be written.
            if mount.read_only or "configMap" in source:
                mounts[-1]["readOnly"] = True
        if not self.writable_root and not any(mount.path.rstrip("/") == "/tmp" for mount in wanted):  # noqa: S108
            volumes.append({"name": "tmp", "emptyDir": {}})
            mounts.append({"name": "tmp", "mountPath": "/tmp"})  # noqa: S108
        return volumes, mounts


def volume_source(text: str) -> dict[str, Any]:
    """What stands in the setting VOLUMES, as a pod's volume has it. Raises ValueError."""
    kind, colon, rest = text.partition(":")
    if kind == "claim" and rest:
        return {"persistentVolumeClaim": {"claimName": rest}}
    if kind == "configMap" and rest:
        return {"configMap": {"name": rest}}
    if kind == "emptyDir" and not colon:
        return {"emptyDir": {}}
    if kind == "emptyDir" and SIZE.fullmatch(rest):
        return {"emptyDir": {"sizeLimit": rest}}
    raise ValueError(f"VOLUMES: {text!r} is none of {SOURCES}")


def _secret_keys(launch: Launch) -> dict[str, str]:
    """Under which key of the Secret each secret variable lies."""
    names = [name for name in launch.environment if name in launch.secrets]
    return {
        name: name if SECRET_KEY.fullmatch(name) and name not in (".", "..") else f"variable.{number}"
        for number, name in enumerate(names)
    }


def _literal(text: str) -> str:
    """Text in which nothing is replaced: "$$(NAME)" is "$(NAME)", and nothing else is done to two dollars."""
    return text.replace("$", "$$")


def _resources(wanted: Resources) -> dict[str, Any]:
    limits: dict[str, str] = {}
    requests: dict[str, str] = {}
    if wanted.memory_limit_mb is not None:
        limits["memory"] = f"{wanted.memory_limit_mb}Mi"
    if wanted.cpu_limit is not None:
        limits["cpu"] = f"{wanted.cpu_limit:f}"
    if wanted.memory_request_mb is not None:
        requests["memory"] = f"{wanted.memory_request_mb}Mi"
    if wanted.cpu_request is not None:
        requests["cpu"] = f"{wanted.cpu_request:f}"
    return {name: value for name, value in (("limits", limits), ("requests", requests)) if value}
