"""Speaks HTTP with the API server: credentials, refusals, and what to do when it is busy or gone."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import httpx

from gateway.executors.kubernetes_access import Access

CALL_SECONDS = 15.0
"""The longest time without a byte of an answer."""
BUSY_TRIES = 5
"""How often one call is made while the server says 429."""
LONGEST_BUSY_SECONDS = 30.0
Parameters = Mapping[str, str | int]
NO_PARAMETERS: Parameters = MappingProxyType({})
MERGE_PATCH = "application/merge-patch+json"

# A connection whose other end has silently gone is noticed within half a minute.
_SOCKET_OPTIONS = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]


class ApiRefused(Exception):
    """The API server answered, and nothing was done: a `Status` of 4xx."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        """One word, such as AlreadyExists, NotFound, Invalid."""
        self.message = message


class ApiUnreachable(Exception):
    """No answer, or one that does not tell whether anything was done."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        """Whether the request may have been carried out."""


class KubernetesClient:
    """Calls of one API server."""

    def __init__(self, access: Access) -> None:
        self._server = access.server
        self._credentials = access.credentials
        # One connection per watch and per log that is followed: their number is not for the pool to bound.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=16)
        self._http = httpx.AsyncClient(
            base_url=access.server,
            timeout=CALL_SECONDS,
            # Proxies of the environment lead out of the cluster, not into it.
            trust_env=False,
            transport=httpx.AsyncHTTPTransport(
                verify=access.tls, limits=limits, socket_options=_SOCKET_OPTIONS, trust_env=False
            ),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def call(
        self, method: str, path: str, *, parameters: Parameters = NO_PARAMETERS, body: Any = None
    ) -> dict[str, Any]:
        """The object that the server answers with. Raises ApiRefused or ApiUnreachable."""
        headers = {"Content-Type": MERGE_PATCH} if method == "PATCH" else {}
        request = self._http.build_request(method, path, params=parameters, json=body, headers=headers)
        response = await self._answer(request)
        try:
            await response.aread()
            answer: dict[str, Any] = response.json()
            return answer
        except (httpx.TransportError, ValueError) as error:
            raise ApiUnreachable(self._said(error), sent=True) from error
        finally:
            await response.aclose()

    @asynccontextmanager
    async def stream(
        self, path: str, *, parameters: Parameters, silence_seconds: float | None = CALL_SECONDS
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """What the server sends, once it has begun to. Raises ApiRefused or ApiUnreachable, also while it is
        read.

        `silence_seconds`: the longest time without a byte of it.
        """
        timeout = httpx.Timeout(CALL_SECONDS, read=silence_seconds)
        response = await self._answer(
            self._http.build_request("GET", path, params=parameters, timeout=timeout)
        )
        try:
            yield response.aiter_bytes()
        except httpx.TransportError as error:
            raise ApiUnreachable(self._said(error), sent=True) from error
        finally:
            await response.aclose()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        """A good answer; with new credentials after 401, and later when the server is busy."""
        doubted = False
        for _ in range(BUSY_TRIES):
            response = await self._send(request)
            if response.is_success:
                return response
            refused = await self._refusal(response)
            if response.status_code == HTTPStatus.UNAUTHORIZED and not doubted:
                doubted = True
                self._credentials.renew()
            elif response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                await asyncio.sleep(_wait_seconds(response))
            elif response.is_server_error:
                raise ApiUnreachable(f"{self._server} answered {refused.code}: {refused.message}", sent=True)
            else:
                raise refused
        # "the server is overloaded and did not carry the request out": nothing was done.
        raise ApiUnreachable(f"{self._server} is busy: {refused.message}", sent=False)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            header = await self._credentials.header()
        except ValueError as error:
            raise ApiUnreachable(str(error), sent=False) from error
        if header is not None:
            request.headers["Authorization"] = header
        try:
            return await self._http.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise ApiUnreachable(self._said(error), sent=False) from error
        except httpx.TransportError as error:
            raise ApiUnreachable(self._said(error), sent=True) from error

    async def _refusal(self, response: httpx.Response) -> ApiRefused:
        """The `Status` object of an answer, or what stands in its place when a proxy answers."""
        try:
            await response.aread()
            status: Any = response.json()
        except (httpx.TransportError, ValueError):
            status = None
        finally:
            await response.aclose()
        if not isinstance(status, Mapping):
            status = {}
        return ApiRefused(
            response.status_code,
            str(status.get("reason") or ""),
            str(status.get("message") or f"HTTP status {response.status_code}"),
        )

    def _said(self, error: Exception) -> str:
        return f"{self._server}: {str(error) or type(error).__name__}"


def _wait_seconds(response: httpx.Response) -> float:
    """What `Retry-After` says; the API server writes seconds."""
    try:
        return min(LONGEST_BUSY_SECONDS, max(0.0, float(response.headers.get("Retry-After", "1"))))
    except ValueError:
        return 1.0
