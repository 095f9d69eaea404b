"""`gateway translate`: turns messages of SOAP into those of REST, and back."""

import re
import sys
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
from lxml import etree
from starlette.datastructures import Headers

from gateway.cli.curl import curl_command
from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import models_of
from gateway.domain.errors import JobsError
from gateway.http.preconditions import idempotency_key_of, if_match_of
from gateway.refusal import Refusal
from gateway.translate.fault import ServiceFault
from gateway.translate.json_reader import read_json
from gateway.translate.rest_message import RestRequest
from gateway.translate.rest_to_soap import is_problem, problem_to_soap, to_soap
from gateway.translate.soap_to_rest import to_rest
from gateway.translate.soap_versions import VERSIONS, SoapVersion
from gateway.translate.xml_reader import element_path
from gateway.translate.xml_writer import show_code

_VERSION = {version.number: version for version in VERSIONS}
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
"""Characters that a terminal or an editor obeys, hides or changes, and a person would not see."""


@click.command("translate")
@click.argument("message", nargs=-1, metavar="[METHOD PATH] [FILE]")
@click.option(
    "--base-url",
    default="http://127.0.0.1:8080",
    show_default=True,
    show_envvar=True,
    help="Address of the gateway, for the curl command.",
)
@click.option("--to-soap", is_flag=True, help="From REST to SOAP.")
@click.option(
    "--soap",
    "version",
    type=click.Choice(list(_VERSION)),
    default=VERSIONS[0].number,
    show_default=True,
    help="The version of SOAP, with --to-soap.",
)
@click.option(
    "-H",
    "--header",
    "headers",
    multiple=True,
    metavar="'NAME: VALUE'",
    help="A header of the message, with --to-soap: Idempotency-Key, If-Match, and of bytes Content-Type and "
    "Content-Disposition. Others have no place in an envelope.",
)
@click.option("--show-code", metavar="MODEL", help="Print the code that writes a model as XML, and end.")
def translate_command(
    message: tuple[str, ...],
    base_url: str,
    to_soap: bool,
    version: str,
    headers: tuple[str, ...],
    show_code: str | None,
) -> None:
    """Translate a message of SOAP into that of REST, or with --to-soap the other way round.

    FILE is an envelope; `-` or nothing means standard input. A request is printed as a curl command, a reply
    and a fault as their JSON.

    With --to-soap, METHOD, PATH (with its query) and FILE are a request, and its envelope is printed; without
    FILE it has no body. If FILE is the JSON that came back, the reply or the fault is printed. A problem may
    stand without METHOD and PATH.

    \b
    gateway translate request.xml
    gateway translate --to-soap POST /v2/jobs job.json
    curl ... | gateway translate --to-soap GET /v2/jobs/0199a6f2-4c1e-7d3a-9b5e-2f6c8d1e7a40 -
    """
    if show_code is not None:
        click.echo(_code_of(show_code), nl=False)
        return
    try:
        if to_soap:
            # As bytes: the texts are UTF-8 whatever the terminal's locale is.
            click.echo(_envelope(message, Headers(raw=_raw(headers)), _VERSION[version]).encode())
        elif len(message) > 1:
            raise click.UsageError("METHOD and PATH go with --to-soap")
        else:
            _tell_rest(_content(message[0] if message else "-"), base_url)
    except JobsError as error:
        places = [f"{element_path(p.path) or 'the message'}: {p.detail}" for p in error.problems]
        raise Refusal("\n".join(_printable(line) for line in (error.reason, *places))) from None


def _tell_rest(content: bytes, base_url: str) -> None:
    found = to_rest(content)
    if isinstance(found, RestRequest):
        if not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", base_url):
            raise Refusal(f"--base-url {base_url!r}: must begin with http:// or https:// and a host")
        click.echo(_seen(curl_command(found, base_url.rstrip("/")), "\\u{:04x}").encode())
    elif found.content_type is None:
        click.echo(f"the reply over REST is {found.status}, without a body", err=True)
    elif found.content_type.endswith("json"):
        click.echo(_seen(found.body.decode(), "\\u{:04x}").encode())
    else:
        click.echo(found.body, nl=False)


def _envelope(words: tuple[str, ...], headers: Headers, version: SoapVersion) -> str:
    if len(words) > 3:
        raise click.UsageError("more than METHOD, PATH and FILE")
    if len(words) < 2:
        document = read_json(_content(words[0] if words else "-"), "problem")
        if not is_problem(document):
            raise click.UsageError("METHOD and PATH are needed, unless the JSON is a problem")
        return _indented(problem_to_soap(document, version))
    method, address = words[:2]
    message = RestRequest(
        method=method.upper(),
        target=_target(address),
        content_type=headers.get("content-type"),
        body=_content(words[2]) if len(words) > 2 else None,
        file_name=_file_name(headers.get("content-disposition", "")),
        idempotency_key=idempotency_key_of(headers),
        if_version=_if_version(headers),
    )
    return _indented(to_soap(message, version))


def _content(file: str) -> bytes:
    """The bytes of a file, `-` = standard input. Raises Refusal."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror}") from None


def _target(address: str) -> str:
    """Path and query of an address, which may be whole."""
    if "://" in address:
        parts = urlsplit(address)
        return parts.path + (f"?{parts.query}" if parts.query else "")
    return address.partition("#")[0]


def _file_name(disposition: str) -> str | None:
    """The name in Content-Disposition; of two the one in UTF-8 (RFC 6266 section 4.3)."""
    if whole := re.search(r"filename\*=UTF-8''([^;\s]+)", disposition, re.IGNORECASE):
        return unquote(whole[1])
    plain = re.search(r'filename="([^"]*)"', disposition, re.IGNORECASE)
    return plain[1] if plain else None


def _raw(headers: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    found = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"--header {header!r}: must be written 'Name: value'")
        found.append((name.strip().lower().encode(), value.strip().encode("latin-1", "replace")))
    return found


def _if_version(headers: Headers) -> int | None:
    """The version that If-Match names. Raises Refusal when it says something else."""
    wanted = if_match_of(headers)
    if wanted is None:
        return None
    if wanted.versions is None or len(wanted.versions) != 1:
        raise Refusal('If-Match must name one version, such as "5", to become the header element ifVersion')
    return next(iter(wanted.versions))


def _indented(envelope: str) -> str:
    """The envelope with a line per element, as people read it; blanks between elements mean nothing."""
    root = etree.fromstring(envelope.encode())
    etree.indent(root)
    text = etree.tostring(root, encoding="unicode")
    return "<?xml version='1.0' encoding='utf-8'?>\n" + _seen(text, "&#{};")


def _seen(text: str, written: str) -> str:
    """A text in which characters that nobody would see are written by their number."""
    return _UNSEEN.sub(lambda found: written.format(ord(found.group())), text)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _code_of(name: str) -> str:
    roots = [operation.request for operation in OPERATIONS]
    roots += [operation.reply.model for operation in OPERATIONS if operation.reply]
    models = {model.__name__: model for model in models_of([*roots, ServiceFault])}
    if name not in models:
        near = get_close_matches(name, models, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise Refusal(f"there is no model {name!r}{hint}")
    return show_code(models[name])
