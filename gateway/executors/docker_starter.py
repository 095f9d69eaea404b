"""Makes the container of an attempt and starts it, once however often it is asked to."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from gateway.domain.executor import AttemptKey, Launch, StartRefused
from gateway.executors.docker_container import INSTANCE, Rules, body_of, key_of, name_of, volumes_of
from gateway.executors.docker_engine import DockerEngine, EngineRefused, EngineUnreachable
from gateway.executors.docker_images import Images
from gateway.executors.docker_refusals import refused_create, refused_start
from gateway.executors.kept_output import KeptFolder

START_SECONDS = 60.0
"""How long a start keeps trying to reach the engine."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0
"""Between two tries."""


class Starter:
    """Starts attempts in containers that carry the label of one instance."""

    def __init__(
        self, engine: DockerEngine, *, kept: KeptFolder, rules: Rules, images: Images, instance: str
    ) -> None:
        self._engine = engine
        self._kept = kept
        self._rules = rules
        self._images = images
        self._instance = instance

    async def start(self, launch: Launch) -> None:
        """Start the attempt or find it started. Raises StartRefused when it is certain that it was not.

        When the engine stays silent after it was asked to start the container, by this gateway before it was
        killed, too, that counts as started: whether it runs is seen once it answers again. The note `asked`
        tells of it; what another node has asked for is not known here.
        """
        self._kept.make(launch.key)
        give_up = time.monotonic() + START_SECONDS
        pause = FIRST_PAUSE_SECONDS
        asked = not self._engine.is_local or self._kept.note(launch.key, "asked") is not None
        while True:
            try:
                if await self._make(launch):
                    self._kept.write_note(launch.key, "asked", "")
                    asked = True
                    await self._begin(name_of(launch.key))
                return
            except EngineUnreachable as error:
                if time.monotonic() >= give_up:
                    if asked:
                        return
                    raise StartRefused(
                        f"Docker could not be asked to start it: {error}", passing=True
                    ) from error
            except OSError as error:
                reason = f"the attempt's folder cannot be written: {error.strerror}"
                raise StartRefused(reason, passing=True) from error
            except EngineRefused as error:
                raise StartRefused(f"Docker failed: {error}", passing=error.status >= 500) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _make(self, launch: Launch) -> bool:
        """See to it that the container is there; whether it is still to be started."""
        name, image = name_of(launch.key), launch.image
        if self._images.pull == "always" and await self._engine.inspect(name) is None:
            await self._images.get(image)
        for volume in volumes_of(launch, self._rules):
            # The engine would make one that is not there.
            if not await self._engine.has_volume(volume):
                raise StartRefused(f"setting VOLUMES: Docker has no volume {volume!r}", passing=False)
        body = body_of(launch, self._rules, self._instance)
        if await self._create(launch.key, body, image):
            return True
        if (found := await self._engine.inspect(name)) is not None:
            return self._is_new(launch.key, found)
        if self._images.pull == "never":
            reason = f"Docker has no image {image}, and the setting DOCKER_PULL forbids to pull it"
            raise StartRefused(reason, passing=False)
        await self._images.get(image)
        if await self._create(launch.key, body, image):
            return True
        raise StartRefused(f"image {image} was pulled and is gone again", passing=True)

    async def _create(self, key: AttemptKey, body: Mapping[str, Any], image: str) -> bool:
        """Whether the container was made now; if not, it is there already or its image is missing."""
        try:
            await self._engine.create(name_of(key), body)
        except EngineRefused as error:
            if error.status == 404 and "no such image" in error.message.lower():
                return False
            # Not every engine says 409 for a name that is taken.
            if await self._engine.inspect(name_of(key)) is not None:
                return False
            if error.status == 409 or "is already in use" in error.message:
                # The name is taken first; somebody's request to create it is still under way.
                raise EngineUnreachable(error.message) from error
            raise refused_create(image, error) from error
        return True

    def _is_new(self, key: AttemptKey, found: Mapping[str, Any]) -> bool:
        """Whether a container that was there before was never started."""
        labels = found["Config"]["Labels"] or {}
        if key_of(labels) != key or labels.get(INSTANCE) != self._instance:
            raise StartRefused(f"Docker has a container {name_of(key)} of somebody else", passing=False)
        return bool(found["State"]["Status"] == "created")

    async def _begin(self, name: str) -> None:
        """Start a container that was never started; delete it if that cannot be."""
        try:
            await self._engine.start(name)
        except EngineRefused as error:
            found = await self._engine.inspect(name)
            if found is not None and found["State"]["Status"] != "created":
                # Another request was quicker.
                return
            await self._engine.delete(name)
            raise refused_start(error) from error
