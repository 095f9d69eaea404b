"""Processing logs over every door."""

from typing import Any

import httpx
import pytest

from gateway.domain.words import ProcessingLogId
from tests.house import TestHouse
from tests.wire.clients import Answer, Client, RestClient, SoapClient
from tests.wire.test_errors import NOWHERE, expect
from tests.wire.test_results import FULL, NOON, SEALED, WRONG_QUERIES, a_job, a_result, audit, ids

LOG = {"storageId": "s", "processingLogId": "DUPLICATE_LOG"}


async def write(door: Client, *entries: dict[str, Any], log: dict[str, str] = LOG, **more: Any) -> Answer:
    return await door.call("writeProcessingLogData", **log, entries={"entries": list(entries)}, **more)


async def listed(
    door: Client, log: dict[str, str] = LOG, key: str | None = None, **query: Any
) -> dict[str, Any]:
    answer = await door.call("listProcessingLogData", key=key, **log, query=query)
    assert answer.key is None, answer
    page: dict[str, Any] = answer.value
    return page


async def delete(door: Client, log: dict[str, str] = LOG, **query: Any) -> Answer:
    return await door.call("deleteProcessingLogData", **log, query=query)


async def test_entries_read_back_alike_through_each_door(
    door: Client, rest: RestClient, soap: SoapClient
) -> None:
    full = {"jobId": "some job's id"} | FULL
    bare = {"dataSourceId": "d", "externalId": "e", "status": "OK"}
    answer = await write(door, full, bare)
    assert answer.status == 200
    assert answer.value == {"written": 2, "firstId": "1", "lastId": "2"}
    common = LOG | {"createdAt": NOON}
    expected = {
        "limit": 100,
        "total": 2,
        "values": [{"id": "1"} | full | common, {"id": "2"} | bare | common],
    }
    for reader in (rest, soap):
        assert await listed(reader) == expected


async def test_each_log_of_each_storage_is_one_of_its_own(door: Client) -> None:
    for number, log in enumerate(ProcessingLogId, 1):
        there = {"storageId": "s", "processingLogId": str(log)}
        assert (await write(door, a_result(str(log)), log=there)).value["firstId"] == str(number)
    for log in ProcessingLogId:
        page = await listed(door, {"storageId": "s", "processingLogId": str(log)})
        assert [value["businessPartnerId"] for value in page["values"]] == [str(log)]
        assert page["values"][0]["processingLogId"] == str(log)
    assert await listed(door, LOG | {"storageId": "t"}) == {"limit": 100, "total": 0, "values": []}


async def test_the_first_write_opens_the_storage(door: Client) -> None:
    job = await a_job(door, featuresOn=["SKIP_RESULTS_INITIALIZATION"])
    body = {"storageId": "s", "results": [a_result()]}
    closed = await door.call("writeJobResults", jobId=job, results=body)
    expect(closed, "STORAGE_NOT_OPEN", ("results", "storageId"))
    await write(door, a_result())
    assert (await door.call("writeJobResults", jobId=job, results=body)).value["firstId"] == "2"
    assert (await door.call("listStorageResults", storageId="s")).value["total"] == 1


async def test_each_filter_finds_its_entries(door: Client, house: TestHouse) -> None:
    await write(
        door,
        a_result("p1"),
        a_result("p2", status="FAILED"),
        {"dataSourceId": "d1", "externalId": "e1", "status": "OK"},
    )
    house.clock.advance(60)
    await write(
        door,
        {"dataSourceId": "d2", "externalId": "e1", "status": "FAILED"},
        a_result("p1", dataSourceId="d1", externalId="e,2"),
    )
    later = "2026-11-23T12:01:00Z"
    for query, expected in (
        ({}, [1, 2, 3, 4, 5]),
        ({"businessPartnerId": ["p1"]}, [1, 5]),
        ({"businessPartnerId": ["p2", "p1", "p2"]}, [1, 2, 5]),
        ({"dataSourceId": ["d1"]}, [3, 5]),
        ({"dataSourceId": ["d1", "d2"]}, [3, 4, 5]),
        ({"externalId": ["e1", "e,2"]}, [3, 4, 5]),
        ({"externalId": ["e1"], "dataSourceId": ["d2", "d3"]}, [4]),
        ({"status": "FAILED"}, [2, 4]),
        ({"createdAfter": later}, [4, 5]),
        ({"createdBefore": later}, [1, 2, 3]),
        ({"createdAfter": NOON, "createdBefore": "2026-11-23T13:00:30+01:00"}, [1, 2, 3]),
        ({"createdAfter": "2026-11-23T12:01:00.001Z"}, []),
        ({"createdBefore": NOON}, []),
        ({"businessPartnerId": ["p1"], "createdAfter": later}, [5]),
        ({"businessPartnerId": ["p1"], "status": "FAILED"}, []),
    ):
        page = await listed(door, **query)
        assert (ids(page), page["total"]) == (expected, len(expected)), query


