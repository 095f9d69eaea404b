"""The SOAP door: one address that serves both SOAP versions, their WSDLs and a page for people."""

from collections.abc import Iterable
from functools import lru_cache, partial
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.seam import Request, Seam
from gateway.domain.errors import JobsError, MalformedMessage, MethodNotAllowed, UnsupportedMediaType
from gateway.domain.words import CallProtocol
from gateway.http.body import body_pieces, read_body
from gateway.http.credentials import credentials_of
from gateway.http.forwarded import address_of, vary_of
from gateway.http.headers import HttpRequest
from gateway.http.media_type import name_of
from gateway.http.problem import error_headers
from gateway.http.request_id import request_id_of
from gateway.soap.guard_schema import GuardSchema
from gateway.soap.page import JobsPage
from gateway.soap.protocol import Exchange, JobsSoap11, JobsSoap12
from gateway.soap.service import JobsApplication, service_of
from gateway.soap.transport import SoapServer
from gateway.soap.wsdl import JobsDocuments, WsdlDocument, build
from gateway.soap.xop import PackageType, open_package, package_type
from gateway.translate.soap_versions import SOAP11, SOAP12, VERSIONS, SoapVersion
from gateway.translate.xml_parsing import MessageParser, encoding_of
from gateway.translate.xml_writer import XmlWriter

PATH = "/soap/v2/"
_VERSION_OF = {version.media_type: version for version in VERSIONS}
_ALLOW = "GET, HEAD, POST, OPTIONS"


def soap_door(
    seam: Seam,
    *,
    public_url: str | None,
    max_body_bytes: int,
    docs_need_key: bool = False,
    operations: Iterable[Operation] = OPERATIONS,
) -> dict[str, ASGIApp]:
    """The door at its paths: `/soap/v2` and `/soap/v2/`, without a redirect between them.

    `public_url` is the address of the gateway as callers see it, for the WSDL; None = from each request.
    `docs_need_key` closes the WSDLs and the page to callers without a key.
    """
    door = _Door(
        seam,
        public_url=public_url,
        max_body_bytes=max_body_bytes,
        docs_need_key=docs_need_key,
        operations=tuple(operations),
    )
    return {PATH: door, PATH.rstrip("/"): door}


def applications(
    operations: tuple[Operation, ...], seam: Seam | None
) -> dict[SoapVersion, tuple[JobsApplication, WsdlDocument]]:
    """Per SOAP version the Spyne application and its WSDL."""
    service = service_of(operations)
    made = {}
    for version, protocol in ((SOAP11, JobsSoap11), (SOAP12, JobsSoap12)):
        application = JobsApplication(
            service, protocol=protocol, documents=partial(JobsDocuments, version=version), seam=seam
        )
        # Spyne names a transport of its own in the WSDL of an application that has none yet, or no ports.
        application.transport = SoapServer.transport
        made[version] = (application, build(application, version, operations))
    return made


