"""What a Kubernetes control plane keeps and does, as far as Jobs need it: objects with resourceVersions,
their history for watches, the job controller and the garbage collector.

Pods are moved by whoever plays the kubelet. `legacy` is the job controller of servers before 1.22, which
makes another pod in place of one that is deleted, whatever `backoffLimit` says.
"""

import copy
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]

TRACKING = "batch.kubernetes.io/job-tracking"
KINDS = {
    "jobs": ("batch/v1", "Job"),
    "pods": ("v1", "Pod"),
    "secrets": ("v1", "Secret"),
    "events": ("v1", "Event"),
}
OVER = ("Succeeded", "Failed")
DEFAULT_GRACE_SECONDS = 30


class Refusal(Exception):
    """A `Status` of failure."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


class Cluster:
    """One namespace's worth of objects. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.legacy = False
        self.holds_pods = False
        """Whether the job controller makes no pods, as when a quota is used up."""
        self.version = 1000
        self.oldest = 1000
        """Watches and lists that go on from before this one are told 410."""
        self.history: list[tuple[int, str, str, Object]] = []
        """resourceVersion, resource, type of event, object."""
        self.listeners: list[Callable[[], None]] = []
        """Called after each change."""
        self.kubelet: Callable[[Object], None] = lambda _pod: None
        """Told of each change of a pod."""
        self._objects: dict[tuple[str, str], Object] = {}

    # What is stored

    def all(self, resource: str) -> list[Object]:
        """The objects of a resource, by name."""
        with self.lock:
            names = sorted(name for kind, name in self._objects if kind == resource)
            return [copy.deepcopy(self._objects[resource, name]) for name in names]

    def get(self, resource: str, name: str) -> Object:
        """One object. Raises Refusal."""
        with self.lock:
            if (found := self._objects.get((resource, name))) is None:
                raise Refusal(404, "NotFound", f'{_plural(resource)} "{name}" not found')
            return copy.deepcopy(found)

    def create(self, resource: str, given: Object) -> Object:
        """Store a new object. Raises Refusal."""
        with self.lock:
            name = given["metadata"]["name"]
            if (resource, name) in self._objects:
                raise Refusal(409, "AlreadyExists", f'{_plural(resource)} "{name}" already exists')
            made = copy.deepcopy(given)
            made["apiVersion"], made["kind"] = KINDS[resource]
            made["metadata"] |= {"uid": str(uuid.uuid4()), "creationTimestamp": now(), "generation": 1}
            self._objects[resource, name] = made
            self._record(resource, "ADDED", made)
            if resource == "jobs":
                self._new_job(made)
            if resource == "secrets":
                for pod in self.all("pods"):
                    self.kubelet(pod)
            return copy.deepcopy(self._objects[resource, name])

    @contextmanager
    def change(self, resource: str, name: str) -> Iterator[Object]:
        """Change an object in place; nothing is recorded when it stays as it is."""
        with self.lock:
            if (found := self._objects.get((resource, name))) is None:
                raise Refusal(404, "NotFound", f'{_plural(resource)} "{name}" not found')
            before = copy.deepcopy(found)
            yield found
            if found != before:
                self._record(resource, "MODIFIED", found)
                if resource == "pods":
                    self._pod_changed(name)

    def forget_history(self) -> None:
        """From now on, all resourceVersions up to now are too old."""
        with self.lock:
            self._bump()
            self.oldest = self.version
            self.history.clear()

    # What clients ask for

    def patch_job(self, name: str, patch: Object) -> Object:
        """RFC 7396. Nobody sees the change before the job controller has."""
        with self.lock:
            with self.change("jobs", name) as job:
                _merge(job, patch)
            self._sync(name)
            return self.get("jobs", name)

    def delete_job(self, name: str) -> Object:
        """As with propagationPolicy Background: at once; then the garbage collector takes what it owned."""
        with self.lock:
            job = self.get("jobs", name)
            self._drop("jobs", name)
            for resource in ("secrets", "pods"):
                for owned in self.all(resource):
                    if any(
                        o["uid"] == job["metadata"]["uid"]
                        for o in owned["metadata"].get("ownerReferences", ())
                    ):
                        if resource == "pods":
                            with self.change("pods", owned["metadata"]["name"]) as pod:
                                pod["metadata"].pop("finalizers", None)
                            self.delete_pod(owned["metadata"]["name"], None)
                        else:
                            self._drop(resource, owned["metadata"]["name"])
            return job

    def delete_pod(self, name: str, grace_seconds: int | None, uid: str | None = None) -> Object:
        """With a grace, which can only become shorter."""
        with self.lock:
            pod = self.get("pods", name)
            metadata = pod["metadata"]
            if uid is not None and uid != metadata["uid"]:
                raise Refusal(409, "Conflict", f"the UID in the precondition ({uid}) does not match")
            if grace_seconds is None:
                grace_seconds = pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
            # "if the pod has no node, or is over, it goes at once"
            if not pod["spec"].get("nodeName") or pod["status"]["phase"] in OVER:
                grace_seconds = 0
            if "deletionTimestamp" in metadata and grace_seconds >= metadata["deletionGracePeriodSeconds"]:
                return pod
            with self.change("pods", name) as changed:
                changed["metadata"] |= {
                    "deletionTimestamp": now(timedelta(seconds=grace_seconds)),
                    "deletionGracePeriodSeconds": grace_seconds,
                }
            return pod

    # The job controller

    def _new_job(self, job: Object) -> None:
        with self.change("jobs", job["metadata"]["name"]) as changed:
            changed["metadata"]["labels"] = {**job["metadata"].get("labels", {})}
            changed["status"] = {
                "startTime": now(),
                "ready": 0,
                "terminating": 0,
                "uncountedTerminatedPods": {},
            }
        self._sync(job["metadata"]["name"])

    def _sync(self, name: str) -> None:
        """Make and delete pods as `parallelism` wants, and count those that are over."""
        job = self.get("jobs", name)
        if any(
            condition["type"] in ("Complete", "Failed") for condition in job["status"].get("conditions", ())
        ):
            return
        pods = [pod for pod in self.all("pods") if _owned_by(pod, job)]
        succeeded = [pod for pod in pods if pod["status"]["phase"] == "Succeeded"]
        # "Count deleted Pods as failures to account for orphan Pods that never have a chance to reach the
        # Failed phase", which old ones do not.
        failed = [
            pod
            for pod in pods
            if pod["status"]["phase"] == "Failed"
            or (not self.legacy and pod not in succeeded and "deletionTimestamp" in pod["metadata"])
        ]
        active = [
            pod
            for pod in pods
            if pod not in succeeded + failed and "deletionTimestamp" not in pod["metadata"]
        ]
        if succeeded:
            self._end_job(name, "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
        elif failed:
            if all(pod["status"]["phase"] in OVER or _is_gone(pod) for pod in failed):
                reason = "BackoffLimitExceeded"
                self._end_job(name, "Failed", reason, "Job has reached the specified backoff limit")
        elif job["spec"].get("parallelism", 1) == 0:
            for pod in active:
                self.delete_pod(pod["metadata"]["name"], None)
            self._count(name, active=0)
        elif not active and not self.holds_pods:
            self._new_pod(job)
            self._count(name, active=1)
        for pod in succeeded + failed:
            if pod["status"]["phase"] in OVER or _is_gone(pod):
                with self.change("pods", pod["metadata"]["name"]) as changed:
                    changed["metadata"].pop("finalizers", None)

    def _new_pod(self, job: Object) -> None:
        metadata, template = job["metadata"], copy.deepcopy(job["spec"]["template"])
        pod = {
            "metadata": {
                "name": f"{metadata['name']}-{secrets.token_hex(3)[:5]}",
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": {
                    **template["metadata"].get("labels", {}),
                    "batch.kubernetes.io/controller-uid": metadata["uid"],
                    "batch.kubernetes.io/job-name": metadata["name"],
                    "job-name": metadata["name"],
                },
                "annotations": template["metadata"].get("annotations", {}),
                "ownerReferences": [
                    {
                        "apiVersion": "batch/v1",
                        "kind": "Job",
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                        "controller": True,
                        "blockOwnerDeletion": True,
                    }
                ],
                **({} if self.legacy else {"finalizers": [TRACKING]}),
            },
            "spec": template["spec"],
            "status": {"phase": "Pending", "qosClass": "Burstable"},
        }
        made = self.create("pods", pod)
        self.kubelet(made)

    def _count(self, name: str, **counts: int) -> None:
        with self.change("jobs", name) as job:
            job["status"] |= counts
            if not job["status"].get("active"):
                job["status"].pop("active", None)

    def _end_job(self, name: str, kind: str, reason: str, message: str) -> None:
        first = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[kind]
        with self.change("jobs", name) as job:
            job["status"].pop("active", None)
            job["status"]["succeeded" if kind == "Complete" else "failed"] = 1
            job["status"]["conditions"] = [
                {
                    "type": one,
                    "status": "True",
                    "reason": reason,
                    "message": message,
                    "lastProbeTime": now(),
                    "lastTransitionTime": now(),
                }
                for one in (first, kind)
            ]

    def _pod_changed(self, name: str) -> None:
        pod = self.get("pods", name)
        if (owner := self._owner(pod)) is not None:
            self._sync(owner)
        if (resource_gone := ("pods", name) not in self._objects) or not _is_gone(
            pod := self.get("pods", name)
        ):
            if not resource_gone:
                self.kubelet(pod)
            return
        if not pod["metadata"].get("finalizers"):
            self._drop("pods", name)
            if owner is not None and ("jobs", owner) in self._objects:
                self._sync(owner)

    def _owner(self, pod: Object) -> str | None:
        for reference in pod["metadata"].get("ownerReferences", ()):
            job = self._objects.get(("jobs", reference["name"]))
            if job is not None and job["metadata"]["uid"] == reference["uid"]:
                return str(reference["name"])
        return None

    # The history

    def _bump(self) -> int:
        # Versions of one resource do not follow each other without gaps.
        self.version += 1 + secrets.randbelow(3)
        return self.version

    def _record(self, resource: str, kind: str, subject: Object) -> None:
        subject["metadata"]["resourceVersion"] = str(self._bump())
        self.history.append((self.version, resource, kind, copy.deepcopy(subject)))
        for listener in list(self.listeners):
            listener()

    def _drop(self, resource: str, name: str) -> None:
        gone = self._objects.pop((resource, name), None)
        if gone is not None:
            self._record(resource, "DELETED", gone)
            if resource == "pods":
                self.kubelet(gone)


def now(later: timedelta = timedelta(0)) -> str:
    """As the API writes instants: whole seconds."""
    return (datetime.now(UTC) + later).strftime("%Y-%m-%dT%H:%M:%SZ")


def _owned_by(pod: Object, job: Object) -> bool:
    return any(one["uid"] == job["metadata"]["uid"] for one in pod["metadata"].get("ownerReferences", ()))


def _is_gone(pod: Object) -> bool:
    """Whether nothing but finalizers keeps a pod: the kubelet has confirmed that it has ended."""
    return pod["metadata"].get("deletionGracePeriodSeconds") == 0


def _merge(target: Object, patch: Object) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            _merge(target.setdefault(name, {}), value)
        else:
            target[name] = value


def _plural(resource: str) -> str:
    return {"jobs": "jobs.batch"}.get(resource, resource)
