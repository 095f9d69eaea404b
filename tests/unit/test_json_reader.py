"""JSON bodies: what is read, what is refused, and that hostile ones are cheap."""

from decimal import Decimal

import pytest

from gateway.domain.errors import MalformedMessage, ValidationFailed
from gateway.domain.model import Model
from gateway.domain.scalars import Int32, Number
from gateway.translate.json_reader import OUT_OF_RANGE, read_json


def problems(body: bytes) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ValidationFailed) as caught:
        read_json(body, "job")
    return [(problem.path, problem.detail) for problem in caught.value.problems]


def reason(body: bytes) -> str:
    with pytest.raises(MalformedMessage) as caught:
        read_json(body, "job")
    return caught.value.reason


def test_plain_values_come_out_and_decimals_keep_their_digits() -> None:
    body = '{"a": 0.1, "b": [1, -2, true, null], "c": {"d": "é\\ud83d\\ude00"}, "e": 1.50, "f": 5E0}'.encode()
    assert read_json(body, "job") == {
        "a": Decimal("0.1"),
        "b": [1, -2, True, None],
        "c": {"d": "é😀"},
        "e": Decimal("1.50"),
        "f": Decimal("5"),
    }
    assert str(read_json(body, "job")["e"]) == "1.50"


def test_a_byte_order_mark_is_skipped() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": 1}', "job") == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [b"", b"  ", b"{", b"{'a': 1}", b'{"a": 01}', b'{"a": 1,}', b'{"a": .5}', b'{"a": 1} x', b'{"a": "\n"}'],
)
def test_what_is_no_json_is_told_with_its_place(body: bytes) -> None:
    assert reason(body).startswith("the body is no JSON at line ")


def test_places_count_lines_and_columns() -> None:
    assert "line 2, column 6" in reason(b'{"a": 1,\n "b":}')
    assert "line 2, column 7: NaN is no value" in reason(b'{"a": "NaN",\n "b": NaN}')
    assert "column 7: -Infinity is no value" in reason(b'{"a": -Infinity}')


@pytest.mark.parametrize("body", [b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', '{"a": 1}'.encode("utf-16")])
def test_another_encoding_than_utf_8_is_refused(body: bytes) -> None:
    assert "UTF-8 at byte" in reason(body)


def test_utf_16_without_a_mark_is_no_json() -> None:
    assert "no JSON" in reason('{"a": 1}'.encode("utf-16-le"))


def test_names_given_twice_are_named() -> None:
    assert problems(b'{"a": 1, "b": [{"c": 1, "c": 1}], "a": 2, "a": 3}') == [
        (("job", "a"), "is given twice"),
        (("job", "b", 0, "c"), "is given twice"),
    ]
    assert problems(b'{"a": 1, "\\u0061": 2}') == [(("job", "a"), "is given twice")]


def test_lone_surrogates_are_named_and_pairs_are_not() -> None:
    assert problems(b'{"a": ["\\ud800"], "\\udc00": 1}') == [
        (("job", "a", 0), "must not hold a lone surrogate"),
        (("job",), "a name must not hold a lone surrogate"),
    ]
    assert read_json(b'{"a": "\\\\ud800"}', "job") == {"a": "\\ud800"}


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    assert problems(body) == [(("job",), "must be a JSON object")]


def test_64_levels_are_read_and_more_are_not() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)

    assert read_json(nested(64), "job")
    assert "64 levels" in reason(nested(65))
    assert "64 levels" in reason(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}")
    assert read_json(b'{"a": [' + b"[]," * 500 + b"[]]}", "job")


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_very_deep_bodies_do_no_harm(opening: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_json(opening * 200_000, "job")


class Figures(Model):
    whole: Int32 = 0
    number: Number = Decimal(0)


@pytest.mark.parametrize(
    "number",
    ["1e999999999", "-1E+999999999", "1e99999999999999999999999", "9" * 100_000, "1" + "0" * 30, "1e20"],
)
@pytest.mark.parametrize("member", ["whole", "number"])
def test_numbers_beyond_all_measure_are_left_to_validation_which_names_the_member(
    number: str, member: str
) -> None:
    values = read_json(f'{{"{member}": {number}}}'.encode(), "job")
    assert values[member] is OUT_OF_RANGE
    assert "out of range" in repr(values[member])
    with pytest.raises(ValueError, match=member):
        Figures.read(values)


def test_tiny_numbers_are_zero() -> None:
    values = read_json(b'{"number": 1e-999999999, "whole": 0e999999999}', "job")
    assert Figures.read(values) == Figures(whole=0, number=Decimal(0))
