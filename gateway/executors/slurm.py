"""Runs jobs on a Slurm cluster, through slurmrestd and a folder that the gateway and all nodes share.

Slurm is asked for all jobs at once, each second while an attempt is followed and more often after a change.
What the command needs and leaves lies in the attempt's folder, see `slurm_folder`: Slurm forgets a job some
minutes after its end (MinJobAge) and tells an exit status only until then.

`start` is idempotent by a name made of job and attempt, which is looked for before anything is submitted that
may have been submitted before. Were the same attempt submitted twice all the same, because a submission
was under way for very long, the script of one of them would see that the other has begun, and leave.

With bundles of images the commands run in containers, see `slurm_bundles`; else on the nodes themselves.

Left out: dependencies, arrays, accounting.
"""

import asyncio
import logging
import os
import pwd
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from gateway.domain.executor import (
    AttemptKey,
    ExecutorUnavailable,
    Launch,
    Observation,
    OutputChunk,
    Pending,
    Running,
    Unreachable,
    Vanished,
)
from gateway.domain.words import OutputChannel
from gateway.executors.slurm_attempts import Attempts
from gateway.executors.slurm_bundles import Bundles
from gateway.executors.slurm_client import SlurmClient, SlurmRefusal, SlurmUnreachable
from gateway.executors.slurm_folder import WITHDRAWN, slurm_id_of
from gateway.executors.slurm_followed import Followed
from gateway.executors.slurm_listing import Listing
from gateway.executors.slurm_reply import SlurmJob
from gateway.executors.slurm_request import api_number
from gateway.executors.slurm_sight import is_over, sight, sight_of_forgotten
from gateway.executors.slurm_start import Starter, name_of
from gateway.executors.slurm_support import isolation_of, support_of

log = logging.getLogger(__name__)

MIB = 1024 * 1024
PAUSE_SECONDS = 1.0
"""Between two looks at Slurm while an attempt is followed."""
BRISK_PAUSE_SECONDS = 0.2
"""The same for BRISK_SECONDS after a change: what has just begun may be over soon."""
BRISK_SECONDS = 5.0
SHORTEST_PAUSE_SECONDS = 0.05
FRESH_SECONDS = 2.0
"""How old what is told of a followed attempt may be."""


