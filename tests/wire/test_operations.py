"""Every operation over every door: the effects, the values, and the same answer through the others."""

import json
from decimal import Decimal
from typing import Any

import pytest

from gateway.domain.executor import Exited
from gateway.domain.words import OutputChannel
from tests.house import TestHouse
from tests.wire.clients import Client, RestClient, SoapClient

EVERYTHING: dict[str, Any] = {
    "name": "Zürich & <Söhne>",
    "description": "first line\nsecond\tline 𝄞",
    "type": "GENERIC_JOB",
    "dockerImageUrl": "registry.example/image:1",
    "commands": ["sh", "-c", "echo ' a  b ' \"$X\" && exit 0", ""],
    "environmentVariables": [
        {"name": "PLAIN", "value": " blanks "},
        {"name": "NOTHING"},
        {"name": "SECRET", "value": "hush", "secret": True},
    ],
    "inputUri": "https://example.com/in?a=1&b=2",
    "resultStorageId": "storage-1",
    "featuresOn": ["SKIP_RESULTS_INITIALIZATION"],
    "domain": "acme/curation",
    "organizationId": "default",
    "workspaceId": "workspace:1",
    "labels": [{"name": "stage", "value": "test"}, {"name": "bare"}],
    "tags": ["b", "a", "ä,ö"],
    "locks": [{"name": "one"}, {"name": "two", "onConflict": "WAIT"}],
    "attachments": [{"name": "in.csv", "contentType": "text/csv", "uri": "s3://bucket/in.csv"}],
    "resourceRequest": {
        "memoryLimit": 1024,
        "memoryRequest": 512,
        "cpuLimit": Decimal("0.2"),
        "cpuRequest": Decimal("0.123456789"),
    },
    "mainLabel": "main",
    "expiresAt": "2027-01-01T00:00:00.000Z",
    "clientId": "client.1",
    "priority": 0,
    "notBefore": "2026-11-23T13:30:00.125+01:00",
    "timeoutSeconds": 60,
    "heartbeatTimeoutSeconds": 10,
    "cancelGraceSeconds": 0,
    "retryPolicy": {"maxAttempts": 3, "backoffFactor": Decimal("1.5"), "retryExitCodes": [1, 255]},
}
LEAST: dict[str, Any] = {"dockerImageUrl": "image", "commands": ["run"]}


async def started(door: Client, **members: Any) -> dict[str, Any]:
    answer = await door.call("startJob", job=LEAST | members)
    assert answer.key is None, answer
    job: dict[str, Any] = answer.value
    return job


async def test_a_job_started_with_every_field_reads_back_alike_through_each_door(
    door: Client, rest: RestClient, soap: SoapClient, house: TestHouse
) -> None:
    other = await started(rest)
    sent = EVERYTHING | {"jobDependencies": [{"jobId": other["id"], "condition": "ENDED"}]}
    answer = await door.call("startJob", job=sent)
    assert answer.status == (201 if door.protocol == "REST" else 200)
    job = answer.value
    expected = {
        name: value
        for name, value in sent.items()
        if name not in ("resultStorageId", "featuresOn", "attachments", "notBefore", "resourceRequest")
    } | {
        "id": job["id"],
        "jobStatus": "WAITING",
        "lastJobStatus": "PERSISTED",
        "message": f"waits for job {other['id']} to end",
        "createdAt": "2026-11-23T12:00:00.000Z",
        "modifiedAt": "2026-11-23T12:00:00.000Z",
        "modifiedBy": "anonymous",
        "user": "anonymous",
        "storageId": "storage-1",
        "environmentVariables": [
            {"name": "PLAIN", "value": " blanks "},
            {"name": "NOTHING"},
            {"name": "SECRET", "value": "***", "secret": True},
        ],
        "locks": [{"name": "one", "onConflict": "REJECT"}, {"name": "two", "onConflict": "WAIT"}],
        "metrics": [],
        "volumes": [],
        "notBefore": "2026-11-23T12:30:00.125Z",
        "resourceRequest": sent["resourceRequest"] | {"xmxLimit": 824},
        "attachments": [sent["attachments"][0] | {"id": "link-1", "createdAt": "2026-11-23T12:00:00.000Z"}],
        "retryPolicy": {
            "maxAttempts": 3,
            "backoffSeconds": 10,
            "backoffFactor": Decimal("1.5"),
            "maxBackoffSeconds": 3600,
            "retryExitCodes": [1, 255],
        },
        "attempt": 0,
        "version": 1,
    }
    assert job == expected
    for reader in (rest, soap):
        assert (await reader.call("getJob", jobId=job["id"])).value == job
    assert (await house.record(job["id"])).job.user == "anonymous"


