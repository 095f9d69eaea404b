"""XOP packages as replies (XOP 1.0, MTOM): the envelope, and behind it the bytes that it refers to.

Only a caller who asked for a package gets one: the request was one, or Accept names it. A bare
`multipart/related` in Accept asks for nothing, since JAX-WS always sends it. Faults are never packaged.
"""

from collections.abc import AsyncIterator, Mapping
from secrets import token_hex

from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.contract.operation import Operation
from gateway.domain.content import Kept
from gateway.http.download import Download
from gateway.http.media_type import name_of, read_media_ranges
from gateway.soap.content import HOLE
from gateway.soap.xop import PACKAGE, XOP, carries_bytes
from gateway.translate.soap_versions import SoapVersion
from gateway.translate.xml_reader import INCLUDE_NAMESPACE

_RANDOM_BYTES = 24
"""Of a boundary: enough that no content ever holds it (RFC 2046 section 5.1.1)."""


def wants_package(headers: Headers, operation: Operation, *, came: bool) -> bool:
    """Whether the reply of an operation is to be a package. `came`: the request was one."""
    if not carries_bytes(operation):
        return False
    accept = ",".join(headers.getlist("accept"))
    weights = [
        asked.weight
        for asked in read_media_ranges(accept)
        if asked.name == PACKAGE and name_of(asked.parameters.get("type", "")) == XOP
    ]
    # RFC 9110 section 12.4.2: a weight of 0 means "not acceptable".
    return any(weights) if weights else came


def packaged(
    envelope: bytes, content: Kept | None, version: SoapVersion, headers: Mapping[str, str]
) -> Response:
    """A reply as a package: the envelope as root part, and the content where it has a hole."""
    unique = token_hex(_RANDOM_BYTES)
    root_id, content_id = f"root.{unique}@jobs-gateway", f"content.{unique}@jobs-gateway"
    fields = {
        **headers,
        # RFC 2387 section 3; MTOM section 4.3 and the SOAP 1.1 Binding for MTOM: start-info is the media
        # type that the envelope would have by itself.
        "content-type": f'{PACKAGE}; type="{XOP}"; start="<{root_id}>"; start-info="{version.media_type}"; '
        f'boundary="{unique}"',
        # RFC 2045 section 4.
        "mime-version": "1.0",
    }
    before, hole, after = envelope.partition(HOLE.encode())
    # XOP 1.0 section 2.1; RFC 2392 section 2 lets "@" and "." stand in a URL as they are.
    include = f'<xop:Include xmlns:xop="{INCLUDE_NAMESPACE}" href="cid:{content_id}"/>' if hole else ""
    root_type = f'{XOP}; charset=utf-8; type="{version.media_type}"'
    start = _head(unique, root_id, root_type) + before + include.encode() + after
    end = f"\r\n--{unique}--\r\n".encode()
    if content is None:
        return Response(start + end, headers=fields)
    start += b"\r\n" + _head(unique, content_id, "application/octet-stream")
    length = len(start) + content.size + len(end)
    return Download(content, _joined(start, content, end), length=length, headers=fields)


def _head(boundary: str, content_id: str, media_type: str) -> bytes:
    """What stands before a part's content."""
    return (
        f"--{boundary}\r\n"
        f"Content-Type: {media_type}\r\n"
        "Content-Transfer-Encoding: binary\r\n"
        f"Content-ID: <{content_id}>\r\n\r\n"
    ).encode()


async def _joined(start: bytes, content: Kept, end: bytes) -> AsyncIterator[bytes]:
    yield start
    async for piece in content.pieces():
        yield piece
    yield end
