"""The one kind of class that requests, replies and stored documents are made of, and its JSON form."""

import json
import re
from decimal import Decimal
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

T = TypeVar("T")

STORED = {"stored": True}
"""The validation context of documents that the store gives back: their secrets are masked."""

KEEPING = {"keeping": True}
"""The validation context of changes in which a secret without value keeps the stored one."""


class Model(BaseModel):
    """A frozen value. Its wire names are camelCase; unknown members are refused.

    The text under each member says its meaning, its unit, its start value and who sets it; OpenAPI and WSDL
    take their documentation from there.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        use_attribute_docstrings=True,
        regex_engine="rust-regex",
    )

    @classmethod
    def read(cls, values: Any, *, context: dict[str, Any] | None = None) -> Self:
        """Validate wire values (camelCase names). Raises pydantic's ValidationError."""
        # What model_validate does, too, after it has looked at options that nobody gives here.
        read: Self = cls.__pydantic_validator__.validate_python(
            values, by_alias=True, by_name=False, context=context
        )
        return read

    def with_(self, **changes: Any) -> Self:
        """A copy with other values, which are trusted."""
        return self.model_copy(update=changes)


class _NotNull:
    """Leaves a member out when it is missing, but refuses an explicit null."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        assert schema["type"] == "nullable", source
        inner: CoreSchema = schema["schema"]
        return inner


Maybe = Annotated[T | None, _NotNull()]
"""An optional member, to be given the default None: missing is None, null on the wire is refused."""


def dump(model: Model, *, as_given: bool = False, indent: int | None = None) -> bytes:
    """The JSON document of a model: unset members are left out, decimals are plain numbers.

    `as_given` leaves out what has its default because nobody gave it. `indent`: blanks per level, for people.
    """
    text = model.model_dump_json(by_alias=True, exclude_none=True, exclude_unset=as_given, indent=indent)
    document = text.encode("utf-8", "surrogatepass")
    # Decimals are serialized as text behind a NUL, which no stored text can hold: a float would lose digits.
    if b"\\u0000" in document:
        document = _MARKED_NUMBER.sub(rb"\1", document)
    return document


_MARKED_NUMBER = re.compile(rb'"\\u0000([-0-9.]+)"')


def load(model: type["ModelT"], document: bytes | str) -> "ModelT":
    """The model of a document that `dump` wrote."""
    return model.read(json.loads(document, parse_float=Decimal), context=STORED)


ModelT = TypeVar("ModelT", bound=Model)
