"""Both doors over one house, in memory: each test of the suite runs once per door."""

from collections.abc import AsyncIterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree
from starlette.types import ASGIApp

from gateway.contract.operation import Operation
from gateway.contract.seam import Request, Seam
from gateway.domain.call import Call
from gateway.domain.keys import new_key
from gateway.domain.words import Role
from gateway.http.request_id import RequestIds
from gateway.http.routes import Routes
from gateway.rest.door import rest_door
from gateway.soap import golden
from gateway.soap.door import soap_door
from gateway.translate.soap_versions import VERSIONS, SoapVersion
from tests.house import TestHouse, a_house
from tests.wire.clients import Client, RestClient, SoapClient, XopClient
from tests.wire.package_stand import Poster
from tests.wire.test_operations import started
from tests.wire.valid import WSDL_FILES, seen_async

MAX_BODY_BYTES = 1_000_000
DOORS_FOR_BYTES = ["REST", "SOAP 1.1", "SOAP 1.2", "MTOM 1.1", "MTOM 1.2"]
"""What attachments go through."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TestHouse]:
    """A house without keys."""
    async with a_house(tmp_path) as built:
        yield built


class SeamOfTheTest:
    """Leads to the seam of the test that runs, so that the doors are built once: Spyne takes its time."""

    seam: Seam

    async def admit(self, operation: Operation, request: Request) -> Call:
        return await self.seam.admit(operation, request)

    async def run(self, operation: Operation, call: Call, parts: Mapping[str, Any]) -> Any:
        return await self.seam.run(operation, call, parts)


@pytest.fixture(scope="session")
def doors() -> tuple[SeamOfTheTest, ASGIApp]:
    """Both doors as one application."""
    seam: Any = SeamOfTheTest()
    rest = rest_door(seam, max_body_bytes=MAX_BODY_BYTES, ignored_query_parameters=("utm_*", "_"))
    soap = soap_door(seam, public_url=None, max_body_bytes=MAX_BODY_BYTES)
    return seam, RequestIds(Routes(soap, otherwise=rest))


@pytest.fixture
async def http(house: TestHouse, doors: tuple[SeamOfTheTest, ASGIApp]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of both doors, without a network."""
    seam, app = doors
    seam.seam = house.seam
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://127.0.0.1:8080", event_hooks={"response": [seen_async]}
    ) as client:
        yield client


@pytest.fixture
def rest(http: httpx.AsyncClient) -> RestClient:
    """The REST door."""
    return RestClient(http)


@pytest.fixture
def soap(http: httpx.AsyncClient) -> SoapClient:
    """The SOAP door, version 1.1."""
    return SoapClient(http)


@pytest.fixture(params=["REST", "SOAP 1.1", "SOAP 1.2"])
def door(request: pytest.FixtureRequest, http: httpx.AsyncClient) -> Client:
    """Each door in turn."""
    return client_of(request.param, http)


def client_of(name: str, http: httpx.AsyncClient) -> Client:
    """A client by its protocol and version, such as `SOAP 1.1`."""
    protocol, _, version = name.partition(" ")
    if protocol == "REST":
        return RestClient(http)
    return (XopClient if protocol == "MTOM" else SoapClient)(http, version)


@pytest.fixture
async def keys(house: TestHouse) -> dict[str, str]:
    """A key for each role in the organization `default`, and an operator's of another organization."""
    made = {}
    for name, role, organization in (
        ("reader", Role.READER, "default"),
        ("operator", Role.OPERATOR, "default"),
        ("admin", Role.ADMIN, "default"),
        ("stranger", Role.OPERATOR, "other"),
    ):
        text, record = new_key(name=name, role=role, now=house.clock.now(), organization_id=organization)
        await house.house.store.write(lambda tx, record=record: tx.insert_key(record))
        made[name] = text
    # A gateway without keys notices the first one within a second.
    house.clock.advance(1)
    return made


@pytest.fixture(params=VERSIONS, ids=[version.number for version in VERSIONS])
def version(request: pytest.FixtureRequest) -> SoapVersion:
    """Each SOAP version in turn."""
    found: SoapVersion = request.param
    return found


@pytest.fixture
async def post(http: httpx.AsyncClient, rest: RestClient, version: SoapVersion) -> Poster:
    """Posts packages for a new job."""
    return Poster(http, version, await started(rest))


published = cache(golden.documents)


@pytest.fixture
def wsdl(version: SoapVersion) -> Any:
    """The WSDL of a version."""
    return etree.fromstring(published()[WSDL_FILES[version]])


@pytest.fixture
def schema(wsdl: Any) -> Any:
    """The schema inside the WSDL."""
    (found,) = wsdl.findall("{*}types/{*}schema")
    return found
