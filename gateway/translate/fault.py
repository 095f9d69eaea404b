"""Faults as text: what an error looks like in an envelope. Their HTTP statuses are told in the SOAP door."""

from gateway.domain.errors import JobsError
from gateway.domain.model import Model
from gateway.domain.scalars import Int32, Text
from gateway.translate import NAMESPACE
from gateway.translate.soap_versions import SOAP12, SoapVersion
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


_writer = XmlWriter(cache_bytes=0)
_LONGEST_TEXT = 2000


def _told(text: str) -> str:
    """Text for people; it may repeat a name from the message, however long that is."""
    return sayable(text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…")


def service_fault_of(error: JobsError, request_id: str) -> ServiceFault:
    """The detail of a fault."""
    return ServiceFault.model_construct(
        code=error.code,
        technical_key=error.key,
        reason=_told(error.reason),
        request_id=request_id,
        errors=tuple(
            ServiceFaultError.model_construct(
                path=_told(element_path(problem.path)), detail=_told(problem.detail)
            )
            for problem in error.problems
        ),
    )


def fault_text(detail: ServiceFault, version: SoapVersion, code: str | None = None) -> str:
    """The Fault element, whose detail is the declared `serviceFault`; the prefix `soap` is in scope.

    `code` is the local name of the fault's code; without it the error's own says who can mend it.
    """
    service_fault = f'<serviceFault xmlns="{NAMESPACE}">{_writer.children(detail)}</serviceFault>'
    if code is None:
        code = version.client_code if detail.code < 500_00000 else version.server_code
    if version is SOAP12:
        return (
            f"<soap:Fault><soap:Code><soap:Value>soap:{code}</soap:Value></soap:Code>"
            f'<soap:Reason><soap:Text xml:lang="en">{escape(detail.reason)}</soap:Text></soap:Reason>'
            f"<soap:Detail>{service_fault}</soap:Detail></soap:Fault>"
        )
    # SOAP 1.1 section 4.4: the children of Fault are not qualified.
    return (
        f"<soap:Fault><faultcode>soap:{code}</faultcode><faultstring>{escape(detail.reason)}</faultstring>"
        f"<detail>{service_fault}</detail></soap:Fault>"
    )
