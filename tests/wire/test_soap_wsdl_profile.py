"""The WSDLs against the published schemas, and the rules of WS-I Basic Profile 1.1 that code can check.

The profile speaks of SOAP 1.1; its rules hold for the SOAP 1.2 binding as well, in that binding's namespace.
"""

from typing import Any

import pytest
from lxml import etree

from gateway.translate.soap_versions import SOAP11, SOAP12, SoapVersion
from tests.wire.conftest import published
from tests.wire.soap_stand import NS, WSDL, XSD
from tests.wire.standards import wsdl_schema
from tests.wire.valid import WSDL_FILES


def bound(wsdl: Any, version: SoapVersion, *names: str) -> list[Any]:
    """The elements of the SOAP binding with these names."""
    return [*wsdl.iter(*(f"{{{version.wsdl_namespace}}}{name}" for name in names))]


def test_r2028_r2029_valid_against_the_schemas_of_wsdl_and_of_the_binding(
    wsdl: Any, version: SoapVersion
) -> None:
    wsdl_schema(version).assertValid(wsdl)
    # The schema of WSDL takes an element that the binding's schema does not know as it is.
    names = {etree.QName(found).localname for found in wsdl.iter(f"{{{version.wsdl_namespace}}}*")}
    assert names == {"binding", "operation", "body", "fault", "address"}


@pytest.mark.parametrize(
    ("part", "other"),
    [
        (' use="literal"', ' use="quoted"'),
        (' soapAction="', ' action="'),
        (' transport="', ' carrier="'),
        (' location="', ' place="'),
        (":fault name=", ":fault called="),
        ("wsdl:portType", "wsdl:ports"),
        ("<wsdl:types>", '<wsdl:types name="types">'),
    ],
)
def test_the_published_schemas_see_what_is_wrong(version: SoapVersion, part: str, other: str) -> None:
    text = published()[WSDL_FILES[version]].decode()
    assert part in text
    assert not wsdl_schema(version).validate(etree.fromstring(text.replace(part, other).encode()))


def test_the_schema_of_the_soap_12_binding_knows_what_that_of_11_does_not() -> None:
    text = published()[WSDL_FILES[SOAP12]].replace(b" soapAction=", b' soapActionRequired="true" soapAction=')
    assert wsdl_schema(SOAP12).validate(etree.fromstring(text))
    text = text.replace(SOAP12.wsdl_namespace.encode(), SOAP11.wsdl_namespace.encode())
    assert not wsdl_schema(SOAP11).validate(etree.fromstring(text))


def test_r2001_r2002_r2003_nothing_is_imported(wsdl: Any) -> None:
    assert not list(wsdl.iter("{*}import"))


def test_r2023_types_precede_all_other_elements(wsdl: Any) -> None:
    assert wsdl[0].tag == f"{WSDL}types"


def test_r2026_no_extension_is_required(wsdl: Any) -> None:
    assert not wsdl.xpath("//@*[local-name() = 'required']")


def test_r2101_r2102_each_qname_has_a_prefix_that_is_declared_and_names_what_is_defined(
    wsdl: Any, schema: Any, version: SoapVersion
) -> None:
    defined = {
        "message": {found.get("name") for found in wsdl.findall(f"{WSDL}message")},
        "binding": {found.get("name") for found in wsdl.findall(f"{WSDL}binding")},
        "element": {found.get("name") for found in schema.findall(f"{XSD}element")},
        "type": {found.get("name") for found in schema if found.tag != f"{XSD}element"}
        | {found.get("name") for found in wsdl.findall(f"{WSDL}portType")},
    }
    references = [*wsdl.xpath("//@message | //@binding | //@element | //@type | //@base")]
    for reference in references:
        prefix, _, name = reference.partition(":")
        namespace = reference.getparent().nsmap[prefix]
        if namespace == NS:
            assert name in defined[reference.attrname], reference
        else:
            assert namespace == XSD.strip("{}"), reference
    used = {str(name) for name in wsdl.xpath("//@type") if name.startswith("tns:")}
    assert used == {f"tns:{name}" for name in defined["type"]}, "a type is defined and not used"
    prefix = "soap" if version is SOAP11 else "soap12"
    declared = {"wsdl": WSDL.strip("{}"), prefix: version.wsdl_namespace, "xs": XSD.strip("{}"), "tns": NS}
    assert wsdl.nsmap == declared
    # The schema says its prefixes once more, for tools that cut it out of the WSDL; nothing else does.
    text = published()[WSDL_FILES[version]].decode()
    assert (
        f'<xs:schema xmlns:xs="{declared["xs"]}" xmlns:tns="{NS}"'
        in published()[WSDL_FILES[version]].decode()
    )
    assert text.count("xmlns:") <= 6


def test_r2105_the_schema_has_a_target_namespace(schema: Any) -> None:
    assert schema.get("targetNamespace") == NS


