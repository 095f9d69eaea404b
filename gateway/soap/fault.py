"""Faults: what an error looks like in SOAP, its code, its detail and its HTTP status."""

from xml.sax.saxutils import quoteattr

from gateway.domain.errors import BadRequest, JobsError, MalformedMessage, Unauthorized
from gateway.domain.model import Model
from gateway.domain.scalars import Int32, Text
from gateway.soap.spyne_compat import Fault
from gateway.soap.versions import SOAP12, VERSIONS, SoapVersion
from gateway.translate import NAMESPACE
from gateway.translate.xml_reader import element_path
from gateway.translate.xml_writer import XmlWriter, escape, sayable


class ServiceFaultError(Model):
    """One thing that is wrong in a request."""

    path: Text
    """Path of elements below the operation's element, indices from 1, such as `job/tags[2]`."""
    detail: Text
    """What is wrong with it."""


class ServiceFault(Model):
    """Why a request failed."""

    code: Int32
    """The error's number: an HTTP status followed by five digits."""
    technical_key: Text
    """The error's name, such as JOB_NOT_FOUND."""
    reason: Text
    """What is wrong, for people."""
    request_id: Text
    """Id of the request, which the log names, too."""
    errors: tuple[ServiceFaultError, ...] = ()
    """Each thing that is wrong in the request."""


class JobsFault(Fault):  # type: ignore[misc]  # Spyne has no types
    """An error on its way to the caller; Spyne carries it through its hops.

    `kind` is `Error` (Client or Server, by the error's code), `VersionMismatch` or `MustUnderstand`;
    `not_understood` are the tags (namespace, local name) of headers that were not understood.
    """

    __namespace__ = NAMESPACE
    __type_name__ = "JobsFault"

    def __init__(
        self, error: JobsError, *, kind: str = "Error", not_understood: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(faultcode="Client" if error.http_status < 500 else "Server", faultstring="")
        self.error = error
        self.kind = kind
        self.not_understood = not_understood


def malformed(reason: str) -> JobsFault:
    """The fault of a message that is no request at all."""
    return JobsFault(MalformedMessage(reason))


def version_mismatch(reason: str) -> JobsFault:
    """The fault of an envelope of another version."""
    return JobsFault(MalformedMessage(reason), kind="VersionMismatch")


def must_understand(not_understood: tuple[tuple[str, str], ...]) -> JobsFault:
    """The fault of headers that must be understood and are not."""
    names = ", ".join(f"{{{namespace}}}{name}" for namespace, name in not_understood)
    return JobsFault(
        BadRequest(f"not understood, although it must be: {names}"),
        kind="MustUnderstand",
        not_understood=not_understood,
    )


def status_of(fault: JobsFault, version: SoapVersion) -> int:
    """The HTTP status of a fault."""
    if isinstance(fault.error, Unauthorized):
        return 401
    if fault.kind == "Error" and fault.error.http_status < 500:
        return version.client_status
    return 500


_writer = XmlWriter(cache_characters=0)


def fault_body(fault: JobsFault, request_id: str, version: SoapVersion) -> str:
    """The Fault element, whose detail is the declared `serviceFault`; the prefix `soap` is in scope."""
    error = fault.error
    reason = sayable(error.reason)
    detail = ServiceFault.model_construct(
        code=error.code,
        technical_key=error.key,
        reason=reason,
        request_id=request_id,
        errors=tuple(
            ServiceFaultError.model_construct(
                path=sayable(element_path(problem.path)), detail=sayable(problem.detail)
            )
            for problem in error.problems
        ),
    )
    service_fault = f'<serviceFault xmlns="{NAMESPACE}">{_writer.children(detail)}</serviceFault>'
    if fault.kind != "Error":
        code = fault.kind
    else:
        code = version.client_code if error.http_status < 500 else version.server_code
    if version is SOAP12:
        return (
            f"<soap:Fault><soap:Code><soap:Value>soap:{code}</soap:Value></soap:Code>"
            f'<soap:Reason><soap:Text xml:lang="en">{escape(reason)}</soap:Text></soap:Reason>'
            f"<soap:Detail>{service_fault}</soap:Detail></soap:Fault>"
        )
    # SOAP 1.1 section 4.4: the children of Fault are not qualified.
    return (
        f"<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{escape(reason)}</faultstring>"
        f"<detail>{service_fault}</detail></soap:Fault>"
    )


def fault_headers(fault: JobsFault, version: SoapVersion) -> str:
    """Header blocks that go with a fault: Upgrade and NotUnderstood (SOAP 1.2 part 1, 5.4.7 and 5.4.8)."""
    if version is not SOAP12:
        return ""
    if fault.kind == "VersionMismatch":
        # The best version first.
        supported = "".join(
            f'<soap:SupportedEnvelope qname="e:Envelope" xmlns:e="{known.namespace}"/>'
            for known in reversed(VERSIONS)
        )
        return f"<soap:Upgrade>{supported}</soap:Upgrade>"
    return "".join(
        f'<soap:NotUnderstood qname="h:{name}" xmlns:h={quoteattr(namespace)}/>'
        for namespace, name in fault.not_understood
    )