async def test_of_the_result_data_only_what_is_asked_for_is_shown(
    door: Client, rest: RestClient, soap: SoapClient
) -> None:
    data = [
        '{ "a": 1.10, "b": {"a": [1, 2]}, "c": "<&>\\r" }',
        '{"b": 2}',
        '["a"]',
        "a plain text",
        "",
    ]
    await write(door, *[a_result(resultData=text) for text in data], a_result())

    async def shown(**query: Any) -> list[str | None]:
        pages = [await listed(reader, **query) for reader in (rest, soap)]
        assert pages[0] == pages[1]
        return [value.get("resultData") for value in pages[0]["values"]]

    assert await shown() == [*data, None]
    assert await shown(fields=["a"]) == ['{"a":1.10}', "{}", '["a"]', "a plain text", "", None]
    picked = await shown(fields=["c", "b", "x"])
    assert picked[:2] == ['{"b":{"a": [1, 2]},"c":"<&>\\r"}', '{"b":2}']
    assert await shown(featuresOff=["FETCH_RESULT_DATA"]) == [None] * 6
    assert await shown(featuresOff=["FETCH_RESULT_DATA"], fields=["a"]) == [None] * 6
    page = await listed(door, featuresOff=["FETCH_RESULT_DATA", "NUMBER_OF_TOTAL"])
    assert ("total" in page, page["values"][0]["businessPartnerId"]) == (False, "p")


@pytest.mark.parametrize("features", [{}, SEALED], ids=["plain", "sealed"])
async def test_pages_lead_through_all_entries_while_others_write(
    door: Client, features: dict[str, Any]
) -> None:
    await write(door, *[a_result(status="FAILED" if n == 3 else "OK") for n in range(5)])
    query: dict[str, Any] = {"limit": 2, "status": "OK"} | features
    page = await listed(door, **query)
    assert "startAfter" not in page
    found = ids(page)
    while "nextStartAfter" in page and len(found) < 8:
        await write(door, a_result())
        query["startAfter"] = page["nextStartAfter"]
        assert page["nextStartAfter"].isdigit() is (features == {})
        page = await listed(door, **query)
        assert page["startAfter"] == query["startAfter"]
        found += ids(page)
    assert found == [1, 2, 3, 5, *range(6, 6 + len(found) - 4)]


async def test_wrong_cursors_are_refused(door: Client) -> None:
    await write(door, *[a_result()] * 3)
    sealed = (await listed(door, limit=1, **SEALED))["nextStartAfter"]
    assert ids(await listed(door, startAfter=sealed, **SEALED)) == [2, 3]
    other = LOG | {"processingLogId": "OVERLAP_LOG"}
    wrong: list[tuple[dict[str, str], dict[str, Any]]] = [
        (LOG, {"startAfter": "x"}),
        (LOG, {"startAfter": sealed}),
        (LOG, {"startAfter": "1"} | SEALED),
        (LOG, {"startAfter": sealed, "status": "OK"} | SEALED),
        (other, {"startAfter": sealed} | SEALED),
        (LOG | {"storageId": "t"}, {"startAfter": sealed} | SEALED),
    ]
    for log, query in wrong:
        answer = await door.call("listProcessingLogData", **log, query=query)
        expect(answer, "INVALID_CURSOR", ("query", "startAfter"))
    # A page of results with the same words is another query.
    answer = await door.call("listStorageResults", storageId="s", query={"startAfter": sealed} | SEALED)
    expect(answer, "INVALID_CURSOR", ("query", "startAfter"))


