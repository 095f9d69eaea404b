"""Drives Spyne from ASGI: one server per SOAP version, without threads."""

import logging
from dataclasses import replace
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response

from gateway.contract.credentials import Credentials
from gateway.contract.operation import Operation
from gateway.contract.seam import Request, Seam
from gateway.domain.call import IfMatch
from gateway.domain.errors import (
    InternalServerError,
    JobsError,
    Problem,
    ServiceUnavailable,
    TooManyRequests,
    UnsupportedMediaType,
    ValidationFailed,
)
from gateway.domain.words import CallProtocol
from gateway.http.compress import LEAST_BYTES, accepts_gzip, compressed
from gateway.http.credentials import credentials_of
from gateway.http.download import Download
from gateway.http.preconditions import idempotency_key_of, if_match_of
from gateway.http.problem import error_headers
from gateway.http.reply import Reply
from gateway.soap.content import filled, length_with
from gateway.soap.fault import JobsFault
from gateway.soap.protocol import Exchange
from gateway.soap.service import JobsApplication
from gateway.soap.spyne_compat import MethodContext, ServerBase
from gateway.soap.xop import refuse_package
from gateway.soap.xop_reply import packaged, wants_package
from gateway.translate.header import HeaderValues
from gateway.translate.soap_versions import SoapVersion
from gateway.translate.xml_parsing import MessageParser

_log = logging.getLogger(__name__)

_RETRY_AFTER_SECONDS = "5"
"""Told when the error itself does not know better."""


class _Context(MethodContext):  # type: ignore[misc]  # Spyne has no types
    """Spyne's context without what costs time and is of no use here."""

    # Spyne looks each name up before it sets an attribute, and refuses those that it does not know.
    __setattr__ = object.__setattr__

    # Like those of the protocols (see there) it would lead back to this one: a circle that keeps the whole
    # message until the garbage collector comes.
    TransportContext = None

    def fire_event(self, event: str, *args: Any, **given: Any) -> None:
        """Tell the listeners, if there are any."""
        if self.app.event_manager.handlers:
            super().fire_event(event, *args, **given)

    def close(self) -> None:
        """The reply is made. Spyne's own collects garbage here, once a second."""
        self.is_closed = True
        self.fire_event("method_context_closed")
        self.event.parent = None


