"""Elements to plain values: by the types of the model, every problem with its path."""

from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from gateway.domain.job import JobStart
from gateway.domain.model import Model
from gateway.domain.queries import JobQuery
from gateway.domain.requests import JobFields, JobMetrics, JobProgress
from gateway.translate.xml_reader import element_path, reader_of

NS = "urn:jobs-gateway:v2"
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def read(model: type[Model], inner: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    problems: list[Any] = []
    element = etree.fromstring(f'<r xmlns="{NS}" xmlns:x="urn:x" {XSI}>{inner}</r>')
    values = reader_of(model).read(element, problems)
    return values, [(element_path(problem.path), problem.detail) for problem in problems]


def problems_of(model: type[Model], inner: str) -> list[tuple[str, str]]:
    return read(model, inner)[1]


def test_a_list_of_one_is_a_list() -> None:
    assert read(JobStart, "<tags>a</tags>") == ({"tags": ["a"]}, [])
    assert read(JobStart, "<labels><name>a</name></labels>") == ({"labels": [{"name": "a"}]}, [])


def test_no_element_is_no_value_and_an_empty_one_is_the_empty_text() -> None:
    assert read(JobStart, "<name/>") == ({"name": ""}, [])
    assert read(JobStart, "") == ({}, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), (" +05\n", 5), ("-1", -1), ("9" * 19, int("9" * 19)), ("5.0", "5.0"), ("", ""), ("٥", "٥")],
)
def test_integers(text: str, value: Any) -> None:
    assert read(JobProgress, f"<totalItems>{text}</totalItems>") == ({"totalItems": value}, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 0.50 ", Decimal("0.50")),
        (".5", Decimal("0.5")),
        ("5.", Decimal(5)),
        ("-1", Decimal(-1)),
        ("1e3", "1e3"),
        ("INF", "INF"),
        ("NaN", "NaN"),
        ("1" * 401, "1" * 401),
    ],
)
def test_decimals(text: str, value: Any) -> None:
    values, problems = read(JobMetrics, f"<metrics><name>m</name><value>{text}</value></metrics>")
    assert (values["metrics"][0]["value"], problems) == (value, [])


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("1", True), (" false ", False), ("0", False), ("yes", ""), ("", "")]
)
def test_booleans(text: str, value: Any) -> None:
    assert read(JobQuery, f"<tagsConjunction>{text}</tagsConjunction>")[0] == {"tagsConjunction": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 2026-11-23T15:06:07.123Z ", "2026-11-23T15:06:07.123Z"),
        ("2026-11-23T15:06:07", "2026-11-23T15:06:07"),
        ("2026-11-23T15:06:07+01:00", "2026-11-23T15:06:07+01:00"),
        ("2026-11-23T15:06Z", ""),
        ("2026-11-23t15:06:07z", ""),
        ("2026-11-23", ""),
    ],
)
def test_instants_stay_text_and_need_seconds(text: str, value: str) -> None:
    assert read(JobQuery, f"<createdAfter>{text}</createdAfter>")[0] == {"createdAfter": value}


def test_words_lose_blanks_and_text_keeps_them() -> None:
    assert read(JobQuery, "<jobStatus> RUNNING\n</jobStatus>")[0] == {"jobStatus": ["RUNNING"]}
    assert read(JobStart, "<name> a\u00a0</name>")[0] == {"name": " a\u00a0"}


def test_the_order_is_that_of_the_schema() -> None:
    inner = "<tags>a</tags><name>n</name><tags>b</tags>"
    assert problems_of(JobStart, inner) == [("name", "must come before 'tags'")]
    inner = "<tags>a</tags><labels><name>n</name></labels>"
    assert problems_of(JobStart, inner) == [("labels[1]", "must come before 'tags'")]


def test_a_single_member_may_be_there_once() -> None:
    assert problems_of(JobStart, "<name>a</name><name>b</name>") == [("name", "is given twice")]


def test_unknown_elements_are_named() -> None:
    inner = "<nome>a</nome><x:name>b</x:name><name xmlns=''>c</name>"
    assert problems_of(JobStart, inner) == [
        ("nome", "is not known here"),
        ("name", f"must be in the namespace {NS}"),
        ("name", f"must be in the namespace {NS}"),
    ]