def test_r2110_r2111_r2112_no_encoded_arrays(wsdl: Any, schema: Any) -> None:
    assert "http://schemas.xmlsoap.org/soap/encoding/" not in etree.tostring(wsdl).decode()
    assert not wsdl.xpath("//@*[local-name() = 'arrayType']")
    assert not [name for name in schema.xpath("//@name") if name.startswith("ArrayOf")]


def test_r2201_r2210_a_body_is_one_part(wsdl: Any, version: SoapVersion) -> None:
    assert not [body for body in bound(wsdl, version, "body") if body.get("parts")]
    for message in wsdl.findall(f"{WSDL}message"):
        assert len(message.findall(f"{WSDL}part")) == 1


def test_r2204_r2205_r2206_r2306_parts_refer_to_global_elements(wsdl: Any, schema: Any) -> None:
    top = {f"tns:{element.get('name')}" for element in schema.findall(f"{XSD}element")}
    for part in wsdl.iter(f"{WSDL}part"):
        assert part.get("element") in top
        assert part.get("type") is None


def test_r2303_operations_are_requests_with_replies(wsdl: Any) -> None:
    for operation in wsdl.findall(f"{WSDL}portType/{WSDL}operation"):
        kinds = [str(child.tag).removeprefix(WSDL) for child in operation]
        assert kinds == ["documentation", "input", "output", "fault"]


def test_r2304_operations_have_names_of_their_own(wsdl: Any) -> None:
    names = [found.get("name") for found in wsdl.findall(f"{WSDL}portType/{WSDL}operation")]
    assert len(names) == len(set(names))


def test_r2401_r2701_r2702_the_binding_is_soap_over_http(wsdl: Any, version: SoapVersion) -> None:
    (binding,) = bound(wsdl, version, "binding")
    assert binding.getparent().tag == f"{WSDL}binding"
    assert binding.get("transport") == "http://schemas.xmlsoap.org/soap/http"


def test_r2705_r2706_r2723_the_binding_is_document_literal(wsdl: Any, version: SoapVersion) -> None:
    styles = {found.get("style") for found in bound(wsdl, version, "binding", "operation")}
    assert styles == {"document"}
    uses = [found.get("use") for found in bound(wsdl, version, "body", "fault")]
    assert set(uses) == {"literal"}
    assert len(uses) == 3 * len(wsdl.findall(f"{WSDL}portType/{WSDL}operation"))


def test_r2709_the_port_type_is_bound_once(wsdl: Any) -> None:
    # The rule allows more; one is what every stack reads.
    assert len(wsdl.findall(f"{WSDL}binding")) == len(wsdl.findall(f"{WSDL}service/{WSDL}port")) == 1


def test_r2710_the_elements_of_all_requests_differ(wsdl: Any) -> None:
    elements = [part.get("element") for part in wsdl.iter(f"{WSDL}part")]
    assert len(elements) == len(set(elements))


def test_r2716_no_namespace_on_bodies_and_faults(wsdl: Any, version: SoapVersion) -> None:
    found = bound(wsdl, version, "body", "header", "headerfault", "fault")
    assert found
    assert not [one for one in found if "namespace" in one.attrib]


def test_r2718_the_binding_has_the_operations_of_the_port_type(wsdl: Any) -> None:
    def signatures(kind: str) -> list[Any]:
        return [
            (found.get("name"), [(child.tag, child.get("name")) for child in found.iterfind(f"{WSDL}*")])
            for found in wsdl.findall(f"{WSDL}{kind}/{WSDL}operation")
        ]

    told = [
        (name, [one for one in children if not one[0].endswith("}documentation")])
        for name, children in signatures("portType")
    ]
    assert signatures("binding") == told


def test_r2721_r2754_faults_have_the_name_of_the_fault_around_them(wsdl: Any, version: SoapVersion) -> None:
    for fault in bound(wsdl, version, "fault"):
        assert fault.get("name") == fault.getparent().get("name") == "JobsFault"


def test_r2738_r2739_header_elements_are_left_to_the_caller(wsdl: Any, version: SoapVersion) -> None:
    # What a binding lists, every message must carry (R2738); what it does not list may be there (R2739).
    assert not bound(wsdl, version, "header", "headerfault")


def test_r2740_each_operation_tells_its_fault(wsdl: Any, version: SoapVersion) -> None:
    operations = wsdl.findall(f"{WSDL}binding/{WSDL}operation")
    assert len(bound(wsdl, version, "fault")) == len(operations)


def test_r4003_r4004_utf_8_and_xml_10(version: SoapVersion) -> None:
    assert published()[WSDL_FILES[version]].startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n")


def test_r2744_r2745_the_soap_action_is_a_uri_to_be_quoted(wsdl: Any, version: SoapVersion) -> None:
    actions = [found.get("soapAction") for found in bound(wsdl, version, "operation")]
    assert all(action.startswith("urn:") and '"' not in action for action in actions)
    assert len(actions) == len(set(actions))