async def test_5000_entries_are_one_step_and_one_page(door: Client) -> None:
    answer = await write(door, *[a_result(f"p{number}") for number in range(5000)])
    assert answer.value == {"written": 5000, "firstId": "1", "lastId": "5000"}
    page = await listed(door, limit=5000)
    assert (ids(page), page["total"]) == (list(range(1, 5001)), 5000)
    expect(await write(door, *[a_result()] * 5001), "VALIDATION_FAILED", ("entries", "entries"))


async def test_a_page_of_long_entries_ends_early(door: Client) -> None:
    for _ in range(13):
        assert (await write(door, *[a_result(resultData="x" * 65535)] * 10)).key is None
    first = await listed(door, limit=5000)
    assert (len(first["values"]), first["total"]) == (127, 130)
    rest = await listed(door, limit=5000, startAfter=first["nextStartAfter"])
    assert ids(first) + ids(rest) == list(range(1, 131))
    whole = await listed(door, limit=5000, featuresOff=["FETCH_RESULT_DATA"])
    assert (len(whole["values"]), "nextStartAfter" in whole) == (130, False)


async def test_each_bad_entry_is_named_and_none_is_stored(door: Client) -> None:
    wrong = [
        {"status": "OK", "dataSourceId": "d"},
        a_result(status="GOOD"),
        a_result(jobId="x" * 65),
        a_result(jobId=""),
        a_result(resultData="x" * 65536),
        a_result(processingLogId="DUPLICATE_LOG"),
    ]
    paths = ["status", "status", "jobId", "jobId", "resultData", "processingLogId"]
    answer = await write(door, a_result(), *wrong, a_result())
    named = [("entries", "entries", index, path) for index, path in enumerate(paths, 1)]
    expect(answer, "VALIDATION_FAILED", *named)
    expect(await write(door), "VALIDATION_FAILED", ("entries", "entries"))
    assert (await listed(door))["total"] == 0


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        *((query, wrong) for query, wrong in WRONG_QUERIES if wrong not in ("dataSourceId", "createdAfter")),
        ({"dataSourceId": [f"d{n}" for n in range(501)]}, "dataSourceId"),
        ({"fields": [f"f{n}" for n in range(101)]}, "fields"),
        ({"fields": [""]}, "fields"),
        ({"createdAfter": "yesterday"}, "createdAfter"),
        ({"createdBefore": "2026-02-30T00:00:00Z"}, "createdBefore"),
    ],
)
async def test_wrong_queries_are_refused(door: Client, query: dict[str, Any], wrong: str) -> None:
    answer = await door.call("listProcessingLogData", **LOG, query=query)
    expect(answer, "VALIDATION_FAILED", ("query", wrong))


async def test_an_unknown_log_and_a_malformed_storage_are_named(door: Client) -> None:
    for name, parts in (
        ("writeProcessingLogData", {"entries": {"entries": [a_result()]}}),
        ("listProcessingLogData", {}),
        ("deleteProcessingLogData", {"query": {"businessPartnerId": ["p"]}}),
    ):
        for wrong in ("curation_log", "NO_LOG"):
            answer = await door.call(name, storageId="s", processingLogId=wrong, **parts)
            expect(answer, "VALIDATION_FAILED", ("processingLogId",))
        answer = await door.call(name, storageId="no blanks", processingLogId="x", **parts)
        expect(answer, "VALIDATION_FAILED", ("processingLogId",), ("storageId",))


