"""Gives an attempt to Slurm once, whatever happens between the gateway and Slurm meanwhile."""

import asyncio
import logging
import time

from gateway.domain.executor import AttemptKey, Launch, StartRefused
from gateway.executors.slurm_bundles import Bundles, attempt_bundle
from gateway.executors.slurm_client import SlurmClient, SlurmRefusal, SlurmUnreachable
from gateway.executors.slurm_folder import WITHDRAWN, AttemptFolder, slurm_id_of
from gateway.executors.slurm_followed import CANCEL
from gateway.executors.slurm_launch import batch_script, launch_text
from gateway.executors.slurm_listing import Listing
from gateway.executors.slurm_request import submission

log = logging.getLogger(__name__)

START_SECONDS = 60.0
"""How long a start is tried while Slurm cannot be asked."""
AGAIN_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 0.1
LOOKS = 50
"""How often it is looked whether a script that created `begun` has written it, too."""
IMPOSSIBLE = frozenset({2014, 2015})
"""With these Slurm takes a job that no node or partition could ever run, unless EnforcePartLimits is set."""


def name_of(key: AttemptKey) -> str:
    """What Slurm calls the attempt."""
    return f"job-{key.job_id}-{key.attempt}"


class Starter:
    """Submits attempts as one user's, to one partition and account, or to Slurm's defaults."""

    def __init__(
        self,
        client: SlurmClient,
        listing: Listing,
        *,
        version: int,
        user: str,
        partition: str | None,
        account: str | None,
        default_path: str,
        bundles: Bundles | None,
    ) -> None:
        self._client = client
        self._listing = listing
        self._version = version
        self._user = user
        self._partition = partition
        self._account = account
        self._default_path = default_path
        self._bundles = bundles

    async def start(self, launch: Launch, folder: AttemptFolder) -> int:
        """The id of the Slurm job that runs the attempt, or will. Raises StartRefused."""
        try:
            slurm_id, sent = await asyncio.to_thread(self._prepare, launch, folder)
        except OSError as error:
            reason = f"its folder {folder.path} cannot be written: {error.strerror}"
            raise StartRefused(reason, passing=True) from error
        if slurm_id is None:
            slurm_id = await self._submit(launch, folder, sent=sent)
            await asyncio.to_thread(folder.note_handle, slurm_id)
        return slurm_id

    async def cancel(self, slurm_id: int) -> None:
        """Have Slurm end a job that nobody waits for."""
        try:
            await self._client.signal(slurm_id, CANCEL)
        except (SlurmUnreachable, SlurmRefusal) as error:
            log.warning("Slurm job %d could not be canceled: %s", slurm_id, error)

    async def _submit(self, launch: Launch, folder: AttemptFolder, *, sent: bool) -> int:
        """`sent`: whether it may have been submitted before."""
        body = submission(
            launch,
            version=self._version,
            name=name_of(launch.key),
            script=batch_script(str(folder.path)),
            folder=str(folder.path),
            partition=self._partition,
            account=self._account,
        )
        give_up_at = time.monotonic() + START_SECONDS
        while True:
            try:
                if sent and (found := await self._find(launch.key)) is not None:
                    return found
                sent = True
                slurm_id, faults = await self._client.submit(body)
            except SlurmRefusal as refusal:
                await asyncio.to_thread(folder.withdraw)
                raise StartRefused(f"Slurm refuses it: {refusal}", passing=refusal.passing) from refusal
            except SlurmUnreachable as error:
                if time.monotonic() >= give_up_at:
                    return await self._give_up(folder, str(error))
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if any(fault.number in IMPOSSIBLE for fault in faults):
                await asyncio.to_thread(folder.withdraw)
                await self.cancel(slurm_id)
                reason = "; ".join(fault.text for fault in faults)
                raise StartRefused(f"Slurm could never run it: {reason}", passing=False)
            return slurm_id

    async def _find(self, key: AttemptKey) -> int | None:
        jobs = await self._listing.since(time.monotonic())
        found = (job.id for job in jobs.values() if job.name == name_of(key) and job.user in ("", self._user))
        return min(found, default=None)

    async def _give_up(self, folder: AttemptFolder, reason: str) -> int:
        """End a start that Slurm may or may not have got. If it has, the script will run nothing."""
        for _ in range(LOOKS):
            begun = await asyncio.to_thread(folder.withdraw)
            if (slurm_id := slurm_id_of(begun)) is not None:
                return slurm_id
            if begun == WITHDRAWN:
                break
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        raise StartRefused(reason, passing=True)

    def _prepare(self, launch: Launch, folder: AttemptFolder) -> tuple[int | None, bool]:
        """The Slurm job that has the attempt, if it is known, and whether one may have it."""
        if (slurm_id := folder.handle()) is not None:
            return slurm_id, True
        begun = folder.begun()
        if begun == WITHDRAWN:
            raise StartRefused("its start was given up before", passing=True)
        if begun is not None and (slurm_id := slurm_id_of(begun)) is not None:
            return slurm_id, True
        path = str(folder.path)
        bundle = None if self._bundles is None else self._bundles.find(launch.image)
        text = launch_text(launch, path, default_path=self._default_path, bundle=bundle)
        return None, folder.prepare(text, None if bundle is None else attempt_bundle(bundle, path))