async def test_a_job_with_the_least_shows_only_what_every_job_has(door: Client) -> None:
    job = await started(door)
    lists = "environmentVariables jobDependencies labels tags locks metrics attachments volumes".split()
    assert job == {
        "id": job["id"],
        "jobStatus": "SCHEDULED",
        "lastJobStatus": "PERSISTED",
        "createdAt": "2026-11-23T12:00:00.000Z",
        "modifiedAt": "2026-11-23T12:00:00.000Z",
        "modifiedBy": "anonymous",
        "user": "anonymous",
        "organizationId": "default",
        "dockerImageUrl": "image",
        "commands": ["run"],
        "priority": 5,
        "attempt": 0,
        "cancelGraceSeconds": 30,
        "retryPolicy": {
            "maxAttempts": 1,
            "backoffSeconds": 10,
            "backoffFactor": 2,
            "maxBackoffSeconds": 3600,
            "retryExitCodes": [],
        },
        "version": 1,
    } | {name: [] for name in lists}


async def test_empty_text_is_kept_and_an_empty_object_is_left_out(door: Client) -> None:
    job = await started(door, name="", description="", resourceRequest={})
    assert (job["name"], job["description"]) == ("", "")
    assert "resourceRequest" not in job


async def test_the_type_gives_what_the_request_leaves_out(door: Client) -> None:
    answer = await door.call("startJob", job={"dockerImageUrl": "image", "type": "TYPICAL_JOB"})
    job = answer.value
    assert job["commands"] == ["typical", "command"]
    assert (job["timeoutSeconds"], job["cancelGraceSeconds"]) == (77, 7)
    assert job["retryPolicy"]["maxAttempts"] == 4
    own = await started(door, type="TYPICAL_JOB", timeoutSeconds=5)
    assert (own["commands"], own["timeoutSeconds"]) == (["run"], 5)


async def test_lists_page_through_all_jobs_and_only_the_last_page_has_no_next(door: Client) -> None:
    jobs = [await started(door, name=f"job {number}") for number in range(5)]
    for sort, expected in (("createdAt", jobs), ("-createdAt", jobs[::-1])):
        found, query = [], {"limit": 2, "sort": sort}
        for _ in range(3):
            page = (await door.call("listJobs", query=query)).value
            found += page["jobs"]
            assert page["limit"] == 2
            if "nextStartAfter" not in page:
                break
            query = query | {"startAfter": page["nextStartAfter"]}
        assert found == expected


async def test_an_empty_page_still_tells_its_limit(door: Client) -> None:
    assert (await door.call("listJobs")).value == {"jobs": [], "limit": 50}
    page = await door.call("listJobs", query={"featuresOn": ["NUMBER_OF_TOTAL"], "limit": 7})
    assert page.value == {"jobs": [], "limit": 7, "total": 0}


