"""Both doors over one house, in memory: each test of the suite runs once per door."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.routing import Router

from gateway.domain.keys import new_key
from gateway.domain.words import Role
from gateway.http.request_id import RequestIds
from gateway.rest.door import not_found, rest_routes
from gateway.soap.door import soap_routes
from tests.house import TestHouse, a_house
from tests.wire.clients import Client, RestClient, SoapClient

MAX_BODY_BYTES = 200_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TestHouse]:
    """A house without keys."""
    async with a_house(tmp_path) as built:
        yield built


@pytest.fixture
async def http(house: TestHouse) -> AsyncIterator[httpx.AsyncClient]:
    """A client of both doors, without a network."""
    routes = [
        *rest_routes(house.seam, max_body_bytes=MAX_BODY_BYTES, ignored_query_parameters=("utm_*", "_")),
        *soap_routes(house.seam, public_url=None, max_body_bytes=MAX_BODY_BYTES),
    ]
    app = RequestIds(Router(routes, redirect_slashes=False, default=not_found))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
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
    protocol, _, version = request.param.partition(" ")
    return SoapClient(http, version) if protocol == "SOAP" else RestClient(http)


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
    return made
