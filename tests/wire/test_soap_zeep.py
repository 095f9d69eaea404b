"""zeep on the live WSDLs, and every reply against the schema inside them."""

import asyncio
import threading
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import httpx
import pytest
import requests
import zeep
from lxml import etree
from zeep.exceptions import Fault
from zeep.transports import Transport

from gateway.contract.registry import OPERATIONS
from gateway.domain.errors import JobNotFound, Problem, ValidationFailed
from gateway.domain.job import Job
from gateway.domain.queries import JobPage
from gateway.soap import golden
from gateway.translate.soap_versions import SOAP11, SOAP12, VERSIONS, SoapVersion
from tests.wire.clients import read
from tests.wire.soap_stand import BASE, JOB, NS, Stand, stored
from tests.wire.valid import check_envelope

documents = cache(golden.documents)
FILES = {"wsdl": SOAP11, "wsdl=1.2": SOAP12}


class Loop:
    """An event loop in a thread, since zeep does not wait."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class InMemory(requests.adapters.BaseAdapter):
    """Hands the requests of zeep to the door."""

    def __init__(self, loop: Loop, stand: Stand) -> None:
        super().__init__()
        self._loop, self._stand = loop, stand

    def send(self, request: Any, **_given: Any) -> requests.Response:
        reply: httpx.Response = self._loop.run(
            self._stand.http.request(
                request.method, request.url, headers=dict(request.headers), content=request.body or b""
            )
        )
        made = requests.Response()
        made.status_code, made._content, made.url = reply.status_code, reply.content, request.url
        made.headers.update(reply.headers)
        made.encoding = "utf-8"
        return made

    def close(self) -> None:
        pass


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture(params=FILES, ids=["1.1", "1.2"])
def client(request: pytest.FixtureRequest, stand: Stand) -> Iterator[Any]:
    loop = Loop()
    with requests.Session() as session:
        session.mount(BASE, InMemory(loop, stand))
        yield zeep.Client(f"{BASE}/soap/v2/?{request.param}", transport=Transport(session=session))
    loop.close()


def test_zeep_starts_and_reads_a_job(client: Any, stand: Stand) -> None:
    job = client.service.startJob(
        job={
            "dockerImageUrl": "busybox",
            "commands": ["echo", "a & b"],
            "environmentVariables": [{"name": "A", "value": " x\r\n"}],
            "resourceRequest": {"cpuLimit": Decimal("0.5")},
            "tags": ["one"],
        }
    )
    name, parts = stand.seam.ran[0]
    assert name == "startJob"
    assert parts["job"]["environmentVariables"] == [{"name": "A", "value": " x\r\n"}]
    assert parts["job"]["resourceRequest"] == {"cpuLimit": Decimal("0.5")}
    assert (job.id, job.jobStatus, job.tags, job.version) == (JOB.id, "WAITING", ["one"], 1)
    assert job.description == "one\r\n\ttwo"
    assert job.startedAt is None
    assert job.metrics[0].value == Decimal("0.25")
    assert client.service.getJob(jobId=JOB.id).createdAt == JOB.created_at


def test_zeep_reads_an_empty_page(client: Any, stand: Stand) -> None:
    stand.seam.replies["listJobs"] = JobPage(limit=50)
    page = client.service.listJobs()
    assert (page.jobs, page.limit, page.nextStartAfter) == ([], 50, None)


def test_zeep_reads_a_page(client: Any) -> None:
    page = client.service.listJobs(query={"jobStatus": ["RUNNING"], "limit": 2})
    assert [job.id for job in page.jobs] == [JOB.id, JOB.id]


def test_zeep_reads_a_reply_without_content(client: Any) -> None:
    assert client.service.deleteJob(jobId="a") is None


def test_zeep_sends_our_header_elements(client: Any, stand: Stand) -> None:
    key = etree.Element(f"{{{NS}}}idempotencyKey")
    key.text = "k"
    client.service.getJob(jobId="a", _soapheaders=[key])
    assert stand.seam.requests[0].idempotency_key == "k"


def test_zeep_reads_the_detail_of_a_fault(client: Any, stand: Stand) -> None:
    problem = Problem(("job", "tags", 0), "is odd")
    stand.seam.error = ValidationFailed("no", problems=[problem])
    with pytest.raises(Fault) as caught:
        client.service.getJob(jobId="a")
    detail = caught.value.detail.find(f".//{{{NS}}}serviceFault")
    fault = client.get_element(f"{{{NS}}}serviceFault").parse(detail, client.wsdl.types)
    assert (fault.code, fault.technicalKey, fault.reason) == (40000001, "VALIDATION_FAILED", "no")
    assert [(error.path, error.detail) for error in fault.errors] == [("job/tags[1]", "is odd")]


async def test_replies_are_valid(stand: Stand) -> None:
    full = Job.read(
        JOB.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"metrics"})
        | {"metrics": [{"name": "m", "value": Decimal("0.000000001"), "recordedAt": "0001-01-01T00:00:00Z"}]}
        | {"resourceRequest": {}, "environmentVariables": [{"name": "A"}], "commands": [""]}
    )
    for value in (full, stored(full), JOB, stored()):
        stand.seam.replies["getJob"] = value
        reply = await stand.body("<j:getJob><j:jobId>a</j:jobId></j:getJob>")
        assert check_envelope(reply.content, SOAP11) is None


async def test_faults_are_valid(stand: Stand) -> None:
    for error in (JobNotFound("no"), ValidationFailed("no", problems=[Problem(("a", 1), "b")])):
        stand.seam.error = error
        reply = await stand.body("<j:getJob><j:jobId>a</j:jobId></j:getJob>")
        assert check_envelope(reply.content, SOAP11) == "Client"


@pytest.mark.parametrize("version", VERSIONS, ids=["1.1", "1.2"])
async def test_the_example_requests_are_accepted_and_the_example_replies_can_be_given(
    stand: Stand, version: SoapVersion
) -> None:
    made = documents()
    for operation in OPERATIONS:
        if operation.reply:
            envelope = etree.fromstring(made[f"examples/{operation.name}.reply.xml"])
            (element,) = envelope.iter(f"{{{NS}}}{operation.name}Response")
            stand.seam.replies[operation.name] = operation.reply.model.read(
                read(element[0], operation.reply.model)
            )
        else:
            stand.seam.replies[operation.name] = None
        request = made[f"examples/{operation.name}.request.xml"]
        reply = await stand.post(
            request.replace(SOAP11.namespace.encode(), version.namespace.encode()), version
        )
        accepted = [name for name, _ in stand.seam.ran if name == operation.name]
        assert accepted == [operation.name], reply.text
        assert check_envelope(reply.content, version) is None
