"""The SOAP page for people: what it tells of each operation, its code, its address, and its order."""

import base64
import gzip
import hashlib
import re
import shlex
from functools import cache
from itertools import pairwise
from typing import Any

import httpx
import pytest
from lxml import etree

from gateway.contract.operation import Http, Operation
from gateway.contract.registry import OPERATIONS
from gateway.domain.errors import ERRORS, Unauthorized
from gateway.domain.words import Role
from gateway.soap.golden import documents
from gateway.soap.page import PAGES, JobsPage
from gateway.soap.service import soap_action
from tests.page_reader import PageReader
from tests.wire.soap_stand import NS, WSDL, XSD, Stand

PATH = "/soap/v2/"
CLIENTS = ("curl", "zeep", "php", "java", "dotnet")
each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
files = cache(documents)


@cache
def made(base: str = "http://localhost:8080") -> str:
    """The page, without a server."""
    page = JobsPage(OPERATIONS, path=PATH, max_body_bytes=1_000_000)
    text: bytes = page.at(base, "Host")._plain
    return text.decode()


@cache
def reader() -> PageReader:
    return PageReader(made())


async def get(path: str = PATH, *, stand: Stand | None = None, **options: Any) -> httpx.Response:
    reply = await (stand or Stand()).http.get(path, **options)
    assert reply.status_code == 200
    return reply


@each_operation
def test_each_operation_is_shown_with_the_envelopes_of_the_contract(operation: Operation) -> None:
    kinds = ("request", "reply", "fault")
    wanted = [files()[f"examples/{operation.name}.{kind}.xml"].decode() for kind in kinds]
    assert reader().code[operation.name] == wanted


@each_operation
def test_each_operation_tells_who_may_call_it_and_what_it_answers(operation: Operation) -> None:
    told = reader().text[operation.name]
    for text in (
        operation.description.replace("`", ""),
        soap_action(operation.name),
        f"{operation.http.method} {operation.http.path}",
        *(error.key for error in operation.errors),
    ):
        assert text in told
    role = re.search(r"Role\s*(\w+)(, or a running job for itself)?", told)
    assert role is not None
    assert role.groups() == (operation.role, ", or a running job for itself" if operation.worker else None)
    assert ("idempotencyKey" in told) is operation.takes_idempotency_key
    assert ("ifVersion" in told) is operation.versioned


def test_the_contents_lead_to_every_operation_once() -> None:
    names = [operation.name for operation in OPERATIONS]
    found = re.search(r"<nav.*?</nav>", made(), re.DOTALL)
    assert found is not None
    contents = PageReader(found[0])
    assert [link[1:] for link in contents.links if link[1:] in names] == [
        name for name in reader().ids if name in names
    ]
    assert sorted(name for name in reader().ids if name in names) == sorted(names)
    assert [text for _, text in contents.headings] == [
        "Calling it",
        "Jobs",
        "Attachments",
        "Results",
        "Processing logs",
        "Scheduled jobs",
        "The gateway",
    ]


def test_a_new_operation_on_new_things_has_a_group_of_its_own() -> None:
    async def run() -> None:
        """Name the colours."""

    new = Operation(
        name="listColours",
        summary="Name the colours.",
        http=Http("GET", "/v2/colours"),
        role=Role.READER,
        run=run,
    )
    page = JobsPage([*OPERATIONS, new], path=PATH, max_body_bytes=1).at("http://localhost", "Host")._plain
    read = PageReader(page.decode())
    assert read.headings[-2:] == [(3, "Colours"), (4, "listColours")]
    assert "<listColours" in read.code["listColours"][0]


def test_every_error_is_told_with_its_code() -> None:
    told = reader().text["faults"]
    for error in ERRORS.values():
        assert error.key in reader().ids
        assert f"{error.key}{error.code}" in told


def test_all_links_within_the_page_lead_somewhere() -> None:
    ids = reader().ids
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in reader().links if link.startswith("#")} <= set(ids)


