"""The WSDLs: the shape that all known client stacks accept, row by row, and how they are served."""

import logging
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import Kind, models_of, shape_of
from gateway.domain.errors import Unauthorized
from gateway.soap import golden
from gateway.soap.golden import ADDRESS
from gateway.soap.service import soap_action
from gateway.translate.soap_versions import SOAP11, SOAP12, VERSIONS, SoapVersion
from tests.wire.soap_stand import NS, WSDL, XSD, Stand

documents = cache(golden.documents)

FOLDER = Path(__file__).parents[2] / "wsdl"
FILES = {SOAP11: "jobs-v2.wsdl", SOAP12: "jobs-v2-soap12.wsdl"}
NAMES = [operation.name for operation in OPERATIONS]
WRAPPERS = [name + end for name in NAMES for end in ("", "Response")]


@pytest.fixture(params=VERSIONS, ids=["1.1", "1.2"])
def version(request: pytest.FixtureRequest) -> SoapVersion:
    found: SoapVersion = request.param
    return found


@pytest.fixture
def wsdl(version: SoapVersion) -> Any:
    return etree.fromstring(documents()[FILES[version]])


@pytest.fixture
def schema(wsdl: Any) -> Any:
    (found,) = wsdl.findall(f"{WSDL}types/{XSD}schema")
    return found


