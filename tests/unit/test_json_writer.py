"""Replies as JSON: models, stored documents, and pages of stored documents."""

import json
from decimal import Decimal
from typing import Any

from gateway.domain.job import Job
from gateway.domain.parts import JobMetric, ResourceRequest
from gateway.domain.queries import JobOutput, JobPage, ServiceInfo
from gateway.domain.record import Stored
from gateway.translate.json_writer import write_json


def stored(document: bytes) -> Stored[Any]:
    return Stored(Job, "1", "default", 1, document)


def test_a_stored_model_is_its_document() -> None:
    assert write_json(stored(b'{"as":"stored"}')) == b'{"as":"stored"}'


def test_a_page_of_stored_models_joins_their_documents() -> None:
    first = b'{"text":"\\"jobs\\":[]"}'
    page = JobPage.model_construct(jobs=(stored(first), stored(b'{"b":2}')), limit=2, next_start_after="c")
    assert write_json(page) == b'{"jobs":[%s,{"b":2}],"nextStartAfter":"c","limit":2}' % first


def test_an_empty_page_keeps_its_empty_list() -> None:
    assert write_json(JobPage(limit=50)) == b'{"jobs":[],"limit":50}'


def test_a_model_without_one_list_is_dumped() -> None:
    info = ServiceInfo(name="n", version="1", contract_version="2", executor="process", isolation="none")
    assert json.loads(write_json(info))["limits"] == []
    output = JobOutput(
        stream="STDOUT", attempt=1, offset=0, next_offset=3, content="a\nb", truncated=False, complete=True
    )
    assert json.loads(write_json(output))["content"] == "a\nb"


def test_decimals_are_plain_numbers() -> None:
    assert b'"value":0.000000001' in write_json(JobMetric(name="m", value=Decimal("1e-9")))
    assert write_json(ResourceRequest(cpu_limit=Decimal("2.50"))) == b'{"cpuLimit":2.5}'
