"""Models and stored documents to XML text."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from gateway.contract.shapes import listed_in
from gateway.domain.job import Job, JobEvent
from gateway.domain.model import Model, dump
from gateway.domain.parts import JobMetric
from gateway.domain.queries import JobEventPage, JobPage
from gateway.domain.record import Stored
from gateway.domain.scalars import read_instant
from gateway.translate import NAMESPACE
from gateway.translate.xml_reader import reader_of
from gateway.translate.xml_writer import XmlWriter, escape, sayable, show_code

MINIMAL: dict[str, Any] = {
    "id": "j",
    "jobStatus": "WAITING",
    "createdAt": "2026-11-23T15:06:07.123Z",
    "modifiedAt": "0001-01-01T00:00:00Z",
    "user": "u",
    "organizationId": "o",
    "dockerImageUrl": "i",
    "priority": 5,
    "attempt": 0,
    "version": 1,
}


def job(**values: Any) -> Job:
    return Job.read(MINIMAL | values)


def stored(value: Job) -> Stored[Job]:
    return Stored(Job, value.id, "o", value.version, dump(value))


def text_of(value: Model | Stored[Any]) -> str:
    """The XML of a model, of a stored one, or of a page of either."""
    writer = XmlWriter()
    listed = listed_in(type(value)) if isinstance(value, JobPage | JobEventPage) else None
    if listed is None:
        return writer.fragment(value).decode()
    fragments = [writer.fragment(item) for item in getattr(value, listed.name)]
    return b"".join(writer.page(value, listed, fragments)).decode()


def back(model: type[Model], text: str) -> Model:
    problems: list[Any] = []
    element = etree.fromstring(f'<r xmlns="{NAMESPACE}">{text}</r>')
    values = reader_of(model).read(element, problems)
    assert problems == []
    return model.read(values)


FULL = job(
    name="a & b",
    description="<x>\r\n\ty]]>",
    lastJobStatus="PERSISTED",
    commands=["", " a "],
    environmentVariables=[{"name": "A", "secret": False}],
    metrics=[{"name": "m", "value": Decimal("0.000000001")}, {"name": "n", "value": 10**14}],
    resourceRequest={"cpuLimit": Decimal("0.5")},
    retryPolicy={},
    totalItems=2**63 - 1,
)


def test_a_model_is_written_in_order_without_what_is_unset() -> None:
    assert XmlWriter().children(job(tags=["x", "y"])) == (
        "<id>j</id><jobStatus>WAITING</jobStatus>"
        "<createdAt>2026-11-23T15:06:07.123Z</createdAt><modifiedAt>0001-01-01T00:00:00.000Z</modifiedAt>"
        "<user>u</user><organizationId>o</organizationId><dockerImageUrl>i</dockerImageUrl>"
        "<tags>x</tags><tags>y</tags><priority>5</priority><attempt>0</attempt><version>1</version>"
    )


def test_a_stored_document_is_written_as_the_model_itself() -> None:
    assert text_of(stored(FULL)) == XmlWriter().children(FULL)


def test_what_is_written_reads_back_as_it_was() -> None:
    assert back(Job, XmlWriter().children(FULL)) == FULL


def test_an_object_without_members_is_left_out_but_stays_in_a_list() -> None:
    text = XmlWriter().children(job(resourceRequest={}))
    assert "resourceRequest" not in text
    page = JobPage.model_construct(jobs=(Stored(Job, "j", "o", 1, b"{}"),), limit=50)
    assert text_of(page) == "<jobs></jobs><limit>50</limit>"


def test_decimals_have_no_exponent() -> None:
    metric = JobMetric(name="m", value=Decimal("1E+3"))
    assert "<value>1000</value>" in XmlWriter().children(metric)
    assert "<value>0.000000001</value>" in XmlWriter().children(FULL)
    assert "<value>100000000000000</value>" in text_of(stored(FULL))


def test_a_page_takes_stored_items_and_models() -> None:
    page = JobPage.model_construct(jobs=(stored(FULL), FULL), next_start_after="c", limit=2)
    inner = XmlWriter().children(FULL)
    assert text_of(page) == (
        f"<jobs>{inner}</jobs><jobs>{inner}</jobs><nextStartAfter>c</nextStartAfter><limit>2</limit>"
    )


def test_a_page_of_models_is_written() -> None:
    event = JobEvent.read(
        {
            "id": "1",
            "jobId": "j",
            "at": "2026-11-23T15:06:07Z",
            "kind": "STATUS",
            "actor": "a",
            "protocol": "REST",
        }
    )
    page = JobEventPage(events=(event,), limit=50)
    assert text_of(page) == XmlWriter().children(page)
    assert text_of(page).startswith("<events><id>1</id>")


def test_a_page_without_items_has_no_element_for_them() -> None:
    page = JobPage.model_construct(jobs=(), total=0, limit=50)
    assert text_of(page) == "<total>0</total><limit>50</limit>"


def test_a_fragment_is_made_once_per_version() -> None:
    writer = XmlWriter()
    first = writer.fragment(stored(FULL))
    changed = Stored(Job, "j", "o", 1, b'{"id":"other"}')
    assert writer.fragment(changed) is first
    assert writer.fragment(Stored(Job, "j", "o", 2, b'{"id":"j"}')) == b"<id>j</id>"


def test_the_cache_is_bounded() -> None:
    writer = XmlWriter(cache_bytes=20)
    for version in range(1, 50):
        assert writer.fragment(Stored(Job, "j", "o", version, b'{"id":"j"}')) == b"<id>j</id>"
    assert len(writer._fragments) == 2
    assert writer._size == 20


def test_instants_are_written_as_everywhere() -> None:
    text = XmlWriter().children(job(startedAt="0999-02-03T04:05:06.007+01:00"))
    assert "<startedAt>0999-02-03T03:05:06.007Z</startedAt>" in text
    assert read_instant("0999-02-03T03:05:06.007Z").year == 999


def test_signs_are_escaped() -> None:
    assert escape("a&b<c>d\"e'f\r\n\t") == "a&amp;b&lt;c&gt;d\"e'f&#13;\n\t"
    assert escape("plain") == "plain"


@pytest.mark.parametrize("bad", ["\x00", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_what_xml_cannot_say_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="XML cannot say"):
        escape(f"a&{bad}")
    assert sayable(f"a{bad}") == "a\ufffd"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_text_reads_back_as_it_was(text: str) -> None:
    assert etree.fromstring(f"<a>{escape(text)}</a>").text == (text or None)


def test_the_code_can_be_shown() -> None:
    code = show_code(JobMetric)
    assert code.startswith("def write_JobMetric(m):")
    assert 'out.append(f"<value>{decimal(v)}</value>")' in code
