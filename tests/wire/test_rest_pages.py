"""The addresses of REST that are no operations: probes, the OpenAPI document and the page that shows it."""

import base64
import gzip
import hashlib
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.contract.operation import Operation
from gateway.contract.seam import Request
from gateway.domain.call import Call, Caller
from gateway.domain.errors import Unauthorized
from gateway.domain.words import Role
from gateway.http.request_id import RequestIds
from gateway.http.routes import Routes
from gateway.pages.docs import docs_pages
from gateway.rest.door import not_found
from gateway.rest.probes import openapi_pages, probe_pages


class OneKey:
    """Admits the key `good` alone."""

    async def admit(self, operation: Operation, request: Request) -> Call:
        if request.credentials.secret != "good":
            raise Unauthorized("no key")
        caller = Caller(name="me", role=Role.READER, organization_id="default")
        return Call(caller=caller, protocol=request.protocol, request_id=request.request_id)


class Service:
    """Whether the gateway is ready, as a test sets it."""

    reason: str | None = None

    async def ready(self) -> str | None:
        return self.reason


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(params=["open", "closed"])
def key_needed_by(request: pytest.FixtureRequest) -> OneKey | None:
    return OneKey() if request.param == "closed" else None


@pytest.fixture
async def http(service: Service, key_needed_by: OneKey | None) -> AsyncIterator[httpx.AsyncClient]:
    pages = {
        **probe_pages(service.ready),
        **openapi_pages("https://jobs.example.org/", key_needed_by=key_needed_by),
        **docs_pages(key_needed_by=key_needed_by),
    }
    app = RequestIds(Routes(pages, otherwise=not_found))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost", headers={"X-API-KEY": "good"}
    ) as client:
        yield client


async def test_livez_and_readyz_answer_without_a_key(http: httpx.AsyncClient, service: Service) -> None:
    del http.headers["X-API-KEY"]
    assert (await http.get("/livez")).json() == {"status": "ok"}
    assert (await http.get("/readyz")).json() == {"status": "ok"}
    service.reason = "the store is not open yet"
    assert (await http.get("/livez")).status_code == 200
    reply = await http.get("/readyz")
    assert (reply.status_code, reply.json()["detail"]) == (503, service.reason)
    assert reply.headers["retry-after"] == "1"
    head = await http.head("/readyz")
    assert (head.status_code, head.content) == (503, b"")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json", "/docs"])
async def test_pages_know_three_methods(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.options(path)).headers["allow"] == "GET, HEAD, OPTIONS"
    head = await http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    reply = await http.post(path)
    assert (reply.status_code, reply.json()["technicalKey"]) == (405, "METHOD_NOT_ALLOWED")
    assert reply.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_documents_are_compressed_and_known_by_a_tag(http: httpx.AsyncClient) -> None:
    plain = await http.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    async with http.stream("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"}) as zipped:
        raw = b"".join([piece async for piece in zipped.aiter_raw()])
    assert gzip.decompress(raw) == plain.content
    assert plain.headers["etag"] != zipped.headers["etag"]
    for tag in (plain.headers["etag"], zipped.headers["etag"]):
        assert (await http.get("/openapi.json", headers={"If-None-Match": tag})).status_code == 304
    assert plain.json()["servers"] == [{"url": "https://jobs.example.org"}]


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/docs/swagger-ui-bundle.js"])
async def test_documents_can_be_closed_to_those_without_a_key(
    http: httpx.AsyncClient, key_needed_by: OneKey | None, path: str
) -> None:
    reply = await http.get(path, headers={"X-API-KEY": "bad"})
    assert reply.status_code == (401 if key_needed_by else 200)
    assert ("www-authenticate" in reply.headers) is bool(key_needed_by)


async def test_the_page_loads_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert addresses.count("soap/v2/") == 1
    assert len(addresses) == 5
    # Relative, so that they are found behind a proxy that cuts off a path.
    assert [address for address in addresses if address.startswith("/")] == []
    for address in sorted(set(addresses) - {"soap/v2/"}):
        assert (await http.get(address)).status_code == 200, address
    assert "//" not in "".join(addresses)
    assert (await http.get("/docs/")).headers["location"] == "/docs"
    assert (await http.get("/docs/../app.py")).status_code == 404


async def test_the_policy_of_the_page_allows_its_own_script_alone(http: httpx.AsyncClient) -> None:
    page = await http.get("/docs")
    policy = page.headers["content-security-policy"]
    script = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
