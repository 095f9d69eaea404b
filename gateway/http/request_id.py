"""Gives each request its id: the caller's, or a new one. Every reply and every line of the log carries it."""

import logging
import re
from collections.abc import Awaitable
from itertools import count
from secrets import token_hex

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.errors import InternalServerError
from gateway.http.problem import problem_response

_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log = logging.getLogger(__name__)

# An id need not be hard to guess, only new: one look for random bytes per process is enough.
_PROCESS = token_hex(8)
_numbers = count(1)


def new_request_id() -> str:
    """An id that no other request has."""
    return f"{_PROCESS}{next(_numbers):016x}"


def request_id_of(headers: Headers) -> str:
    """The caller's X-Request-Id if it can be taken over, else a new one."""
    given = headers.get("x-request-id")
    return given if given and _USABLE.fullmatch(given) else new_request_id()


class RequestIds:
    """ASGI middleware, the outermost: sets X-Request-Id on every reply, and answers what nobody caught.

    An id that is missing or cannot be taken over is replaced in the request's headers, so that all who call
    `request_id_of` on them are told the same one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"x-request-id"]
        if len(given) == 1 and _USABLE.fullmatch(given[0].decode("latin-1")):
            request_id = given[0]
        else:
            request_id = new_request_id().encode()
            others = [header for header in scope["headers"] if header[0] != b"x-request-id"]
            scope = {**scope, "headers": [*others, (b"x-request-id", request_id)]}
        field = (b"x-request-id", request_id)
        started = False

        def send_with_id(message: Message) -> Awaitable[None]:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = message.get("headers", ())
                # The SOAP door says it itself.
                if field not in headers:
                    message = {**message, "headers": [*headers, field]}
            return send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            _log.exception("request %s failed unexpectedly", request_id.decode())
            if started:
                raise
            error = InternalServerError(
                "something unexpected happened; the log tells it under this request id"
            )
            await problem_response(error, request_id.decode())(scope, receive, send_with_id)
