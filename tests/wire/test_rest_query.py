"""Query strings: lists, commas, blanks, types, and what is refused."""

from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import Field

from gateway.contract.shapes import shape_of
from gateway.domain.errors import Problem
from gateway.domain.model import Maybe, Model
from gateway.domain.queries import JobQuery, OutputQuery
from gateway.domain.scalars import Number
from gateway.translate.query_string import QueryReader

jobs = QueryReader(shape_of(JobQuery), ["utm_*", "_"])
output = QueryReader(shape_of(OutputQuery))

ENCODING = "must be UTF-8 in percent-encoding"


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ("", {}),
        ("&&", {}),
        ("tag=a&tag=b", {"tag": ["a", "b"]}),
        ("tag=a,b", {"tag": ["a", "b"]}),
        ("tag=a+,%20b", {"tag": ["a", "b"]}),
        ("tag=a%2Cb,c", {"tag": ["a,b", "c"]}),
        ("tag=a,,b", {"tag": ["a", "", "b"]}),
        ("tag=", {"tag": [""]}),
        ("tag", {"tag": [""]}),
        ("jobStatus=RUNNING%2CFAILED,DIED", {"jobStatus": ["RUNNING", "FAILED", "DIED"]}),
        ("jobType=A%2C%20B&jobType=C", {"jobType": ["A", "B", "C"]}),
        ("label=a%3Db%2Cc", {"label": ["a=b,c"]}),
        ("label=a=b", {"label": ["a=b"]}),
        ("user=a,b", {"user": "a,b"}),
        ("user=+a+", {"user": " a "}),
        ("user=", {"user": ""}),
        ("user=%C3%A9", {"user": "é"}),
        ("sort=-createdAt", {"sort": "-createdAt"}),
        ("sort=+createdAt", {"sort": " createdAt"}),
        ("sort=%2BcreatedAt", {"sort": "+createdAt"}),
        ("limit=10", {"limit": 10}),
        ("limit=+1", {"limit": " 1"}),
        ("limit=ten", {"limit": "ten"}),
        ("limit=1" + "0" * 5000, {"limit": "1" + "0" * 5000}),
        ("tagsConjunction=true", {"tagsConjunction": True}),
        ("tagsConjunction=False", {"tagsConjunction": "False"}),
        ("createdAfter=2020-08-31T16:47+02:00", {"createdAfter": "2020-08-31T16:47+02:00"}),
        ("createdAfter=2020-08-31T16:47%2B02:00", {"createdAfter": "2020-08-31T16:47+02:00"}),
        ("utm_source=x&_=1&user=a", {"user": "a"}),
        ("unknown=x&limit=0", {"unknown": "", "limit": 0}),
    ],
)
def test_parameters_become_plain_values(raw: str, values: dict[str, Any]) -> None:
    problems: list[Problem] = []
    assert jobs.read(raw.encode(), problems) == values
    assert problems == []


def test_decimals_keep_their_digits() -> None:
    class Query(Model):
        load: Maybe[Number]
        steps: Annotated[tuple[Number, ...], Field(max_length=3)] = ()

    reader = QueryReader(shape_of(Query))
    assert reader.read(b"load=0.10&steps=1,.5,1e5", []) == {
        "load": Decimal("0.10"),
        "steps": [Decimal(1), Decimal("0.5"), "1e5"],
    }


@pytest.mark.parametrize(
    ("raw", "problems"),
    [
        ("user=a&user=b", {("user", "must be given only once")}),
        ("user=%zz&text=%", {("user", ENCODING), ("text", ENCODING)}),
        ("tag=a,%FF", {("tag", ENCODING)}),
        ("%FF=1", {("%FF", ENCODING)}),
        ("user=%FF&unknown=1&user=a", {("user", ENCODING)}),
    ],
)
def test_what_cannot_be_read_is_named(raw: str, problems: set[tuple[str, str]]) -> None:
    found: list[Problem] = []
    jobs.read(raw.encode(), found)
    assert {(problem.path[1], problem.detail) for problem in found} == problems


def test_a_reader_without_members_refuses_all_but_what_is_ignored() -> None:
    reader = QueryReader(None, ["_"])
    problems: list[Problem] = []
    assert reader.read(b"_=1", problems) == {}
    assert problems == []
    assert reader.read(b"x=1", problems) == {}
    assert problems == [Problem(("query", "x"), "is not known here")]


def test_booleans_and_words_of_other_queries_are_read_alike() -> None:
    assert output.read(b"stream=STDERR&tail=true&limit=5", []) == {
        "stream": "STDERR",
        "tail": True,
        "limit": 5,
    }
