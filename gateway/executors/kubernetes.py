"""Runs jobs as Kubernetes Jobs (batch/v1), each attempt a Job with one pod that Kubernetes never repeats.

An attempt's Job is named after it, so that there cannot be two. Two watches tell of all Jobs and pods of this
gateway, which are known by their labels. An ended Job stays for a time, so that a gateway which was away
finds it; its end and output are kept in the gateway's folder as soon as they are seen.

The streams of a container come as one: all output is STDOUT. What the kubelet has rotated away is lost. A
stop deletes the pod with the grace, and the least grace is one second.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.domain.executor import (
    AttemptKey,
    End,
    ExecutorUnavailable,
    Launch,
    Observation,
    OutputChunk,
    Pending,
    Running,
    StartRefused,
    Unreachable,
    Vanished,
)
from gateway.domain.words import OutputChannel
from gateway.executors.kubernetes_access import Access
from gateway.executors.kubernetes_attempt import Attempt
from gateway.executors.kubernetes_calls import Calls
from gateway.executors.kubernetes_client import ApiRefused, ApiUnreachable, KubernetesClient
from gateway.executors.kubernetes_following import Following
from gateway.executors.kubernetes_manifest import Maker
from gateway.executors.kubernetes_output import NOTHING, Keeper, Log, read_parts
from gateway.executors.kubernetes_pod import read_job, read_pod
from gateway.executors.kubernetes_support import SUPPORT
from gateway.executors.kubernetes_watch import Watch

log = logging.getLogger(__name__)

LEAST_VERSION = (1, 20)
START_SECONDS = 30.0
"""How long `start` tries to learn whether the Job was made."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0


