"""Runs jobs on a Slurm cluster, through slurmrestd and a folder that the gateway and all nodes share.

Slurm is asked for all jobs at once, each second while an attempt is followed and more often after a change.
What the command needs and leaves lies in the attempt's folder, see `slurm_folder`: Slurm forgets a job some
minutes after its end (MinJobAge) and tells an exit status only until then.

`start` is idempotent by a name made of job and attempt, which is looked for before anything is submitted that
may have been submitted before. Were the same attempt submitted twice all the same, because a submission
was under way for very long, the script of one of them would see that the other has begun, and leave.

Left out: dependencies, arrays, accounting.
"""

import asyncio
import logging
import os
import pwd
import re
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
from gateway.executors.output_file import OutputFile, can_punch
from gateway.executors.slurm_client import SlurmClient, SlurmRefusal, SlurmUnreachable
from gateway.executors.slurm_folder import WITHDRAWN, AttemptFolder, SharedFolder, delete_tree
from gateway.executors.slurm_followed import Followed
from gateway.executors.slurm_listing import Listing
from gateway.executors.slurm_reply import SlurmJob
from gateway.executors.slurm_request import api_number
from gateway.executors.slurm_sight import is_over, sight, sight_of_forgotten
from gateway.executors.slurm_start import Starter, name_of
from gateway.executors.slurm_support import SUPPORT

log = logging.getLogger(__name__)

MIB = 1024 * 1024
JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What may name a folder; ids are UUIDs."""
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
    support = SUPPORT

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
        output_limit_bytes: int = 10 * MIB,
    ) -> None:
        """`user`: Slurm's, whose token it is and as whom jobs run; None = the gateway's own.

        Raises ValueError, which begins with the setting's name.
        """
        if not shared_folder.is_absolute() or re.search(r"[%\\\x00-\x1f]", str(shared_folder)):
            raise ValueError("SLURM_SHARED_FOLDER: must be an absolute path without % and \\")
        self.user = user or pwd.getpwuid(os.geteuid()).pw_name
        self.isolation = (
            f"slurm: jobs run on the cluster's nodes as user {self.user}, without containers; "
            "Slurm keeps their memory, cores and time apart, not their files"
        )
        self._shared = SharedFolder(shared_folder, _owner(self.user))
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
        )
        self._output_limit_bytes = output_limit_bytes
        self._punching = True
        self._followed: dict[AttemptKey, Followed] = {}
        self._over: dict[AttemptKey, Observation] = {}
        """Ends that were seen and not yet asked for."""
        self._wake = asyncio.Event()
        self._brisk_until = 0.0
        self._trouble = False
        """Whether Slurm could not be asked the last time."""
        self._watcher: asyncio.Task[None] | None = None

    async def open(self, ended: Callable[[AttemptKey], None]) -> None:
        """Try the shared folder and slurmrestd. Raises ExecutorUnavailable."""
        self._ended = ended
        path = self._shared.path
        try:
            await asyncio.to_thread(self._shared.prepare)
            self._punching = await asyncio.to_thread(can_punch, path)
        except OSError as error:
            raise ExecutorUnavailable(f"SLURM_SHARED_FOLDER {path}: {error.strerror}") from None
        if not self._punching:
            log.warning("output is not bounded on disk: the file system of %s takes no holes", path)
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
        slurm_id = await self._starter.start(launch, self._attempt(launch.key))
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
        return await asyncio.to_thread(partial(self._output(key, channel).read, offset=offset, limit=limit))

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
        folder = self._job(job_id)
        open_attempts = await asyncio.to_thread(self._open_attempts, job_id)
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
        await asyncio.to_thread(delete_tree, folder)

    async def kept(self) -> list[str]:
        """Ids of the jobs that have a folder. Whatever Slurm has, has one: it is made first."""
        names = await asyncio.to_thread(os.listdir, self._shared.path)
        return [name for name in names if JOB_ID.fullmatch(name)]

    def _job(self, job_id: str, *below: str) -> Path:
        if not JOB_ID.fullmatch(job_id):
            raise ValueError(f"not the id of a job: {job_id!r}")
        return self._shared.path.joinpath(job_id, *below)

    def _attempt(self, key: AttemptKey) -> AttemptFolder:
        return AttemptFolder(self._shared, self._job(key.job_id, str(key.attempt)))

    def _output(self, key: AttemptKey, channel: OutputChannel) -> OutputFile:
        path = self._job(key.job_id, str(key.attempt), channel.value.lower())
        return OutputFile(path, self._output_limit_bytes, punching=self._punching)

    def _open_attempts(self, job_id: str) -> list[AttemptKey]:
        """Attempts that were given to Slurm and wrote no exit status."""
        try:
            names = os.listdir(self._job(job_id))
        except FileNotFoundError:
            return []
        keys = [AttemptKey(job_id, int(name)) for name in names if name.isdecimal()]
        return [key for key in keys if self._attempt(key).exited() is None]

    async def _follow(self, key: AttemptKey, handle: str) -> Followed:
        if (followed := self._followed.get(key)) is None:
            folder = self._attempt(key)
            slurm_id = int(handle) if handle.isdecimal() else 0
            made = Followed(key=key, folder=folder, slurm_id=slurm_id, since=time.monotonic())
            made.resume(await asyncio.to_thread(folder.stop))
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
        await asyncio.to_thread(self._settle, followed.key)
        job = jobs.get(followed.slurm_id)
        if job is not None and job.name == name_of(followed.key) and not is_over(job):
            await self._starter.cancel(job.id)

    def _look_at_all(self, many: list[Followed], jobs: Mapping[int, SlurmJob]) -> list[Observation]:
        for followed in many:
            self._trim(followed.key)
        return [_look(followed, jobs) for followed in many]

    def _trim(self, key: AttemptKey) -> None:
        for channel in OutputChannel:
            self._output(key, channel).trim()

    def _settle(self, key: AttemptKey) -> None:
        """The attempt is over."""
        self._trim(key)
        self._attempt(key).forget_launch()


def _owner(user: str) -> tuple[int, int] | None:
    """User and group of the jobs, when they are not the gateway's own."""
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise ValueError(f"SLURM_USER: there is no user {user!r} here") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise ValueError(
            f"SLURM_USER: the gateway must run as {user!r}, or as root, to share files with its jobs"
        )
    return entry.pw_uid, entry.pw_gid


def _look(followed: Followed, jobs: Mapping[int, SlurmJob]) -> Observation:
    """What is seen of an attempt. When another Slurm job runs it than was thought, that is followed."""
    folder = followed.folder
    job = jobs.get(followed.slurm_id)
    known = job is not None and job.name == name_of(followed.key)
    if job is None or not known or is_over(job):
        begun = folder.begun()
        if begun == WITHDRAWN:
            return Vanished("its start was given up")
        if begun is not None and begun.isdecimal() and int(begun) != followed.slurm_id:
            followed.slurm_id = int(begun)
            return _look(followed, jobs)
    return sight(job, folder) if job is not None and known else sight_of_forgotten(folder)
