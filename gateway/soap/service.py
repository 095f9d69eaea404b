"""The Spyne service class and application, made from the list of operations."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from gateway.contract.operation import Operation
from gateway.contract.shapes import shape_of
from gateway.domain.errors import JobsError
from gateway.soap.content import take_out
from gateway.soap.fault import JobsFault
from gateway.soap.spyne_compat import (
    Application,
    InterfaceDocuments,
    ServiceBase,
    rpc,
    unregister_application,
)
from gateway.soap.types import member_type, type_of
from gateway.soap.xop import carries_bytes
from gateway.translate import NAMESPACE
from gateway.translate.fault import ServiceFault

SERVICE_NAME = "JobsService"
PORT_TYPE = "Jobs"


def service_of(operations: Iterable[Operation]) -> Any:
    """The ServiceBase class with one method per operation."""
    methods = {operation.name: _method_of(operation) for operation in operations}
    return type(
        SERVICE_NAME,
        (ServiceBase,),
        {**methods, "__port_types__": [PORT_TYPE], "__service_name__": SERVICE_NAME},
    )


def soap_action(operation_name: str) -> str:
    """The soapAction that the WSDL names; what a request says is never looked at."""
    return f"{NAMESPACE}:{operation_name}"


def documentation_of(operation: Operation) -> str:
    """What the operation does, who may call it, and its own errors."""
    texts = [operation.description]
    if not operation.description.startswith(operation.summary):
        texts.insert(0, operation.summary)
    who = f"Needs the role {operation.role}"
    texts.append(f"{who}, or the token of the job." if operation.worker else f"{who}.")
    if carries_bytes(operation):
        texts.append(
            "Bytes may travel in an XOP package (MTOM); replies do if the request did or asked for it."
        )
    if operation.errors:
        texts.append("Errors of its own: " + ", ".join(error.key for error in operation.errors) + ".")
    return " ".join(texts)


def _method_of(operation: Operation) -> Any:
    meanings = {part.name: part.meaning for part in operation.path}
    members = shape_of(operation.request).members

    async def method(ctx: Any, parts: Mapping[str, Any]) -> Any:
        reply, ctx.udc.content = take_out(await ctx.app.config.run(operation, ctx.udc.call, parts))
        return reply

    method.__name__ = operation.name
    method.__doc__ = documentation_of(operation)
    reply: dict[str, Any] = {}
    if operation.reply:
        reply = {
            "_returns": type_of(operation.reply.model).customize(min_occurs=1, nillable=False),
            "_out_variable_name": operation.reply.name,
        }
    return rpc(
        *(member_type(member, meanings.get(member.wire, "")) for member in members),
        _args=[member.wire for member in members],
        _wsdl_part_name="parameters",
        _throws=[JobsFault],
        _port_type=PORT_TYPE,
        _udd={"operation": operation},
        **reply,
    )(method)


class JobsApplication(Application):  # type: ignore[misc]  # Spyne has no types
    """The Spyne application of one SOAP version; its `config` is the seam."""

    def __init__(
        self,
        service: Any,
        *,
        protocol: Callable[[], Any],
        documents: Callable[[Any], InterfaceDocuments],
        seam: Any = None,
    ) -> None:
        super().__init__(
            [service],
            NAMESPACE,
            SERVICE_NAME,
            in_protocol=protocol(),
            out_protocol=protocol(),
            config=seam,
            classes=[type_of(ServiceFault)],
            documents_container=documents,
        )
        # Spyne keeps every application for ever, and warns about two of one name.
        unregister_application(self)

    async def answer(self, ctx: Any) -> None:
        """Run the operation: `process_request` with the one await that it needs.

        Sets `out_object`, or `out_error` when the operation failed.
        """
        try:
            run: Callable[..., Awaitable[Any]] = ctx.descriptor.function
            ctx.out_object = (await run(ctx, *ctx.in_object),)
        except JobsError as error:
            ctx.out_error = JobsFault(error)
        ctx.protocol = ctx.outprot_ctx
