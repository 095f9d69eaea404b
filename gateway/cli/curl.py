"""A request as a `curl` command for a shell."""

import re
from base64 import encodebytes
from shlex import quote

from gateway.translate.rest_message import RestRequest

_DOTS = re.compile(r"/\.\.?(?:[/?]|$)")


def curl_command(request: RestRequest, base_url: str) -> str:
    """The command, to be pasted as it is.

    A body comes from a here-document: it may be of any length, which an argument may not, and nothing in it
    means anything to the shell, because its delimiter is quoted.
    """
    # curl would take segments of dots out of a path (RFC 3986 section 5.2.4), where they are a parameter.
    as_is = "--path-as-is " if _DOTS.search(request.target) else ""
    words = [
        f"curl {as_is}--request {request.method} {quote(base_url + request.target)}",
        *(f"--header {quote(f'{name}: {value}')}" for name, value in _headers(request)),
    ]
    if request.body is None:
        return " \\\n  ".join(words)
    words.append("--data-binary @-")
    if not request.raw:
        # A line break more or less means nothing in JSON, and no line of it is the delimiter alone.
        return " \\\n  ".join(words) + f" <<'JSON'\n{request.body.decode()}\nJSON"
    text = encodebytes(request.body).decode()
    return f"base64 --decode <<'BASE64' | {' '.join(words)}\n{text}BASE64"


def _headers(request: RestRequest) -> list[tuple[str, str]]:
    found = []
    if request.content_type is not None:
        found.append(("Content-Type", request.content_type))
    if request.idempotency_key is not None:
        found.append(("Idempotency-Key", request.idempotency_key))
    if request.if_version is not None:
        found.append(("If-Match", f'"{request.if_version}"'))
    return found
