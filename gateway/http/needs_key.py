"""Closes an otherwise open page to callers without a key."""

from typing import Protocol

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.contract.seam import Request
from gateway.domain.call import Call
from gateway.domain.errors import JobsError
from gateway.domain.words import CallProtocol
from gateway.http.credentials import credentials_of
from gateway.http.problem import problem_response
from gateway.http.request_id import request_id_of

_LIKE = next(operation for operation in OPERATIONS if operation.name == "getServiceInfo")
"""A page is open to those who may call this."""


class Doorkeeper(Protocol):
    """What is needed of the seam."""

    async def admit(self, operation: Operation, request: Request) -> Call:
        """Authenticate and authorise."""


class NeedsKey:
    """ASGI app: hands a request on when its key may read, else answers UNAUTHORIZED or FORBIDDEN."""

    def __init__(self, app: ASGIApp, seam: Doorkeeper) -> None:
        self._app = app
        self._seam = seam

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = Headers(scope=scope)
        request = Request(
            protocol=CallProtocol.REST,
            request_id=request_id_of(headers),
            credentials=credentials_of(headers),
        )
        try:
            await self._seam.admit(_LIKE, request)
        except JobsError as error:
            await problem_response(error, request.request_id)(scope, receive, send)
        else:
            await self._app(scope, receive, send)
