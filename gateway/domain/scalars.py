"""The scalar types of the contract: text, ids, numbers and instants.

Whatever passes these types can be carried by JSON and by XML 1.0 alike. Protocol readers hand over text,
integers, decimals, booleans and instants (as text); the types here do the rest.
"""

import binascii
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    GetPydanticSchema,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from gateway.domain.content import Content, InMemory

# XML 1.0 section 2.2: Char ::= #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF]
_NO_XML_CHAR = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Line breaks, C0 and C1 controls, line and paragraph separators, and the bidi controls of Unicode.
_NO_LINE_CHAR = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Limits:
    """Bounds of a type, set on the innermost schema, so that messages and documents tell them plainly."""

    def __init__(
        self,
        *,
        min_length: int | None = None,
        max_length: int | None = None,
        ge: int | Decimal | None = None,
        le: int | Decimal | None = None,
    ) -> None:
        given = {"min_length": min_length, "max_length": max_length, "ge": ge, "le": le}
        self.given = {name: value for name, value in given.items() if value is not None}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        inner: Any = schema
        while inner["type"].startswith("function-") and "schema" in inner:
            inner = inner["schema"]
        inner.update(self.given)
        if inner["type"] == "tuple" and "max_length" in self.given:
            return core_schema.no_info_before_validator_function(self._refuse_long, schema)
        return schema

    def _refuse_long(self, items: Any) -> Any:
        """Count a list before its items are looked at: there may be millions of them, all wrong."""
        most = self.given["max_length"]
        if isinstance(items, list | tuple) and len(items) > most:
            message = "must have at most {most} items, not {count}"
            raise PydanticCustomError("too_many", message, {"most": most, "count": len(items)})
        return items


class Published:
    """What the published JSON schema of a type says beside its limits, about what a function checks."""

    def __init__(self, **schema: Any) -> None:
        self.schema = schema

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), **self.schema}


def _refuse_char(found: "re.Match[str]") -> PydanticCustomError:
    return PydanticCustomError(
        "forbidden_character",
        "must not contain the character U+{code} (at position {position})",
        {"code": f"{ord(found.group()):04X}", "position": found.start() + 1},
    )


def _check_text(text: str) -> str:
    if found := _NO_XML_CHAR.search(text):
        raise _refuse_char(found)
    return text


def _check_line(text: str) -> str:
    if found := _NO_LINE_CHAR.search(text) or _NO_XML_CHAR.search(text):
        raise _refuse_char(found)
    return text


# The characters above as ECMA-262 says them; lone surrogates cannot be said.
_XML_CHARS = r"[^\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]"
LINE_CHARS = r"[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufffe\uffff]"

Text = Annotated[str, AfterValidator(_check_text), Published(pattern=f"^{_XML_CHARS}*$")]
"""Text that XML 1.0 can carry; line breaks and tabs are allowed."""

Line = Annotated[str, AfterValidator(_check_line), Published(pattern=f"^{LINE_CHARS}*$")]
"""One line of text."""

Name = Annotated[Line, Limits(min_length=1, max_length=255)]
"""A one-line name of 1 to 255 characters."""

ShortName = Annotated[Line, Limits(min_length=1, max_length=128)]
"""A tag, or the name of a label or a lock: one line of 1 to 128 characters."""

Uri = Annotated[Line, Limits(min_length=1, max_length=2048)]
"""A URI. It is kept and shown, never fetched."""

Message = Annotated[Text, Limits(max_length=2000)]
"""Text for people, up to 2000 characters."""

ResultData = Annotated[Text, Limits(max_length=65535)]
"""Text, usually JSON, up to 65535 characters."""

Ident = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:\-]{1,64}$")]
"""Id of a storage, an organization, a workspace or a client."""

JobId = Annotated[str, Limits()]
"""Id of a job. Text that is no UUID names no job, so it is not refused, but not found."""

Cursor = Annotated[Line, Limits(min_length=1, max_length=2048)]
"""What nextStartAfter of the page before said."""


Flag = Annotated[bool, Field(strict=True)]
"""True or false."""


_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")


