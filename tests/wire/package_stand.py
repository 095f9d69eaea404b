"""Posts XOP packages that add an attachment to a job, and looks at what became of it."""

from typing import Any

import httpx

from gateway.translate.soap_versions import SoapVersion
from tests.wire.packages import XOP, Part, content_type, included, package, root
from tests.wire.soap_stand import envelope

INCLUDE = f'<x:Include xmlns:x="{XOP}" href="cid:content%40test"/>'
ASKED = 'multipart/related; type="application/xop+xml"'
"""What Accept says to ask for a package."""
CONTENT = bytes(range(256)) + b"\r\n--a boundar\r\n-- a boundary--\r"


class Poster:
    """Posts packages that add an attachment to a job, right or wrong in one thing."""

    def __init__(self, http: httpx.AsyncClient, version: SoapVersion, job: dict[str, Any]) -> None:
        self.http = http
        self.version = version
        self.job = job

    def adding(self, inner: str = INCLUDE, *, header: str = "", more: str = "") -> bytes:
        """The envelope of addJobAttachment; `inner` stands in `content`, `more` behind it."""
        attachment = f"<j:name>a</j:name><j:content>{inner}</j:content>{more}"
        return envelope(
            f"<j:addJobAttachment><j:jobId>{self.job['id']}</j:jobId>"
            f"<j:attachment>{attachment}</j:attachment></j:addJobAttachment>",
            self.version,
            header=header,
        )

    def root(self, envelope: bytes | None = None) -> Part:
        """The root part."""
        return root(self.adding() if envelope is None else envelope, self.version.media_type)

    async def send(
        self, body: Any, *, headers: dict[str, str] | None = None, **parameters: str | None
    ) -> httpx.Response:
        """Post a body as a package; see `content_type` for the parameters."""
        given = {"content-type": content_type(self.version.media_type, **parameters)} | (headers or {})
        return await self.http.post("/soap/v2/", content=body, headers=given)

    async def add(self, *parts: Part, **given: Any) -> httpx.Response:
        """Post a package of these parts."""
        return await self.send(package(*parts), **given)

    async def kept(self) -> list[bytes]:
        """The contents of all attachments of the job."""
        path = f"/v2/jobs/{self.job['id']}"
        attachments = (await self.http.get(path)).json()["attachments"]
        return [
            (await self.http.get(f"{path}/attachments/{attachment['id']}")).content
            for attachment in attachments
        ]

    async def works(self) -> None:
        """The server answers as if nothing had been; the job has no attachment yet, and then one."""
        assert await self.kept() == []
        assert (await self.add(self.root(), included(CONTENT))).status_code == 200
        assert await self.kept() == [CONTENT]
