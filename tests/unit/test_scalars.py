"""The scalar types: what they read, what they refuse, how they are written."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.domain.model import Maybe, Model, dump, load
from gateway.domain.scalars import Flag, Ident, Instant, Int32, Int64, Line, Number, Text, instant_text


class Everything(Model):
    """One member of each kind."""

    text: Maybe[Text] = None
    """Text."""
    line: Maybe[Line] = None
    """A line."""
    ident: Maybe[Ident] = None
    """An id."""
    int32: Maybe[Int32] = None
    """An integer."""
    int64: Maybe[Int64] = None
    """A long integer."""
    number: Maybe[Number] = None
    """A decimal."""
    at: Maybe[Instant] = None
    """An instant."""
    flag: Maybe[Flag] = None
    """A boolean."""


def read(name: str, value: Any) -> Any:
    return getattr(Everything.read({name: value}), name)


def written(name: str, value: Any) -> str:
    document = dump(Everything.read({name: value})).decode()
    return document.removeprefix(f'{{"{name}":').removesuffix("}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23T15:06:07.123Z", "2026-11-23T15:06:07.123Z"),
        ("2026-11-23T15:06:07.123987Z", "2026-11-23T15:06:07.123Z"),
        ("2026-11-23T15:06:07.1Z", "2026-11-23T15:06:07.100Z"),
        ("2020-08-31T16:47+00:00", "2020-08-31T16:47:00.000Z"),
        ("2020-08-31T16:47:00+02:00", "2020-08-31T14:47:00.000Z"),
        ("2020-08-31T16:47:00-23:59", "2020-09-01T16:46:00.000Z"),
        ("2020-08-31T16:47:00", "2020-08-31T16:47:00.000Z"),
        ("2020-08-31t16:47:00z", "2020-08-31T16:47:00.000Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_milliseconds(text: str, expected: str) -> None:
    assert instant_text(read("at", text)) == expected
    assert written("at", text) == f'"{expected}"'


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23",
        "2026-11-23T24:00:00Z",
        "2026-11-23T23:59:60Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2026-11-23 15:06:07Z",
        "2026-11-23T15:06:07.Z",
        "2026-11-23T15:06:07+25:00",
        "2026-11-23T15:06:07+01:60",
        "2026-11-23T15:06:07Z\n",
        "٢٠٢٦-11-23T15:06:07Z",
        "",
        1_700_000_000,
        True,
        None,
    ],
)
def test_what_is_no_instant_is_refused(text: Any) -> None:
    with pytest.raises(ValidationError):
        read("at", text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("0.20000000298023224"), "0.200000003"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1.500"), "1.5"),
        (Decimal("-0"), "0"),
        (Decimal("0.0000000004"), "0"),
        (Decimal("-0.0000000016"), "-0.000000002"),
        (Decimal("123456789012345.123456789"), "123456789012345.123456789"),
        (Decimal("1e-999999999"), "0"),
        (7, "7"),
    ],
)
def test_a_decimal_is_rounded_to_nine_digits_and_written_plainly(value: Any, expected: str) -> None:
    assert written("number", value) == expected
    assert read("number", value) == Decimal(expected)


@pytest.mark.parametrize(
    "value",
    [Decimal(text) for text in "1e15 999999999999999.9999999999 1e999999999 NaN Infinity".split()]
    + [10**15, True, "1", None],
)
def test_a_decimal_of_sixteen_digits_and_what_is_none_are_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        read("number", value)


@pytest.mark.parametrize("value", [5, "5", "+5", "005", Decimal("5.0"), Decimal("5")])
def test_an_integer_is_read_from_quotes_and_from_a_whole_decimal(value: Any) -> None:
    assert read("int32", value) == 5
    assert written("int32", value) == "5"


@pytest.mark.parametrize(
    "value", [True, 5.5, Decimal("5.5"), "5.0", "five", "", "5 ", "٥", 2**31, "9" * 30, Decimal("1e30")]
)
def test_what_is_no_integer_of_32_bits_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        read("int32", value)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_a_long_integer_has_64_bits(value: int) -> None:
    assert read("int64", value) == value
    with pytest.raises(ValidationError):
        read("int64", value * 2)


@pytest.mark.parametrize("value", ["true", 1, 0, "yes", None])
def test_only_true_and_false_are_booleans(value: Any) -> None:
    with pytest.raises(ValidationError):
        read("flag", value)


@pytest.mark.parametrize("char", ["\x00", "\x08", "\x0b", "\x1f", "\ufffe", "\uffff", "\ud800"])
def test_what_xml_cannot_carry_is_refused_in_text(char: str) -> None:
    with pytest.raises(ValidationError):
        read("text", f"a{char}b")
    with pytest.raises(ValidationError):
        read("line", f"a{char}b")


@pytest.mark.parametrize(
    "char", ["\n", "\r", "\t", "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\u202e", "\u2066"]
)
def test_a_line_refuses_breaks_and_direction_controls_that_text_may_have(char: str) -> None:
    assert read("text", f"a{char}b") == f"a{char}b"
    with pytest.raises(ValidationError, match=r"U\+"):
        read("line", f"a{char}b")


@pytest.mark.parametrize("ident", ["a", "A.b_c:d-1", "x" * 64])
def test_an_id_has_up_to_64_plain_characters(ident: str) -> None:
    assert read("ident", ident) == ident


@pytest.mark.parametrize("ident", ["", "x" * 65, "a b", "ä", "a\n", "a/b"])
def test_another_id_is_refused(ident: str) -> None:
    with pytest.raises(ValidationError):
        read("ident", ident)


def test_null_is_refused_where_a_member_may_be_missing() -> None:
    assert Everything.read({}).text is None
    with pytest.raises(ValidationError):
        Everything.read({"text": None})


def test_the_python_name_is_no_wire_name() -> None:
    class Renamed(Model):
        """A model whose names differ."""

        wire_name: Maybe[Text] = None
        """Text."""

    assert Renamed.read({"wireName": "x"}).wire_name == "x"
    with pytest.raises(ValidationError, match="Extra inputs"):
        Renamed.read({"wire_name": "x"})


instants = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
numbers = st.decimals(min_value=-(10**14), max_value=10**14, allow_nan=False, places=9)
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\ufffe\uffff").filter(
        lambda char: char >= " " or char in "\t\n\r"
    )
)


@given(texts, st.integers(-(2**63), 2**63 - 1), numbers, instants)
def test_what_is_dumped_is_loaded_again(text: str, integer: int, number: Decimal, at: datetime) -> None:
    model = Everything.read({"text": text, "int64": integer, "number": number, "at": instant_text(at)})
    assert load(Everything, dump(model)) == model