async def test_each_filter_of_the_list_finds_its_jobs(door: Client, house: TestHouse) -> None:
    first = await started(
        door, name="Curation of Vendors", tags=["a", "b,c"], labels=[{"name": "k", "value": "v=w"}]
    )
    house.clock.advance(60)
    second = await started(
        door, type="GENERIC_JOB", resultStorageId="store", tags=["a"], description="the VENDOR list"
    )
    third = await started(
        door, type="TYPICAL_JOB", resultStorageId="store", jobDependencies=[{"jobId": second["id"]}]
    )
    await door.call("cancelJob", jobId=first["id"])
    everything = [first["id"], second["id"], third["id"]]
    for query, expected in (
        ({}, everything),
        ({"user": "anonymous"}, everything),
        ({"user": "someone"}, []),
        ({"organizationId": "default"}, everything),
        ({"organizationId": "nobody"}, []),
        ({"storageId": "store"}, everything[1:]),
        ({"jobType": ["GENERIC_JOB"]}, [second["id"]]),
        ({"jobType": ["GENERIC_JOB", "TYPICAL_JOB"]}, everything[1:]),
        ({"jobStatus": ["CANCELED"]}, [first["id"]]),
        ({"jobStatus": ["CANCELED", "WAITING"]}, [first["id"], third["id"]]),
        ({"tag": ["a"]}, everything[:2]),
        ({"tag": ["a", "b,c"]}, everything[:2]),
        ({"tag": ["a", "b,c"], "tagsConjunction": True}, [first["id"]]),
        ({"tag": ["a", "b,c"], "featuresOn": ["TAGS_CONJUNCTION"]}, [first["id"]]),
        ({"label": ["k=v=w"]}, [first["id"]]),
        ({"label": ["k=v"]}, []),
        ({"createdAfter": "2026-11-23T12:01:00Z"}, everything[1:]),
        ({"createdBefore": "2026-11-23T12:01:00Z"}, [first["id"]]),
        ({"text": "vend"}, everything[:2]),
        ({"text": "vendors CURAT of"}, [first["id"]]),
        ({"text": "endors"}, []),
        ({"scheduledJobId": second["id"]}, []),
        (
            {"dependentJobId": second["id"], "storageId": "store", "jobType": ["TYPICAL_JOB"]},
            [third["id"]],
        ),
        ({"jobType": ["GENERIC_JOB"], "tag": ["b,c"]}, []),
    ):
        counted = query | {"featuresOn": [*query.get("featuresOn", []), "NUMBER_OF_TOTAL"]}
        page = (await door.call("listJobs", query=counted)).value
        assert [job["id"] for job in page["jobs"]] == expected, query
        assert page["total"] == len(expected), query


async def test_a_patch_tells_missing_empty_and_cleared_apart(door: Client) -> None:
    job = await started(door, name="n", description="d")
    kept = (await door.call("updateJobFields", jobId=job["id"], fields={"name": "m"})).value
    assert (kept["name"], kept["description"], kept["version"]) == ("m", "d", 2)
    empty = (await door.call("updateJobFields", jobId=job["id"], fields={"description": ""})).value
    assert (empty["name"], empty["description"]) == ("m", "")
    null = (await door.call("updateJobFields", jobId=job["id"], fields={"name": None})).value
    assert "name" not in null
    assert null["description"] == ""
    cleared = (
        await door.call("updateJobFields", jobId=job["id"], fields={"name": "x", "clear": ["description"]})
    ).value
    assert cleared["name"] == "x"
    assert "description" not in cleared
    assert (await door.call("updateJobFields", jobId=job["id"], fields={})).value == cleared


async def test_tags_are_replaced_and_removed(door: Client) -> None:
    job = await started(door, tags=["a"])
    replaced = (await door.call("replaceJobTags", jobId=job["id"], tags={"tags": ["z", "b"]})).value
    assert replaced["tags"] == ["z", "b"]
    assert (await door.call("replaceJobTags", jobId=job["id"], tags={})).value["tags"] == []
    found = await door.call("listJobs", query={"tag": ["z", "a"]})
    assert found.value["jobs"] == []


async def test_progress_keeps_what_is_not_told(door: Client, house: TestHouse) -> None:
    job = await started(door)
    await house.tick()
    told = {"progress": 10, "totalItems": 2**40, "processedItems": 7, "failedItems": 0, "message": "on"}
    shown = (await door.call("reportJobProgress", jobId=job["id"], progress=told)).value
    assert {name: shown[name] for name in told} == told
    more = {"progress": 20, "reportUri": "https://example.com/r"}
    again = (await door.call("reportJobProgress", jobId=job["id"], progress=more)).value
    assert {name: again[name] for name in told | more} == told | more
    ended = await house.end(job["id"], Exited(exit_code=0))
    assert (ended.progress, ended.total_items) == (20, 2**40)