@pytest.mark.parametrize("path", ["/soap/v2/", "/soap/v2"])
async def test_the_wsdls_are_found_from_the_page(path: str) -> None:
    stand = Stand()
    links = PageReader((await get(path, stand=stand)).text).links
    found = [link for link in links if "wsdl" in link]
    assert set(found) == {"?wsdl", "?wsdl=1.2"}
    for link in found:
        reply = await stand.http.get(httpx.URL(f"http://localhost:8080{path}").join(link))
        assert etree.fromstring(reply.content).tag == f"{WSDL}definitions"
    assert "http://localhost:8080/docs" in links


def test_the_page_is_in_order_for_those_who_do_not_see_it() -> None:
    read = reader()
    names = [name for name, _ in read.elements]
    assert [name for name in names if name in ("header", "nav", "main")] == ["header", "nav", "main"]
    assert dict(read.elements[0][1]) == {"lang": "en"}
    levels = [level for level, _ in read.headings]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all("scope" in attributes for name, attributes in read.elements if name == "th")
    # What scrolls can be reached with the keyboard.
    assert all(attributes.get("tabindex") == "0" for name, attributes in read.elements if name == "pre")
    labels = [
        attributes["aria-labelledby"] for _, attributes in read.elements if "aria-labelledby" in attributes
    ]
    assert set(labels) <= set(read.ids)
    assert read.links[0] == "#content"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: str) -> None:
    style = made().partition("<style>")[2].partition("</style>")[0]
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", light if scheme == "light" else dark))
    for ground in ("ground", "panel"):
        for text in ("text", "quiet", "link", "tag"):
            # WCAG 2.2, success criterion 1.4.3.
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert _contrast(colours["text"], colours["mark"]) >= 4.5


def _contrast(one: str, other: str) -> float:
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


async def test_the_page_loads_nothing_and_runs_nothing() -> None:
    page = await get()
    names = {name for name, _ in reader().elements}
    assert not names & {"script", "link", "img", "iframe", "object", "form", "base"}
    assert not any(
        name.startswith("on") or name == "style" for _, found in reader().elements for name in found
    )
    (style,) = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert page.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert page.headers["x-content-type-options"] == "nosniff"


async def test_the_page_names_the_address_that_it_was_reached_at() -> None:
    stand = Stand()
    for base in ("http://localhost:8080", "https://jobs.example.org", "http://[::1]:81"):
        read = PageReader((await get(f"{base}{PATH}", stand=stand)).text)
        for client in CLIENTS:
            assert f"{base}{PATH}" in read.code[client][0], client
        text = "".join(read.text.values())
        assert not re.search("@[A-Z]+@", text)
        assert set(re.findall(r"https?://[^/\s'\"]+(?=/soap/v2)", text)) == {base}
    read = PageReader((await get(stand=Stand(public_url="https://jobs.example.org/gateway/"))).text)
    assert "https://jobs.example.org/gateway/soap/v2/" in read.code["curl"][0]
    assert "https://jobs.example.org/gateway/docs" in read.links


@pytest.mark.parametrize("odd", ["'", '"', "\\", "$x", "`id`", "<b>", "&amp;", " ", "é", "'; id #"])
def test_an_odd_address_breaks_neither_the_page_nor_the_code(odd: str) -> None:
    read = PageReader(made(f"https://jobs.example.org/{odd}"))
    assert [name for name, _ in read.elements] == [name for name, _ in reader().elements]
    (address,) = set(re.findall(r"https://jobs\.example\.org/[^\s]*?/soap/v2/", "".join(read.text.values())))
    assert re.fullmatch(r"[A-Za-z0-9:/.%;-]+", address)
    command = shlex.split(read.code["curl"][0].partition("<<")[0])
    assert command[:4] == ["curl", "--silent", "--show-error", address]
    compile(read.code["zeep"][0], "zeep", "exec")


async def test_a_host_cannot_break_the_page() -> None:
    reply = await get(headers={"host": 'a"<&é'.encode()})
    assert [name for name, _ in PageReader(reply.text).elements] == [name for name, _ in reader().elements]