def test_paths_count_from_one_and_lead_through_lists() -> None:
    inner = "<labels><name>a</name></labels><labels><nome/></labels><labels><name a='b'>c</name></labels>"
    assert problems_of(JobStart, inner) == [
        ("labels[2]/nome", "is not known here"),
        ("labels[3]/name", "must not have the attribute 'a'"),
    ]
    assert element_path(("job", "environmentVariables", 0, "name")) == "job/environmentVariables[1]/name"
    assert element_path(("query", "tag", 2)) == "query/tag[3]"
    assert element_path(()) == ""


def test_text_beside_elements_is_refused() -> None:
    found = problems_of(JobStart, "<name>a</name>b<labels>c<name>n</name></labels>")
    assert found == [
        ("", "must not contain text beside elements"),
        ("labels[1]", "must not contain text beside elements"),
    ]
    assert problems_of(JobStart, "\u00a0<name>a</name>") == [("", "must not contain text beside elements")]


def test_elements_in_text_are_refused() -> None:
    assert problems_of(JobStart, "<name>a<b/></name>") == [("name", "must not contain elements")]


def test_processing_instructions_are_refused() -> None:
    assert problems_of(JobStart, "<?a b?>") == [("", "must not contain processing instructions")]


@pytest.mark.parametrize("word", ["true", "1", " true "])
def test_nil_clears_what_can_be_cleared(word: str) -> None:
    assert read(JobFields, f'<name xsi:nil="{word}"/>') == ({"name": None}, [])


@pytest.mark.parametrize("word", ["false", "0"])
def test_nil_false_leaves_the_value(word: str) -> None:
    assert read(JobFields, f'<name xsi:nil="{word}">a</name>') == ({"name": "a"}, [])


def test_nil_elsewhere_is_refused() -> None:
    detail = "cannot be nil; leave it out if it has no value"
    assert problems_of(JobStart, '<name xsi:nil="true"/>') == [("name", detail)]
    assert read(JobStart, '<tags xsi:nil="1"/><tags>a</tags>') == ({"tags": ["", "a"]}, [("tags[1]", detail)])


def test_nil_must_be_a_boolean_and_empty() -> None:
    assert problems_of(JobFields, '<name xsi:nil="yes">a</name>') == [
        ("name", "xsi:nil must be true or false")
    ]
    assert problems_of(JobFields, '<name xsi:nil="true">a</name>') == [
        ("name", "must be empty when it is nil")
    ]


@pytest.mark.parametrize(
    ("declared", "inner"),
    [
        (True, '<name xmlns:s="http://www.w3.org/2001/XMLSchema" xsi:type="s:string">a</name>'),
        (False, '<name xmlns:s="http://www.w3.org/2001/XMLSchema" xsi:type="s:token">a</name>'),
        (True, '<resourceRequest xsi:type="ResourceRequest"/>'),
        (False, '<resourceRequest xsi:type="x:ResourceRequest"/>'),
        (
            True,
            "<jobDependencies><jobId>a</jobId>"
            '<condition xsi:type="DependencyCondition">ENDED</condition></jobDependencies>',
        ),
    ],
)
def test_xsi_type_may_only_repeat_the_declared_type(declared: bool, inner: str) -> None:
    assert (problems_of(JobStart, inner) == []) is declared


def test_references_between_elements_are_not_followed() -> None:
    (problem,) = problems_of(JobStart, '<name href="#a"/>')
    assert problem == ("name", "references between elements (href) are not supported")


def test_what_the_reader_hands_on_is_what_validation_refuses() -> None:
    with pytest.raises(ValueError, match="createdAfter"):
        JobQuery.read(read(JobQuery, "<createdAfter>2026-11-23T15:06Z</createdAfter>")[0])
    with pytest.raises(ValueError, match="tagsConjunction"):
        JobQuery.read(read(JobQuery, "<tagsConjunction>yes</tagsConjunction>")[0])
