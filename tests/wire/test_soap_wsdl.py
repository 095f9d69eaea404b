"""The shape of the WSDLs, which all known client stacks accept: one row of its table after the other.

Then what the contract says of names, order and occurrence. How they are served is tested elsewhere.
"""

import logging
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gateway.contract.registry import OPERATIONS
from gateway.contract.shapes import Kind, models_of, shape_of
from gateway.domain.model import Model
from gateway.soap import golden
from gateway.soap.golden import ADDRESS
from gateway.soap.service import soap_action
from gateway.translate.fault import ServiceFault
from gateway.translate.soap_versions import SOAP11, SoapVersion
from tests.wire.conftest import published
from tests.wire.soap_stand import NS, WSDL, XSD
from tests.wire.valid import WSDL_FILES, check_envelope
from tests.wire.wsdl_names import frozen, names_of

FOLDER = Path(__file__).parents[2] / "wsdl"
NAMES = [operation.name for operation in OPERATIONS]
WRAPPERS = [name + end for name in NAMES for end in ("", "Response")]
REQUESTS = [operation.request for operation in OPERATIONS]
REPLIES = [operation.reply.model for operation in OPERATIONS if operation.reply]
# The models of whole requests stand in the WSDL as the types of the operations' elements.
MODELS = [model for model in models_of([*REQUESTS, *REPLIES, ServiceFault]) if model not in REQUESTS]


def members(schema: Any, type_name: str) -> list[Any]:
    """The members of a type."""
    (found,) = schema.findall(f"{XSD}complexType[@name='{type_name}']")
    children: list[Any] = found.findall(f"{XSD}sequence/{XSD}element")
    return children


def required(schema: Any, type_name: str) -> set[str]:
    """The names of the members that are always there."""
    return {str(one.get("name")) for one in members(schema, type_name) if one.get("minOccurs") == "1"}


def occurrence(element: Any) -> tuple[str, str]:
    return element.get("minOccurs"), element.get("maxOccurs")


def test_lists_the_element_itself_is_repeated_without_a_holder(schema: Any) -> None:
    lists = [
        (model, member) for model in [*MODELS, *REQUESTS] for member in shape_of(model).members if member.many
    ]
    assert lists
    for model, member in lists:
        (element,) = [one for one in members(schema, type_name(model)) if one.get("name") == member.wire]
        assert occurrence(element) == ("0", "unbounded")
        assert element.get("nillable") == "false"
    unbounded = schema.findall(f".//{XSD}element[@maxOccurs='unbounded']")
    assert len(unbounded) == len(lists)
    assert not [name for name in schema.xpath("//@name") if "Array" in name]


def type_name(model: type[Model]) -> str:
    """The name of a model's type: a whole request's is its operation's."""
    return next((one.name for one in OPERATIONS if one.request is model), model.__name__)


def test_members_required_once_optional_at_most_once_and_nothing_nillable(schema: Any) -> None:
    for model in [*MODELS, *REQUESTS]:
        found = {str(one.get("name")): one for one in members(schema, type_name(model))}
        for member in shape_of(model).members:
            if not member.many:
                assert occurrence(found[member.wire]) == ("1" if member.required else "0", "1")
    for element in schema.findall(f"{XSD}complexType//{XSD}element"):
        assert element.get("nillable") == "false"


def test_facets_enumerations_only(schema: Any) -> None:
    facets = {child.tag for restriction in schema.iter(f"{XSD}restriction") for child in restriction}
    assert facets == {f"{XSD}enumeration"}
    assert not list(schema.iter(f"{XSD}list", f"{XSD}union", f"{XSD}extension"))


def test_facets_all_types_named(schema: Any) -> None:
    for kind in ("complexType", "simpleType"):
        assert {node.getparent() for node in schema.iter(f"{XSD}{kind}")} == {schema}
        assert all(node.get("name") for node in schema.iter(f"{XSD}{kind}"))
    for element in schema.iter(f"{XSD}element"):
        assert element.get("type")


def test_pages_have_a_member_that_is_always_there(schema: Any) -> None:
    replies = {child.get("type") for name in NAMES for child in members(schema, f"{name}Response")}
    assert {"tns:JobPage", "tns:LastResults", "tns:SchedulePreview"} <= replies
    for name in replies:
        assert required(schema, name.removeprefix("tns:")), name