async def test_result_data_is_kept_to_the_letter(door: Client, rest: RestClient, soap: SoapClient) -> None:
    job = await started(door)
    data = json.dumps({"a": ["<&>", "]]>", "'\"", "ß€𝄞"]}) + "\r\n\t end "
    written = await door.call("updateResultData", jobId=job["id"], resultData={"resultData": data})
    assert written.value["resultData"] == data
    for reader in (rest, soap):
        assert (await reader.call("getJob", jobId=job["id"])).value["resultData"] == data
    longest = "x" * 65535
    kept = await door.call("updateResultData", jobId=job["id"], resultData={"resultData": longest})
    assert kept.value["resultData"] == longest


async def test_of_each_metric_the_last_value_is_kept(door: Client) -> None:
    job = await started(door)
    first = [
        {"name": "seconds", "value": Decimal("1.5"), "unit": "s", "recordedAt": "2026-01-01T00:00:00Z"},
        {"name": "rows", "value": 12},
        {"name": "tiny", "value": Decimal("-0.000000001")},
    ]
    shown = (await door.call("recordJobMetrics", jobId=job["id"], metrics={"metrics": first})).value
    assert shown["metrics"] == [
        {
            "name": "seconds",
            "value": Decimal("1.5"),
            "unit": "s",
            "recordedAt": "2026-01-01T00:00:00.000Z",
        },
        {"name": "rows", "value": 12, "recordedAt": "2026-11-23T12:00:00.000Z"},
        {"name": "tiny", "value": Decimal("-0.000000001"), "recordedAt": "2026-11-23T12:00:00.000Z"},
    ]
    second = {"metrics": [{"name": "rows", "value": 13}]}
    again = (await door.call("recordJobMetrics", jobId=job["id"], metrics=second)).value
    assert [metric["value"] for metric in again["metrics"]] == [Decimal("1.5"), 13, Decimal("-0.000000001")]


async def test_the_history_is_paged_and_names_the_door(door: Client) -> None:
    job = await started(door)
    await door.call("cancelJob", jobId=job["id"], cancellation={"reason": "why"})
    page = (await door.call("listJobEvents", jobId=job["id"], query={"limit": 2})).value
    assert [event["toStatus"] for event in page["events"]] == ["PERSISTED", "SCHEDULED"]
    assert {event["protocol"] for event in page["events"]} == {door.protocol}
    assert "fromStatus" not in page["events"][0]
    rest = {"startAfter": page["nextStartAfter"], "limit": 2}
    last = (await door.call("listJobEvents", jobId=job["id"], query=rest)).value
    assert [(e["fromStatus"], e["toStatus"], e["message"]) for e in last["events"]] == [
        ("SCHEDULED", "CANCELED", "canceled by anonymous: why")
    ]
    assert "nextStartAfter" not in last


async def test_output_is_read_in_pieces_while_it_grows(door: Client, house: TestHouse) -> None:
    job = await started(door)
    none = (await door.call("readJobOutput", jobId=job["id"])).value
    assert (none["content"], none["attempt"], none["complete"]) == ("", 0, False)
    await house.tick()
    key = await house.key(job["id"])
    house.executor.outputs[key, OutputChannel.STDOUT] = "a€b".encode() + b"\x00\xff" + "𝄞".encode()[:2]
    first = (await door.call("readJobOutput", jobId=job["id"], query={"limit": 3})).value
    assert (first["content"], first["offset"], first["nextOffset"]) == ("a", 0, 1)
    assert (first["complete"], first["truncated"], first["stream"]) == (False, False, "STDOUT")
    rest = (await door.call("readJobOutput", jobId=job["id"], query={"offset": 1})).value
    assert (rest["content"], rest["nextOffset"], rest["complete"]) == ("€b\ufffd\ufffd", 7, False)
    house.executor.outputs[key, OutputChannel.STDOUT] += "𝄞".encode()[2:] + b"\n"
    await house.end(job["id"], Exited(exit_code=0))
    last = (await door.call("readJobOutput", jobId=job["id"], query={"offset": 7, "attempt": 1})).value
    assert (last["content"], last["complete"]) == ("𝄞\n", True)
    tail = (await door.call("readJobOutput", jobId=job["id"], query={"tail": True, "limit": 3})).value
    assert (tail["content"], tail["offset"]) == ("\n", 11)
    silent = (await door.call("readJobOutput", jobId=job["id"], query={"stream": "STDERR"})).value
    assert (silent["content"], silent["complete"]) == ("", True)