class _Door:
    """The ASGI application behind both routes."""

    def __init__(
        self,
        seam: Seam,
        *,
        public_url: str | None,
        max_body_bytes: int,
        docs_need_key: bool,
        operations: tuple[Operation, ...],
    ) -> None:
        self._seam = seam
        self._public_url = public_url
        self._max_body_bytes = max_body_bytes
        self._docs_need_key = docs_need_key
        self._operations = operations
        self._page = JobsPage(operations, path=PATH, max_body_bytes=max_body_bytes)
        self._servers: dict[SoapVersion, SoapServer] = {}
        self._wsdls: dict[SoapVersion, WsdlDocument] = {}
        parser = MessageParser()
        writer = XmlWriter()
        for version, (application, wsdl) in applications(operations, seam).items():
            guard = GuardSchema(wsdl.schema, operations)
            application.in_protocol.equip(writer=writer, guard=guard)
            application.out_protocol.equip(writer=writer, guard=guard)
            self._servers[version] = SoapServer(application, version=version, seam=seam, parser=parser)
            self._wsdls[version] = wsdl

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive)
        request_id = request_id_of(request.headers)
        try:
            response: ASGIApp = await self._answer(request, request_id)
        except JobsError as error:
            response = _plain(error, request_id)
        await response(scope, receive, send)

    async def _answer(self, request: HttpRequest, request_id: str) -> ASGIApp:
        if request.method == "POST":
            content_type = _content_type(request.headers)
            if _is_package(content_type):
                return await self._answer_package(request, request_id, package_type(content_type))
            version, charset = _served(content_type)
            body = await read_body(request, self._max_body_bytes)
            return await self._servers[version].serve(Exchange(request.headers, request_id), body, charset)
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": _ALLOW})
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed(f"{request.method} is not served here, but {_ALLOW}")
        if self._docs_need_key:
            await self._seam.admit(
                self._reading(),
                Request(
                    protocol=CallProtocol.SOAP,
                    request_id=request_id,
                    credentials=credentials_of(request.headers),
                ),
            )
        asked = _wsdl_asked_for(request)
        if asked is not None:
            return self._wsdl(request, asked)
        return self._page.at(address_of(request.scope, self._public_url), vary_of(request.scope))

    async def _answer_package(self, request: HttpRequest, request_id: str, given: PackageType) -> Response:
        server = self._servers[given.version]
        exchange = Exchange(request.headers, request_id)
        try:
            package = await open_package(body_pieces(request), given, self._max_body_bytes)
        except MalformedMessage as error:
            return await server.refuse(exchange, error)
        exchange.package = package
        return await server.serve(exchange, package.envelope, package.charset)

    def _reading(self) -> Operation:
        """An operation that every key may call."""
        return next(operation for operation in self._operations if operation.name == "getServiceInfo")

    def _wsdl(self, request: HttpRequest, version: SoapVersion) -> Response:
        document = self._wsdls[version].at(address_of(request.scope, self._public_url) + PATH)
        headers = {
            "cache-control": "no-store",
            "vary": vary_of(request.scope),
            "x-content-type-options": "nosniff",
        }
        return Response(document, headers=headers, media_type="text/xml; charset=utf-8")


def _wsdl_asked_for(request: HttpRequest) -> SoapVersion | None:
    for name, value in request.query_params.multi_items():
        if name.lower() in ("wsdl", "singlewsdl"):
            return SOAP12 if value.strip() == "1.2" else SOAP11
    return None


def _content_type(headers: Headers) -> str:
    """The one Content-Type; "" = there is none. Raises UnsupportedMediaType."""
    if "content-encoding" in headers:
        raise UnsupportedMediaType("Content-Encoding is not supported in requests")
    given = headers.getlist("content-type")
    return given[0] if len(given) == 1 else ""


@lru_cache(maxsize=256)
def _is_package(content_type: str) -> bool:
    return name_of(content_type).startswith("multipart/")


@lru_cache(maxsize=256)
def _served(content_type: str) -> tuple[SoapVersion, str | None]:
    """The SOAP version and the charset of a plain envelope. Raises UnsupportedMediaType."""
    media_type, *parameters = content_type.split(";")
    version = _VERSION_OF.get(media_type.strip().lower())
    if version is None:
        raise UnsupportedMediaType(f"Content-Type must be {' or '.join(_VERSION_OF)}, or an XOP package")
    charsets = {
        value.strip(" \t\"'")
        for name, _, value in (parameter.partition("=") for parameter in parameters)
        if name.strip().lower() == "charset"
    }
    if len(charsets) > 1:
        raise UnsupportedMediaType("Content-Type names more than one charset")
    charset = charsets.pop() if charsets else None
    if charset is not None and encoding_of(charset) is None:
        raise UnsupportedMediaType(f"the charset '{charset}' is not supported")
    return version, charset


def _plain(error: JobsError, request_id: str) -> Response:
    """The answer where there is no envelope to answer."""
    headers: dict[str, Any] = {**error_headers(error), "x-request-id": request_id}
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = _ALLOW
    return PlainTextResponse(error.reason + "\n", error.http_status, headers)
