"""Results of jobs over every door."""

from typing import Any

import httpx
import pytest

from gateway.domain.executor import Exited
from tests.house import TestHouse
from tests.wire.clients import Answer, Client, RestClient, SoapClient
from tests.wire.test_errors import NOWHERE, expect
from tests.wire.test_operations import LEAST

NOON = "2026-11-23T12:00:00.000Z"
FULL: dict[str, Any] = {
    "businessPartnerId": "BP <1> & 'co'",
    "dataSourceId": "crm",
    "externalId": "Ä/ 7, b",
    "status": "FAILED",
    "resultData": '{"a": [1.10, "\\u0000", "ß€𝄞"]}\r\n\t end ',
    "message": "",
}
SEALED = {"featuresOn": ["USE_NEXT_START_AFTER"]}


def a_result(partner: str = "p", **members: Any) -> dict[str, Any]:
    return {"businessPartnerId": partner, "status": "OK"} | members


async def a_job(door: Client, storage: str | None = "s", key: str | None = None, **members: Any) -> str:
    """Id of a job whose storage is open."""
    given = {"resultStorageId": storage} if storage else {}
    answer = await door.call("startJob", key=key, job=LEAST | given | members)
    assert answer.key is None, answer
    return str(answer.value["id"])


async def write(
    door: Client, job_id: str, *results: dict[str, Any], storage: str = "s", **more: Any
) -> Answer:
    body = {"storageId": storage, "results": list(results)}
    return await door.call("writeJobResults", jobId=job_id, results=body, **more)


async def listed(door: Client, job_id: str | None = None, **query: Any) -> dict[str, Any]:
    """A page of storage s, or of a job's results in it."""
    if job_id is None:
        answer = await door.call("listStorageResults", storageId="s", query=query)
    else:
        answer = await door.call("listJobRunResults", jobId=job_id, query={"storageId": "s"} | query)
    assert answer.key is None, answer
    page: dict[str, Any] = answer.value
    return page


def ids(page: dict[str, Any]) -> list[int]:
    return [int(value["id"]) for value in page["values"]]


async def token_of(house: TestHouse, job_id: str) -> str:
    """The token of a job, which runs now."""
    await house.tick()
    return next(
        launch.environment["JOB_TOKEN"] for launch in house.executor.started if launch.key.job_id == job_id
    )


async def test_results_read_back_alike_through_each_door(
    door: Client, rest: RestClient, soap: SoapClient
) -> None:
    job = await a_job(door)
    bare = {"dataSourceId": "d", "externalId": "e", "status": "OK"}
    answer = await write(door, job, FULL, bare)
    assert answer.status == 200
    assert answer.value == {"written": 2, "firstId": "1", "lastId": "2"}
    common = {"jobId": job, "storageId": "s", "createdAt": NOON}
    expected = {
        "limit": 100,
        "total": 2,
        "values": [{"id": "1"} | FULL | common, {"id": "2"} | bare | common],
    }
    for reader in (rest, soap):
        assert await listed(reader) == expected
        assert await listed(reader, job) == expected


async def test_a_storage_that_is_not_open_reads_as_empty(door: Client) -> None:
    job = await a_job(door, featuresOn=["SKIP_RESULTS_INITIALIZATION"])
    assert await listed(door) == {"limit": 100, "total": 0, "values": []}
    assert await listed(door, job, limit=7) == {"limit": 7, "total": 0, "values": []}
    assert await listed(door, job, featuresOff=["NUMBER_OF_TOTAL"]) == {"limit": 100, "values": []}
    selection = {"storageId": "s", "businessPartnerIds": ["p"]}
    answer = await door.call("fetchLastJobResults", selection=selection)
    assert (answer.status, answer.value) == (200, {"count": 0, "values": []})


