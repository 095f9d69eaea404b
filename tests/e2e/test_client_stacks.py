"""The client stacks of others on a real gateway: what they say arrives, and what is answered they see.

Each test runs once per stack. Whatever goes over the wire is checked against the WSDL, see Conversation.
"""

import hashlib
import json
import os
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from gateway.domain.job import Job, JobStart
from gateway.domain.parts import HIDDEN
from gateway.domain.queries import JobPage
from gateway.domain.results import JobResultPage, JobResultWrite
from gateway.domain.schedules import NEVER_IN_TEMPLATE, ScheduledJob, ScheduledJobCreate
from tests.clients.full_job import LINES, NAME, OUTPUT, full_job, full_schedule, plain
from tests.clients.stacks import STACKS, Conversation, Refused
from tests.clients.values import unset, values_of
from tests.conftest import LEFT_OUT
from tests.e2e.gateway_process import GatewayProcess
from tests.recorder import Recorder

REFUSED_BY_PROCESSES = ("volumes",)
"""The members of JobStart that the executor for processes refuses."""

AHEAD = {"$instant": "2097-01-02T03:04:05.678+01:00"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that serves."""
    made = GatewayProcess(tmp_path_factory.mktemp("stacks") / "data")
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="module", params=STACKS, ids=str)
def client(request: pytest.FixtureRequest, gateway: GatewayProcess) -> Iterator[Conversation]:
    """A stack at work. With CLIENT_STACKS=all one that is not there is a failure."""
    stack = request.param
    if lacks := stack.lacks():
        leave_out = pytest.fail if os.environ.get("CLIENT_STACKS") == "all" else pytest.skip
        leave_out(f"{LEFT_OUT}{stack.name}: {lacks}")
    with Recorder(str(gateway.http.base_url)) as recorder:
        conversation = Conversation(stack, recorder)
        try:
            yield conversation
        finally:
            conversation.close()


@pytest.fixture
def about(gateway: GatewayProcess) -> dict[str, str]:
    """What the full job of a test refers to: a job that has ended, and a storage and a lock of its own."""
    other = gateway.final(gateway.start_job("true")["id"])
    return {"other_job": other["id"], "storage": f"s-{uuid4()}", "lock": f"l-{uuid4()}"}


def start(client: Conversation, *command: str, **members: Any) -> dict[str, Any]:
    """A small job, started by the stack. Some stacks want members in the order of the WSDL."""
    job: dict[str, Any] = client.call(
        "startJob", job={"dockerImageUrl": "none", "commands": list(command), **members}
    )
    return job


def hidden(variables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Environment variables as replies show them."""
    return [variable | ({"value": HIDDEN} if variable["secret"] else {}) for variable in variables]


def without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    """Values without some, and without those that every change moves."""
    return {
        name: value
        for name, value in values.items()
        if name not in {*names, "modifiedAt", "modifiedBy", "version"}
    }


def test_the_full_requests_set_every_field(about: dict[str, str]) -> None:
    assert list(unset(JobStart, [full_job(**about)])) == []
    never = {f"job/{name}" for name in NEVER_IN_TEMPLATE.values()}
    assert set(unset(ScheduledJobCreate, [full_schedule(**about)])) == never


def test_every_field_of_a_job_arrives_and_is_seen(
    client: Conversation, gateway: GatewayProcess, about: dict[str, str]
) -> None:
    job = full_job(**about)
    with pytest.raises(Refused) as caught:
        client.call("startJob", job=job)
    assert (caught.value.key, caught.value.code) == ("UNSUPPORTED_BY_EXECUTOR", 42200005)
    assert caught.value.paths == [f"job/{name}" for name in REFUSED_BY_PROCESSES]

    for name in REFUSED_BY_PROCESSES:
        del job[name]
    started = client.call("startJob", job=job)
    final = gateway.final(started["id"])
    assert final["jobStatus"] == "FINISHED"
    assert gateway.output(final["id"]) == client.stack.sent(OUTPUT)

    expected = plain(job) | {
        "storageId": job["resultStorageId"],
        "environmentVariables": hidden(job["environmentVariables"]),
    }
    del expected["resultStorageId"], expected["featuresOn"]
    for link in final["attachments"]:
        del link["id"], link["createdAt"]
    arrived = {name: final[name] for name in expected}
    assert values_of(Job, arrived) == values_of(Job, expected, client.stack.sent)
    # SKIP_RESULTS_INITIALIZATION arrived, too.
    results = {"storageId": about["storage"], "results": [{"businessPartnerId": "a", "status": "OK"}]}
    with pytest.raises(Refused) as caught:
        client.call("writeJobResults", jobId=final["id"], results=results)
    assert caught.value.key == "STORAGE_NOT_OPEN"

    seen = client.call("getJob", jobId=final["id"])
    assert seen == values_of(Job, gateway.job(final["id"]), client.stack.seen)
    assert {name: started[name] for name in expected} == {name: seen[name] for name in expected}


def test_an_unknown_job_is_a_typed_fault(client: Conversation) -> None:
    with pytest.raises(Refused) as caught:
        client.call("getJob", jobId=str(uuid4()))
    assert (caught.value.key, caught.value.code) == ("JOB_NOT_FOUND", 40400001)
    assert caught.value.paths == []


def test_a_list_is_filtered_and_read_page_by_page(client: Conversation, gateway: GatewayProcess) -> None:
    tags = [str(uuid4()), "ä & <b>"]
    ended = [start(client, command, tags=tags)["id"] for command in ("true", "false", "true")]
    for job_id in ended:
        gateway.final(job_id)
    start(client, "true", tags=tags[1:])
    waiting = start(client, "true", tags=tags, notBefore=AHEAD)
    assert client.call("cancelJob", jobId=waiting["id"])["jobStatus"] == "CANCELED"

    wanted: dict[str, Any] = {"sort": "-createdAt", "jobStatus": ["FINISHED", "FAILED"]}
    which = {"limit": 2, "tag": tags, "featuresOn": ["NUMBER_OF_TOTAL", "TAGS_CONJUNCTION"]}
    first = client.call("listJobs", query=wanted | which)
    page = gateway.http.get("/v2/jobs", params=wanted | which).json()
    cursor = first.pop("nextStartAfter")
    page.pop("nextStartAfter")
    assert first == values_of(JobPage, page, client.stack.seen)
    assert (first["total"], first["limit"]) == (3, 2)
    second = client.call("listJobs", query=wanted | {"startAfter": cursor} | which)
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == ended[::-1]
    assert "nextStartAfter" not in second


def test_an_empty_list_is_sent_and_seen(client: Conversation, gateway: GatewayProcess) -> None:
    assert client.call("listJobs", query={"tag": [str(uuid4())]}) == {"limit": 50}
    job = start(client, "true", tags=["a"])
    assert "tags" not in client.call("replaceJobTags", jobId=job["id"], tags={})
    assert gateway.job(job["id"])["tags"] == []


def test_a_field_is_cleared_and_the_others_stay_as_they_were(
    client: Conversation, gateway: GatewayProcess
) -> None:
    job_id = start(client, "true", tags=["a", "b"])["id"]
    first = gateway.final(job_id)
    ways: list[dict[str, Any]] = [{"clear": ["description"]}]
    if client.stack.says_nil:
        ways.append({"description": None})
    for way in ways:
        seen = client.call("updateJobFields", jobId=job_id, fields={"name": NAME, "description": LINES})
        changed = gateway.job(job_id)
        assert (changed["name"], changed["description"]) == (NAME, client.stack.sent(LINES))
        assert seen == values_of(Job, changed, client.stack.seen)
        assert without(changed, "name", "description") == without(first, "name", "description")

        seen = client.call("updateJobFields", jobId=job_id, fields=way)
        cleared = gateway.job(job_id)
        assert seen == values_of(Job, cleared, client.stack.seen)
        assert without(cleared) == without(changed, "description")
    client.call("updateJobFields", jobId=job_id, fields={"name": ""})
    assert gateway.job(job_id)["name"] == ""


def test_a_thousand_results_are_written_and_read(client: Conversation, gateway: GatewayProcess) -> None:
    storage = f"s-{uuid4()}"
    job = start(client, "true", resultStorageId=storage)["id"]
    results = [
        {
            "businessPartnerId": f"partner {number} & co",
            "dataSourceId": "ä",
            "externalId": f"<{number}>",
            "status": ("OK", "FAILED")[number % 2],
            "resultData": json.dumps({"number": number, "text": "ä€😀 & <b>"}, ensure_ascii=False),
            "message": LINES,
        }
        for number in range(1000)
    ]
    assert list(unset(JobResultWrite, results)) == []
    written = client.call("writeJobResults", jobId=job, results={"storageId": storage, "results": results})
    assert written["written"] == 1000

    query: dict[str, Any] = {"storageId": storage, "limit": 1000}
    page = gateway.http.get(f"/v2/jobs/{job}/results", params=query).json()
    assert (page["values"][0]["id"], page["values"][-1]["id"]) == (written["firstId"], written["lastId"])
    stored = [{name: value[name] for name in results[0]} for value in page["values"]]
    assert stored == [result | {"message": client.stack.sent(LINES)} for result in results]
    seen = client.call("listJobRunResults", jobId=job, query=query)
    assert seen == values_of(JobResultPage, page, client.stack.seen)


def test_an_attachment_goes_up_and_comes_down(client: Conversation, gateway: GatewayProcess) -> None:
    content = bytes(range(256)) * 1000 + b"\r\n"
    digest = hashlib.sha256(content).hexdigest()
    job = start(client, "true")["id"]
    upload = {
        "name": "ä & b.bin",
        "contentType": "application/x-test; a=b",
        "content": {"$bytes": b64encode(content).decode()},
    }
    attachment = client.call("addJobAttachment", jobId=job, attachment=upload)
    assert attachment.items() >= {"name": "ä & b.bin", "size": len(content), "sha256": digest}.items()
    assert gateway.http.get(f"/v2/jobs/{job}/attachments/{attachment['id']}").content == content
    assert client.call("readJobAttachment", jobId=job, attachmentId=attachment["id"]) == {
        "name": "ä & b.bin",
        "contentType": "application/x-test; a=b",
        "size": len(content),
        "sha256": digest,
        "content": content,
    }
    assert client.call("deleteJobAttachment", jobId=job, attachmentId=attachment["id"]) is None
    assert gateway.job(job)["attachments"] == []


def test_numbers_arrive_and_are_seen(client: Conversation, gateway: GatewayProcess) -> None:
    job = start(client, "true", notBefore=AHEAD)["id"]
    progress = {"progress": 0, "totalItems": client.stack.largest, "processedItems": 2**40, "failedItems": 0}
    seen = client.call("reportJobProgress", jobId=job, progress=progress)
    assert seen.items() >= progress.items()
    metrics = [
        {"name": "ä & <b>", "value": -0.123456789, "unit": "%", "recordedAt": AHEAD},
        {"name": "large", "value": 123456789012345},
        {"name": "none", "value": 0},
    ]
    seen = client.call("recordJobMetrics", jobId=job, metrics={"metrics": metrics})
    said = gateway.job(job)
    assert [metric["value"] for metric in said["metrics"]] == [metric["value"] for metric in metrics]
    assert said["metrics"][0]["recordedAt"] == "2097-01-02T02:04:05.678Z"
    assert said.items() >= progress.items()
    assert seen == values_of(Job, said, client.stack.seen)
    assert client.call("cancelJob", jobId=job)["jobStatus"] == "CANCELED"


def test_a_schedule_is_made_changed_run_and_deleted(
    client: Conversation, gateway: GatewayProcess, about: dict[str, str]
) -> None:
    schedule = full_schedule(**about)
    for name in REFUSED_BY_PROCESSES:
        del schedule["job"][name]
    made = client.call("createScheduledJob", scheduledJob=schedule)
    path = f"/v2/scheduledjobs/{made['id']}"
    said = gateway.http.get(path).json()
    assert made == values_of(ScheduledJob, said, client.stack.seen)
    assert client.call("getScheduledJob", scheduledJobId=made["id"]) == made
    expected = plain(schedule)
    expected["job"]["environmentVariables"] = hidden(schedule["job"]["environmentVariables"])
    arrived = {name: said[name] for name in expected}
    assert values_of(ScheduledJob, arrived) == values_of(ScheduledJob, expected, client.stack.sent)

    after = {"$instant": "2097-06-01T00:00:00Z"}
    preview = client.call(
        "previewScheduledJob", scheduledJobId=made["id"], query={"count": 2, "after": after}
    )
    assert [f"{at:%a %H:%M}" for at in preview["runsAt"]] == ["Mon 01:30", "Tue 01:30"]

    changed = client.call(
        "updateScheduledJob", scheduledJobId=made["id"], fields={"paused": True, "clear": ["description"]}
    )
    assert without(changed, "paused") == without(made, "paused", "description", "nextRunAt")
    assert changed["paused"] is True

    run = client.call("runScheduledJob", scheduledJobId=made["id"])
    final = gateway.final(run["id"])
    assert final["scheduledJobId"] == made["id"]
    assert gateway.output(final["id"]) == client.stack.sent(OUTPUT)
    assert client.call("deleteScheduledJob", scheduledJobId=made["id"]) is None
    assert gateway.http.get(path).status_code == 404