class KubernetesExecutor:
    """Starts, follows and stops attempts in one namespace. Implements the port `Executor`."""

    name = "kubernetes"
    isolation = "container"
    queues = True
    reachable_from_anywhere = True
    support = SUPPORT

    def __init__(
        self,
        folder: Path,
        *,
        access: Access,
        maker: Maker,
        output_limit_bytes: int,
        patience_seconds: float = 60.0,
    ) -> None:
        """`patience_seconds`: how long the kubelet may try what fails, such as pulling an image."""
        self._access = access
        self._maker = maker
        self._keeper = Keeper(folder)
        self._output_limit_bytes = output_limit_bytes
        self._patience_seconds = patience_seconds

    async def open(self, ended: Callable[[AttemptKey], None]) -> None:
        """Look at what is there. Raises ExecutorUnavailable when the cluster cannot be used."""
        self._client = KubernetesClient(self._access)
        self._calls = Calls(self._client, self._maker)
        self._following = Following(
            self._calls,
            self._maker,
            self._keeper,
            bound_bytes=self._output_limit_bytes,
            patience_seconds=self._patience_seconds,
            ended=ended,
            in_reach=lambda: self._trouble() is None,
        )
        self._jobs = Watch(
            self._client,
            self._calls.jobs,
            selector=self._maker.selector,
            read=read_job,
            changed=self._following.job_changed,
            reached=self._following.look_again,
        )
        self._pods = Watch(
            self._client,
            self._calls.pods,
            selector=self._maker.selector,
            read=read_pod,
            changed=self._following.pod_changed,
            reached=self._following.look_again,
        )
        try:
            self._keeper.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            await self._check()
        except BaseException:
            await self._client.close()
            raise
        self._following.spawn(self._jobs.run())
        self._following.spawn(self._pods.run())

    async def close(self) -> None:
        """Let go of the cluster; all Jobs go on."""
        await self._following.close()
        await self._client.close()

    async def start(self, launch: Launch) -> str:
        """Make the Job and its Secret; the handle is the namespace and the name of the Job.

        When the cluster goes out of reach meanwhile, so that it is not known whether the Job was made, the
        handle is given all the same: it is known in advance, and `observe` will tell.
        """
        handle = f"{self._maker.namespace}/{self._maker.name(launch.key)}"
        loop = asyncio.get_running_loop()
        until, pause, sent = loop.time() + START_SECONDS, FIRST_PAUSE_SECONDS, False
        while True:
            try:
                await self._calls.create(launch)
                return handle
            except ApiUnreachable as error:
                sent = sent or error.sent
                if loop.time() + pause >= until:
                    if sent:
                        return handle
                    raise StartRefused(f"out of reach: {error.reason}", passing=True) from error
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    async def observe(self, key: AttemptKey, handle: str) -> Observation:
        """What the watches show; an end is told once it and the output are kept."""
        namespace = handle.partition("/")[0]
        if namespace != self._maker.namespace:
            return Unreachable(
                f"its Job is in namespace {namespace}, which KUBERNETES_NAMESPACE does not name"
            )
        attempt = self._following.follow(key)
        if attempt.end is not None:
            return attempt.end
        seen, trouble = attempt.seen(), self._trouble()
        if isinstance(seen, End):
            self._following.settle(attempt, seen)
        if trouble is not None:
            return Unreachable(trouble)
        if isinstance(seen, End):
            return Running() if attempt.pod is not None and attempt.pod.has_run else Pending()
        return await self._ask(attempt) if seen is None else seen

    async def stop(self, key: AttemptKey, handle: str, *, grace_seconds: int) -> None:  # noqa: ARG002
        """Delete the pod with this grace and let no other follow, once the cluster is in reach."""
        self._following.stop(self._following.follow(key), grace_seconds)

    def keeps(self, job_id: str) -> bool:
        """Whether the job has a folder, or something in the cluster."""
        in_cluster = any(key.job_id == job_id for key in self._following.attempts)
        return in_cluster or self._keeper.has(job_id)

    async def output(
        self, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
    ) -> OutputChunk:
        """A piece of what is kept, or else of what the pod's log holds now."""
        if channel is not OutputChannel.STDOUT:
            return NOTHING
        kept = await asyncio.to_thread(self._keeper.output, key, offset=offset, limit=limit)
        if kept is not None:
            return kept
        attempt = self._following.attempts.get(key)
        pod = attempt.pod if attempt else None
        if pod is None or not pod.has_run:
            return NOTHING
        read = Log(self._output_limit_bytes)
        try:
            # The API reads from the start only, and the size of the whole is asked for, too.
            await self._calls.read_log(pod.name, read)
        except (ApiRefused, ApiUnreachable) as error:
            log.info("the log of pod %s cannot be read: %s", pod.name, error)
        return read_parts(*read.parts(), read.size, offset=offset, limit=limit)

    def lease(self, seconds: float) -> None:
        """Every node can reach everything that runs."""

    async def abandon(self) -> None:
        """Other nodes follow and stop what this one did."""
        for key in list(self._following.attempts):
            self._following.forget(key)

    async def remove(self, job_id: str) -> None:
        """Delete the Jobs of all attempts, with what belongs to them, and the folder."""
        for key in [key for key in self._following.attempts if key.job_id == job_id]:
            self._following.forget(key)
        await asyncio.to_thread(self._keeper.remove, job_id)
        try:
            await self._remove_jobs(job_id)
        except (ApiRefused, ApiUnreachable) as error:
            log.warning("the Jobs of job %s are not deleted yet: %s", job_id, error)
            self._following.spawn(self._remove_later(job_id))

    async def kept(self) -> list[str]:
        """Ids of the jobs that have a folder, or a Job or pod in the cluster."""
        folders = await asyncio.to_thread(self._keeper.ids)
        return sorted({*folders, *(key.job_id for key in self._following.attempts)})

    async def _check(self) -> None:
        """Whether the server is one that works, and lets us in. Raises ExecutorUnavailable."""
        try:
            version = await self._calls.version()
            if version < LEAST_VERSION:
                needed, found = (".".join(map(str, one)) for one in (LEAST_VERSION, version))
                raise ExecutorUnavailable(f"Kubernetes {needed} or newer is needed; this one is {found}")
            await self._jobs.open()
            await self._pods.open()
        except ApiUnreachable as error:
            raise ExecutorUnavailable(f"Kubernetes cannot be reached: {error.reason}") from error
        except ApiRefused as error:
            raise ExecutorUnavailable(f"Kubernetes does not let the gateway in: {error.message}") from error

    def _trouble(self) -> str | None:
        return self._jobs.trouble or self._pods.trouble

    async def _ask(self, attempt: Attempt) -> Observation:
        """Neither watch shows it: it is very new, or gone."""
        try:
            job = await self._calls.job(attempt.key)
        except ApiUnreachable as error:
            return Unreachable(error.reason)
        if job is not None or attempt.seen() is not None:
            return attempt.seen() or Pending()
        end = Vanished("the cluster does not know its Job")
        self._following.settle(attempt, end)
        return end

    async def _remove_jobs(self, job_id: str) -> None:
        for name in await self._calls.job_names(job_id):
            await self._calls.delete_job(name)

    async def _remove_later(self, job_id: str) -> None:
        """Try until it is done. What is not done when the gateway stops is in `kept` at its next start."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
            with suppress(ApiRefused, ApiUnreachable):
                await self._remove_jobs(job_id)
                return