async def test_each_filter_finds_its_results(door: Client) -> None:
    first, second = await a_job(door), await a_job(door)
    await write(
        door,
        first,
        a_result("p1"),
        a_result("p2", status="FAILED"),
        {"dataSourceId": "d1", "externalId": "e1", "status": "OK"},
        {"dataSourceId": "d2", "externalId": "e1", "status": "FAILED"},
    )
    await write(door, second, a_result("p1", dataSourceId="d1"), a_result("p1", externalId="e,2"))
    for query, expected in (
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"businessPartnerId": ["p1"]}, [1, 5, 6]),
        ({"businessPartnerId": ["p2", "p1", "p1", "p9"]}, [1, 2, 5, 6]),
        ({"dataSourceId": "d1"}, [3, 5]),
        ({"externalId": ["e1"]}, [3, 4]),
        ({"externalId": ["e1", "e,2"]}, [3, 4, 6]),
        ({"externalId": ["e1"], "dataSourceId": "d2"}, [4]),
        ({"status": "OK"}, [1, 3, 5, 6]),
        ({"status": "FAILED", "externalId": ["e1"]}, [4]),
        ({"businessPartnerId": ["p1"], "dataSourceId": "d1"}, [5]),
        ({"businessPartnerId": ["p1"], "externalId": ["e,2"], "status": "OK"}, [6]),
        ({"businessPartnerId": ["P1"]}, []),
    ):
        page = await listed(door, **query)
        assert (ids(page), page["total"]) == (expected, len(expected)), query
        for job, own in ((first, [1, 2, 3, 4]), (second, [5, 6])):
            page = await listed(door, job, **query)
            there = [number for number in expected if number in own]
            assert (ids(page), page["total"]) == (there, len(there)), query


@pytest.mark.parametrize("features", [{}, SEALED], ids=["plain", "sealed"])
async def test_pages_lead_through_all_results_while_others_write(
    door: Client, features: dict[str, Any]
) -> None:
    job, other = await a_job(door), await a_job(door)
    await write(door, job, *[a_result(status="FAILED" if n == 3 else "OK") for n in range(5)])
    for job_id in (None, job):
        query: dict[str, Any] = {"limit": 2, "status": "OK"} | features
        page = await listed(door, job_id, **query)
        assert "startAfter" not in page
        found = ids(page)
        for _ in range(9):
            if "nextStartAfter" not in page:
                break
            await write(door, other, a_result())
            query["startAfter"] = page["nextStartAfter"]
            assert page["nextStartAfter"].isdigit() is (features == {})
            page = await listed(door, job_id, **query)
            assert page["startAfter"] == query["startAfter"]
            found += ids(page)
        assert found[:4] == [1, 2, 3, 5]
        assert found == sorted(set(found))
        assert len(page["values"]) <= 2
        if job_id is not None:
            assert found == [1, 2, 3, 5]


async def test_a_plain_cursor_is_any_id_of_the_storage(door: Client) -> None:
    job = await a_job(door)
    await write(door, job, *[a_result()] * 3)
    for cursor, expected in (("0", [1, 2, 3]), ("02", [3]), ("3", []), ("9" * 19, [])):
        page = await listed(door, startAfter=cursor)
        assert (ids(page), page["startAfter"], page["total"]) == (expected, cursor, 3)
        assert "nextStartAfter" not in page


@pytest.mark.parametrize("cursor", ["x", "-1", "1.0", "1 ", "٣", "9" * 20])
async def test_another_text_than_an_id_is_no_plain_cursor(door: Client, cursor: str) -> None:
    job = await a_job(door)
    for name, parts in (
        ("listStorageResults", {"storageId": "s", "query": {"startAfter": cursor}}),
        ("listJobRunResults", {"jobId": job, "query": {"storageId": "s", "startAfter": cursor}}),
    ):
        expect(await door.call(name, **parts), "INVALID_CURSOR", ("query", "startAfter"))


