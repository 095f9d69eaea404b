"""Which operation lies at a method and a path, and what the path of a request is."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.domain.errors import MethodNotAllowed, NotFound, Problem, ValidationFailed
from gateway.translate.paths import PathTable


def operation_at(method: str, raw_path: bytes) -> tuple[Operation, dict[str, str]]:
    """The operation, and its path parameters by wire name. Raises NotFound, MethodNotAllowed."""
    found = _table().find(raw_path)
    if found is None:
        raise NotFound(f"there is nothing at {raw_path.decode('utf-8', 'replace')}")
    methods, parameters = found
    if method not in methods:
        raise MethodNotAllowed(f"{method} means nothing here; {', '.join(sorted(methods))} do")
    return methods[method], parameters


def path_of(operation: Operation, parts: Mapping[str, Any]) -> str:
    """The path of a request, percent-encoded.

    Raises ValidationFailed for a parameter that no path can say: an empty one, or one that makes it the path
    of another operation.
    """
    path = operation.http.path
    for part in operation.path:
        path = path.replace("{" + part.name + "}", quote(str(parts[part.name]), safe=""))
    found = _table().find(path.encode())
    if found is None or found[0].get(operation.http.method) is not operation:
        problems = [
            Problem((part.name,), f"'{parts[part.name]}' cannot be said in a path") for part in operation.path
        ]
        raise ValidationFailed(f"REST has no address for this call of {operation.name}", problems=problems)
    return path


@cache
def _table() -> PathTable[dict[str, Operation]]:
    entries: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        for path in (operation.http.path, *operation.http.aliases):
            entries.setdefault(path, {})[operation.http.method] = operation
    return PathTable(entries)
