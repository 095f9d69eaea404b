"""Both doors are one: arbitrary requests have the same effect and the same answer through either.

Each operation of the list is called through two doors, about things made alike. EXPLORE=1 tries many more
requests, and other ones each time.
"""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from tests.wire.clients import Answer, Client
from tests.wire.conftest import SeamOfTheTest
from tests.wire.strategies import requests, wrong_requests
from tests.wire.world import MADE, World, filled

EXPLORE = bool(os.environ.get("EXPLORE"))
BOUNDED = settings(
    deadline=None, derandomize=not EXPLORE, database=None, suppress_health_check=list(HealthCheck)
)
VALID = settings(BOUNDED, max_examples=300 if EXPLORE else 12)
WRONG = settings(BOUNDED, max_examples=500 if EXPLORE else 25)

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
versions = st.sampled_from(["1.1", "1.2"])


@pytest.fixture(scope="module")
def world(doors: tuple[SeamOfTheTest, ASGIApp], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with asyncio.Runner() as runner:
        built = World(runner, doors, tmp_path_factory.mktemp("parity"))
        runner.run(built.open())
        try:
            yield built
        finally:
            runner.run(built.close())


@each_operation
def test_a_valid_request_has_the_same_effect_through_either_door(world: World, operation: Operation) -> None:
    @VALID
    @given(requests(operation, MADE), versions, st.booleans())
    def check(parts: dict[str, Any], version: str, soap_first: bool) -> None:
        doors = (world.rest, world.soap[version])
        world.run(_same_effect(world, operation, parts, doors[::-1] if soap_first else doors))

    check()


async def _same_effect(
    world: World, operation: Operation, parts: dict[str, Any], doors: tuple[Client, ...]
) -> None:
    told = []
    ids = await world.made(operation)
    for number, (door, other) in enumerate((doors, doors[::-1])):
        if number and operation.http.method != "GET":
            ids = await world.made(operation)
        call = filled(operation, parts, ids)
        key = f"{operation.name} {sorted(ids.values())} {number}" if operation.takes_idempotency_key else None
        answer = await door.call(operation.name, idempotency_key=key, **call)
        assert answer.key is None, (answer, call)
        if key is not None:
            # It is the same request: the key would not be taken for another one.
            again = await other.call(operation.name, idempotency_key=key, **call)
            assert (again.key, again.value) == (None, answer.value), call
        told.append((world.told(answer), await _shown(world, operation, ids, answer, doors)))
        await world.clean(operation, answer)
    assert told[0] == told[1], parts


async def _shown(
    world: World, operation: Operation, ids: dict[str, str], answer: Answer, doors: tuple[Client, ...]
) -> Any:
    """What there is now, read through each door and the same through each."""
    reads: list[tuple[str, dict[str, Any]]] = []
    if operation.reply and operation.reply.model.__name__ in ("Job", "ScheduledJob"):
        kind = "job" if operation.reply.model.__name__ == "Job" else "scheduledJob"
        reads.append((f"get{kind[0].upper()}{kind[1:]}", {f"{kind}Id": answer.value["id"]}))
    if operation.name in ("addJobAttachment", "deleteJobAttachment"):
        reads.append(("getJob", {"jobId": ids["jobId"]}))
    if operation.name == "addJobAttachment":
        attachment = {"jobId": ids["jobId"], "attachmentId": answer.value["id"]}
        reads.append(("readJobAttachment", attachment))
    if "Result" in operation.name and operation.http.method != "GET" and "storageId" in ids:
        reads.append(("listStorageResults", {"storageId": ids["storageId"]}))
    if "Processing" in operation.name and operation.http.method != "GET":
        log = {"storageId": ids["storageId"], "processingLogId": "CURATION_LOG"}
        reads.append(("listProcessingLogData", log))
    found = []
    for name, parts in reads:
        seen = [world.told(await door.call(name, **parts)) for door in doors]
        assert seen[0] == seen[1], name
        found.append(seen[0])
    if reads and reads[0][0] in ("getJob", "getScheduledJob") and operation.reply and len(reads) == 1:
        assert found[0] == world.told(answer)
    return found


@each_operation
def test_a_wrong_request_gets_the_same_answer_through_either_door(world: World, operation: Operation) -> None:
    if operation.query is None and operation.body is None:
        pytest.skip("nothing in it can be wrong")

    @WRONG
    @given(wrong_requests(operation, MADE), versions)
    def check(parts: dict[str, Any], version: str) -> None:
        world.run(_same_answer(world, operation, parts, version))

    check()


async def _same_answer(world: World, operation: Operation, parts: dict[str, Any], version: str) -> None:
    told = []
    ids = await world.made(operation)
    for number, door in enumerate((world.rest, world.soap[version])):
        if number and operation.http.method != "GET":
            ids = await world.made(operation)
        answer = await door.call(operation.name, **filled(operation, parts, ids))
        told.append(world.told(answer))
        await world.clean(operation, answer)
    assert told[0] == told[1], parts