async def test_a_sealed_cursor_belongs_to_its_query(door: Client) -> None:
    job = await a_job(door)
    await write(door, job, *[a_result()] * 3)
    cursor = (await listed(door, limit=1, **SEALED))["nextStartAfter"]
    assert ids(await listed(door, limit=2, startAfter=cursor, **SEALED)) == [2, 3]
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("listStorageResults", {"storageId": "s", "query": {"startAfter": cursor}}),
        ("listStorageResults", {"storageId": "s", "query": {"startAfter": "1"} | SEALED}),
        ("listStorageResults", {"storageId": "s", "query": {"startAfter": cursor + "A"} | SEALED}),
        ("listStorageResults", {"storageId": "t", "query": {"startAfter": cursor} | SEALED}),
        ("listStorageResults", {"storageId": "s", "query": {"startAfter": cursor, "status": "OK"} | SEALED}),
        ("listJobRunResults", {"jobId": job, "query": {"storageId": "s", "startAfter": cursor} | SEALED}),
    ]
    for name, parts in wrong:
        expect(await door.call(name, **parts), "INVALID_CURSOR", ("query", "startAfter"))


async def test_5000_results_are_one_step_and_one_page(door: Client) -> None:
    job = await a_job(door)
    answer = await write(door, job, *[a_result(f"p{number}") for number in range(5000)])
    assert answer.value == {"written": 5000, "firstId": "1", "lastId": "5000"}
    page = await listed(door, limit=5000)
    assert ids(page) == list(range(1, 5001))
    assert page["values"][4999]["businessPartnerId"] == "p4999"
    assert (page["total"], "nextStartAfter" in page) == (5000, False)
    many = [f"p{number}" for number in range(0, 5000, 10)]
    assert ids(await listed(door, businessPartnerId=many, limit=500)) == list(range(1, 5001, 10))
    too_many = [a_result()] * 5001
    expect(await write(door, job, *too_many), "VALIDATION_FAILED", ("results", "results"))


async def test_a_page_of_long_results_ends_early(door: Client) -> None:
    job = await a_job(door)
    for _ in range(13):
        assert (await write(door, job, *[a_result(resultData="x" * 65535)] * 10)).key is None
    first = await listed(door, limit=5000)
    assert len(first["values"]) == 127
    assert first["total"] == 130
    rest = await listed(door, limit=5000, startAfter=first["nextStartAfter"])
    assert ids(first) + ids(rest) == list(range(1, 131))
    assert "nextStartAfter" not in rest


WRONG_RESULTS: list[tuple[dict[str, Any], tuple[str | int, ...]]] = [
    ({"status": "OK"}, ("status",)),
    ({"status": "OK", "dataSourceId": "d"}, ("status",)),
    ({"status": "OK", "externalId": "e"}, ("status",)),
    ({"businessPartnerId": "p"}, ("status",)),
    (a_result(status="GOOD"), ("status",)),
    (a_result(""), ("businessPartnerId",)),
    (a_result("x" * 256), ("businessPartnerId",)),
    (a_result("two\nlines"), ("businessPartnerId",)),
    (a_result(dataSourceId="x" * 256), ("dataSourceId",)),
    (a_result(externalId=""), ("externalId",)),
    (a_result(resultData="x" * 65536), ("resultData",)),
    (a_result(message="x" * 2001), ("message",)),
    (a_result(jobId=NOWHERE), ("jobId",)),
]


async def test_each_bad_record_is_named_and_none_is_stored(door: Client) -> None:
    job = await a_job(door)
    records = [a_result()]
    paths: list[tuple[str | int, ...]] = []
    for record, path in WRONG_RESULTS:
        paths.append(("results", "results", len(records), *path))
        records += [record, a_result()]
    expect(await write(door, job, *records), "VALIDATION_FAILED", *paths)
    expect(await write(door, job), "VALIDATION_FAILED", ("results", "results"))
    expect(
        await write(door, job, a_result(), storage="no blanks"),
        "VALIDATION_FAILED",
        ("results", "storageId"),
    )
    assert (await listed(door))["total"] == 0