def test_message_part_is_called_parameters_in_both_messages(wsdl: Any) -> None:
    messages = {message.get("name"): message for message in wsdl.findall(f"{WSDL}message")}
    for name in WRAPPERS:
        (part,) = messages[name]
        assert dict(part.items()) == {"name": "parameters", "element": f"tns:{name}"}


def test_body_wrapped_with_default_message_names_and_no_parameter_order(wsdl: Any, schema: Any) -> None:
    for name in WRAPPERS:
        assert schema.find(f"{XSD}element[@name='{name}']").get("type") == f"tns:{name}"
        assert schema.find(f"{XSD}complexType[@name='{name}']/{XSD}sequence") is not None
    for operation in wsdl.findall(f"{WSDL}portType/{WSDL}operation"):
        name = operation.get("name")
        for kind, message in (("input", name), ("output", f"{name}Response")):
            (found,) = operation.findall(f"{WSDL}{kind}")
            assert dict(found.items()) == {"name": message, "message": f"tns:{message}"}
    assert not wsdl.xpath("//@parameterOrder")


def test_fault_is_the_global_element_service_fault_declared_on_each_operation(
    wsdl: Any, schema: Any, version: SoapVersion
) -> None:
    (part,) = wsdl.find(f"{WSDL}message[@name='JobsFault']")
    assert part.get("element") == "tns:serviceFault"
    assert schema.find(f"{XSD}element[@name='serviceFault']").get("type") == "tns:ServiceFault"
    for operation in wsdl.findall(f"{WSDL}portType/{WSDL}operation"):
        (fault,) = operation.findall(f"{WSDL}fault")
        assert dict(fault.items()) == {"name": "JobsFault", "message": "tns:JobsFault"}
    bound = wsdl.findall(f"{WSDL}binding/{WSDL}operation/{WSDL}fault")
    assert len(bound) == len(NAMES)
    for fault in bound:
        (inner,) = fault
        assert inner.tag == f"{{{version.wsdl_namespace}}}fault"
        assert dict(inner.items()) == {"name": "JobsFault", "use": "literal"}
        assert fault.get("name") == "JobsFault"


def test_fault_has_the_members_of_the_contract_and_none_called_message(schema: Any) -> None:
    found = {
        name: [(one.get("name"), one.get("type")) for one in members(schema, name)]
        for name in ("ServiceFault", "ServiceFaultError")
    }
    assert found == {
        "ServiceFault": [
            ("code", "xs:int"),
            ("technicalKey", "xs:string"),
            ("reason", "xs:string"),
            ("requestId", "xs:string"),
            ("errors", "tns:ServiceFaultError"),
        ],
        "ServiceFaultError": [("path", "xs:string"), ("detail", "xs:string")],
    }
    assert required(schema, "ServiceFault") == {"code", "technicalKey", "reason", "requestId"}


def test_soap_action_is_a_uri_per_operation(wsdl: Any, version: SoapVersion) -> None:
    found = wsdl.findall(f"{WSDL}binding/{WSDL}operation/{{{version.wsdl_namespace}}}operation")
    assert [action.get("soapAction") for action in found] == [f"urn:jobs-gateway:v2:{name}" for name in NAMES]
    assert soap_action("getJob") == "urn:jobs-gateway:v2:getJob"


def test_schema_is_one_inline_qualified_and_closed(wsdl: Any, schema: Any) -> None:
    assert schema.get("targetNamespace") == wsdl.get("targetNamespace") == NS
    assert schema.get("elementFormDefault") == "qualified"
    assert len(list(wsdl.iter(f"{XSD}schema"))) == 1
    names = {etree.QName(node).localname for node in wsdl.iter("*")}
    assert not names & {"import", "include", "redefine", "any", "anyAttribute", "attribute", "choice", "all"}
    for used in schema.xpath("//@type | //@base"):
        prefix, _, name = used.partition(":")
        assert prefix in {"xs", "tns"}
        assert name not in {"anyType", "anySimpleType"}


def test_12_each_version_has_a_wsdl_of_its_own_with_one_binding(wsdl: Any, version: SoapVersion) -> None:
    assert [str(child.tag).removeprefix(WSDL) for child in wsdl if child.tag != f"{WSDL}message"] == [
        "types",
        "portType",
        "binding",
        "service",
    ]
    (port,) = wsdl.findall(f"{WSDL}service/{WSDL}port")
    assert port[0].tag == f"{{{version.wsdl_namespace}}}address"
    assert port[0].get("location") == ADDRESS