def _read_integer(value: Any) -> Any:
    """JSON's 5.0 is the integer 5, and an integer in quotes is read; `true` is no number."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    if isinstance(value, Decimal | float):
        number = Decimal(value)
        if number.is_finite() and number.adjusted() < 20 and number == number.to_integral_value():
            return int(number)
    return value


Int32 = Annotated[int, Field(strict=True), Limits(ge=-(2**31), le=2**31 - 1), BeforeValidator(_read_integer)]
"""A whole number of 32 bits (xs:int)."""

Int64 = Annotated[int, Field(strict=True), Limits(ge=-(2**63), le=2**63 - 1), BeforeValidator(_read_integer)]
"""A whole number of 64 bits (xs:long)."""

Count = Annotated[Int64, Limits(ge=0)]
"""A whole number of 64 bits, not negative."""


def _read_decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float):
        raise PydanticCustomError("decimal_type", "must be a decimal number")
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        raise PydanticCustomError("decimal_finite", "must be a finite number")
    if number and number.adjusted() >= 15:
        raise PydanticCustomError("decimal_range", "must have at most 15 digits before the decimal point")
    if number.adjusted() < -12:
        return Decimal(0)
    number = number.quantize(Decimal("1e-9"), rounding=ROUND_HALF_EVEN)
    if number and number.adjusted() >= 15:
        raise PydanticCustomError("decimal_range", "must have at most 15 digits before the decimal point")
    return number.normalize() if number else Decimal(0)


def decimal_text(number: Decimal) -> str:
    """The shortest plain text of a number, without exponent."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


NUMBER_MARK = "\x00"
"""Stands before the text of a decimal in a dumped document (see documents.py); no stored text can hold it."""

Number = Annotated[
    Decimal,
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(_read_decimal)),
    PlainSerializer(lambda number: NUMBER_MARK + decimal_text(number), when_used="json"),
    WithJsonSchema({"type": "number", "exclusiveMinimum": -(10**15), "exclusiveMaximum": 10**15}),
]
"""A decimal: read from its text, rounded to 9 digits after the point, at most 15 before it."""


_INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.]([0-9]+))?)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)


def read_instant(value: Any) -> datetime:
    """RFC 3339 text as an aware instant in UTC, cut to milliseconds; without an offset it is UTC."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(microsecond=value.microsecond // 1000 * 1000)
    found = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise PydanticCustomError("instant", "must be an instant such as 2026-11-23T15:06:07.123Z")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        zone: tzinfo = UTC
        if offset and offset not in "Zz":
            hours, minutes = int(offset[1:3]), int(offset[4:6])
            if hours > 23 or minutes > 59:
                raise ValueError("offset")
            length = timedelta(hours=hours, minutes=minutes)
            zone = timezone(-length if offset[0] == "-" else length)
        micro = int((fraction or "")[:3].ljust(3, "0")) * 1000
        parts = (int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micro)
        return datetime(*parts, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError(
            "instant", "must be an instant that exists, in the years 1 to 9999"
        ) from None


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`, the same in JSON and XML."""
    # The first 23 characters, because the offset follows them. strftime takes ten times as long.
    return instant.isoformat(timespec="milliseconds")[:23] + "Z"


Instant = Annotated[
    datetime,
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(read_instant)),
    PlainSerializer(instant_text, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""A point in time, kept in UTC with milliseconds."""


# XML Schema part 2, section 3.2.16: blanks may stand anywhere in base64Binary.
_XML_BLANKS = str.maketrans("", "", " \t\r\n")
_NO_BASE64 = PydanticCustomError("base64", "must be base64")


def _read_bytes(value: Any) -> Content:
    if isinstance(value, bytes):
        return InMemory(value)
    if isinstance(value, Content):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("bytes_type", "must be bytes in base64")
    text = value.translate(_XML_BLANKS)
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError:
        raise _NO_BASE64 from None
    # Bits of the last character that no byte uses are 0 (RFC 4648 section 3.5).
    if binascii.b2a_base64(data[(len(data) - 1) // 3 * 3 :], newline=False) != text[-4:].encode("ascii"):
        raise _NO_BASE64
    return InMemory(data)


Bytes = Annotated[
    Content,
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(_read_bytes)),
    PlainSerializer(lambda _content: "", when_used="json"),
    WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
]
"""Bytes of any length: read from base64, or as they are. A dumped document leaves them empty."""