async def test_the_page_is_kept_by_callers_and_sent_only_when_it_changed() -> None:
    stand = Stand()
    plain = await get(stand=stand, headers={"accept-encoding": "identity"})
    assert plain.headers["content-type"] == "text/html; charset=utf-8"
    assert plain.headers["vary"] == "Accept-Encoding, Host"
    head = await stand.http.head(PATH, headers={"accept-encoding": "identity"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(plain.content))
    async with stand.http.stream("GET", PATH, headers={"accept-encoding": "gzip"}) as zipped:
        raw = b"".join([piece async for piece in zipped.aiter_raw()])
    assert gzip.decompress(raw) == plain.content
    same = {"if-none-match": plain.headers["etag"]}
    assert (await stand.http.get(PATH, headers=same)).status_code == 304
    assert (await stand.http.get(f"http://other{PATH}", headers=same)).status_code == 200


def test_only_so_many_pages_are_kept() -> None:
    page = JobsPage(OPERATIONS, path=PATH, max_body_bytes=1)
    first = page.at("http://localhost:1", "Host")
    assert page.at("http://localhost:1", "Host") is first
    for port in range(2, PAGES + 2):
        page.at(f"http://localhost:{port}", "Host")
    assert page.at.cache_info().currsize == PAGES
    assert page.at("http://localhost:1", "Host") is not first


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_page_can_be_closed_to_those_without_a_key(method: str) -> None:
    stand = Stand(docs_need_key=True)
    assert (await stand.http.request(method, PATH)).status_code == 200
    stand.seam.refusal = Unauthorized("a key is needed")
    reply = await stand.http.request(method, PATH)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, 'Basic realm="jobs-gateway"')
    assert b"startJob" not in reply.content


def _names_of_the_wsdl() -> tuple[set[str], dict[str, set[str]]]:
    """The names of types, operations, messages, ports and service; and the members of each type."""
    wsdl = etree.fromstring(files()["jobs-v2.wsdl"])
    members = {
        str(found.get("name")): {str(member.get("name")) for member in found.iter(f"{XSD}element")}
        for found in wsdl.iter(f"{XSD}complexType")
    }
    kinds = ("service", "port", "portType", "message", "operation")
    return {str(found.get("name")) for kind in kinds for found in wsdl.iter(f"{WSDL}{kind}")}, members


def test_the_java_code_uses_names_that_wsimport_makes() -> None:
    code = reader().code["java"][0]
    names, members = _names_of_the_wsdl()
    found = re.search(r"(\w+) jobs = new (\w+)\(\)\.get(\w+)\(\);", code)
    assert found is not None
    # JAX-WS 2.2 section 2: the port type is the interface, the service the class, and get + port its method.
    assert found.groups() == ("Jobs", "JobsService", "JobsSoap11")
    assert {*found.groups(), "JobsFault"} <= names
    assert set(re.findall(r"jobs\.([a-z]\w+)\(", code)) == {"startJob", "waitForJob", "getJob"} <= names
    variables = {"start": "JobStart", "query": "WaitQuery", "job": "Job", "detail": "ServiceFault"}
    for variable, name in variables.items():
        assert f"{name} {variable} = " in code
        used = re.findall(rf"\b{variable}\.[gs]et(\w)(\w+)\(", code)
        assert used
        assert {first.lower() + rest for first, rest in used} <= members[name]


def test_the_dotnet_code_uses_names_that_svcutil_makes() -> None:
    code = reader().code["dotnet"][0]
    names, members = _names_of_the_wsdl()
    assert "new JobsClient(binding, address)" in code
    assert "Jobs" in names
    assert set(re.findall(r"jobs\.([a-z]\w+)\(", code)) == {"startJob", "waitForJob", "getJob"} <= names
    assert "FaultException<ServiceFault>" in code
    made_here = dict(re.findall(r"new (JobStart|WaitQuery) \{ (.*) \}", code))
    for name, text in made_here.items():
        used = set(re.findall(r"(\w+) = ", text))
        assert {member.removesuffix("Specified") for member in used} <= members[name]
    assert set(re.findall(r"\{job\.(\w+)\}", code)) == {"id", "jobStatus"} <= members["Job"]
    assert set(re.findall(r"\{fault\.Detail\.(\w+)\}", code)) == {"technicalKey", "code"}
    assert {"technicalKey", "code"} <= members["ServiceFault"]


def test_header_elements_lie_in_the_namespace_of_the_contract() -> None:
    envelope = etree.fromstring(reader().code["headers"][0])
    assert [child.tag for child in envelope[0]] == [f"{{{NS}}}idempotencyKey", f"{{{NS}}}ifVersion"]