WRONG_QUERIES: list[tuple[dict[str, Any], str]] = [
    ({"limit": 0}, "limit"),
    ({"limit": 5001}, "limit"),
    ({"limit": "many"}, "limit"),
    ({"status": "ok"}, "status"),
    ({"businessPartnerId": [f"p{n}" for n in range(501)]}, "businessPartnerId"),
    ({"externalId": [f"e{n}" for n in range(501)]}, "externalId"),
    ({"businessPartnerId": ["x" * 256]}, "businessPartnerId"),
    ({"dataSourceId": ""}, "dataSourceId"),
    ({"startAfter": "x" * 2049}, "startAfter"),
    ({"featuresOn": ["NUMBER_OF_TOTAL"]}, "featuresOn"),
    ({"featuresOff": ["USE_NEXT_START_AFTER"]}, "featuresOff"),
    ({"createdAfter": NOON}, "createdAfter"),
]


@pytest.mark.parametrize(("query", "wrong"), WRONG_QUERIES)
async def test_wrong_queries_are_refused(door: Client, query: dict[str, Any], wrong: str) -> None:
    job = await a_job(door)
    expect(
        await door.call("listStorageResults", storageId="s", query=query),
        "VALIDATION_FAILED",
        ("query", wrong),
    )
    expect(
        await door.call("listJobRunResults", jobId=job, query={"storageId": "s"} | query),
        "VALIDATION_FAILED",
        ("query", wrong),
    )


async def test_500_values_of_each_list_are_taken(door: Client) -> None:
    query = {name: [f"{n}" for n in range(500)] for name in ("businessPartnerId", "externalId")}
    assert (await listed(door, **query))["total"] == 0


async def test_what_is_missing_or_malformed_around_the_query_is_named(door: Client) -> None:
    job = await a_job(door)
    answer = await door.call("listJobRunResults", jobId=job, query={"limit": 1})
    expect(answer, "VALIDATION_FAILED", ("query", "storageId"))
    answer = await door.call("listStorageResults", storageId="no blanks")
    expect(answer, "VALIDATION_FAILED", ("storageId",))
    for name, parts in (
        ("writeJobResults", {"results": {"storageId": "s", "results": [a_result()]}}),
        ("listJobRunResults", {"query": {"storageId": "s"}}),
        ("deleteJobResults", {}),
    ):
        for job_id in (NOWHERE, "no uuid"):
            expect(await door.call(name, jobId=job_id, **parts), "JOB_NOT_FOUND")


async def test_a_storage_must_be_open_to_be_written_to(door: Client) -> None:
    job = await a_job(door, featuresOn=["SKIP_RESULTS_INITIALIZATION"])
    path = ("results", "storageId")
    expect(await write(door, job, a_result()), "STORAGE_NOT_OPEN", path)
    await a_job(door, "t")
    assert (await write(door, job, a_result(), storage="t")).key is None
    await a_job(door, "s")
    assert (await write(door, job, a_result())).value["firstId"] == "1"


async def test_a_running_job_writes_to_its_own_storage_alone(
    door: Client, house: TestHouse, keys: dict[str, str]
) -> None:
    own, foreign = [await a_job(door, storage, key=keys["operator"]) for storage in ("s", "t")]
    token = await token_of(house, own)
    path = ("results", "storageId")
    assert (await write(door, own, a_result(), key=token)).value["written"] == 1
    expect(await write(door, own, a_result(), key=token, storage="t"), "FORBIDDEN", path)
    expect(await write(door, own, a_result(), key=token, storage="closed"), "FORBIDDEN", path)
    expect(await write(door, foreign, a_result(), key=token, storage="t"), "FORBIDDEN")
    query = {"storageId": "s"}
    page = (await door.call("listJobRunResults", key=token, jobId=own, query=query)).value
    assert (ids(page), page["values"][0]["jobId"]) == ([1], own)
    expect(await door.call("listJobRunResults", key=token, jobId=foreign, query=query), "FORBIDDEN")
    expect(await door.call("listStorageResults", key=token, storageId="s"), "FORBIDDEN")
    expect(await door.call("deleteJobResults", key=token, jobId=own), "FORBIDDEN")
    selection = {"storageId": "s", "businessPartnerIds": ["p"]}
    expect(await door.call("fetchLastJobResults", key=token, selection=selection), "FORBIDDEN")
    await house.end(own, Exited(exit_code=0))
    expect(await write(door, own, a_result(), key=token), "UNAUTHORIZED")
    assert (await write(door, own, a_result(), key=keys["operator"])).value["firstId"] == "2"


