"""Compresses replies for callers who ask for it."""

import asyncio
import gzip
import re

from starlette.datastructures import Headers

LEAST_BYTES = 1024
"""Shorter replies are sent as they are: they fit one packet anyway."""

_LONG_BYTES = 65536
# zlib's fastest level: most of the saving for a fraction of the time.
_LEVEL = 1
_QVALUE = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE)


def accepts_gzip(headers: Headers) -> bool:
    """Whether Accept-Encoding asks for gzip (RFC 9110 section 12.5.3); a missing header does not."""
    given = headers.get("accept-encoding")
    if given is None or ("gzip" not in given.lower() and "*" not in given):
        return False
    weights: dict[str, float] = {}
    for item in ",".join(headers.getlist("accept-encoding")).split(","):
        coding, _, parameter = (part.strip() for part in item.lower().partition(";"))
        found = _QVALUE.fullmatch(parameter.replace(" ", ""))
        weights[coding] = float(found.group(1)) if found else 0.0 if parameter else 1.0
    weight = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return weight > 0 and weight >= weights.get("identity", 0.0)


async def compressed(body: bytes) -> bytes:
    """The body as gzip; a long one is worked on in a thread, so that others are not kept waiting."""
    if len(body) > _LONG_BYTES:
        return await asyncio.to_thread(_gzip, body)
    return _gzip(body)


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)
