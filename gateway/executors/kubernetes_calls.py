"""The calls of the API that the executor makes, by what they are for. Their verbs are all that it needs:

jobs       create, get, list, watch, patch, delete
pods       list, watch, delete
pods/log   get
secrets    create
events     list
"""

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from gateway.domain.executor import AttemptKey, Launch, Refused, StartRefused
from gateway.executors.kubernetes_client import CALL_SECONDS, ApiRefused, ApiUnreachable, KubernetesClient
from gateway.executors.kubernetes_manifest import ATTEMPT_LABEL, CONTAINER, JOB_LABEL, PASSING, REFUSED, Maker
from gateway.executors.kubernetes_output import Log
from gateway.executors.kubernetes_pod import JobView, PodView, read_job, read_pod

LEAST_GRACE_SECONDS = 1
"""A grace of 0 takes the pod out of the API at once, without waiting for its end or telling it."""


class Calls:
    """Makes the calls in the gateway's namespace."""

    def __init__(self, client: KubernetesClient, maker: Maker) -> None:
        self._client = client
        self._maker = maker
        namespace = maker.namespace
        self.jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._events = f"/api/v1/namespaces/{namespace}/events"

    async def version(self) -> tuple[int, int]:
        """Of the server. Raises ApiUnreachable if that does not look like an API server."""
        told = await self._client.call("GET", "/version")
        match = re.match(r"v?(\d+)\.(\d+)", str(told.get("gitVersion", "")))
        if match is None:
            raise ApiUnreachable(f"what answers is no Kubernetes: {json.dumps(told)[:200]}", sent=True)
        return int(match[1]), int(match[2])

    async def create(self, launch: Launch) -> None:
        """Make the objects of an attempt, or what of them is not there yet.

        Raises StartRefused when that cannot be done and nothing is left of it, ApiUnreachable when it is not
        known whether it was.
        """
        wanted = self._maker.job(launch)
        try:
            job = await self._client.call("POST", self.jobs, body=wanted)
        except ApiRefused as refused:
            if refused.reason != "AlreadyExists":
                raise _start_refused(refused) from refused
            job = await self._existing(launch.key, wanted)
        secret = self._maker.secret(launch, job)
        if secret is None:
            return
        try:
            await self._client.call("POST", self._secrets, body=secret)
        except ApiRefused as refused:
            if refused.reason != "AlreadyExists":
                # Nobody else will make it, and so the pod would wait for ever.
                await self.delete_job(self._maker.name(launch.key))
                raise _start_refused(refused) from refused

    async def job(self, key: AttemptKey) -> JobView | None:
        """The Job of an attempt, None if there is none. Raises ApiUnreachable."""
        try:
            return read_job(await self._client.call("GET", self._path(key)))
        except ApiRefused as refused:
            if refused.code == HTTPStatus.NOT_FOUND:
                return None
            raise ApiUnreachable(refused.message, sent=True) from refused

    async def ended_pods(self, key: AttemptKey) -> list[PodView]:
        """The pods of an attempt that have ended, the first one first. Raises ApiRefused, ApiUnreachable."""
        selector = f"{self._maker.selector},{JOB_LABEL}={key.job_id},{ATTEMPT_LABEL}={key.attempt}"
        answer = await self._client.call("GET", self.pods, parameters={"labelSelector": selector})
        pods = [read_pod(pod) for pod in answer.get("items") or ()]
        return sorted((pod for pod in pods if pod.end is not None), key=lambda pod: pod.age)

    async def delete_pod(self, pod: PodView, *, grace_seconds: int) -> None:
        """Have a pod end. It may be said again with a shorter grace; a longer one changes nothing."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": max(LEAST_GRACE_SECONDS, grace_seconds),
            "preconditions": {"uid": pod.uid},
        }
        await self._unless_gone("DELETE", f"{self.pods}/{pod.name}", options)

    async def seal(self, key: AttemptKey, refused: Refused | None) -> None:
        """See to it that a Job has no further pod, and note why if it never ran.

        Old servers replace a pod that is deleted, whatever `backoffLimit` says; with `parallelism: 0` none
        does. A Job that is deleted instead would take its pod and what that wrote with it.
        """
        change: dict[str, Any] = {"spec": {"parallelism": 0}}
        if refused is not None:
            notes = {REFUSED: refused.reason, PASSING: str(refused.passing).lower()}
            change["metadata"] = {"annotations": notes}
        await self._unless_gone("PATCH", self._path(key), change)

    async def delete_job(self, name: str) -> None:
        """Delete a Job; its pods and its Secret go with it."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        await self._unless_gone("DELETE", f"{self.jobs}/{name}", options)

    async def job_names(self, job_id: str) -> list[str]:
        """Names of the Jobs of all attempts of a job."""
        selector = f"{self._maker.selector},{JOB_LABEL}={job_id}"
        answer = await self._client.call("GET", self.jobs, parameters={"labelSelector": selector})
        return [job["metadata"]["name"] for job in answer.get("items") or ()]

    async def read_log(
        self, pod_name: str, log: Log, *, follow: bool = False, opened: Callable[[], None] | None = None
    ) -> None:
        """Add what a pod has written, and with `follow` what it will write. Raises ApiRefused when there is
        none. `opened` is called when the server has begun to answer.
        """
        path = f"{self.pods}/{pod_name}/log"
        asked: dict[str, str | int] = {"container": CONTAINER}
        if follow:
            asked["follow"] = "true"
        # A job may be silent for as long as it likes.
        silence = None if follow else CALL_SECONDS
        async with self._client.stream(path, parameters=asked, silence_seconds=silence) as pieces:
            if opened is not None:
                opened()
            async for piece in pieces:
                log.add(piece)

    async def warning(self, uid: str) -> str | None:
        """The latest warning about an object, for people."""
        answer = await self._client.call(
            "GET", self._events, parameters={"fieldSelector": f"involvedObject.uid={uid},type=Warning"}
        )
        events: list[Mapping[str, Any]] = answer.get("items") or []
        latest = max(events, key=_told_at, default=None)
        return f"{latest.get('reason')}: {latest.get('message')}" if latest else None

    async def _existing(self, key: AttemptKey, wanted: Mapping[str, Any]) -> dict[str, Any]:
        name = self._maker.name(key)
        try:
            job = await self._client.call("GET", self._path(key))
        except ApiRefused as refused:
            if refused.code == HTTPStatus.NOT_FOUND:
                raise ApiUnreachable(f"the Job {name} comes and goes", sent=True) from refused
            raise _start_refused(refused) from refused
        labels = job["metadata"].get("labels") or {}
        if any(labels.get(label) != value for label, value in wanted["metadata"]["labels"].items()):
            raise StartRefused(f"there is a Job {name} already, and it is not this gateway's", passing=False)
        return job

    async def _unless_gone(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        """A call about something that may have gone, or been made anew, meanwhile; that is as good."""
        try:
            await self._client.call(method, path, body=body)
        except ApiRefused as refused:
            if refused.code not in (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT):
                raise

    def _path(self, key: AttemptKey) -> str:
        return f"{self.jobs}/{self._maker.name(key)}"


def _start_refused(refused: ApiRefused) -> StartRefused:
    passing = refused.code == HTTPStatus.CONFLICT or "exceeded quota" in refused.message
    return StartRefused(
        f"Kubernetes refused it: {refused.code} {refused.reason}: {refused.message}", passing=passing
    )


def _told_at(event: Mapping[str, Any]) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or "")