def test_names_are_the_contracts(wsdl: Any, version: SoapVersion) -> None:
    port = wsdl.find(f"{WSDL}service/{WSDL}port")
    assert wsdl.find(f"{WSDL}service").get("name") == "JobsService"
    assert wsdl.find(f"{WSDL}portType").get("name") == "Jobs"
    assert version.port == ("JobsSoap11" if version is SOAP11 else "JobsSoap12")
    assert dict(wsdl.find(f"{WSDL}binding").items()) == {"name": version.port, "type": "tns:Jobs"}
    assert dict(port.items()) == {"name": version.port, "binding": f"tns:{version.port}"}
    assert [message.get("name") for message in wsdl.findall(f"{WSDL}message")] == [*WRAPPERS, "JobsFault"]
    for kind in ("portType", "binding"):
        found = wsdl.findall(f"{WSDL}{kind}/{WSDL}operation")
        assert [operation.get("name") for operation in found] == NAMES


def test_names_are_frozen_and_new_members_come_last_and_optional(
    wsdl: Any, schema: Any, version: SoapVersion
) -> None:
    kept, found = frozen()[WSDL_FILES[version]], names_of(wsdl)
    for name, known in kept["members"].items():
        assert found["members"][name][: len(known)] == known, f"{name} lost, renamed or moved members"
        new = members(schema, name)[len(known) :]
        assert {one.get("minOccurs") for one in new} <= {"0"}, f"{name} has a new member that is required"
    assert found == kept, "run: python -m tests.wire.wsdl_names"


def test_enums_are_restrictions_of_strings_in_our_namespace(schema: Any) -> None:
    found = {node.get("name"): node for node in schema.findall(f"{XSD}simpleType")}
    assert found.keys() == {
        *("JobStatus", "ProcessingLogId", "ResultStatus", "JobStartFeature", "JobReadFeature"),
        *("JobTypeFeature", "ResultReadFeature", "ResultOmitFeature", "LogOmitFeature", "OutputChannel"),
        *("DependencyCondition", "LockConflictPolicy", "OverlapPolicy", "MisfirePolicy", "JobEventKind"),
        *("CallProtocol", "FeatureSupport", "JobField", "ScheduledJobField"),
    }
    for node in found.values():
        assert node.find(f"{XSD}restriction").get("base") == "xs:string"
    for model in [*MODELS, *REQUESTS]:
        for member in shape_of(model).members:
            if member.kind is Kind.WORD:
                values = found[member.type.__name__].iter(f"{XSD}enumeration")
                assert [value.get("value") for value in values] == [str(word) for word in member.type]


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
    for model in [*MODELS, *REQUESTS]:
        wanted = [
            (member.wire, types.get(member.kind, f"tns:{member.type.__name__}"))
            for member in shape_of(model).members
        ]
        found = members(schema, type_name(model))
        assert [(element.get("name"), element.get("type")) for element in found] == wanted
    defined = {str(one.get("name")) for one in schema.findall(f"{XSD}complexType")}
    assert defined == {model.__name__ for model in MODELS} | set(WRAPPERS)


def test_children_of_a_request_are_path_then_query_then_body(schema: Any) -> None:
    for operation in OPERATIONS:
        names = [part.name for part in operation.path]
        names += ["query"] * bool(operation.query) + ([operation.body.name] if operation.body else [])
        assert [one.get("name") for one in members(schema, operation.name)] == names


def test_the_child_of_a_reply_is_the_contracts_and_always_there(schema: Any) -> None:
    for operation in OPERATIONS:
        children = [
            (one.get("name"), *occurrence(one)) for one in members(schema, f"{operation.name}Response")
        ]
        assert children == ([(operation.reply.name, "1", "1")] if operation.reply else [])


def test_query_is_optional_unless_a_member_is_required_and_bodies_are_required(schema: Any) -> None:
    for operation in OPERATIONS:
        found = required(schema, operation.name)
        wanted = {part.name for part in operation.path}
        if operation.query and required(schema, operation.query.__name__):
            wanted.add("query")
        if operation.body and operation.body.name != "cancellation":
            wanted.add(operation.body.name)
        assert found == wanted, operation.name


