"""The OpenAPI document: valid, complete, and the one that is published."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import models_of, shape_of
from gateway.domain.errors import ERRORS
from gateway.domain.requests import JobFields
from gateway.domain.schedules import ScheduledJobFields
from gateway.rest.openapi import document, openapi_bytes, possible_errors

GOLDEN = Path(__file__).parents[1] / "golden" / "openapi.json"


@pytest.fixture(scope="module")
def doc() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi_bytes())
    return found


def entry(doc: dict[str, Any], operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = doc["paths"][operation.http.path][operation.http.method.lower()]
    return found


def schema(doc: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = doc["components"]["schemas"][name]
    return found


def test_the_document_is_valid_openapi_3_1(doc: dict[str, Any]) -> None:
    assert doc["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(doc).validate()


def test_the_document_is_the_published_one() -> None:
    """`GOLDEN_WRITE=1 pytest tests/wire/test_openapi.py` renews the file; its diff is to be reviewed."""
    if os.environ.get("GOLDEN_WRITE"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_bytes(openapi_bytes())
    assert openapi_bytes() == GOLDEN.read_bytes()


def test_each_operation_is_there_once_and_aliases_are_not(doc: dict[str, Any]) -> None:
    found = [entry["operationId"] for path in doc["paths"].values() for entry in path.values()]
    assert sorted(found) == sorted(operation.name for operation in OPERATIONS)
    assert all(path.startswith("/v2/") for path in doc["paths"])


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_operation_tells_its_parts(doc: dict[str, Any], operation: Operation) -> None:
    found = entry(doc, operation)
    assert found["summary"] == operation.summary
    parameters = {p["name"]: p for p in found["parameters"] if "name" in p}
    query = {m.wire for m in operation.query_shape.members} if operation.query_shape else set()
    assert set(parameters) == query | {part.name for part in operation.path}
    assert all(parameter["description"] for parameter in parameters.values())
    assert ("requestBody" in found) is bool(operation.body)
    assert str(operation.http.status) in found["responses"]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_each_operation_tells_its_errors_under_their_status(
    doc: dict[str, Any], operation: Operation
) -> None:
    responses = entry(doc, operation)["responses"]
    for error in possible_errors(operation):
        response = responses[str(error.code // 100_000)]
        assert f"`{error.key}`" in response["description"]
        assert list(response["content"]) == ["application/problem+json"]


def test_members_are_described_and_limited(doc: dict[str, Any]) -> None:
    bodies = [o.body.model for o in OPERATIONS if o.body and not o.http.raw_body]
    replies = [o.reply.model for o in OPERATIONS if o.reply and not o.http.raw_reply]
    for model in models_of(bodies + replies):
        for name, member in schema(doc, model.__name__)["properties"].items():
            assert member["description"], f"{model.__name__}.{name}"
    start = schema(doc, "JobStart")
    assert start["required"] == ["dockerImageUrl"]
    # What is sent may have no other members, also where it is shown again; what is only shown may get more.
    assert start["additionalProperties"] is False
    assert start["properties"]["name"]["maxLength"] == 50
    assert start["properties"]["tags"]["uniqueItems"] is True
    assert start["properties"]["tags"]["maxItems"] == 100
    assert start["properties"]["mainLabel"]["deprecated"] is True
    assert schema(doc, "JobMetrics")["properties"]["metrics"]["minItems"] == 1
    assert schema(doc, "ResourceRequest")["properties"]["cpuLimit"]["minimum"] == 0.001
    assert schema(doc, "Job")["properties"]["createdAt"]["format"] == "date-time"


def test_replies_promise_what_they_always_have(doc: dict[str, Any]) -> None:
    job = schema(doc, "Job")
    always = {"id", "jobStatus", "createdAt", "modifiedAt", "user", "organizationId", "dockerImageUrl"}
    assert always | {"priority", "attempt", "version", "tags"} <= set(job["required"])
    assert "additionalProperties" not in job


def test_null_is_told_where_it_clears(doc: dict[str, Any]) -> None:
    fields = schema(doc, "JobFields")["properties"]
    assert fields["name"]["type"] == ["string", "null"]
    nullable = [
        f"{model}.{name}"
        for model, found in doc["components"]["schemas"].items()
        for name, member in found.get("properties", {}).items()
        if "null" in member.get("type", ()) or {"type": "null"} in member.get("anyOf", ())
    ]
    assert nullable == [
        f"{model.__name__}.{member.wire}"
        for model in (JobFields, ScheduledJobFields)
        for member in shape_of(model).members
        if member.wire in model.clearable()
    ]
    patch = doc["paths"]["/v2/jobs/{jobId}"]["patch"]["requestBody"]["content"]
    assert list(patch) == ["application/json", "application/merge-patch+json"]


def test_a_wrapped_body_is_an_object_with_one_member(doc: dict[str, Any]) -> None:
    body = doc["paths"]["/v2/scheduledjobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {
        "type": "object",
        "properties": {"scheduledJob": {"$ref": "#/components/schemas/ScheduledJobCreate"}},
        "required": ["scheduledJob"],
        "additionalProperties": False,
    }


def test_query_parameters_tell_limits_defaults_and_style(doc: dict[str, Any]) -> None:
    parameters = {p.get("name"): p for p in doc["paths"]["/v2/jobs"]["get"]["parameters"]}
    assert parameters["limit"]["schema"] == {
        "type": "integer",
        "format": "int32",
        "minimum": 1,
        "maximum": 100,
        "default": 50,
    }
    assert (parameters["tag"]["style"], parameters["tag"]["explode"]) == ("form", True)
    stream = doc["paths"]["/v2/jobs/{jobId}/output"]["get"]["parameters"][1]
    assert stream["schema"] == {"$ref": "#/components/schemas/OutputChannel", "default": "STDOUT"}


def test_enumerations_explain_their_members(doc: dict[str, Any]) -> None:
    status = schema(doc, "JobStatus")
    assert len(status["enum"]) == 10
    assert "`DIED`: Vanished" in status["description"]


def test_the_problem_explains_every_error(doc: dict[str, Any]) -> None:
    told = schema(doc, "Problem")["properties"]["technicalKey"]["description"]
    assert all(f"`{key}`" in told for key in ERRORS)


def test_bytes_are_told_as_they_are_sent(doc: dict[str, Any]) -> None:
    up = doc["paths"]["/v2/jobs/{jobId}/attachments"]["post"]
    assert set(up["requestBody"]["content"]) == {"application/octet-stream", "*/*"}
    assert [p["name"] for p in up["parameters"] if p.get("in") == "query"] == ["name"]
    assert "readJobAttachment" in up["responses"]["201"]["links"]
    assert doc["components"]["links"]["readJobAttachment"]["parameters"] == {
        "jobId": "$request.path.jobId",
        "attachmentId": "$response.body#/id",
    }
    down = doc["paths"]["/v2/jobs/{jobId}/attachments/{attachmentId}"]["get"]
    for status in ("200", "206"):
        assert set(down["responses"][status]["content"]) == {"*/*"}
        assert "Content-Disposition" in down["responses"][status]["headers"]
    assert {"304", "416"} <= set(down["responses"])
    assert not {"AttachmentUpload", "AttachmentContent"} & set(doc["components"]["schemas"])


def test_headers_stand_where_they_work(doc: dict[str, Any]) -> None:
    def names(path: str, method: str) -> set[str]:
        return {p["$ref"].rpartition("/")[2] for p in doc["paths"][path][method]["parameters"] if "$ref" in p}

    assert names("/v2/jobs", "post") == {"RequestId", "IdempotencyKey"}
    assert names("/v2/jobs/{jobId}", "patch") == {"RequestId", "IfMatch"}
    assert names("/v2/jobs/{jobId}", "get") == {"RequestId", "IfNoneMatch"}
    created = doc["paths"]["/v2/jobs"]["post"]["responses"]["201"]
    assert set(created["headers"]) == {"X-Request-Id", "ETag", "Location"}
    assert created["links"]["getJob"] == {"$ref": "#/components/links/getJob"}
    assert doc["components"]["links"]["getJob"] == {
        "operationId": "getJob",
        "parameters": {"jobId": "$response.body#/id"},
    }
    assert "Link" in doc["paths"]["/v2/jobs"]["get"]["responses"]["200"]["headers"]
    assert "304" in doc["paths"]["/v2/jobs/{jobId}"]["get"]["responses"]
    assert set(doc["components"]["securitySchemes"]) == {"apiKey", "bearer", "basic"}


def test_the_server_is_the_public_address() -> None:
    assert document("https://jobs.example.org/")["servers"] == [{"url": "https://jobs.example.org"}]
    assert document()["servers"] == [{"url": "/"}]