def test_the_committed_files_are_what_is_generated() -> None:
    made = documents()
    kept = {str(path.relative_to(FOLDER)): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    assert made.keys() == kept.keys()
    assert [name for name in made if made[name] != kept[name]] == [], "run: gateway contract --write"


def test_generating_twice_gives_the_same() -> None:
    assert golden.documents() == documents()


def test_lists_are_repeated_elements(schema: Any) -> None:
    assert schema.findall(f".//{XSD}element[@maxOccurs='unbounded']")
    for element in schema.findall(f".//{XSD}element[@maxOccurs='unbounded']"):
        assert (element.get("minOccurs"), element.get("nillable")) == ("0", "false")
    assert not [name for name in schema.xpath("//@name") if name.endswith("Array")]


def test_members_tell_whether_they_are_required_and_none_is_nillable(schema: Any) -> None:
    for model in models_of([operation.request for operation in OPERATIONS]):
        for member in shape_of(model).members:
            for element in schema.findall(
                f"{XSD}complexType[@name='{model.__name__}']/{XSD}sequence/{XSD}element[@name='{member.wire}']"
            ):
                assert element.get("minOccurs") == ("1" if member.required and not member.many else "0")
                assert element.get("maxOccurs") == ("unbounded" if member.many else "1")
    for element in schema.findall(f"{XSD}complexType//{XSD}element"):
        assert element.get("nillable") == "false"
        assert element.get("default") is None


def test_members_have_the_order_and_the_types_of_the_models(schema: Any) -> None:
    types = {
        Kind.TEXT: "xs:string",
        Kind.INT32: "xs:int",
        Kind.INT64: "xs:long",
        Kind.DECIMAL: "xs:decimal",
        Kind.BOOLEAN: "xs:boolean",
        Kind.INSTANT: "xs:dateTime",
        Kind.BYTES: "xs:base64Binary",
    }
    replies = [operation.reply.model for operation in OPERATIONS if operation.reply]
    for model in models_of(replies):
        found = schema.findall(f"{XSD}complexType[@name='{model.__name__}']/{XSD}sequence/{XSD}element")
        wanted = [
            (member.wire, types.get(member.kind, f"tns:{member.type.__name__}"))
            for member in shape_of(model).members
        ]
        assert [(element.get("name"), element.get("type")) for element in found] == wanted


def test_the_only_facets_are_enumerations_and_all_types_are_named(schema: Any) -> None:
    facets = {child.tag for restriction in schema.iter(f"{XSD}restriction") for child in restriction}
    assert facets == {f"{XSD}enumeration"}
    for kind in ("complexType", "simpleType"):
        assert {node.getparent() for node in schema.iter(f"{XSD}{kind}")} == {schema}
        assert all(node.get("name") for node in schema.iter(f"{XSD}{kind}"))


def test_limits_are_told_in_the_documentation(schema: Any) -> None:
    def text(type_name: str, member: str) -> str:
        path = f"{XSD}complexType[@name='{type_name}']//{XSD}element[@name='{member}']//{XSD}documentation"
        return str(schema.findtext(path))

    assert "(at most 50 characters)" in text("JobStart", "name")
    assert "(at most 100 entries; each 1 to 128 characters)" in text("JobStart", "tags")
    assert "(0 to 9)" in text("JobStart", "priority")
    assert "Deprecated" in text("JobStart", "mainLabel")
    assert text("getJob", "jobId").startswith("Id of the job.")


def test_everything_is_documented(schema: Any, wsdl: Any) -> None:
    for node in [*schema.findall(f"{XSD}simpleType"), *schema.findall(f"{XSD}complexType")]:
        if node.get("name") not in WRAPPERS:
            assert node.findtext(f"{XSD}annotation/{XSD}documentation"), node.get("name")
    for operation in wsdl.findall(f"{WSDL}portType/{WSDL}operation"):
        assert operation[0].tag == f"{WSDL}documentation"
        assert operation[0].text


def test_pages_have_a_member_that_is_always_there() -> None:
    pages = [operation.reply.model for operation in OPERATIONS if operation.reply]
    assert all(any(member.required for member in shape_of(page).members) for page in pages)


def test_both_messages_have_a_part_called_parameters(wsdl: Any) -> None:
    messages = {message.get("name"): message for message in wsdl.findall(f"{WSDL}message")}
    assert list(messages) == [*WRAPPERS, "JobsFault"]
    for name in WRAPPERS:
        (part,) = messages[name]
        assert dict(part.items()) == {"name": "parameters", "element": f"tns:{name}"}


def test_the_body_is_wrapped(wsdl: Any, schema: Any, version: SoapVersion) -> None:
    assert not wsdl.xpath("//@parameterOrder")
    soap = f"{{{version.wsdl_namespace}}}"
    (binding,) = wsdl.findall(f"{WSDL}binding/{soap}binding")
    assert binding.get("style") == "document"
    assert binding.get("transport") == "http://schemas.xmlsoap.org/soap/http"
    for operation in wsdl.findall(f"{WSDL}binding/{WSDL}operation"):
        bodies = operation.findall(f"*/{soap}body")
        assert [body.get("use") for body in bodies] == ["literal", "literal"]
    for name in WRAPPERS:
        assert schema.find(f"{XSD}element[@name='{name}']").get("type") == f"tns:{name}"
        assert schema.find(f"{XSD}complexType[@name='{name}']/{XSD}sequence") is not None


def test_the_children_of_request_and_reply_are_those_of_the_contract(schema: Any) -> None:
    def children(name: str) -> list[str]:
        found = schema.findall(f"{XSD}complexType[@name='{name}']/{XSD}sequence/{XSD}element")
        return [str(element.get("name")) for element in found]

    for operation in OPERATIONS:
        names = [part.name for part in operation.path]
        names += ["query"] * bool(operation.query) + ([operation.body.name] if operation.body else [])
        assert children(operation.name) == names
        assert children(operation.name + "Response") == ([operation.reply.name] if operation.reply else [])


def test_a_request_child_and_a_reply_child_of_one_name_differ_in_type(schema: Any) -> None:
    def types(names: list[str]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name in names:
            for element in schema.findall(f"{XSD}complexType[@name='{name}']//{XSD}element"):
                found.setdefault(element.get("name"), set()).add(element.get("type"))
        return found

    requests, replies = types(NAMES), types([f"{name}Response" for name in NAMES])
    assert not [name for name in requests if requests[name] & replies.get(name, set())]


def test_the_fault_is_declared_on_each_operation(wsdl: Any, schema: Any, version: SoapVersion) -> None:
    part = wsdl.find(f"{WSDL}message[@name='JobsFault']/{WSDL}part")
    assert part.get("element") == "tns:serviceFault"
    assert schema.find(f"{XSD}element[@name='serviceFault']").get("type") == "tns:ServiceFault"
    members = schema.findall(f"{XSD}complexType[@name='ServiceFault']/{XSD}sequence/{XSD}element")
    names = [member.get("name") for member in members]
    assert names == ["code", "technicalKey", "reason", "requestId", "errors"]
    for operation in wsdl.findall(f"{WSDL}portType/{WSDL}operation"):
        assert operation.find(f"{WSDL}fault").get("message") == "tns:JobsFault"
    for fault in wsdl.findall(f"{WSDL}binding/{WSDL}operation/{WSDL}fault"):
        (inner,) = fault
        assert inner.tag == f"{{{version.wsdl_namespace}}}fault"
        assert (fault.get("name"), inner.get("name"), inner.get("use")) == (
            "JobsFault",
            "JobsFault",
            "literal",
        )


def test_each_operation_has_a_soap_action_that_is_a_uri(wsdl: Any, version: SoapVersion) -> None:
    found = wsdl.findall(f"{WSDL}binding/{WSDL}operation/{{{version.wsdl_namespace}}}operation")
    assert [action.get("soapAction") for action in found] == [soap_action(name) for name in NAMES]
    assert soap_action("getJob") == "urn:jobs-gateway:v2:getJob"


def test_there_is_one_inline_schema_and_nothing_is_imported_or_open(wsdl: Any, schema: Any) -> None:
    assert schema.get("targetNamespace") == wsdl.get("targetNamespace") == NS
    assert schema.get("elementFormDefault") == "qualified"
    text = etree.tostring(wsdl).decode()
    assert text.count("<xs:schema ") == 1
    for word in ("import", "include", "xs:any", "anyType", "soapenc", "soap/encoding", "spyne"):
        assert word not in text.replace("company", "")


def test_only_the_namespaces_that_are_used_are_declared(wsdl: Any, version: SoapVersion) -> None:
    prefix = "soap" if version is SOAP11 else "soap12"
    assert wsdl.nsmap == {
        "wsdl": WSDL.strip("{}"),
        prefix: version.wsdl_namespace,
        "xs": XSD.strip("{}"),
        "tns": NS,
    }


def test_each_version_has_a_wsdl_of_its_own_with_frozen_names(wsdl: Any, version: SoapVersion) -> None:
    assert [str(child.tag).removeprefix(WSDL) for child in wsdl if child.tag != f"{WSDL}message"] == [
        "types",
        "portType",
        "binding",
        "service",
    ]
    port = wsdl.find(f"{WSDL}service/{WSDL}port")
    assert wsdl.find(f"{WSDL}service").get("name") == "JobsService"
    assert wsdl.find(f"{WSDL}portType").get("name") == "Jobs"
    assert dict(wsdl.find(f"{WSDL}binding").items()) == {"name": version.port, "type": "tns:Jobs"}
    assert dict(port.items()) == {"name": version.port, "binding": f"tns:{version.port}"}
    assert port[0].tag == f"{{{version.wsdl_namespace}}}address"
    assert port[0].get("location") == ADDRESS
    for kind in ("portType", "binding"):
        found = wsdl.findall(f"{WSDL}{kind}/{WSDL}operation")
        assert [operation.get("name") for operation in found] == NAMES


def test_enumerations_are_restrictions_in_our_namespace(schema: Any) -> None:
    found = {node.get("name"): node for node in schema.findall(f"{XSD}simpleType")}
    assert {"JobStatus", "OutputChannel", "DependencyCondition", "JobField"} <= found.keys()
    for node in found.values():
        assert node.find(f"{XSD}restriction").get("base") == "xs:string"
    statuses = [value.get("value") for value in found["JobStatus"].iter(f"{XSD}enumeration")]
    assert statuses[0] == "UNKNOWN"


def test_every_name_that_is_referred_to_exists(wsdl: Any, schema: Any) -> None:
    types = {f"tns:{node.get('name')}" for node in schema if "Type" in str(node.tag)}
    elements = {f"tns:{node.get('name')}" for node in schema.findall(f"{XSD}element")}
    messages = {f"tns:{node.get('name')}" for node in wsdl.findall(f"{WSDL}message")}
    used = {t for t in schema.xpath(".//@type") if t.startswith("tns:")}
    assert used == types - {t for t in types if t not in used}
    assert used <= types
    assert set(wsdl.xpath("//@element")) <= elements
    assert set(wsdl.xpath("//@message")) <= messages


def test_the_example_envelopes_are_valid(schema: Any) -> None:
    validator = etree.XMLSchema(schema)
    for name, content in documents().items():
        if name.startswith("examples/"):
            root = etree.fromstring(content)
            body = root.find(f"{{{SOAP11.namespace}}}Body")
            assert body is not None
            element = body[0]
            if name.endswith(".fault.xml"):
                element = next(element.iter(f"{{{NS}}}serviceFault"))
            validator.assertValid(element)


@pytest.mark.parametrize("path", ["/soap/v2", "/soap/v2/"])
@pytest.mark.parametrize(
    ("query", "served"),
    [
        ("wsdl", SOAP11),
        ("WSDL", SOAP11),
        ("singleWsdl", SOAP11),
        ("wsdl=1.1", SOAP11),
        ("wsdl=1.2", SOAP12),
        ("singleWsdl=1.2", SOAP12),
        ("wsdl&x=y", SOAP11),
        ("a=b&wsdl=1.2&c", SOAP12),
    ],
)
async def test_the_wsdl_is_served(path: str, query: str, served: SoapVersion) -> None:
    stand = Stand()
    reply = await stand.http.get(f"{path}?{query}")
    assert reply.status_code == 200
    assert reply.content == documents()[FILES[served]]
    assert reply.headers["content-type"] == "text/xml; charset=utf-8"
    assert (reply.headers["cache-control"], reply.headers["vary"]) == ("no-store", "Host")
    head = await stand.http.head(f"{path}?{query}")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(reply.content)))


