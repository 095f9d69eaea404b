"""The schema as a guard behind the reader: it takes what the reader takes, and nothing of another shape."""

import pytest
from lxml import etree

from gateway.contract.registry import OPERATIONS
from gateway.domain.errors import Problem
from gateway.soap import golden
from gateway.soap.guard_schema import GuardSchema
from tests.wire.soap_stand import NS, XSD

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.fixture(scope="module")
def guard() -> GuardSchema:
    schema = etree.fromstring(golden.documents()["jobs-v2.wsdl"]).find(f".//{XSD}schema")
    assert schema is not None
    return GuardSchema(schema, OPERATIONS)


def problems(guard: GuardSchema, name: str, inner: str, attributes: str = "") -> list[Problem]:
    return guard.problems(etree.fromstring(f'<{name} xmlns="{NS}" {XSI} {attributes}>{inner}</{name}>'))


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("listJobs", "<query><jobStatus> RUNNING </jobStatus><limit> 5 </limit></query>"),
        ("listJobs", "<query><createdAfter> 2026-11-23T15:06:07 </createdAfter></query>"),
        ("updateJobFields", '<jobId>a</jobId><fields><name xsi:nil="true"/></fields>'),
        ("cancelJob", "<jobId>a</jobId>"),
        ("startJob", f"<job><name>{'x' * 60}</name><dockerImageUrl>a</dockerImageUrl></job>"),
    ],
)
def test_what_the_reader_takes_is_taken(guard: GuardSchema, name: str, inner: str) -> None:
    assert problems(guard, name, inner) == []


def test_the_element_of_an_operation_may_be_nil(guard: GuardSchema) -> None:
    assert problems(guard, "getServiceInfo", "", 'xsi:nil="true"') == []


def test_what_is_wrong_is_named_by_its_path(guard: GuardSchema) -> None:
    inner = "<job><dockerImageUrl>a</dockerImageUrl><tags>a</tags><tags><b/></tags></job>"
    (found,) = problems(guard, "startJob", inner)
    assert found.path == ("job", "tags", 1)
    prefixed = etree.fromstring(
        f'<j:startJob xmlns:j="{NS}"><j:job><j:dockerImageUrl>a</j:dockerImageUrl>'
        "<j:tags>a</j:tags><j:tags><j:b/></j:tags></j:job></j:startJob>"
    )
    assert guard.problems(prefixed)[0].path == ("job", "tags", 1)
    assert NS not in found.detail
    (found,) = problems(guard, "startJob", "<job/>")
    assert (found.path, "dockerImageUrl" in found.detail) == (("job",), True)


def test_nil_elsewhere_is_refused(guard: GuardSchema) -> None:
    assert problems(guard, "getJob", '<jobId xsi:nil="true"/>')
