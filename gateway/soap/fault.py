"""Faults on their way through Spyne: their kind, their HTTP status and the headers that go with them."""

from xml.sax.saxutils import quoteattr

from gateway.domain.errors import JobsError, Unauthorized
from gateway.soap.spyne_compat import Fault
from gateway.translate import NAMESPACE
from gateway.translate.envelope import VersionMismatch
from gateway.translate.fault import fault_text, service_fault_of
from gateway.translate.header import NotUnderstood
from gateway.translate.soap_versions import SOAP12, VERSIONS, SoapVersion

# SOAP 1.1 section 4.4.1, SOAP 1.2 part 1 section 5.4.6: codes that say more than who can mend it.
_CODES: dict[type[JobsError], str] = {VersionMismatch: "VersionMismatch", NotUnderstood: "MustUnderstand"}


class JobsFault(Fault):  # type: ignore[misc]  # Spyne has no types
    """An error on its way to the caller; Spyne carries it through its hops."""

    __namespace__ = NAMESPACE
    __type_name__ = "JobsFault"

    def __init__(self, error: JobsError) -> None:
        super().__init__(faultcode="Client" if error.http_status < 500 else "Server", faultstring="")
        self.error = error


def status_of(fault: JobsFault, version: SoapVersion) -> int:
    """The HTTP status of a fault."""
    if isinstance(fault.error, Unauthorized):
        return 401
    if type(fault.error) not in _CODES and fault.error.http_status < 500:
        return version.client_status
    return 500


def fault_body(fault: JobsFault, request_id: str, version: SoapVersion) -> str:
    """The Fault element; the prefix `soap` is in scope."""
    detail = service_fault_of(fault.error, request_id)
    return fault_text(detail, version, _CODES.get(type(fault.error)))


def fault_headers(fault: JobsFault, version: SoapVersion) -> str:
    """Header blocks that go with a fault: Upgrade and NotUnderstood (SOAP 1.2 part 1, 5.4.7 and 5.4.8)."""
    if version is not SOAP12:
        return ""
    if isinstance(fault.error, VersionMismatch):
        # The best version first.
        supported = "".join(
            f'<soap:SupportedEnvelope qname="e:Envelope" xmlns:e="{known.namespace}"/>'
            for known in reversed(VERSIONS)
        )
        return f"<soap:Upgrade>{supported}</soap:Upgrade>"
    if isinstance(fault.error, NotUnderstood):
        return "".join(
            f'<soap:NotUnderstood qname="h:{name}" xmlns:h={quoteattr(namespace)}/>'
            for namespace, name in fault.error.headers
        )
    return ""