async def test_waiting_returns_at_once_when_there_is_nothing_to_wait_for(door: Client) -> None:
    job = await started(door)
    now = {"timeoutSeconds": 0}
    assert (await door.call("waitForJob", jobId=job["id"], query=now)).value == job
    other = {"version": 7, "timeoutSeconds": 60}
    assert (await door.call("waitForJob", jobId=job["id"], query=other)).value == job
    ended = (await door.call("cancelJob", jobId=job["id"])).value
    assert (await door.call("waitForJob", jobId=job["id"])).value == ended
    same = {"version": ended["version"], "timeoutSeconds": 60}
    assert (await door.call("waitForJob", jobId=job["id"], query=same)).value == ended


async def test_the_types_are_listed_and_filtered(door: Client) -> None:
    page = (await door.call("listJobTypes", query={"limit": 2})).value
    assert [kind["type"] for kind in page["jobs"]] == ["GENERIC_JOB", "STUBBORN_JOB"]
    assert page["jobs"][0] == {"type": "GENERIC_JOB", "name": "Generic", "featuresOn": ["CANCELLABLE"]}
    last = (await door.call("listJobTypes", query={"limit": 2, "startAfter": page["nextStartAfter"]})).value
    assert [kind["type"] for kind in last["jobs"]] == ["TYPICAL_JOB"]
    assert "nextStartAfter" not in last
    able = (await door.call("listJobTypes", query={"featureOn": ["CANCELLABLE"]})).value
    assert [kind["type"] for kind in able["jobs"]] == ["GENERIC_JOB", "TYPICAL_JOB"]


async def test_a_rerun_is_a_new_job_and_a_deleted_one_is_gone(door: Client) -> None:
    job = await started(door, name="again")
    await door.call("cancelJob", jobId=job["id"])
    new = (await door.call("rerunJob", jobId=job["id"])).value
    assert (new["rerunOf"], new["name"], new["jobStatus"]) == (job["id"], "again", "SCHEDULED")
    gone = await door.call("deleteJob", jobId=job["id"])
    assert (gone.value, gone.key, gone.status) == (None, None, 204 if door.protocol == "REST" else 200)
    assert (await door.call("getJob", jobId=job["id"])).key == "JOB_NOT_FOUND"


async def test_the_service_tells_what_it_is(door: Client) -> None:
    info = (await door.call("getServiceInfo")).value
    assert (info["name"], info["executor"], info["isolation"]) == ("jobs-gateway", "scripted", "none")
    assert {"name": "MAX_RUNNING_JOBS", "value": 4} in info["limits"]


async def test_a_key_is_idempotent_across_the_doors(rest: RestClient, soap: SoapClient) -> None:
    first = await rest.call("startJob", job=EVERYTHING, idempotency_key="k 1")
    again = await soap.call("startJob", job=EVERYTHING, idempotency_key="k 1")
    assert again.value == first.value
    other = await soap.call("startJob", job=LEAST, idempotency_key="k 1")
    assert (other.key, other.code) == ("IDEMPOTENCY_KEY_REUSED", 42200001)


async def test_a_version_guards_a_change(door: Client) -> None:
    job = await started(door)
    changed = await door.call("updateJobFields", jobId=job["id"], fields={"name": "n"}, if_version=1)
    assert changed.value["version"] == 2
    late = await door.call("updateJobFields", jobId=job["id"], fields={"name": "m"}, if_version=1)
    assert (late.key, late.code) == ("PRECONDITION_FAILED", 41200000)
    assert (await door.call("getJob", jobId=job["id"])).value["name"] == "n"


@pytest.mark.parametrize("name", ["getJob", "cancelJob", "deleteJob", "rerunJob", "listJobEvents"])
async def test_an_id_in_capitals_names_the_same_job(door: Client, name: str) -> None:
    job = await started(door)
    if name in ("deleteJob", "rerunJob"):
        await door.call("cancelJob", jobId=job["id"])
    assert (await door.call(name, jobId=job["id"].upper())).key is None
