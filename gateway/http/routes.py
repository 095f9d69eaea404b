"""Which ASGI app a path leads to."""

from collections.abc import Awaitable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send


class Routes:
    """ASGI app: hands each request to what lies at its path, whatever the method, else to `otherwise`.

    A table and no patterns: Starlette's router tries one after the other. Paths with parameters are those of
    operations, which the REST door finds itself.
    """

    def __init__(self, apps: Mapping[str, ASGIApp], *, otherwise: ASGIApp) -> None:
        self._apps = dict(apps)
        self._otherwise = otherwise

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Pass the request on."""
        return self._apps.get(scope["path"], self._otherwise)(scope, receive, send)
