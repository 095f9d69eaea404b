"""Range requests (RFC 9110 section 14): one range of bytes. Where several are asked for, all is sent, which
section 14.2 allows.
"""

import re
from typing import NamedTuple

from starlette.datastructures import Headers

# Section 14.1: names of units do not differ by case.
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,4000})-([0-9]{0,4000})[ \t]*", re.IGNORECASE)


class Part(NamedTuple):
    """Some of the bytes of a reply."""

    start: int
    length: int


class NotSatisfiableError(Exception):
    """The range lies behind the last byte."""


def wanted_part(headers: Headers, size: int, tag: str) -> Part | None:
    """The range that is asked for; None = all, also where the header cannot be read.

    `tag` is the strong entity tag. Raises NotSatisfiableError.
    """
    given = headers.getlist("range")
    found = _RANGE.fullmatch(given[0]) if len(given) == 1 else None
    # Section 13.1.5: without a strong match the range is not looked at; there are no dates to compare.
    if found is None or headers.get("if-range", tag).strip() != tag:
        return None
    first, last = found.groups()
    if first:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
        if start >= size:
            raise NotSatisfiableError
        return Part(start, end - start + 1)
    if not last:
        return None
    length = min(int(last), size)
    if not int(last):
        raise NotSatisfiableError
    # The last bytes of nothing are all that there is; no Content-Range can say that.
    return Part(size - length, length) if length else None
