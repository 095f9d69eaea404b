"""Builds XOP packages, right and wrong ones, and takes apart those that come back."""

import re
from dataclasses import dataclass

import httpx
from requests_toolbelt.multipart.decoder import MultipartDecoder

XOP = "http://www.w3.org/2004/08/xop/include"
INCLUDE = f"{{{XOP}}}Include"
BOUNDARY = "a boundary"


@dataclass(frozen=True)
class Part:
    """A part of a package."""

    headers: dict[str, str]
    content: bytes

    def but(self, content: bytes | None = None, **headers: str | None) -> "Part":
        """The same with other headers (`_` for `-`; None = without it) or another content."""
        changed = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        left = {name: value for name, value in changed.items() if value is not None}
        return Part(left, self.content if content is None else content)


def root(envelope: bytes, media_type: str = "text/xml") -> Part:
    """A root part."""
    headers = {
        "content-type": f'application/xop+xml; charset=UTF-8; type="{media_type}"',
        "content-transfer-encoding": "8bit",
        "content-id": "<root@test>",
    }
    return Part(headers, envelope)


def included(content: bytes) -> Part:
    """The part that `cid:content%40test` refers to."""
    headers = {
        "content-type": "application/octet-stream",
        "content-transfer-encoding": "binary",
        "content-id": "<content@test>",
    }
    return Part(headers, content)


def content_type(media_type: str = "text/xml", **parameters: str | None) -> str:
    """Content-Type of a package, with other parameters than usual (`_` for `-`; None = without it)."""
    usual: dict[str, str | None] = {
        "type": "application/xop+xml",
        "boundary": BOUNDARY,
        "start": "<root@test>",
        "start-info": media_type,
    }
    given = usual | {name.replace("_", "-"): value for name, value in parameters.items()}
    return "multipart/related" + "".join(
        f'; {name}="{value}"' for name, value in given.items() if value is not None
    )


def package(
    *parts: Part, boundary: str = BOUNDARY, before: bytes = b"", end: bytes = b"--\r\n", after: bytes = b""
) -> bytes:
    """A package of these parts; `before` the first boundary, `end` behind the last."""
    body = before
    for part in parts:
        fields = "".join(f"{name}: {value}\r\n" for name, value in part.headers.items())
        body += f"--{boundary}\r\n{fields}\r\n".encode("latin-1") + part.content + b"\r\n"
    return body + f"--{boundary}".encode() + end + after


def opened(reply: httpx.Response, media_type: str) -> list[Part]:
    """The parts of a package that came back, the root part first."""
    given = reply.headers["content-type"]
    found = re.fullmatch(
        r'multipart/related; type="application/xop\+xml"; start="(<[^"]+>)"; start-info="([^"]+)"; '
        r'boundary="([0-9a-f]{32,70})"',
        given,
    )
    assert found, given
    assert (found[2], reply.headers["mime-version"]) == (media_type, "1.0")
    assert int(reply.headers["content-length"]) == len(reply.content)
    parts = [
        Part({name.decode().lower(): value.decode() for name, value in part.headers.items()}, part.content)
        for part in MultipartDecoder(reply.content, given).parts
    ]
    ids = [part.headers["content-id"] for part in parts]
    assert ids[0] == found[1]
    assert len(set(ids)) == len(ids)
    types = [f'application/xop+xml; charset=utf-8; type="{media_type}"'] + ["application/octet-stream"]
    assert [part.headers["content-type"] for part in parts] == types[: len(parts)]
    assert {part.headers["content-transfer-encoding"] for part in parts} == {"binary"}
    return parts
