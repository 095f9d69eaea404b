"""The page for people at the address of the SOAP door: what there is, and how to call it from where.

Everything about operations comes from the list of operations. The page is made once, and names the address
under which its reader has reached the gateway.
"""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache, cached_property, lru_cache
from html import escape
from importlib.resources import files
from string import Template
from urllib.parse import quote

from gateway.contract.operation import Operation
from gateway.domain.errors import ERRORS, JobsError
from gateway.domain.words import Role
from gateway.http.page import Page
from gateway.soap.envelopes import fault_envelope, reply_envelope, request_envelope
from gateway.soap.service import PORT_TYPE, SERVICE_NAME, soap_action
from gateway.translate import NAMESPACE
from gateway.translate.soap_versions import SOAP11, SOAP12, VERSIONS
from gateway.translate.xml_parsing import MAX_DEPTH

PAGES = 16
"""How many pages are kept, one for each address; callers may write one host in many ways."""

_ADDRESS = "@ADDRESS@"
_BASE = "@BASE@"
_SNIPPETS = ("curl", "zeep", "php", "java", "dotnet")

_TITLES = {
    "jobs": "Jobs",
    "processinglogs": "Processing logs",
    "scheduledjobs": "Scheduled jobs",
    "info": "The gateway",
}
"""Titles of groups that are not the segment of the path itself."""

_HEADERS = f"""<soap:Envelope xmlns:soap="{SOAP11.namespace}">
  <soap:Header>
    <idempotencyKey xmlns="{NAMESPACE}">order-4711</idempotencyKey>
    <ifVersion xmlns="{NAMESPACE}">4</ifVersion>
  </soap:Header>
  <soap:Body>…</soap:Body>
</soap:Envelope>
"""

_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
_WORD_OF_CODE = re.compile(r"`([^`]*)`")
_XML_TAG = re.compile(r"&lt;.*?&gt;", re.DOTALL)


class JobsPage:
    """The page, for any address."""

    def __init__(self, operations: Iterable[Operation], *, path: str, max_body_bytes: int) -> None:
        """`path` is the path of the SOAP door below the gateway's address."""
        self._operations = tuple(operations)
        self._path = path
        self._max_body_bytes = max_body_bytes
        self.at = lru_cache(maxsize=PAGES)(self._at)

    def _at(self, base: str, vary: str) -> Page:
        """The page for those who reach the gateway at this address; `vary` says on what that depends."""
        # Code on the page stays one string of its language, whatever an operator writes into PUBLIC_URL.
        base = quote(base, safe="/:[]@%~+,;=")
        text = self._text.replace(_ADDRESS, escape(base + self._path)).replace(_BASE, escape(base))
        headers = {"content-security-policy": _policy(text), "vary": f"Accept-Encoding, {vary}"}
        return Page(text.encode, "text/html", headers | {"referrer-policy": "no-referrer"})

    @cached_property
    def _text(self) -> str:
        groups = _groups(self._operations)
        example = self._operations[0]
        return _template("page.html").substitute(
            contents="\n".join(_contents(title, group) for title, group in groups.items()),
            operations="\n".join(_section(title, group) for title, group in groups.items()),
            versions=_versions(),
            roles=", ".join(
                f"<code>{role}</code> ({_words(role.meaning.rstrip('.').lower())})" for role in Role
            ),
            errors="\n".join(map(_error_row, ERRORS.values())),
            headers=_xml(_HEADERS),
            fault11=_xml(fault_envelope(example, SOAP11).decode()),
            fault12=_xml(fault_envelope(example, SOAP12).decode()),
            service=SERVICE_NAME,
            port_type=PORT_TYPE,
            namespace=NAMESPACE,
            max_depth=MAX_DEPTH,
            max_body_bytes=f"{self._max_body_bytes:,}".replace(",", "&nbsp;"),
            **{name: escape(_read(f"snippets/{name}.txt").rstrip("\n"), quote=False) for name in _SNIPPETS},
        )


