"""Keeps a picture of a collection of objects: listed once, then followed by the watch protocol.

A watch ends often and for many reasons. It is taken up where it ended, at the last resourceVersion that was
heard of; only when the server has forgotten that one (410 Gone) the collection is listed again, and what is
no longer there counts as deleted.
"""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from gateway.executors.kubernetes_client import ApiRefused, ApiUnreachable, KubernetesClient

log = logging.getLogger(__name__)

ViewT = TypeVar("ViewT")

PAGE = 500
"""Objects in one part of a list."""
WATCH_SECONDS = 240
"""After how long, or up to a half more, the server is to end a watch: watches of many clients spread."""
SILENCE_SECONDS = 90.0
"""The server sends a bookmark each minute; longer silence means that it has gone."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 15.0
CALM = 2
"""How many watches may break, one right after the other, before that is called trouble."""


class Watch(Generic[ViewT]):
    """What is known of one collection. Each object is kept as its view alone, which is small."""

    def __init__(
        self,
        client: KubernetesClient,
        path: str,
        *,
        selector: str,
        read: Callable[[Mapping[str, Any]], ViewT],
        changed: Callable[[ViewT | None, ViewT | None], None],
        reached: Callable[[], None],
    ) -> None:
        """`changed` is told of each object before and after; None = not there. `reached`: the server answers
        again, or does not any more.
        """
        self._client = client
        self._path = path
        self._selector = selector
        self._read = read
        self._changed = changed
        self._reached = reached
        self._version: str | None = None
        """Up to where the collection is known; None = it must be listed."""
        self._connected = False
        """Whether the server has taken the latest watch."""
        self._loop = asyncio.get_running_loop()
        self.views: dict[str, ViewT] = {}
        """By the object's name."""
        self.trouble: str | None = None
        """Why the collection cannot be followed at the moment."""

    async def open(self) -> None:
        """List the collection. Raises ApiRefused or ApiUnreachable."""
        await self._list()

    async def run(self) -> None:
        """Follow the collection until canceled."""
        failures = 0
        while True:
            began = self._loop.time()
            self._connected = False
            try:
                if self._version is None:
                    await self._list()
                await self._follow()
                # One that ends as it began, again and again, must not turn into a storm.
                failures = 0 if self._loop.time() - began > LONGEST_PAUSE_SECONDS else failures + 1
            except ApiUnreachable as error:
                failures += 1
                # A connection that breaks is taken up again before anybody is worried.
                if not self._connected or failures > CALM:
                    self._lost(error.reason)
            except ApiRefused as error:
                failures += 1
                if error.code == HTTPStatus.GONE:
                    log.info("%s is listed again: %s", self._path, error.message)
                    self._version = None
                else:
                    self._lost(f"{error.code} {error.reason}: {error.message}")
            except Exception:
                # A watch that ended for good would leave all its attempts as they are for ever.
                log.exception("%s is listed again", self._path)
                failures += 1
                self._version = None
                self._lost("the executor failed unexpectedly; the gateway's log tells more")
            await asyncio.sleep(_pause(failures))

    async def _list(self) -> None:
        found: dict[str, ViewT] = {}
        version, token = "", ""
        while True:
            asked: dict[str, str | int] = {"labelSelector": self._selector, "limit": PAGE}
            if token:
                asked["continue"] = token
            try:
                page = await self._client.call("GET", self._path, parameters=asked)
            except ApiRefused as error:
                if error.code != HTTPStatus.GONE or not token:
                    raise
                # The list took longer than the server remembers: from the start.
                found, token = {}, ""
                continue
            for item in page.get("items") or ():
                found[item["metadata"]["name"]] = self._read(item)
            version = str(page["metadata"].get("resourceVersion", ""))
            token = page["metadata"].get("continue") or ""
            if not token:
                break
        before, self.views = self.views, found
        self._version = version
        self._found()
        for name in before.keys() - found.keys():
            self._changed(before[name], None)
        for name, view in found.items():
            if before.get(name) != view:
                self._changed(before.get(name), view)

    async def _follow(self) -> None:
        """Take events until the server ends the watch."""
        asked: dict[str, str | int] = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": self._selector,
            "resourceVersion": self._version or "",
            "timeoutSeconds": random.randint(WATCH_SECONDS, WATCH_SECONDS * 3 // 2),  # noqa: S311
        }
        async with self._client.stream(
            self._path, parameters=asked, silence_seconds=SILENCE_SECONDS
        ) as pieces:
            self._connected = True
            self._found()
            async for line in _lines(pieces):
                try:
                    event = json.loads(line)
                except ValueError as error:
                    raise ApiUnreachable(
                        f"a watch holds what is no JSON: {line[:80]!r}", sent=True
                    ) from error
                self._take(event)

    def _take(self, event: Mapping[str, Any]) -> None:
        kind, subject = event["type"], event["object"]
        if kind == "ERROR":
            # Mostly 410 Expired, a `Status` after HTTP 200. With any other, too, a list is certainly right.
            raise ApiRefused(HTTPStatus.GONE, "Expired", str(subject.get("message", "")))
        metadata = subject["metadata"]
        self._version = metadata["resourceVersion"]
        if kind == "BOOKMARK":
            return
        name, view = metadata["name"], self._read(subject)
        before = self.views.get(name)
        if kind == "DELETED":
            self.views.pop(name, None)
            if before != view:
                # What it was at its end comes with its deletion.
                self._changed(before, view)
            self._changed(view, None)
        else:
            self.views[name] = view
            if before != view:
                self._changed(before, view)

    def _lost(self, reason: str) -> None:
        was, self.trouble = self.trouble, reason
        if was is None:
            log.warning("%s cannot be followed: %s", self._path, reason)
            self._reached()

    def _found(self) -> None:
        was, self.trouble = self.trouble, None
        if was is not None:
            log.info("%s is followed again", self._path)
            self._reached()


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line.strip():
                yield line


def _pause(failures: int) -> float:
    """None the first time, then longer and longer; never the same for two."""
    if failures <= 1:
        return 0.0
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 20))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311