async def test_a_running_job_without_storage_writes_nowhere(
    door: Client, house: TestHouse, keys: dict[str, str]
) -> None:
    job = await a_job(door, None, key=keys["operator"])
    token = await token_of(house, job)
    expect(await write(door, job, a_result(), key=token), "FORBIDDEN", ("results", "storageId"))


async def test_roles_and_organizations_keep_apart(door: Client, keys: dict[str, str]) -> None:
    mine, theirs = await a_job(door, key=keys["operator"]), await a_job(door, key=keys["stranger"])
    await write(door, mine, a_result("mine"), a_result("mine"), key=keys["operator"])
    await write(door, theirs, a_result("theirs"), key=keys["stranger"])
    seen = {"reader": ["mine", "mine"], "admin": ["mine", "mine"], "stranger": ["theirs"]}
    for name, expected in seen.items():
        page = (await door.call("listStorageResults", key=keys[name], storageId="s")).value
        assert [value["businessPartnerId"] for value in page["values"]] == expected
        assert page["total"] == len(expected)
        selection = {"storageId": "s", "businessPartnerIds": ["mine", "theirs"]}
        last = (await door.call("fetchLastJobResults", key=keys[name], selection=selection)).value
        assert [value["businessPartnerId"] for value in last["values"]] == expected[:1]
    query = {"storageId": "s"}
    for key in ("reader", "operator"):
        answer = await door.call("listJobRunResults", key=keys[key], jobId=theirs, query=query)
        expect(answer, "JOB_NOT_FOUND")
    expect(await write(door, theirs, a_result(), key=keys["operator"]), "JOB_NOT_FOUND")
    expect(await door.call("deleteJobResults", key=keys["operator"], jobId=theirs), "JOB_NOT_FOUND")
    expect(await write(door, mine, a_result(), key=keys["reader"]), "FORBIDDEN")
    expect(await door.call("deleteJobResults", key=keys["reader"], jobId=mine), "FORBIDDEN")
    # An admin acts in the organization of the job.
    page = (await door.call("listJobRunResults", key=keys["admin"], jobId=theirs, query=query)).value
    assert [value["businessPartnerId"] for value in page["values"]] == ["theirs"]
    assert (await write(door, theirs, a_result("by admin"), key=keys["admin"])).value["firstId"] == "2"
    assert (await door.call("listStorageResults", key=keys["stranger"], storageId="s")).value["total"] == 2


async def test_the_newest_result_of_each_record_in_the_order_asked_for(door: Client) -> None:
    curation, other = await a_job(door, type="GENERIC_JOB"), await a_job(door, type="TYPICAL_JOB")
    await write(
        door,
        curation,
        a_result("p1"),
        a_result("p2"),
        {"dataSourceId": "d", "externalId": "e1", "status": "OK"},
        a_result("p1", status="FAILED"),
    )
    await write(
        door,
        other,
        a_result("p2", dataSourceId="d", externalId="e1"),
        {"dataSourceId": "x", "externalId": "e2", "status": "OK"},
    )
    for selection, expected in (
        ({"businessPartnerIds": ["p2", "p1", "nobody"]}, [5, 4]),
        ({"businessPartnerIds": ["p1", "p1"]}, [4]),
        ({"businessPartnerIds": ["p2", "p1"], "jobType": "GENERIC_JOB"}, [2, 4]),
        ({"businessPartnerIds": ["p1"], "jobType": "TYPICAL_JOB"}, []),
        ({"businessPartnerIds": ["p1"], "jobType": "NO_SUCH_JOB"}, []),
        ({"externalIds": ["e2", "e1"], "dataSourceId": "d"}, [5]),
        ({"externalIds": ["e2", "e1"], "dataSourceId": "x"}, [6]),
        ({"externalIds": ["e1"], "dataSourceId": "d", "jobType": "GENERIC_JOB"}, [3]),
        ({"externalIds": ["e1"], "businessPartnerIds": ["p1", "p2"], "dataSourceId": "d"}, [4, 5]),
        ({"businessPartnerIds": ["p1"], "dataSourceId": "unused"}, [4]),
    ):
        answer = await door.call("fetchLastJobResults", selection={"storageId": "s"} | selection)
        assert (ids(answer.value), answer.value["count"]) == (expected, len(expected)), selection
    page = await listed(door)
    assert answer.value["values"] == [page["values"][3]]


