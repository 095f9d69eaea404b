"""Spyne's protocols with our own parse, reader, writer and faults, one per SOAP version."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from gateway.contract.operation import Operation
from gateway.domain.call import Call
from gateway.domain.content import Kept
from gateway.domain.errors import MalformedMessage, UnknownOperation
from gateway.soap.fault import JobsFault, fault_body, status_of
from gateway.soap.guard_schema import GuardSchema
from gateway.soap.reply_header import reply_header
from gateway.soap.reply_members import written
from gateway.soap.spyne_compat import Soap11, Soap12
from gateway.soap.xop import Package
from gateway.translate import NAMESPACE
from gateway.translate.envelope import envelope_around, take_apart
from gateway.translate.header import Block, blocks_of, read_blocks
from gateway.translate.soap_versions import SOAP11, SOAP12, SoapVersion
from gateway.translate.xml_reader import Element
from gateway.translate.xml_request import read_request
from gateway.translate.xml_writer import XmlWriter


@dataclass
class Exchange:
    """What the door knows of one request, carried as the context's `udc`."""

    headers: Headers
    request_id: str
    call: Call | None = None
    blocks: Sequence[Block] = ()
    """The header blocks that are meant for us, whether they are right or not."""
    package: Package | None = None
    """The XOP package that the request is; None = it is a plain envelope."""
    content: Kept | None = None
    """The bytes that belong into the reply; they are read while it is sent."""


class _JobsSoap:
    """What both protocols have in common; each adds Spyne's class of its version."""

    version: SoapVersion
    app: Any

    def equip(self, *, writer: XmlWriter, guard: GuardSchema) -> None:
        """Hand over what messages are read and written with."""
        self._writer = writer
        self._guard = guard

    def get_context(self, _parent: Any, _transport: Any) -> None:
        """Nothing: what belongs to one message is in its Exchange."""

    def create_in_document(self, ctx: Any, _charset: str | None = None) -> None:
        """Nothing is left to do: the transport has parsed the message, which it had to await."""
        # Spyne's own takes MIME packages apart here, and builds XPath from the ids that they name.

    def decompose_incoming_envelope(self, ctx: Any, _message: Any = None) -> None:
        """Find the operation's element and the header values. Raises JobsError."""
        header, element = take_apart(ctx.in_document, self.version)
        if element.tag == f"{{{self.version.namespace}}}Fault":
            raise MalformedMessage("a Fault is no request")
        ctx.udc.blocks = blocks_of(header, self.version)
        ctx.in_header = read_blocks(ctx.udc.blocks)
        ctx.in_body_doc = element
        ctx.method_request_string = element.tag

    def generate_method_contexts(self, ctx: Any) -> tuple[Any, ...]:
        """Dispatch by the body's element alone. Raises UnknownOperation."""
        handles = self.app.interface.service_method_map.get(ctx.method_request_string)
        if not handles:
            name = str(ctx.method_request_string).replace(f"{{{NAMESPACE}}}", "")
            raise UnknownOperation(f"there is no operation '{name}'")
        ctx.descriptor = handles[0]
        # Spyne copies the context here, once for each of several methods; there is never more than one.
        return (ctx,)

    def deserialize(self, ctx: Any, _message: Any = None, **_given: Any) -> None:
        """Read the operation's element into the parts of the request. Raises ValidationFailed."""
        # Spyne's own takes xsi:nil="false" for true, and reads what is missing and what is nil alike.
        operation: Operation = ctx.descriptor.udd["operation"]
        element: Element = ctx.in_body_doc
        package: Package | None = ctx.udc.package
        read = read_request if package is None else package.read_request
        parts = read(operation, element, self._guard.problems)
        ctx.in_object = (parts,)

    async def write_ahead(self, ctx: Any) -> None:
        """Write the members of the reply: `serialize` cannot let others have their turn beside a long one."""
        reply = None if ctx.out_error else ctx.out_object[0]
        if reply is not None:
            ctx.out_object = (await written(reply, self._writer),)

    def serialize(self, ctx: Any, _message: Any = None, **_given: Any) -> None:
        """Write the envelope of the reply or of the fault, in pieces that are joined later."""
        # Spyne's own writes decimals with exponents, infinities, words that are no values of their type, and
        # nil for a required value that is missing. The first word of its enumerations is false. Its faults
        # say codes with dots, subcodes without a namespace, and in SOAP 1.2 a prefix as a namespace.
        exchange: Exchange = ctx.udc
        fault: JobsFault | None = ctx.out_error
        operation: Operation | None = ctx.descriptor and ctx.descriptor.udd["operation"]
        header = reply_header(exchange.request_id, exchange.blocks, self.version, operation, fault)
        if fault is not None:
            body = [fault_body(fault, exchange.request_id, self.version).encode()]
        else:
            assert operation is not None
            body = _reply(operation, ctx.out_object[0])
        before, behind = envelope_around(self.version, header)
        ctx.out_document = [before.encode(), *body, behind.encode()]

    def create_out_string(self, ctx: Any, _charset: str | None = None) -> None:
        """Nothing is left to do: the envelope is bytes already."""
        ctx.out_string = ctx.out_document

    def fault_to_http_response_code(self, fault: JobsFault) -> int:
        """The HTTP status of a fault. Spyne's own is always 500."""
        return status_of(fault, self.version)


class JobsSoap11(_JobsSoap, Soap11):  # type: ignore[misc]  # Spyne has no types
    """SOAP 1.1."""

    version = SOAP11


class JobsSoap12(_JobsSoap, Soap12):  # type: ignore[misc]  # Spyne has no types
    """SOAP 1.2."""

    version = SOAP12


def _reply(operation: Operation, members: Sequence[bytes]) -> list[bytes]:
    """The element of a reply, whose one child has these members."""
    start = f'<{operation.name}Response xmlns="{NAMESPACE}"'
    if operation.reply is None:
        return [f"{start}/>".encode()]
    name = operation.reply.name
    return [f"{start}><{name}>".encode(), *members, f"</{name}></{operation.name}Response>".encode()]