async def test_deleting_needs_a_criterion_and_takes_what_fits_all(door: Client, house: TestHouse) -> None:
    other = LOG | {"processingLogId": "OVERLAP_LOG"}
    entries = [
        a_result("p1", dataSourceId="d1", externalId="e1"),
        a_result("p1", dataSourceId="d2", externalId="e1"),
        a_result("p2", dataSourceId="d1", externalId="e2"),
        a_result("p3"),
    ]
    for log in (LOG, other):
        await write(door, *entries, log=log)
        house.clock.advance(60)
    await write(door, *entries)
    expect(await delete(door), "VALIDATION_FAILED", ("query",))
    expect(await delete(door, createdBefore="now"), "VALIDATION_FAILED", ("query", "createdBefore"))
    many = [f"p{n}" for n in range(501)]
    expect(
        await delete(door, businessPartnerId=many),
        "VALIDATION_FAILED",
        ("query", "businessPartnerId"),
    )
    left = [1, 2, 3, 4, 9, 10, 11, 12]
    for query, gone in (
        ({"businessPartnerId": ["p1"], "dataSourceId": ["d2"]}, {2, 10}),
        ({"externalId": ["e2"], "createdBefore": "2026-11-23T12:01:00Z"}, {3}),
        ({"dataSourceId": ["d1", "d9"]}, {1, 9, 11}),
        ({"businessPartnerId": ["nobody"]}, set()),
        ({"createdBefore": "2026-11-23T12:02:00Z"}, {4}),
        ({"createdBefore": "2027-01-01T00:00:00Z"}, {12}),
    ):
        answer = await delete(door, **query)
        assert (answer.value, answer.status) == (None, 204 if door.protocol == "REST" else 200)
        left = [number for number in left if number not in gone]
        page = await listed(door)
        assert (ids(page), page["total"]) == (left, len(left)), query
    assert left == []
    assert (await listed(door, other))["total"] == 4
    assert (await write(door, a_result())).value["firstId"] == "13"
    assert (await listed(door))["total"] == 1
    subject = "s/DUPLICATE_LOG"
    entries_ = [entry for entry in await audit(house) if entry[1] == "log_entries.deleted"]
    assert {entry[2] for entry in entries_} == {subject}
    assert entries_[1] == (
        "anonymous",
        "log_entries.deleted",
        subject,
        "default",
        '{"createdBefore":"2026-11-23T12:01:00.000Z","dataSourceId":[],"businessPartnerId":[],"externalId":["e2"]}',
    )


async def test_deleting_from_an_empty_log_does_nothing(door: Client, house: TestHouse) -> None:
    assert (await delete(door, businessPartnerId=["p"])).key is None
    assert await audit(house) == []


async def test_entries_stay_when_their_job_is_deleted(door: Client) -> None:
    job = await a_job(door)
    await write(door, a_result(jobId=job))
    await door.call("cancelJob", jobId=job)
    await door.call("deleteJob", jobId=job)
    assert (await listed(door))["values"][0]["jobId"] == job


async def test_roles_and_organizations_keep_apart(door: Client, keys: dict[str, str]) -> None:
    await write(door, a_result("mine"), key=keys["operator"])
    await write(door, a_result("theirs"), key=keys["stranger"])
    for name, expected in (("reader", "mine"), ("admin", "mine"), ("stranger", "theirs")):
        page = await listed(door, key=keys[name])
        assert [(value["id"], value["businessPartnerId"]) for value in page["values"]] == [("1", expected)]
    expect(await write(door, a_result(), key=keys["reader"]), "FORBIDDEN")
    query = {"businessPartnerId": ["mine", "theirs"]}
    answer = await door.call("deleteProcessingLogData", key=keys["reader"], **LOG, query=query)
    expect(answer, "FORBIDDEN")
    assert (await door.call("deleteProcessingLogData", key=keys["operator"], **LOG, query=query)).key is None
    assert (await listed(door, key=keys["operator"]))["total"] == 0
    assert (await listed(door, key=keys["stranger"]))["total"] == 1


async def test_a_repeated_write_is_answered_like_the_first(rest: RestClient, soap: SoapClient) -> None:
    first = await write(rest, a_result(), idempotency_key="k")
    again = await write(soap, a_result(), idempotency_key="k")
    assert (again.value, again.key) == (first.value, None)
    assert (await listed(rest))["total"] == 1
    other = LOG | {"processingLogId": "OVERLAP_LOG"}
    expect(await write(soap, a_result(), log=other, idempotency_key="k"), "IDEMPOTENCY_KEY_REUSED")


async def test_pages_are_linked(http: httpx.AsyncClient, rest: RestClient) -> None:
    await write(rest, a_result(), a_result(jobId=NOWHERE))
    path = "/v2/storages/s/processinglogs/DUPLICATE_LOG/data"
    reply = await http.get(path + "?limit=1&fields=a,b")
    assert reply.headers["link"] == f'<{path}?limit=1&fields=a,b&startAfter=1>; rel="next"'
