"""A house that stands for a whole module, its doors, and things made in it for one call each."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import httpx
from starlette.types import ASGIApp

from gateway.contract.operation import Operation
from tests.house import a_house
from tests.wire.clients import Answer, Client, RestClient, SoapClient
from tests.wire.conftest import SeamOfTheTest
from tests.wire.strategies import FULL, PARTNERS, STORAGE

T = TypeVar("T")

LEAST = {"dockerImageUrl": "i", "commands": ["c"]}
MADE = frozenset({"jobId", "attachmentId", "scheduledJobId", "storageId"})
"""Path parameters that name something that must be there."""


class World:
    """Makes things, and calls ids by their roles, so that answers about things made alike are equal."""

    def __init__(self, runner: asyncio.Runner, doors: tuple[SeamOfTheTest, ASGIApp], folder: Path) -> None:
        self._runner, self._doors, self._folder = runner, doors, folder
        self._stack = AsyncExitStack()
        self._roles: dict[str, str] = {}
        self._storages = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, in the loop that everything here lives in."""
        return self._runner.run(work)

    async def open(self) -> None:
        """Build the house and the doors, and fill a storage."""
        seam, app = self._doors
        self.house = await self._stack.enter_async_context(a_house(self._folder, volumes=frozenset({"v"})))
        seam.seam = self.house.seam
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")
        self.http = await self._stack.enter_async_context(http)
        self.rest = RestClient(http)
        self.soap = {version: SoapClient(http, version) for version in ("1.1", "1.2")}
        job = await self.call(self.rest, "startJob", job=LEAST | {"resultStorageId": FULL})
        await self._fill(FULL, job["id"])

    async def close(self) -> None:
        """End it all."""
        await self._stack.aclose()

    async def call(self, door: Client, name: str, **parts: Any) -> Any:
        """The reply of a call that must succeed."""
        answer = await door.call(name, **parts)
        assert answer.key is None, answer
        return answer.value

    async def made(self, operation: Operation) -> dict[str, str]:
        """Ids of things made for one call, by the names of path parameters."""
        if all(part.name not in MADE for part in operation.path) and operation.body is None:
            return {}
        self._storages += 1
        storage = f"{STORAGE}{self._storages}"
        if operation.http.method == "GET":
            storage = FULL
        job = await self.call(self.rest, "startJob", job=LEAST | {"resultStorageId": storage})
        ids = {"jobId": job["id"], "storageId": storage}
        if operation.http.method != "GET":
            await self._fill(storage, job["id"])
        if operation.name in ("deleteJob", "rerunJob", "waitForJob"):
            await self.call(self.rest, "cancelJob", jobId=job["id"])
        names = {part.name for part in operation.path}
        if "attachmentId" in names:
            file = {"name": "ä.txt", "content": b"\x00\xff<&>", "contentType": "text/x; a=b"}
            made = await self.call(self.rest, "addJobAttachment", jobId=job["id"], attachment=file)
            ids["attachmentId"] = made["id"]
        if "scheduledJobId" in names:
            schedule = {"cronExpression": "0 3 * * *", "job": LEAST}
            made = await self.call(self.rest, "createScheduledJob", scheduledJob=schedule)
            ids["scheduledJobId"] = made["id"]
        self._roles |= {made: f"the {name}" for name, made in ids.items()}
        return ids

    async def _fill(self, storage: str, job_id: str) -> None:
        records = [
            {"businessPartnerId": partner, "status": "OK", "resultData": '{"a":1}'} for partner in PARTNERS
        ]
        records.append({"dataSourceId": "d", "externalId": "e", "status": "FAILED", "message": "m\r\n"})
        results = {"storageId": storage, "results": records}
        await self.call(self.rest, "writeJobResults", jobId=job_id, results=results)
        log = {"storageId": storage, "processingLogId": "CURATION_LOG", "entries": {"entries": records}}
        await self.call(self.rest, "writeProcessingLogData", **log)

    async def clean(self, operation: Operation, answer: Answer) -> None:
        """Give up what a job that was started holds, so that the next one may have it."""
        made = operation.http.status == 201 and answer.key is None
        if made and answer.value.get("jobStatus") in ("WAITING", "SCHEDULED"):
            await self.call(self.rest, "cancelJob", jobId=answer.value["id"])

    def told(self, answer: Answer) -> Any:
        """What an answer says, with roles in place of ids."""
        value = answer.value
        if isinstance(value, dict) and "id" in value:
            self._roles.setdefault(value["id"], "the new one")
        return answer.key, set(answer.paths), self._called(value)

    def _called(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: "a cursor" if name == "nextStartAfter" else self._called(item)
                for name, item in value.items()
            }
        if isinstance(value, list):
            return [self._called(item) for item in value]
        return self._roles.get(value, value) if isinstance(value, str) else value


def filled(operation: Operation, parts: Any, ids: dict[str, str]) -> Any:
    """The parts of a call about the things made for it."""
    paths = {part.name: ids[part.name] for part in operation.path if part.name in MADE}
    return _filled(parts, ids.get("storageId", STORAGE)) | paths


def _filled(value: Any, storage: str) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, storage) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, storage) for item in value]
    return storage if value == STORAGE else value
