"""Gets images to where they are run, with the credentials of a file as Docker's own tools write it."""

import asyncio
import base64
import binascii
import json
from pathlib import Path
from typing import Literal

from gateway.domain.executor import StartRefused
from gateway.executors.docker_engine import DockerEngine, EngineRefused
from gateway.executors.docker_refusals import refused_pull

HUB = "docker.io"
HUB_NAMES = (HUB, "index.docker.io", "registry-1.docker.io")

Pull = Literal["missing", "always", "never"]


class Images:
    """Pulls what is needed, each image once at a time."""

    def __init__(self, engine: DockerEngine, *, pull: Pull, auth_file: Path | None = None) -> None:
        """Raises ValueError when the file cannot be read."""
        self._engine = engine
        self.pull: Pull = pull
        self._auth_file = auth_file
        self._under_way: dict[str, asyncio.Task[None]] = {}
        if auth_file is not None:
            read_credentials(auth_file)

    async def get(self, image: str) -> None:
        """Pull the image. Raises StartRefused; EngineUnreachable when the engine does not answer."""
        task = self._under_way.get(image)
        if task is None:
            task = asyncio.create_task(self._pull(image))
            self._under_way[image] = task
            task.add_done_callback(lambda _: self._under_way.pop(image, None))
        # Others may wait for the same image.
        await asyncio.shield(task)

    async def _pull(self, image: str) -> None:
        try:
            credentials = self._credentials(image)
        except ValueError as error:
            raise StartRefused(f"the credentials for images cannot be read: {error}", passing=True) from None
        try:
            await self._engine.pull(full_name(image), credentials)
        except EngineRefused as error:
            raise refused_pull(image, error) from error

    def _credentials(self, image: str) -> dict[str, str] | None:
        # Read each time, because credentials that expire are renewed in the file.
        if self._auth_file is None:
            return None
        return read_credentials(self._auth_file).get(registry_of(image))


def full_name(image: str) -> str:
    """The name of an image with its registry, as the library wants it beside credentials."""
    if registry_of(image) != HUB:
        return image
    path = image.removeprefix(f"{HUB}/")
    return f"{HUB}/{path}" if "/" in path else f"{HUB}/library/{path}"


def registry_of(image: str) -> str:
    """Host and port of an image's registry."""
    first, slash, _ = image.partition("/")
    if slash and (first == "localhost" or "." in first or ":" in first):
        return HUB if first in HUB_NAMES else first
    return HUB


def read_credentials(path: Path) -> dict[str, dict[str, str]]:
    """What a file in the form of Docker's config.json holds in `auths`, by registry. Raises ValueError."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise ValueError(f"{path}: is no JSON") from None
    auths = document.get("auths") if isinstance(document, dict) else None
    if not isinstance(auths, dict):
        raise ValueError(f"{path}: has no member auths; helpers are not asked")  # noqa: TRY004
    found = {}
    for address, entry in auths.items():
        host = address.split("://")[-1].split("/")[0]
        found[HUB if host in HUB_NAMES else host] = _credentials(path, address, entry)
    return found


def _credentials(path: Path, address: str, entry: object) -> dict[str, str]:
    if not isinstance(entry, dict):
        raise ValueError(f"{path}: the entry of {address} is no object")  # noqa: TRY004
    if token := entry.get("identitytoken"):
        return {"identitytoken": str(token)}
    if "username" in entry and "password" in entry:
        return {"username": str(entry["username"]), "password": str(entry["password"])}
    try:
        text = base64.b64decode(str(entry.get("auth", "")), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    name, colon, password = text.partition(":")
    if not name or not colon:
        raise ValueError(f"{path}: the entry of {address} has no credentials")
    return {"username": name, "password": password}
