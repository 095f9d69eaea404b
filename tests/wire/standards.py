"""The schemas published for WSDL 1.1, its SOAP bindings and SOAP 1.1, out of the package xmlschema.

No package has the schema of the SOAP 1.2 binding. It is made from that of the SOAP 1.1 binding: the same
elements in another namespace, whose `operation` may also say `soapActionRequired`.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lxml import etree

from gateway.translate.soap_versions import SOAP11, SOAP12, SoapVersion

XS = "http://www.w3.org/2001/XMLSchema"


@cache
def envelope_schema() -> etree.XMLSchema:
    """The schema of SOAP 1.1 envelopes."""
    return etree.XMLSchema(etree.parse(_folder() / "soap-envelope.xsd"))


@cache
def wsdl_schema(version: SoapVersion) -> etree.XMLSchema:
    """The schemas of WSDL 1.1 and of the SOAP binding of a version, as one.

    WSDL takes elements of other namespaces as they are, but for those whose schema is known.
    """
    parser = etree.XMLParser()
    parser.resolvers.add(_Soap12Binding())
    binding = "soap12.xsd" if version is SOAP12 else str(_folder() / "wsdl-soap.xsd")
    both = f"""<xs:schema xmlns:xs="{XS}">
      <xs:import namespace="http://schemas.xmlsoap.org/wsdl/" schemaLocation="{_folder()}/wsdl.xsd"/>
      <xs:import namespace="{version.wsdl_namespace}" schemaLocation="{binding}"/>
    </xs:schema>"""
    return etree.XMLSchema(etree.fromstring(both, parser))


def _folder() -> Path:
    spec = find_spec("xmlschema")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "schemas" / "WSDL"


class _Soap12Binding(etree.Resolver):
    """Makes `soap12.xsd` when libxml2 asks for it."""

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:
        if system_url is None or not system_url.endswith("soap12.xsd"):
            return None
        text = (_folder() / "wsdl-soap.xsd").read_text(encoding="utf-8")
        schema = etree.fromstring(text.replace(SOAP11.wsdl_namespace, SOAP12.wsdl_namespace).encode())
        (operation,) = schema.iterfind(f"{{{XS}}}complexType[@name='tOperation']//{{{XS}}}extension")
        required = {"name": "soapActionRequired", "type": "xs:boolean", "use": "optional"}
        etree.SubElement(operation, f"{{{XS}}}attribute", required)
        return self.resolve_string(etree.tostring(schema), context)