async def test_a_selection_of_newest_results_is_checked(door: Client) -> None:
    await a_job(door)
    many = [f"{n}" for n in range(501)]
    for selection, *paths in (
        ({"storageId": "s"}, ()),
        ({"storageId": "s", "dataSourceId": "d", "jobType": "T"}, ()),
        ({"storageId": "s", "externalIds": ["e"]}, ("dataSourceId",)),
        ({"storageId": "s", "businessPartnerIds": many}, ("businessPartnerIds",)),
        ({"storageId": "s", "externalIds": many, "dataSourceId": "d"}, ("externalIds",)),
        ({"businessPartnerIds": ["p"]}, ("storageId",)),
        ({"storageId": "s", "businessPartnerIds": ["p", ""]}, ("businessPartnerIds", 1)),
    ):
        answer = await door.call("fetchLastJobResults", selection=selection)
        expect(answer, "VALIDATION_FAILED", *(("selection", *path) for path in paths))
    full = {"storageId": "s", "businessPartnerIds": many[:500], "externalIds": many[:500]}
    answer = await door.call("fetchLastJobResults", selection=full | {"dataSourceId": "d"})
    assert answer.value == {"count": 0, "values": []}


async def test_deleting_takes_results_out_of_one_storage_or_of_all(door: Client, house: TestHouse) -> None:
    job, other = await a_job(door), await a_job(door, "t")
    for storage in ("s", "t"):
        await write(door, job, a_result(), a_result(), storage=storage)
        await write(door, other, a_result(), storage=storage)
    answer = await door.call("deleteJobResults", jobId=job, query={"storageId": "t"})
    assert (answer.value, answer.status) == (None, 204 if door.protocol == "REST" else 200)
    assert ids(await listed(door)) == [1, 2, 3]
    assert (await door.call("listStorageResults", storageId="t")).value["total"] == 1
    await door.call("deleteJobResults", jobId=job)
    assert (await door.call("deleteJobResults", jobId=job)).key is None
    page = await listed(door)
    assert (ids(page), page["total"]) == ([3], 1)
    assert await listed(door, job) == {"limit": 100, "total": 0, "values": []}
    selection = {"storageId": "s", "businessPartnerIds": ["p"]}
    last = (await door.call("fetchLastJobResults", selection=selection)).value
    assert ids(last) == [3]
    assert (await write(door, job, a_result())).value["firstId"] == "4"
    assert await audit(house) == [
        ("anonymous", "results.deleted", job, "default", "2 results in storage 't'"),
        ("anonymous", "results.deleted", job, "default", "2 results in all storages"),
    ]
    expect(
        await door.call("deleteJobResults", jobId=job, query={"storageId": "no blanks"}),
        "VALIDATION_FAILED",
        ("query", "storageId"),
    )


async def audit(house: TestHouse) -> list[Any]:
    columns = "actor, action, subject, organization_id, detail"
    return await house.house.store.read(lambda tx: rows(tx, f"SELECT {columns} FROM audit ORDER BY number"))


def rows(tx: Any, sql: str) -> list[Any]:
    return list(tx._db.execute(sql, {}).fetchall())


