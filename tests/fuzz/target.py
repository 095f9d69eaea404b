"""What is fuzzed: the SOAP door before a real house in memory, and what must hold for each answer of it."""

import asyncio
import logging
import re
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from gateway.domain.keys import new_key
from gateway.domain.words import Role
from gateway.http.request_id import RequestIds
from gateway.http.routes import Routes
from gateway.rest.door import not_found
from gateway.soap.door import soap_door
from gateway.soap.examples import EXAMPLES
from gateway.translate.soap_versions import VERSIONS
from tests.fuzz.message import Message
from tests.house import a_house
from tests.wire.conftest import SeamOfTheTest
from tests.wire.hostile import JOB
from tests.wire.hostile_reply import told

LIMIT = 1_000_000
SECONDS = 30
"""No message may take that long, even on a machine that is busy."""

_FOREIGN = "what-others-may-not-see"
_MARK = "Checks the customers that changed since yesterday."
"""A text of the examples; each message says something of its own in its stead."""
_ANY_MARK = re.compile(r"message-[0-9]{8}")
_VERSIONS = {version.media_type: version for version in VERSIONS}
_ENDED = ("waitForJob", "rerunJob", "deleteJob")
"""Operations on a job that has ended."""


class _Errors(logging.Handler):
    """Keeps what is logged as an error: an exception that somebody caught, but nobody gave a code."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Target:
    """A house with two organizations, of which one calls; the loop that it lives in; and what came of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._errors = _Errors()
        seam: Any = SeamOfTheTest()
        self._seam = seam
        soap = soap_door(seam, public_url=None, max_body_bytes=LIMIT)
        self._app = RequestIds(Routes(soap, otherwise=not_found))
        self.outcomes: Counter[str] = Counter()
        """How many messages were answered with which operation or error."""
        self.failed: Message | None = None
        """The last message that was answered wrongly."""

    def __enter__(self) -> "Target":
        self._runner.run(self._open())
        logging.getLogger().addHandler(self._errors)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self._errors)
        self._runner.run(self._stack.aclose())
        self._runner.close()

    async def _open(self) -> None:
        self._house = await self._stack.enter_async_context(
            a_house(self._folder, volumes=frozenset({"reference-data"}))
        )
        self._seam.seam = self._house.seam
        transport = httpx.ASGITransport(self._app)
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080")
        self._http = await self._stack.enter_async_context(client)
        self._key = await self._made_key("caller", "default")
        other = await self._made_key("stranger", "other")
        await self._house.start(secret=other, name=_FOREIGN, description=_FOREIGN, tags=[_FOREIGN])
        self._number = 0

    async def _made_key(self, name: str, organization: str) -> str:
        now = self._house.clock.now()
        key, record = new_key(name=name, role=Role.OPERATOR, now=now, organization_id=organization)
        await self._house.house.store.write(lambda tx: tx.insert_key(record))
        return key

    def send(self, message: Message) -> None:
        """Send a message. Fails when its answer is not right."""
        try:
            self._runner.run(asyncio.wait_for(self._send(message), SECONDS))
        except BaseException:
            self.failed = message
            raise

    async def _send(self, message: Message) -> None:
        self._number += 1
        self._errors.records.clear()
        mark = f"message-{self._number:08}"
        body = self._replaced(message.body, {_MARK: mark} | await self._things(message.body))
        headers = {"X-API-KEY": self._key} | message.headers
        sent = {name: value.encode("latin-1") for name, value in headers.items()}
        response = await self._http.post("/soap/v2/", content=body, headers=sent)
        outcome = self._outcome(message, response, mark)
        self.outcomes[outcome] += 1

    def _outcome(self, message: Message, response: httpx.Response, mark: str) -> str:
        """The operation or the error that a right answer tells."""
        assert not self._errors.records, self._errors.records
        assert _FOREIGN not in response.text
        if response.status_code in (413, 415):
            assert response.headers["content-type"] == "text/plain; charset=utf-8"
            return f"HTTP {response.status_code}"
        answer = told(response, _VERSIONS[message.media_type])
        if answer.operation:
            return answer.operation
        assert answer.key not in (None, "INTERNAL_SERVER_ERROR")
        assert answer.key != "UNAUTHORIZED" or b"Security" in message.body.replace(b"\0", b"")
        assert set(_ANY_MARK.findall(response.text)) <= {mark}
        return str(answer.key)

    async def _things(self, body: bytes) -> dict[str, str]:
        """Ids of a job, an attachment and a schedule that are there, by those that messages name."""
        job = (await self._house.start(secret=self._key)).id
        things = {EXAMPLES["jobId"]: job, JOB: job}
        if self._says(body, *_ENDED):
            await self._house.call("cancelJob", secret=self._key, jobId=job)
        if self._says(body, EXAMPLES["dependentJobId"]):
            things[EXAMPLES["dependentJobId"]] = (await self._house.start(secret=self._key)).id
        if self._says(body, EXAMPLES["attachmentId"]):
            file = {"name": "a", "contentType": "text/plain", "content": b"bytes"}
            made = await self._house.call("addJobAttachment", secret=self._key, jobId=job, attachment=file)
            things[EXAMPLES["attachmentId"]] = made.id
        if self._says(body, EXAMPLES["scheduledJobId"]):
            schedule = {"cronExpression": "@daily", "job": {"dockerImageUrl": "i", "commands": ["run"]}}
            made = await self._house.call("createScheduledJob", secret=self._key, scheduledJob=schedule)
            things[EXAMPLES["scheduledJobId"]] = made.id
        return things

    @staticmethod
    def _says(body: bytes, *words: str) -> bool:
        encodings = ("utf-8", "utf-16-le", "utf-16-be")
        return any(word.encode(encoding) in body for word in words for encoding in encodings)

    @staticmethod
    def _replaced(body: bytes, texts: dict[str, str]) -> bytes:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            for old, new in texts.items():
                body = body.replace(old.encode(encoding), new.encode(encoding))
        return body