class SlurmExecutor:
    """Submits, follows and stops Slurm's batch jobs. Implements the port `Executor`."""

    name = "slurm"
    queues = True
    reachable_from_anywhere = True

    def __init__(
        self,
        shared_folder: Path,
        *,
        url: str,
        api_version: str,
        token_file: Path,
        user: str | None = None,
        partition: str | None = None,
        account: str | None = None,
        default_path: str,
        bundles: Path | None = None,
        output_limit_bytes: int = 10 * MIB,
    ) -> None:
        """`user`: Slurm's, whose token it is and as whom jobs run; None = the gateway's own.
        `bundles`: the folder of the images' bundles, in which commands run; None = they run on the nodes.

        Raises ValueError, which begins with the setting's name.
        """
        self.user = user or _own_user()
        self.support = support_of(bundles=bundles is not None)
        self.isolation = isolation_of(self.user, bundles=bundles is not None)
        self._attempts = Attempts(shared_folder, user=self.user, output_limit_bytes=output_limit_bytes)
        self._bundles = None if bundles is None else Bundles(bundles)
        version = api_number(api_version)
        self._client = SlurmClient(url, version=version, user=self.user, token_file=token_file)
        self._listing = Listing(self._client)
        self._starter = Starter(
            self._client,
            self._listing,
            version=version,
            user=self.user,
            partition=partition,
            account=account,
            default_path=default_path,
            bundles=self._bundles,
        )
        self._followed: dict[AttemptKey, Followed] = {}
        self._over: dict[AttemptKey, Observation] = {}
        """Ends that were seen and not yet asked for."""
        self._wake = asyncio.Event()
        self._brisk_until = 0.0
        self._trouble = False
        """Whether Slurm could not be asked the last time."""
        self._watcher: asyncio.Task[None] | None = None

    async def open(self, ended: Callable[[AttemptKey], None]) -> None:
        """Try the shared folder, that of the bundles and slurmrestd. Raises ExecutorUnavailable."""
        self._ended = ended
        try:
            await asyncio.to_thread(self._attempts.prepare)
        except OSError as error:
            raise ExecutorUnavailable(
                f"SLURM_SHARED_FOLDER {self._attempts.path}: {error.strerror}"
            ) from None
        if self._bundles is not None:
            try:
                await asyncio.to_thread(self._bundles.check)
            except OSError as error:
                raise ExecutorUnavailable(f"SLURM_BUNDLES {self._bundles.folder}: {error.strerror}") from None
        try:
            release = await self._client.ping()
        except (SlurmUnreachable, SlurmRefusal) as error:
            raise ExecutorUnavailable(f"Slurm cannot be used: {error}") from None
        log.info("jobs run in Slurm %s as user %s", release, self.user)
        self._watcher = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Let jobs go on."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self._client.close()

    async def start(self, launch: Launch) -> str:
        """Submit the attempt, or find it when it was submitted before; the handle is the Slurm job's id."""
        slurm_id = await self._starter.start(launch, self._attempts.folder(launch.key))
        self._hurry()
        return str(slurm_id)

    async def observe(self, key: AttemptKey, handle: str) -> Observation:
        """Look at the attempt, and follow it until it is over."""
        if (over := self._over.pop(key, None)) is not None:
            return over
        followed = await self._follow(key, handle)
        now = time.monotonic()
        try:
            jobs = await self._listing.since(
                now if self._trouble else max(followed.since, now - FRESH_SECONDS)
            )
        except (SlurmUnreachable, SlurmRefusal) as error:
            followed.told = Unreachable
            return Unreachable(str(error))
        seen = await asyncio.to_thread(_look, followed, jobs)
        followed.told = type(seen)
        if not isinstance(seen, Pending | Running):
            await self._end(followed, jobs)
        return seen

    async def stop(self, key: AttemptKey, handle: str, *, grace_seconds: int) -> None:
        """SIGTERM to all processes now, SIGKILL after the grace; 0 = SIGKILL now. See `slurm_followed`."""
        if key in self._over:
            return
        followed = await self._follow(key, handle)
        followed.stop_within(grace_seconds)
        await asyncio.to_thread(followed.note_stop)
        self._hurry()

    async def output(
        self, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
    ) -> OutputChunk:
        """Read from the stream's file, see `OutputFile.read`."""
        return await asyncio.to_thread(
            partial(self._attempts.output(key, channel).read, offset=offset, limit=limit)
        )

    def keeps(self, job_id: str) -> bool:  # noqa: ARG002
        """Everybody who sees the shared folder sees everything."""
        return True

    def lease(self, seconds: float) -> None:
        """Every node can reach everything that runs."""

    async def abandon(self) -> None:
        """Other nodes follow and stop what this one did."""
        self._followed.clear()
        self._over.clear()

    async def remove(self, job_id: str) -> None:
        """Delete the job's folder, and cancel what Slurm may still have of it."""
        for key in [key for key in self._followed if key.job_id == job_id]:
            del self._followed[key]
        for key in [key for key in self._over if key.job_id == job_id]:
            del self._over[key]
        open_attempts = await asyncio.to_thread(self._attempts.open_of, job_id)
        if open_attempts:
            names = {name_of(key) for key in open_attempts}
            try:
                jobs = await self._listing.since(time.monotonic())
            except (SlurmUnreachable, SlurmRefusal) as error:
                log.warning("job %s is deleted, and Slurm cannot be told: %s", job_id, error)
                jobs = {}
            for job in jobs.values():
                if job.name in names and not is_over(job):
                    await self._starter.cancel(job.id)
        await asyncio.to_thread(self._attempts.remove, job_id)

    async def kept(self) -> list[str]:
        """Ids of the jobs that have a folder."""
        return await asyncio.to_thread(self._attempts.ids)

    async def _follow(self, key: AttemptKey, handle: str) -> Followed:
        if (followed := self._followed.get(key)) is None:
            folder = self._attempts.folder(key)
            slurm_id = slurm_id_of(handle) or 0
            made = Followed(key=key, folder=folder, slurm_id=slurm_id, since=time.monotonic())
            await asyncio.to_thread(made.resume)
            followed = self._followed.setdefault(key, made)
            self._hurry()
        return followed

    def _hurry(self) -> None:
        """Something has changed, or is about to."""
        self._brisk_until = time.monotonic() + BRISK_SECONDS
        self._wake.set()

    async def _watch(self) -> None:
        """Look at Slurm as long as anything is followed."""
        while True:
            with suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it may swallow that the task is canceled.
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()
            self._wake.clear()
            if not self._followed:
                continue
            try:
                await self._tick()
            except (SlurmUnreachable, SlurmRefusal) as error:
                if not self._trouble:
                    log.warning("%s", error)
                self._trouble = True
            except Exception:
                log.exception("attempts in Slurm could not be looked at")

    def _pause(self) -> float | None:
        if not self._followed:
            return None
        if self._trouble:
            return PAUSE_SECONDS
        brisk = time.monotonic() < self._brisk_until
        pauses = [BRISK_PAUSE_SECONDS if brisk else PAUSE_SECONDS]
        steps = (followed.next_step() for followed in self._followed.values())
        pauses += [step[1] - time.time() for step in steps if step is not None]
        return max(SHORTEST_PAUSE_SECONDS, min(pauses))

    async def _tick(self) -> None:
        jobs = await self._listing.since(time.monotonic())
        self._trouble = False
        many = list(self._followed.values())
        sights = await asyncio.to_thread(self._look_at_all, many, jobs)
        for followed, seen in zip(many, sights, strict=True):
            if self._followed.get(followed.key) is not followed:
                continue  # It was removed, or its end was seen by who asked.
            if not isinstance(seen, Pending | Running):
                await self._end(followed, jobs)
                self._over[followed.key] = seen
                self._ended(followed.key)
                continue
            if type(seen) is not followed.told:
                followed.told = type(seen)
                self._hurry()
                if isinstance(seen, Running):
                    self._ended(followed.key)
            job = jobs.get(followed.slurm_id)
            if job is not None and await followed.step(self._client, job):
                await asyncio.to_thread(followed.note_stop)
                self._hurry()

    async def _end(self, followed: Followed, jobs: Mapping[int, SlurmJob]) -> None:
        """The attempt is over; whatever Slurm still has of it is not wanted."""
        self._followed.pop(followed.key, None)
        await asyncio.to_thread(self._attempts.settle, followed.key)
        job = jobs.get(followed.slurm_id)
        if job is not None and job.name == name_of(followed.key) and not is_over(job):
            await self._starter.cancel(job.id)

    def _look_at_all(self, many: list[Followed], jobs: Mapping[int, SlurmJob]) -> list[Observation]:
        for followed in many:
            self._attempts.trim(followed.key)
        return [_look(followed, jobs) for followed in many]


def _own_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise ValueError(f"SLURM_USER: needed, because user {os.geteuid()} has no name here") from None


def _look(followed: Followed, jobs: Mapping[int, SlurmJob]) -> Observation:
    """What is seen of an attempt. When another Slurm job runs it than was thought, that is followed."""
    folder = followed.folder
    job = jobs.get(followed.slurm_id)
    known = job is not None and job.name == name_of(followed.key)
    if job is None or not known or is_over(job):
        begun = folder.begun()
        if begun == WITHDRAWN:
            return Vanished("its start was given up")
        slurm_id = slurm_id_of(begun or "")
        if slurm_id is not None and slurm_id != followed.slurm_id:
            followed.slurm_id = slurm_id
            return _look(followed, jobs)
    return sight(job, folder) if job is not None and known else sight_of_forgotten(folder)
