"""The SOAP door with a stand-in behind it, for tests of what SOAP alone knows."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from lxml import etree
from pydantic import ValidationError
from starlette.types import ASGIApp

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.seam import Request, Seam, refusal_of
from gateway.domain.call import Call, Caller
from gateway.domain.errors import JobsError
from gateway.domain.job import Job
from gateway.domain.model import dump
from gateway.domain.queries import JobPage, ServiceInfo
from gateway.domain.record import Stored
from gateway.domain.words import Role
from gateway.http.routes import Routes
from gateway.rest.door import not_found
from gateway.soap.door import soap_door
from gateway.translate.soap_versions import SOAP11, SOAP12, SoapVersion
from tests.wire.valid import seen_async

NS = "urn:jobs-gateway:v2"
XSD = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
ENVELOPES = Path(__file__).parent / "envelopes"
BASE = "http://localhost:8080"
LIMIT = 1_000_000

JOB = Job.read(
    {
        "id": "0198f2ab-7c1e-7000-8000-0123456789ab",
        "name": "a <b> & c",
        "description": "one\r\n\ttwo",
        "jobStatus": "WAITING",
        "createdAt": "2026-11-23T15:06:07.123Z",
        "modifiedAt": "2026-11-23T15:06:07.123Z",
        "user": "anna",
        "organizationId": "default",
        "dockerImageUrl": "busybox",
        "tags": ["one"],
        "metrics": [{"name": "m", "value": 0.25}],
        "priority": 5,
        "attempt": 0,
        "version": 1,
    }
)


def stored(job: Job = JOB) -> Stored[Job]:
    """A job as the store hands it over."""
    return Stored(Job, job.id, job.organization_id, job.version, dump(job))


class StandIn(Seam):
    """Admits everyone, validates as the real seam does, and replies what a test wants."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what a test did."""
        self.refusal: JobsError | None = None
        self.error: Exception | None = None
        self.replies: dict[str, Any] = {
            "deleteJob": None,
            "listJobs": JobPage.model_construct(jobs=(stored(), stored()), limit=50),
            "getServiceInfo": ServiceInfo(
                name="jobs-gateway", version="1", contract_version="2.0", executor="process", isolation="none"
            ),
        }
        self.requests: list[Request] = []
        self.ran: list[tuple[str, dict[str, Any]]] = []

    async def admit(self, operation: Operation, request: Request) -> Call:
        self.requests.append(request)
        if self.refusal:
            raise self.refusal
        caller = Caller(name="anna", role=Role.ADMIN, organization_id="default")
        return Call(caller=caller, protocol=request.protocol, request_id=request.request_id)

    async def run(self, operation: Operation, call: Call, parts: Mapping[str, Any]) -> Any:
        try:
            operation.request.read(parts)
        except ValidationError as error:
            raise refusal_of(error) from error
        if self.error:
            raise self.error
        self.ran.append((operation.name, dict(parts)))
        return self.replies.get(operation.name, stored())


@cache
def _door(
    public_url: str | None, docs_need_key: bool, max_body_bytes: int
) -> tuple[StandIn, dict[str, ASGIApp]]:
    # A door is made once, because making the WSDLs takes a while.
    seam = StandIn()
    return seam, soap_door(
        seam, public_url=public_url, max_body_bytes=max_body_bytes, docs_need_key=docs_need_key
    )


class Stand:
    """A stand-in, the door before it, and a client."""

    def __init__(
        self, *, public_url: str | None = None, docs_need_key: bool = False, max_body_bytes: int = LIMIT
    ) -> None:
        self.seam, door = _door(public_url, docs_need_key, max_body_bytes)
        self.seam.reset()
        transport = httpx.ASGITransport(Routes(door, otherwise=not_found))
        self.http = httpx.AsyncClient(
            transport=transport, base_url=BASE, event_hooks={"response": [seen_async]}
        )

    async def post(
        self,
        content: Any,
        version: SoapVersion = SOAP11,
        *,
        path: str = "/soap/v2/",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Post a message with the media type of a version."""
        return await self.http.post(
            path, content=content, headers={"content-type": version.content_type, **(headers or {})}
        )

    async def body(self, inner: str, version: SoapVersion = SOAP11, *, header: str = "") -> httpx.Response:
        """Post an envelope with these children of Body, in which `j` is our namespace's prefix."""
        return await self.post(envelope(inner, version, header=header), version)


def envelope(inner: str, version: SoapVersion = SOAP11, *, header: str = "") -> bytes:
    """An envelope; the prefixes are `s`, `j` and `xsi`."""
    head = f"<s:Header>{header}</s:Header>" if header else ""
    return (
        f'<s:Envelope xmlns:s="{version.namespace}" xmlns:j="{NS}"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema">'
        f"{head}<s:Body>{inner}</s:Body></s:Envelope>"
    ).encode()


class Said:
    """What a fault says, whatever its version."""

    def __init__(self, reply: httpx.Response) -> None:
        self.status = reply.status_code
        root = etree.fromstring(reply.content)
        namespace = etree.QName(root).namespace
        self.version = SOAP12 if namespace == SOAP12.namespace else SOAP11
        assert reply.headers["content-type"] == self.version.content_type
        fault = root.find(f"{{{namespace}}}Body/{{{namespace}}}Fault")
        assert fault is not None, reply.text
        if self.version is SOAP12:
            code, detail = f"{{{namespace}}}Code/{{{namespace}}}Value", f"{{{namespace}}}Detail"
            text = f"{{{namespace}}}Reason/{{{namespace}}}Text"
        else:
            code, detail, text = "faultcode", "detail", "faultstring"
        self.code = (fault.findtext(code) or "").removeprefix("soap:")
        inner = fault.find(f"{detail}/{{{NS}}}serviceFault")
        assert inner is not None
        self.key = inner.findtext(f"{{{NS}}}technicalKey")
        self.number = int(inner.findtext(f"{{{NS}}}code") or 0)
        self.reason = inner.findtext(f"{{{NS}}}reason") or ""
        assert self.reason == fault.findtext(text)
        self.request_id = inner.findtext(f"{{{NS}}}requestId")
        assert self.request_id == reply.headers["x-request-id"]
        self.errors = {
            error.findtext(f"{{{NS}}}path"): error.findtext(f"{{{NS}}}detail")
            for error in inner.iter(f"{{{NS}}}errors")
        }
        self.root = root


OPERATION = {operation.name: operation for operation in OPERATIONS}
