"""The header fields of a request, read once: most of those that are asked for are not there."""

from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope


class RequestHeaders(Headers):
    """Starlette's Headers, which go through all fields for each question, with a table of names."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(raw=scope["headers"])
        # ASGI has names in lower case. Of several fields of one name the first counts, as in Starlette's.
        self._first = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(self.raw)}

    def __contains__(self, name: Any) -> bool:
        return name.lower() in self._first

    def get(self, name: str, default: Any = None) -> Any:
        """The first value of a field."""
        return self._first.get(name.lower(), default)

    def getlist(self, key: str) -> list[str]:
        """All values of a field."""
        return super().getlist(key) if key in self else []


class HttpRequest(Request):
    """A request with such headers."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        super().__init__(scope, receive)
        self._fields = RequestHeaders(scope)

    @property
    def headers(self) -> RequestHeaders:
        """The header fields."""
        return self._fields