async def test_a_deleted_job_takes_its_results_with_it(door: Client, house: TestHouse) -> None:
    job, other = await a_job(door), await a_job(door)
    await write(door, job, a_result(), a_result())
    await write(door, other, a_result())
    await house.tick()
    await house.end(job, Exited(exit_code=0))
    assert (await write(door, job, a_result())).value["firstId"] == "4"
    assert (await door.call("deleteJob", jobId=job)).key is None
    page = await listed(door)
    assert (ids(page), page["total"]) == ([3], 1)
    answer = await door.call("listJobRunResults", jobId=job, query={"storageId": "s"})
    expect(answer, "JOB_NOT_FOUND")


async def test_a_repeated_write_is_answered_like_the_first_and_stores_nothing(
    rest: RestClient, soap: SoapClient
) -> None:
    job = await a_job(rest)
    first = await write(rest, job, FULL, a_result(), idempotency_key="k")
    again = await write(soap, job, FULL, a_result(), idempotency_key="k")
    assert (again.value, again.key) == (first.value, None)
    assert (await listed(rest))["total"] == 2
    expect(await write(soap, job, FULL, idempotency_key="k"), "IDEMPOTENCY_KEY_REUSED")
    expect(await write(rest, job, a_result(), storage="t", idempotency_key="n"), "STORAGE_NOT_OPEN", PATH)
    assert (await write(rest, job, a_result(), idempotency_key="n")).value["firstId"] == "3"


PATH = ("results", "storageId")


async def test_a_repeated_fetch_is_answered_like_the_first(
    rest: RestClient, soap: SoapClient, keys: dict[str, str]
) -> None:
    job = await a_job(rest, key=keys["operator"])
    await write(rest, job, FULL, a_result(), key=keys["operator"])
    given: dict[str, Any] = {"key": keys["reader"], "idempotency_key": "k"}
    selection = {"storageId": "s", "businessPartnerIds": ["p", FULL["businessPartnerId"]]}
    first = await rest.call("fetchLastJobResults", selection=selection, **given)
    assert ids(first.value) == [2, 1]
    await write(rest, job, a_result(), key=keys["operator"])
    again = await soap.call("fetchLastJobResults", selection=selection, **given)
    assert again.value == first.value
    other = {"storageId": "s", "businessPartnerIds": ["p"]}
    expect(
        await soap.call("fetchLastJobResults", selection=other, **given),
        "IDEMPOTENCY_KEY_REUSED",
    )
    assert ids((await soap.call("fetchLastJobResults", key=keys["reader"], selection=other)).value) == [3]


async def test_the_unversioned_paths_answer_too(http: httpx.AsyncClient, rest: RestClient) -> None:
    job = await a_job(rest)
    await write(rest, job, a_result(), a_result())
    of_storage = await http.get("/jobs/results/s?limit=1")
    assert of_storage.json() == (await http.get("/v2/jobs/results/s?limit=1")).json()
    assert of_storage.headers["link"] == '</jobs/results/s?limit=1&startAfter=1>; rel="next"'
    of_job = await http.get(f"/jobs/{job}/results?storageId=s")
    assert (of_job.status_code, of_job.json()["total"]) == (200, 2)
    selection = {"storageId": "s", "businessPartnerIds": ["p"]}
    last = await http.post("/jobs/results/fetchlast", json=selection)
    assert (last.status_code, last.json()["count"]) == (200, 1)


async def test_a_storage_named_results_is_no_job(http: httpx.AsyncClient, rest: RestClient) -> None:
    job = await a_job(rest, "results")
    await write(rest, job, a_result(), storage="results")
    for prefix in ("/v2", ""):
        page = (await http.get(f"{prefix}/jobs/results/results")).json()
        assert page["total"] == 1


async def test_a_list_may_stand_in_one_parameter(http: httpx.AsyncClient, rest: RestClient) -> None:
    job = await a_job(rest)
    await write(rest, job, a_result("a"), a_result("b,c"), a_result("d"))
    page = (await http.get("/v2/jobs/results/s?businessPartnerId=a,b%2Cc&featuresOff=NUMBER_OF_TOTAL")).json()
    assert ([value["businessPartnerId"] for value in page["values"]], "total" in page) == (
        ["a", "b,c"],
        False,
    )
