"""The requests that are made of Docker, or of an engine with the same API, and what their failures mean.

The only file that knows the client library. Of its parts two are read here by hand: its log reader mixes the
two streams and decodes them, its event reader does not tell when it is connected.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import quote

import aiohttp
from aiodocker import Docker, DockerError

NO_ANSWER = 900
"""What the library says instead of an HTTP status when there was no answer."""
REQUEST_SECONDS = 60.0
"""How long an answer may take, except for streams and stops."""
CONNECT_SECONDS = 5.0
CHUNK_BYTES = 64 * 1024
"""The most of a log that is handed on in one step."""
OLDEST_API = (1, 40)
"""Docker 19.03."""
STREAMING = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS)


class EngineUnreachable(Exception):
    """There was no answer; whether the request was carried out is not known."""


class EngineRefused(Exception):
    """The engine answered that it did not do it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; 0 when it was told in the midst of a stream."""
        self.message = message


class EngineTooOld(Exception):
    """The engine speaks an older API than is needed."""


class DockerEngine:
    """One engine, by its address."""

    def __init__(self, url: str) -> None:
        """`url`: unix:///path or tcp://host:port."""
        self.url = url
        self.tells_memory = True
        """Whether a container that was not killed for lack of memory is known not to have been; podman does
        not know it.
        """
        self._client: Docker | None = None

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        return self.url.startswith("unix:")

    @property
    def socket_path(self) -> str:
        """The socket of one that only this machine reaches."""
        return self.url.removeprefix("unix://")

    async def open(self) -> dict[str, Any]:
        """Connect; what the engine says of itself. Raises EngineTooOld."""
        connector: aiohttp.BaseConnector
        # Each attempt that runs holds a connection, so there is no bound of their number.
        if self.is_local:
            connector = aiohttp.UnixConnector(self.socket_path, limit=0)
        else:
            connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS)
        # The host of the address is not used when the connector has a socket of its own.
        url = "unix://localhost" if self.is_local else self.url.replace("tcp:", "http:", 1)
        session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        self._client = Docker(url, connector=connector, session=session, timeout=timeout)
        with _failures():
            version = await self._client._query_json("version", versioned_api=False)
            spoken = str(version.get("ApiVersion", "0.0"))
            if tuple(map(int, spoken.split("."))) < OLDEST_API:
                oldest = ".".join(map(str, OLDEST_API))
                raise EngineTooOld(
                    f"it speaks version {spoken} of the API, and {oldest} is the oldest that will do"
                )
            # Else the library asks once more, and podman takes half a second to answer.
            self._client.api_version = f"v{spoken}"
            names = [component.get("Name") for component in version.get("Components") or ()]
            self.tells_memory = "Podman Engine" not in names
            return dict(await self._client.system.info())

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()
            await self._client.session.close()
            self._client = None

    async def create(self, name: str, body: Mapping[str, Any]) -> None:
        """Create a container."""
        with _failures():
            await self._docker.containers.create(dict(body), name=name)

    async def start(self, name: str) -> None:
        """Start a container; one that was started already stays as it is."""
        with _failures():
            await self._docker.containers.container(name).start()

    async def inspect(self, name: str) -> dict[str, Any] | None:
        """All about a container; None if there is none of that name."""
        try:
            with _failures():
                return await self._docker.containers.container(name).show()
        except EngineRefused as error:
            if error.status == 404:
                return None
            raise

    async def list(self, *labels: str) -> list[dict[str, Any]]:
        """In short about all containers that have all these labels, also of those that ended."""
        filters = json.dumps({"label": list(labels)})
        with _failures():
            found = await self._docker.containers.list(all=True, filters=filters)
            return [container._container for container in found]

    async def stop(self, name: str, grace_seconds: int) -> None:
        """SIGTERM now, SIGKILL after the grace, which the engine sees to. Returns when it is over."""
        with _failures():
            await self._docker.containers.container(name).stop(t=grace_seconds)

    async def kill(self, name: str) -> None:
        """SIGKILL."""
        with _failures():
            await self._docker.containers.container(name).kill(signal="SIGKILL")

    async def delete(self, name: str) -> None:
        """Delete a container with its anonymous volumes, running or not; done if there is none."""
        try:
            with _failures():
                await self._docker.containers.container(name).delete(force=True, v=True)
        except EngineRefused as error:
            # 409: somebody else is deleting it.
            if error.status not in (404, 409):
                raise

    async def pull(self, image: str, credentials: Mapping[str, str] | None) -> None:
        """Pull an image by its full name."""
        with _failures():
            await self._docker.images.pull(image, auth=dict(credentials) if credentials else None)

    async def has_network(self, name: str) -> bool:
        """Whether there is a network of that name."""
        return await self._has(f"networks/{quote(name, safe='')}")

    async def has_volume(self, name: str) -> bool:
        """Whether there is a volume of that name."""
        return await self._has(f"volumes/{quote(name, safe='')}")

    async def log(self, name: str, *, follow: bool, since: str | None) -> AsyncGenerator[bytes, None]:
        """The log of a container from an instant on: frames of both streams, each with its time before it."""
        query = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": str(int(follow))}
        if since is not None:
            query["since"] = since
        async with self._stream(f"containers/{name}/logs", query) as content:
            async for chunk in content.iter_chunked(CHUNK_BYTES):
                yield chunk

    async def events(self, label: str, *, since: int) -> AsyncGenerator[dict[str, Any] | None, None]:
        """What happens to containers with a label. The first item is None: it is connected."""
        filters = json.dumps({"type": ["container"], "label": [label]})
        async with self._stream("events", {"filters": filters, "since": str(since)}) as content:
            yield None
            async for line in content:
                if line.strip():
                    yield json.loads(line)

    async def _has(self, path: str) -> bool:
        try:
            with _failures():
                await self._docker._query_json(path)
        except EngineRefused as error:
            if error.status == 404:
                return False
            raise
        return True

    @asynccontextmanager
    async def _stream(self, path: str, query: dict[str, str]) -> AsyncIterator[aiohttp.StreamReader]:
        with _failures():
            async with self._docker._query(path, params=query, timeout=STREAMING) as response:
                try:
                    yield response.content
                finally:
                    # To release it would mean to read an endless stream to its end.
                    response.close()

    @property
    def _docker(self) -> Docker:
        if self._client is None:
            raise EngineUnreachable("it is closed")
        return self._client


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what the library raises into one of our two exceptions."""
    try:
        yield
    except DockerError as error:
        if error.status == NO_ANSWER:
            raise EngineUnreachable(_reason(error.__context__ or error)) from error
        raise EngineRefused(error.status, str(error.message)) from error
    except TimeoutError as error:
        raise EngineUnreachable("it does not answer") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise EngineUnreachable(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """What was wrong, as the system says it if it was the system."""
    cause = (
        error.os_error if isinstance(error, aiohttp.ClientOSError) and hasattr(error, "os_error") else error
    )
    return getattr(cause, "strerror", None) or str(error) or type(error).__name__