class SoapServer(ServerBase):  # type: ignore[misc]  # Spyne has no types
    """The transport of one SOAP version.

    ASGI all the way: behind an adapter from WSGI, Spyne waits for ever for the body of an empty POST.
    """

    # WSDL 1.1 section 3.3 and the SOAP 1.2 binding for WSDL 1.1: the HTTP transport of both versions.
    transport = "http://schemas.xmlsoap.org/soap/http"

    def __init__(
        self, app: JobsApplication, *, version: SoapVersion, seam: Seam, parser: MessageParser
    ) -> None:
        super().__init__(app)
        self._version = version
        self._seam = seam
        self._parser = parser

    async def serve(self, exchange: Exchange, body: bytes, charset: str | None) -> Response:
        """The reply to one message; whatever goes wrong becomes a fault.

        Raises UnsupportedMediaType alone: the message is a package, and its operation takes none.
        """
        ctx: Any = _Context(self, MethodContext.SERVER)
        ctx.udc = exchange
        ctx.in_string = (body,)
        try:
            ctx.in_document = await self._parser.parse(body, charset)
            self.generate_contexts(ctx)
            package = exchange.package
            if package is not None:
                refuse_package(ctx.descriptor.udd["operation"])
            exchange.call = await self._admit(ctx)
            self.get_in_object(ctx)
            if package is not None:
                await package.expect_what_was_named()
            await self.app.answer(ctx)
            await self.app.out_protocol.write_ahead(ctx)
            self.get_out_string(ctx)
            # In packages the tags of xop:Include differ each time: there would be no end of them.
            if ctx.out_error is None and package is None:
                self._parser.learn(body)
        except UnsupportedMediaType:
            # It is not the envelope that is wrong.
            raise
        except JobsError as error:
            self._fail(ctx, JobsFault(error))
        except Exception:
            # Spyne lets all but its faults escape, and sends 200 and nothing when the writer fails.
            _log.exception("a SOAP request failed", extra={"request_id": exchange.request_id})
            reason = f"something unexpected happened; the request id is {exchange.request_id}"
            self._fail(ctx, JobsFault(InternalServerError(reason)))
        finally:
            ctx.close()
        return await self._response(ctx, exchange)

    async def refuse(self, exchange: Exchange, error: JobsError) -> Response:
        """The fault for a message of which no envelope could be read."""
        ctx: Any = _Context(self, MethodContext.SERVER)
        ctx.udc = exchange
        self._fail(ctx, JobsFault(error))
        ctx.close()
        return await self._response(ctx, exchange)

    def get_in_object(self, ctx: Any) -> None:
        """Read the request. Spyne's own logs each fault of a caller with its traceback."""
        self.app.in_protocol.deserialize(ctx)

    async def _admit(self, ctx: Any) -> Any:
        operation: Operation = ctx.descriptor.udd["operation"]
        exchange: Exchange = ctx.udc
        header: HeaderValues = ctx.in_header
        headers = exchange.headers
        request = Request(
            protocol=CallProtocol.SOAP,
            request_id=exchange.request_id,
            credentials=_credentials(header, headers),
            idempotency_key=_agreed(
                "idempotencyKey", header.idempotency_key, idempotency_key_of(headers), "Idempotency-Key"
            ),
            if_match=_agreed(
                "ifVersion",
                None if header.if_version is None else IfMatch(frozenset({header.if_version})),
                if_match_of(headers),
                "If-Match",
            ),
        )
        return await self._seam.admit(operation, request)

    def _fail(self, ctx: Any, fault: JobsFault) -> None:
        ctx.out_error = fault
        ctx.out_document = ctx.out_string = None
        self.get_out_string(ctx)

    async def _response(self, ctx: Any, exchange: Exchange) -> Response:
        headers = {"x-request-id": exchange.request_id, "cache-control": "no-store"}
        status = 200
        if ctx.out_error is not None:
            error: JobsError = ctx.out_error.error
            headers |= error_headers(error)
            if isinstance(error, ServiceUnavailable | TooManyRequests):
                headers.setdefault("retry-after", _RETRY_AFTER_SECONDS)
            status = self.app.out_protocol.fault_to_http_response_code(ctx.out_error)
        envelope = b"".join(ctx.out_string)
        content = exchange.content
        if ctx.out_error is None and wants_package(
            exchange.headers, ctx.descriptor.udd["operation"], came=exchange.package is not None
        ):
            return packaged(envelope, content, self._version, headers)
        if content is None or ctx.out_error is not None:
            if content is not None:
                content.close()
            if len(envelope) >= LEAST_BYTES:
                headers["vary"] = "Accept-Encoding"
                if accepts_gzip(exchange.headers):
                    headers["content-encoding"] = "gzip"
                    envelope = await compressed(envelope)
            headers["content-type"] = self._version.content_type
            fields = [(name.encode(), value.encode()) for name, value in headers.items()]
            return Reply(envelope, status, fields)
        headers["content-type"] = self._version.content_type
        return Download(
            content, filled(envelope, content), length=length_with(envelope, content), headers=headers
        )


def _credentials(header: HeaderValues, headers: Headers) -> Credentials:
    """Those of the message go before those of HTTP, which a proxy may use for its own ends."""
    told = header.credentials
    if told is None:
        return credentials_of(headers)
    return replace(credentials_of(headers), validity=told.validity) if told.names_nobody else told


def _agreed(name: str, in_envelope: Any, in_http: Any, http_name: str) -> Any:
    """What the header element or the HTTP header says; both may be given only if they say the same."""
    if in_envelope is not None and in_http is not None and in_envelope != in_http:
        problem = Problem((name,), f"says something else than the HTTP header {http_name}")
        raise ValidationFailed("header elements are wrong", problems=[problem])
    return in_http if in_envelope is None else in_envelope
