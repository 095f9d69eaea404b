"""Picking members out of the text of a JSON object."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.json_keys import keep_keys

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"a": 1, "b": 2}', '{"a":1}'),
        ('{"b": 2}', "{}"),
        ("{}", "{}"),
        (' \r\n{ "b" : [ {"a":1} ] , "a" : "}" }\t', '{"a":"}"}'),
        ('{"a": 1.10, "c": 1E400, "b": 0}', '{"a":1.10,"c":1E400}'),
        ('{"a": ' + "9" * 5000 + "}", '{"a":' + "9" * 5000 + "}"),
        ('{"\\u0061": "\\ud83d\\ude00", "b": 1}', '{"\\u0061":"\\ud83d\\ude00"}'),
        ('{"a": 1, "a": 2}', '{"a":1,"a":2}'),
    ],
)
def test_members_are_kept_as_they_are_written(text: str, kept: str) -> None:
    assert keep_keys(text, frozenset({"a", "c"})) == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain text",
        "[1]",
        '"a"',
        "1",
        "null",
        "{",
        '{"a"',
        '{"a":',
        '{"a":1',
        '{"a":1,}',
        '{"a":1}}',
        '{"a":1} x',
        "{a:1}",
        "{1:1}",
        '{null:1,"a":2}',
        '{"a":NaN}',
        '{"b":Infinity,"a":1}',
        '{"a":"\t"}',
        '{"a" 1}',
        '{"a":01}',
        '{"a":' + "[" * 100_000,
        "<a/>",
    ],
)
def test_what_is_no_json_object_stays_as_it_is(text: str) -> None:
    assert keep_keys(text, frozenset({"a"})) == text


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=5), st.booleans(), st.data())
def test_every_object_keeps_what_is_asked_for(
    value: dict[str, object], ascii: bool, data: st.DataObject
) -> None:
    keys = data.draw(st.frozensets(st.sampled_from([*value, "other"])))
    text = json.dumps(value, ensure_ascii=ascii, indent=data.draw(st.sampled_from([None, 1])))
    assert json.loads(keep_keys(text, keys)) == {key: value[key] for key in value if key in keys}
