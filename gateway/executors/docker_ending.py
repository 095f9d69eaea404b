"""What is done with a container's log and with its end, so that neither is needed any more."""

import asyncio
import logging
import time
from contextlib import aclosing

from gateway.domain.executor import End, Exited, Refused, Vanished
from gateway.domain.words import OutputChannel
from gateway.executors.docker_container import end_of
from gateway.executors.docker_engine import DockerEngine
from gateway.executors.docker_followed import Followed, write_end
from gateway.executors.docker_status import RUNNING
from gateway.executors.kept_output import KeptFolder

log = logging.getLogger(__name__)

INIT_FAILED = (b"[FATAL tini ", b"ERROR (catatonit")
"""How the init process of Docker, or of podman, begins to say that it could not run the command."""


async def copy_log(engine: DockerEngine, followed: Followed, *, follow: bool) -> None:
    """Copy the log as far as it goes, with `follow` as long as the container runs.

    Raises EngineUnreachable or EngineRefused, and OSError if it cannot be written.
    """
    since = followed.log.begin()
    async with aclosing(engine.log(followed.name, follow=follow, since=since)) as chunks:
        async for chunk in chunks:
            began = time.monotonic()
            followed.log.take(chunk)
            # A job that writes without end gets half of the event loop's time at most.
            await asyncio.sleep(time.monotonic() - began)


async def find_end(
    engine: DockerEngine, kept: KeptFolder, followed: Followed, *, witnessed: bool
) -> End | None:
    """Copy the rest of the log and note how the container ended; None if it runs. `witnessed`: see `end_of`.

    Raises EngineUnreachable or EngineRefused.
    """
    found = await engine.inspect(followed.name)
    if found is None:
        return Vanished("its container was deleted while it ran")
    if found["State"]["Status"] in RUNNING:
        return None
    if followed.copying is not None:
        followed.copying.cancel()
        await asyncio.wait([followed.copying])
        followed.copying = None
    end = end_of(found["State"], witnessed=witnessed, tells_memory=engine.tells_memory)
    try:
        # Once more: a reader that is slow is cut off when the container ends.
        await copy_log(engine, followed, follow=False)
        told = _told(kept, followed, end)
        write_end(kept, followed.key, told)
    except OSError as error:
        # The container stays: it alone knows its end.
        log.warning("the end of %s cannot be written: %s", followed.name, error.strerror)
        return end
    return told


def _told(kept: KeptFolder, followed: Followed, end: Exited | Vanished) -> End:
    """The end, which may be that there is no such command."""
    if isinstance(end, Vanished) or end.exit_code == 0:
        return end
    said = kept.stream(followed.key, OutputChannel.STDERR).read(offset=0, limit=500).data
    if not said.startswith(INIT_FAILED):
        return end
    line = said.decode("utf-8", "replace").splitlines()[0]
    return Refused(reason=f"the image cannot run the command: {line}", passing=False)
