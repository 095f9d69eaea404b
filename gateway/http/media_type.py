"""Media types with their parameters: one, as Content-Type has it, or a list, as Accept has it."""

import re
from typing import NamedTuple

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_NAME = re.compile(rf"[ \t]*({_WORD}/{_WORD})[ \t]*")
# RFC 9110 section 5.6.6. Values that should be quoted, such as `<a@b>`, are often not; what ends a value is
# clear all the same.
_PARAMETER = re.compile(rf';[ \t]*(?:({_WORD})[ \t]*=[ \t]*("(?:[^"\\]|\\.)*"|[^\s;,"]+)[ \t]*)?')
_ESCAPED = re.compile(r"\\(.)")
# RFC 9110 section 12.4.2: qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
_QVALUE = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


class MediaType(NamedTuple):
    """A media type, or a media range."""

    name: str
    """`type/subtype`, in lower case."""
    parameters: dict[str, str]
    """Values by their names, these in lower case."""

    @property
    def weight(self) -> float:
        """How much a range is wanted: 0 = not at all; a weight that is none counts as that, too."""
        given = self.parameters.get("q", "1")
        return float(given) if _QVALUE.fullmatch(given) else 0.0


def read_media_type(text: str) -> MediaType | None:
    """The media type that a field names (RFC 9110 section 8.3.1).

    None = it names none, more than one, or a parameter twice.
    """
    media_type, end = _read(text, 0)
    return media_type if end == len(text) else None


def read_media_ranges(text: str) -> list[MediaType]:
    """The media ranges of Accept (RFC 9110 section 12.5.1); what cannot be read is left out."""
    found = []
    at = 0
    while at < len(text):
        media_type, end = _read(text, at)
        comma = text.find(",", end)
        after = len(text) if comma < 0 else comma
        if media_type is not None and not text[end:after].strip(" \t"):
            found.append(media_type)
        at = after + 1
    return found


def name_of(text: str) -> str:
    """The bare name of a media type, whatever its parameters look like."""
    return text.partition(";")[0].strip(" \t").lower()


def _read(text: str, at: int) -> tuple[MediaType | None, int]:
    """What begins there, and where it ends."""
    named = _NAME.match(text, at)
    if named is None:
        return None, at
    at = named.end()
    parameters: dict[str, str] = {}
    twice = False
    while found := _PARAMETER.match(text, at):
        at = found.end()
        if found[1] is not None:
            name, value = found[1].lower(), found[2]
            twice = twice or name in parameters
            parameters[name] = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
    return (None if twice else MediaType(named[1].lower(), parameters)), at