async def test_the_address_follows_the_request() -> None:
    stand = Stand()
    for host in ("jobs.example.org", "other.example.org:444"):
        reply = await stand.http.get(f"https://{host}/soap/v2/?wsdl")
        assert f'location="https://{host}/soap/v2/"'.encode() in reply.content


async def test_a_host_cannot_break_the_document() -> None:
    reply = await Stand().http.get("/soap/v2/?wsdl", headers={"host": 'a"<&é'.encode()})
    assert etree.fromstring(reply.content) is not None


async def test_the_address_follows_public_url() -> None:
    stand = Stand(public_url="https://jobs.example.org/gateway/")
    reply = await stand.http.get("/soap/v2/?wsdl=1.2")
    assert b'location="https://jobs.example.org/gateway/soap/v2/"' in reply.content


async def test_the_documents_may_need_a_key() -> None:
    stand = Stand(docs_need_key=True)
    assert (await stand.http.get("/soap/v2/?wsdl")).status_code == 200
    stand.seam.refusal = Unauthorized("a key is needed")
    for path in ("/soap/v2/?wsdl", "/soap/v2/"):
        reply = await stand.http.get(path)
        assert (reply.status_code, reply.headers["www-authenticate"]) == (401, 'Basic realm="jobs-gateway"')


def test_making_documents_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    golden.documents()
    assert caplog.records == []
