"""Plays the kubelet: moves pods by hand, as a test says, or runs their commands as processes of this host."""

import base64
import os
import re
import signal
import subprocess
import tempfile
import threading
from typing import Any

from tests.kubernetes_cluster import OVER, Cluster, Object, now

NODE = "node-1"


class Kubelet:
    """Writes the status of pods in the shapes that a kubelet with containerd writes, and keeps their logs."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.logs: dict[str, bytearray] = {}
        """What containers wrote, by the name of their pod."""
        self.written = threading.Condition()
        """Notified when a log grows or ends."""

    def unschedulable(
        self, name: str, message: str = "0/3 nodes are available: 3 Insufficient memory."
    ) -> None:
        """No node has room."""
        with self._cluster.change("pods", name) as pod:
            pod["status"]["conditions"] = [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
            ]

    def waiting(self, name: str, reason: str = "ContainerCreating", message: str | None = None) -> None:
        """A node has the pod and its container does not run yet."""
        state = {"reason": reason} | ({"message": message} if message else {})
        self._show(name, "Pending", {"waiting": state})

    def run(self, name: str) -> None:
        """The container runs."""
        self.logs.setdefault(name, bytearray())
        self._show(name, "Running", {"running": {"startedAt": now()}})

    def write(self, name: str, data: bytes) -> None:
        """The container writes."""
        with self.written:
            self.logs[name] += data
            self.written.notify_all()

    def end(
        self,
        name: str,
        code: int,
        reason: str | None = None,
        *,
        told: str | None = None,
        status: Object | None = None,
    ) -> None:
        """The container ends. `told` is the message of its state, `status` goes into that of the pod."""
        state: Object = {
            "exitCode": code,
            "reason": reason or ("Completed" if code == 0 else "Error"),
            "startedAt": now(),
            "finishedAt": now(),
            "containerID": "containerd://" + "0" * 64,
        }
        if told is not None:
            state["message"] = told
        status = status or {}
        self._show(
            name, "Succeeded" if code == 0 and not status else "Failed", {"terminated": state}, **status
        )
        self._confirm(name)

    def lose(self, name: str, reason: str, message: str, **more: Any) -> None:
        """The pod fails as a whole, with no status of its container."""
        with self._cluster.change("pods", name) as pod:
            pod["status"] |= {"phase": "Failed", "reason": reason, "message": message, **more}
        self._confirm(name)

    def never_ran(self, name: str) -> None:
        """A pod that was deleted before its container began."""
        message = "The container could not be located when the pod was terminated"
        state = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": message}
        self._show(name, "Failed", {"terminated": {**state, "startedAt": None, "finishedAt": None}})
        self._confirm(name)

    def has_ended(self, name: str) -> bool:
        """Whether nothing more will be written."""
        try:
            return self._cluster.get("pods", name)["status"]["phase"] in OVER
        except Exception:
            return True

    def _show(self, name: str, phase: str, state: Object, **more: Any) -> None:
        with self._cluster.change("pods", name) as pod:
            pod["spec"]["nodeName"] = NODE
            running = "running" in state
            pod["status"] |= {
                "phase": phase,
                "startTime": pod["status"].get("startTime", now()),
                "hostIP": "10.0.0.1",
                "conditions": [
                    {"type": "PodScheduled", "status": "True", "lastTransitionTime": now()},
                    {"type": "ContainersReady", "status": str(running), "lastTransitionTime": now()},
                    *more.pop("conditions", ()),
                ],
                "containerStatuses": [
                    {
                        "name": pod["spec"]["containers"][0]["name"],
                        "image": pod["spec"]["containers"][0]["image"],
                        "imageID": "",
                        "ready": running,
                        "started": running,
                        "restartCount": 0,
                        "lastState": {},
                        "state": {
                            kind: {k: v for k, v in told.items() if v is not None}
                            for kind, told in state.items()
                        },
                    }
                ],
                **more,
            }
        with self.written:
            self.written.notify_all()

    def _confirm(self, name: str) -> None:
        """A deleted pod whose containers have ended is taken out of the API."""
        with self._cluster.lock:
            if any(
                p["metadata"]["name"] == name and "deletionTimestamp" in p["metadata"]
                for p in self._cluster.all("pods")
            ):
                self._cluster.delete_pod(name, 0)


class RunningKubelet(Kubelet):
    """Runs the command of each pod at once, as a process of its own session."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._processes: dict[str, subprocess.Popen[bytes] | None] = {}
        """By the name of their pod; None = its command could not be started."""
        self._stopping: set[str] = set()
        self._threads: list[threading.Thread] = []
        cluster.kubelet = self._changed

    def close(self) -> None:
        """End what is left."""
        for process in list(self._processes.values()):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        for thread in list(self._threads):
            thread.join(10)

    def _changed(self, pod: Object) -> None:
        name, metadata = pod["metadata"]["name"], pod["metadata"]
        if "deletionTimestamp" in metadata:
            self._stop(name, metadata["deletionGracePeriodSeconds"])
        elif pod["status"]["phase"] == "Pending":
            self._start(pod)

    def _start(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        with self._cluster.lock:
            if name in self._processes:
                return
            container = pod["spec"]["containers"][0]
            try:
                environment = self._environment(container)
            except LookupError as missing:
                waiting = pod["status"].get("containerStatuses")
                if not waiting:
                    self.waiting(name, "CreateContainerConfigError", f'secret "{missing.args[0]}" not found')
                return
            command = [expanded(part, environment) for part in container.get("command", ["true"])]
            try:
                process = subprocess.Popen(
                    command,
                    env=environment,
                    cwd=tempfile.gettempdir(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                self._processes[name] = None
                told = f'exec: "{command[0]}": {error.strerror}'
                self._in_thread(self.end, name, 128, "StartError", told=told)
                return
            self._processes[name] = process
        self._in_thread(self._watch, name, process)

    def _environment(self, container: Object) -> dict[str, str]:
        values: dict[str, str] = {}
        for variable in container.get("env", ()):
            if "valueFrom" in variable:
                wanted = variable["valueFrom"]["secretKeyRef"]
                found = [s for s in self._cluster.all("secrets") if s["metadata"]["name"] == wanted["name"]]
                if not found:
                    raise LookupError(wanted["name"])
                values[variable["name"]] = base64.b64decode(found[0]["data"][wanted["key"]]).decode()
            else:
                values[variable["name"]] = expanded(variable.get("value", ""), values)
        return values

    def _watch(self, name: str, process: subprocess.Popen[bytes]) -> None:
        self.run(name)
        assert process.stdout is not None
        while piece := os.read(process.stdout.fileno(), 65536):
            self.write(name, piece)
        process.stdout.close()
        code = process.wait()
        self.end(name, code if code >= 0 else 128 - code)

    def _stop(self, name: str, grace_seconds: int) -> None:
        process = self._processes.get(name)
        if process is None or process.poll() is not None:
            return
        if name not in self._stopping:
            self._stopping.add(name)
            # To the first process of the container alone, as a runtime does.
            process.send_signal(signal.SIGTERM)
        self._in_thread(self._kill_after, process, grace_seconds)

    def _kill_after(self, process: subprocess.Popen[bytes], grace_seconds: int) -> None:
        try:
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)

    def _in_thread(self, work: Any, *arguments: Any, **more: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, kwargs=more, daemon=True)
        self._threads.append(thread)
        thread.start()


def expanded(text: str, values: dict[str, str]) -> str:
    """Text with its references replaced, as Kubernetes does it: "$(NAME)", and "$$" for one dollar."""

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return values.get(match[1], match[0])

    return re.sub(r"\$\$|\$\(([^)]*)\)", replaced, text)
