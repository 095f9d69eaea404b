"""The header of replies and faults: what they say beside the body, some of it only to those who use it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.contract.operation import Operation
from gateway.soap.fault import JobsFault, fault_headers
from gateway.soap.service import PORT_TYPE
from gateway.translate import NAMESPACE
from gateway.translate.header import Block
from gateway.translate.soap_versions import SoapVersion
from gateway.translate.ws_addressing import addressing_blocks, addressing_of
from gateway.translate.ws_security import SECURITY, has_timestamp, timestamp_block
from gateway.translate.xml_writer import escape


def reply_header(
    request_id: str,
    blocks: Sequence[Block],
    version: SoapVersion,
    operation: Operation | None,
    fault: JobsFault | None,
) -> str:
    """The header blocks of a reply, as text.

    `blocks` are the header blocks of the request, `operation` what it calls, if that is known, and `fault`
    what it is answered with if it failed.
    """
    header = f'<requestId xmlns="{NAMESPACE}">{escape(request_id)}</requestId>'
    if fault is not None:
        header += fault_headers(fault, version)
    if not blocks:
        return header
    elements = [block.element for block in blocks]
    addressing = addressing_of(elements)
    if addressing is not None:
        header += addressing_blocks(addressing, _action(operation, fault))
    if any(element.tag == SECURITY and has_timestamp(element) for element in elements):
        header += timestamp_block(datetime.now(UTC))
    return header


def _action(operation: Operation | None, fault: JobsFault | None) -> str | None:
    """The action that a WSDL without any implies (WS-Addressing 1.0 Metadata, sections 4.4.4 and 4.4.5)."""
    if operation is None:
        return None
    end = f"{operation.name}Response" if fault is None else f"{operation.name}:Fault:JobsFault"
    return f"{NAMESPACE}:{PORT_TYPE}:{end}"
