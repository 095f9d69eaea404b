"""A stand-in for a Kubernetes cluster: an API server on a loopback port, in a thread of its own.

It speaks the real protocol over HTTP, so that the executor cannot tell. Tests move pods by hand, or have
their commands run as processes of this host.
"""

import socket
import threading
from pathlib import Path
from typing import Any

import uvicorn
import yaml

from gateway.domain.executor import AttemptKey
from gateway.executors.kubernetes_manifest import ATTEMPT_LABEL, JOB_LABEL
from tests.kubernetes_api import Api, Fault, event
from tests.kubernetes_cluster import Cluster, Object
from tests.kubernetes_kubelet import Kubelet, RunningKubelet

NAMESPACE = "jobs"
TOKEN = "stand-token"


class KubernetesStand:
    """One cluster with one namespace."""

    def __init__(self, *, runs: bool = False) -> None:
        self.cluster = Cluster()
        self.kubelet = RunningKubelet(self.cluster) if runs else Kubelet(self.cluster)
        self.api = Api(self.cluster, self.kubelet, NAMESPACE)
        self.port = 0
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where the API server is."""
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> "KubernetesStand":
        """Serve, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.api.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=0, loop="asyncio"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        return self

    def down(self) -> None:
        """Be out of reach; what is stored stays."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self.api.drop_watches()
            self._thread.join(10)
            assert not self._thread.is_alive()
            self._server = self._thread = None

    def close(self) -> None:
        """End everything."""
        self.down()
        if isinstance(self.kubelet, RunningKubelet):
            self.kubelet.close()

    def fail(self, method: str, path: str, **more: Any) -> None:
        """Have the next request that fits fail, see `Fault`."""
        self.api.faults.append(Fault(method, path, **more))

    def kubeconfig(self, path: Path, **user: Any) -> Path:
        """Write a kubeconfig file."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "stand",
            "contexts": [
                {"name": "stand", "context": {"cluster": "stand", "user": "me", "namespace": NAMESPACE}}
            ],
            "clusters": [{"name": "stand", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": user or {"token": TOKEN}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def jobs(self, key: AttemptKey) -> list[Object]:
        """The Jobs of an attempt."""
        return [job for job in self.cluster.all("jobs") if _is_of(job, key)]

    def job(self, key: AttemptKey) -> Object:
        """The one Job of an attempt."""
        (job,) = self.jobs(key)
        return job

    def pods(self, key: AttemptKey) -> list[Object]:
        """The pods of an attempt."""
        return [pod for pod in self.cluster.all("pods") if _is_of(pod, key)]

    def pod(self, key: AttemptKey) -> str:
        """The name of the one pod of an attempt."""
        (pod,) = self.pods(key)
        return str(pod["metadata"]["name"])

    def warn(self, about: Object, reason: str, message: str) -> None:
        """An event about an object."""
        self.cluster.create("events", event(about, reason, message))

    def verbs(self) -> set[tuple[str, str]]:
        """Which verbs were used on which resources."""
        return {(told.resource, told.verb) for told in self.api.told if told.resource != "version"}


def _is_of(subject: Object, key: AttemptKey) -> bool:
    labels = subject["metadata"]["labels"]
    return (labels.get(JOB_LABEL), labels.get(ATTEMPT_LABEL)) == (key.job_id, str(key.attempt))
