"""Finds the operation that a path and a method mean. Built once from the list of operations."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote

from gateway.contract.operation import Operation
from gateway.contract.shapes import Kind, shape_of
from gateway.domain.requests import Patch
from gateway.translate.paths import PathTable
from gateway.translate.query_string import QueryReader, decode


class Binding:
    """An operation with all that the door needs to know of it for each request."""

    def __init__(self, operation: Operation, *, ignored: Iterable[str], shown: Operation | None) -> None:
        self.operation = operation
        self.status = operation.http.status
        self.body = operation.body
        self.takes_patch = operation.http.method == "PATCH"
        self.reads = operation.http.method == "GET"
        self.takes_idempotency_key = operation.takes_idempotency_key
        self.query = QueryReader(operation.query_shape, ignored)
        self.has_query = operation.query is not None
        self.tagged = is_tagged(operation)
        self.paged = is_paged(operation)
        self.shown = shown
        """The operation that shows what this one creates; None when it creates nothing."""
        self.raw_body = operation.http.raw_body
        self.raw_reply = operation.http.raw_reply
        # Only one of the two can fill the query string.
        assert not (self.has_query and self.raw_body), operation.name
        assert self.takes_patch == bool(self.body and issubclass(self.body.model, Patch)), operation.name


@dataclass(eq=False)
class Resource:
    """A path and the operations that its methods mean."""

    bindings: dict[str, Binding] = field(default_factory=dict)

    @cached_property
    def methods(self) -> str:
        """The value of Allow."""
        heads = ["HEAD"] if "GET" in self.bindings else []
        return ", ".join(sorted({*self.bindings, *heads, "OPTIONS"}))


class RouteTable:
    """All paths of all operations, their aliases too."""

    def __init__(self, operations: Iterable[Operation], *, ignored: Iterable[str] = ()) -> None:
        operations, ignored = tuple(operations), tuple(ignored)
        resources: dict[str, Resource] = {}
        for operation in operations:
            binding = Binding(operation, ignored=ignored, shown=shown_by(operation, operations))
            for path in (operation.http.path, *operation.http.aliases):
                resource = resources.setdefault(path, Resource())
                assert operation.http.method not in resource.bindings, path
                resource.bindings[operation.http.method] = binding
        self._paths = PathTable(resources)

    def find(self, raw_path: bytes) -> tuple[Resource, dict[str, str]] | None:
        """What a path as it came (percent-encoded, no query) names, and its parameters; None = nothing."""
        return self._paths.find(raw_path)


def is_tagged(operation: Operation) -> bool:
    """Whether the reply is one job or scheduled job, which has an entity tag."""
    return _reply_kind(operation, "version") is Kind.INT64


def is_paged(operation: Operation) -> bool:
    """Whether the reply is a page of a list."""
    return _reply_kind(operation, "nextStartAfter") is not None


def shown_by(operation: Operation, operations: Iterable[Operation]) -> Operation | None:
    """The operation that shows what this one creates: the GET by id right below its path, or else the one
    that replies with the same model.
    """
    if operation.http.status != 201 or operation.reply is None:
        return None
    operations = tuple(operations)
    for other in operations:
        below = f"{operation.http.path}/{{{other.path[-1].name}}}" if other.path else None
        if other.http.method == "GET" and other.http.path == below:
            return other
    for other in operations:
        same = other.reply is not None and other.reply.model is operation.reply.model
        ends = f"/{{{other.path[0].name}}}" if len(other.path) == 1 else None
        if same and other.http.method == "GET" and ends and other.http.path.endswith(ends):
            return other
    return None


def location_of(shown: Operation, path: dict[str, str], id: str) -> str:
    """Where something new is shown: its id ends the path, the rest of it comes from the request."""
    location = shown.http.path
    for name, value in {**path, shown.path[-1].name: id}.items():
        location = location.replace(f"{{{name}}}", quote(value, safe=""))
    return location


def _reply_kind(operation: Operation, wire: str) -> Kind | None:
    if operation.reply is None:
        return None
    return next((m.kind for m in shape_of(operation.reply.model).members if m.wire == wire), None)


def next_link(raw_path: bytes, raw_query: bytes, cursor: str) -> str:
    """The Link header of a page: the same request with startAfter, path-absolute (RFC 8288)."""
    kept = [p for p in raw_query.split(b"&") if p and decode(p.partition(b"=")[0]) != "startAfter"]
    pieces = [*(quote(piece, safe=_QUERY_SAFE) for piece in kept), "startAfter=" + quote(cursor, safe="")]
    return f'<{quote(raw_path, safe=_PATH_SAFE)}?{"&".join(pieces)}>; rel="next"'


# RFC 3986 sections 3.3 and 3.4, with `%` because the parts are encoded already.
_PATH_SAFE = "%/:@!$&'()*+,;=~"
_QUERY_SAFE = _PATH_SAFE + "?"