def _groups(operations: tuple[Operation, ...]) -> dict[str, list[Operation]]:
    """Operations on the same things, by title, in the order of the list.

    The things are the second noun of the REST path where several operations share it, else the first.
    """
    nouns = {operation.name: _nouns(operation) for operation in operations}
    shared = Counter(found[1] for found in nouns.values() if len(found) > 1)
    groups: dict[str, list[Operation]] = {}
    for operation in operations:
        first, *others = nouns[operation.name]
        noun = others[0] if others and shared[others[0]] > 1 else first
        groups.setdefault(_TITLES.get(noun, noun.capitalize()), []).append(operation)
    return groups


def _nouns(operation: Operation) -> list[str]:
    """The words of a path behind its version."""
    return [word for word in operation.http.path.split("/")[2:] if not word.startswith("{")]


def _contents(title: str, operations: list[Operation]) -> str:
    links = "\n".join(f'<li><a href="#{one.name}">{one.name}</a></li>' for one in operations)
    return f"<h2>{title}</h2>\n<ul>\n{links}\n</ul>"


def _section(title: str, operations: list[Operation]) -> str:
    return "\n".join([f"<h3>{title}</h3>", *map(_article, operations)])


def _article(operation: Operation) -> str:
    more = []
    if operation.errors:
        links = ", ".join(f'<a href="#{error.key}">{error.key}</a>' for error in operation.errors)
        more.append(f"<dt>Errors of its own</dt><dd>{links}</dd>")
    taken = {
        "idempotencyKey": operation.takes_idempotency_key,
        "ifVersion": operation.versioned,
    }
    if any(taken.values()):
        names = ", ".join(f"<code>{name}</code>" for name, works in taken.items() if works)
        more.append(f'<dt><a href="#headers">Headers</a></dt><dd>{names}</dd>')
    return _template("page_operation.html").substitute(
        name=operation.name,
        description=_words(operation.description or operation.summary),
        role=f"{operation.role}, or a running job for itself" if operation.worker else str(operation.role),
        action=soap_action(operation.name),
        rest=f"{operation.http.method} {operation.http.path}",
        more="\n".join(more),
        request=_xml(request_envelope(operation).decode()),
        reply=_xml(reply_envelope(operation).decode()),
        fault=_xml(fault_envelope(operation).decode()),
    )


def _versions() -> str:
    """The rows of a table of what differs between the versions of SOAP."""
    queries = ["wsdl" if version is SOAP11 else f"wsdl={version.number}" for version in VERSIONS]
    rows = {
        "WSDL": [f'<a href="?{query}">?{query}</a>' for query in queries],
        "Port and binding": [f"<code>{version.port}</code>" for version in VERSIONS],
        "Content-Type": [f"<code>{version.media_type}</code>" for version in VERSIONS],
        "Namespace of the envelope": [f"<code>{version.namespace}</code>" for version in VERSIONS],
        "Fault that the caller can mend": [
            f"<code>{version.client_code}</code>, HTTP {version.client_status}" for version in VERSIONS
        ],
        "Fault of the gateway": [f"<code>{version.server_code}</code>, HTTP 500" for version in VERSIONS],
    }
    return "\n".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, cells in rows.items()
    )


def _error_row(error: type[JobsError]) -> str:
    meaning = _words(" ".join((error.__doc__ or "").split()))
    return (
        f'<tr id="{error.key}"><th scope="row"><code>{error.key}</code></th>'
        f"<td>{error.code}</td><td>{meaning}</td></tr>"
    )


def _words(text: str) -> str:
    """Text of the models, in which backticks mark code."""
    return _WORD_OF_CODE.sub(r"<code>\1</code>", escape(text, quote=False))


def _xml(text: str) -> str:
    """An XML document, its tags set apart from its values."""
    return _XML_TAG.sub(r"<i>\g<0></i>", escape(text.rstrip("\n"), quote=False))


def _policy(page: str) -> str:
    """Nothing but the style of the page, which is known by its hash (CSP level 3, section 2.3.1)."""
    (style,) = _STYLE.findall(page)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


@cache
def _template(name: str) -> Template:
    return Template(_read(name))


def _read(name: str) -> str:
    return files("gateway.soap").joinpath(name).read_text("utf-8")
