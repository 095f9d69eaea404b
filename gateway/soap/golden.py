"""The files under `wsdl/`: both WSDLs, and one request, reply and fault envelope per operation.

Everything is generated from the list of operations.
"""

from gateway.contract.registry import OPERATIONS
from gateway.soap.door import PATH, applications
from gateway.soap.envelopes import fault_envelope, reply_envelope, request_envelope
from gateway.translate.soap_versions import SOAP11, SOAP12

ADDRESS = "http://localhost:8080" + PATH


def documents() -> dict[str, bytes]:
    """The contents of `wsdl/` by file name, with `/` between folders."""
    made: dict[str, bytes] = {}
    built = applications(OPERATIONS, None)
    made["jobs-v2.wsdl"] = built[SOAP11][1].at(ADDRESS)
    made["jobs-v2-soap12.wsdl"] = built[SOAP12][1].at(ADDRESS)
    for operation in OPERATIONS:
        made[f"examples/{operation.name}.request.xml"] = request_envelope(operation)
        made[f"examples/{operation.name}.reply.xml"] = reply_envelope(operation)
        made[f"examples/{operation.name}.fault.xml"] = fault_envelope(operation)
    return made