def test_a_job_in_a_reply_requires_what_it_always_has(schema: Any) -> None:
    always = {"id", "jobStatus", "createdAt", "modifiedAt", "user", "organizationId", "dockerImageUrl"}
    assert required(schema, "Job") == always | {"priority", "attempt", "version"}


def test_a_request_child_and_a_reply_child_of_one_name_differ_in_type(schema: Any) -> None:
    def types(names: list[str]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name in names:
            for element in members(schema, name):
                found.setdefault(element.get("name"), set()).add(element.get("type"))
        return found

    requests, replies = types(NAMES), types([f"{name}Response" for name in NAMES])
    assert {"job", "scheduledJob"} <= requests.keys() & replies.keys()
    assert not [name for name in requests if requests[name] & replies.get(name, set())]


def test_nothing_has_a_default(schema: Any) -> None:
    assert not schema.xpath("//@default | //@fixed")


def test_header_elements_are_declared(schema: Any) -> None:
    top = {one.get("name"): one.get("type") for one in schema.findall(f"{XSD}element")}
    headers = {name: top[name] for name in top.keys() - set(WRAPPERS) - {"serviceFault"}}
    assert headers == {"idempotencyKey": "xs:string", "ifVersion": "xs:long", "requestId": "xs:string"}


def documentation(node: Any) -> str:
    """What stands in the annotation that comes first in a node."""
    assert node[0].tag == f"{XSD}annotation", node.get("name")
    return str(node.findtext(f"{XSD}annotation/{XSD}documentation") or "")


def test_every_type_member_value_and_element_is_documented(schema: Any) -> None:
    for node in schema:
        if node.tag != f"{XSD}element" or node.get("name") not in WRAPPERS:
            assert documentation(node).strip().endswith("."), node.get("name")
    for node in schema.findall(f"{XSD}complexType/{XSD}sequence/{XSD}element"):
        assert documentation(node).strip(), node.get("name")
    for value in schema.iter(f"{XSD}enumeration"):
        assert documentation(value).strip().endswith("."), value.get("value")


def test_every_operation_is_documented(wsdl: Any) -> None:
    for made, operation in zip(wsdl.findall(f"{WSDL}portType/{WSDL}operation"), OPERATIONS, strict=True):
        assert made[0].tag == f"{WSDL}documentation"
        assert operation.description in made[0].text
        assert f"Needs the role {operation.role}" in made[0].text
        assert all(error.key in made[0].text for error in operation.errors)


def test_types_keep_their_own_documentation(schema: Any) -> None:
    for model in MODELS:
        (found,) = schema.findall(f"{XSD}complexType[@name='{model.__name__}']")
        assert documentation(found) == shape_of(model).documentation


def test_limits_are_told_in_the_documentation(schema: Any) -> None:
    def text(type_name: str, member: str) -> str:
        (found,) = [one for one in members(schema, type_name) if one.get("name") == member]
        return documentation(found)

    assert "(at most 50 characters)" in text("JobStart", "name")
    assert "(at most 100 entries; each 1 to 128 characters)" in text("JobStart", "tags")
    assert "(0 to 9)" in text("JobStart", "priority")
    assert text("getJob", "jobId").startswith("Id of the job.")
    for name in ("JobStart", "Job"):
        assert "Deprecated" in text(name, "mainLabel")


def test_the_committed_files_are_what_is_generated() -> None:
    made = published()
    kept = {str(path.relative_to(FOLDER)): path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    assert made.keys() == kept.keys()
    assert [name for name in made if made[name] != kept[name]] == [], "run: gateway contract --write"


def test_generating_twice_gives_the_same() -> None:
    assert golden.documents() == published()


def test_generating_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    golden.documents()
    assert caplog.records == []


def test_the_example_envelopes_are_valid(schema: Any) -> None:
    validator = etree.XMLSchema(schema)
    for operation in OPERATIONS:
        examples = {
            kind: published()[f"examples/{operation.name}.{kind}.xml"]
            for kind in ("request", "reply", "fault")
        }
        (body,) = etree.fromstring(examples["request"]).iter(f"{{{SOAP11.namespace}}}Body")
        validator.assertValid(body[0])
        assert check_envelope(examples["reply"], SOAP11) is None
        assert check_envelope(examples["fault"], SOAP11)
