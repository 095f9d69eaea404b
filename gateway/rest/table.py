"""Finds the operation that a path and a method mean. Built once from the list of operations."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote

from gateway.contract.operation import Operation
from gateway.contract.shapes import Kind, shape_of
from gateway.domain.requests import Patch
from gateway.rest.query_string import QueryReader, decode


class Binding:
    """An operation with all that the door needs to know of it for each request."""

    def __init__(self, operation: Operation, *, ignored: Iterable[str], shown: Operation | None) -> None:
        self.operation = operation
        self.status = operation.http.status
        self.body = operation.body
        self.takes_patch = operation.http.method == "PATCH"
        self.reads = operation.http.method == "GET"
        self.takes_idempotency_key = operation.takes_idempotency_key
        self.query = QueryReader(shape_of(operation.query) if operation.query else None, ignored)
        self.has_query = operation.query is not None
        self.tagged = is_tagged(operation)
        self.paged = is_paged(operation)
        self.location = shown.http.path.rpartition("/")[0] + "/" if shown else None
        """Path before the id of what the operation creates; None when it creates nothing."""
        assert self.takes_patch == bool(self.body and issubclass(self.body.model, Patch)), operation.name


@dataclass(eq=False)
class Resource:
    """A path and the operations that its methods mean."""

    template: tuple[str, ...]
    """Segments; the name of a path parameter stands in braces."""
    bindings: dict[str, Binding] = field(default_factory=dict)

    @cached_property
    def names(self) -> dict[int, str]:
        """Names of the path parameters by the position of their segment."""
        return {i: part[1:-1] for i, part in enumerate(self.template) if part.startswith("{")}

    @cached_property
    def fixed(self) -> list[tuple[int, str]]:
        """The other segments with their positions, from the end, where paths differ most."""
        return [(i, part) for i, part in reversed(list(enumerate(self.template))) if i not in self.names]

    @cached_property
    def methods(self) -> str:
        """The value of Allow."""
        heads = ["HEAD"] if "GET" in self.bindings else []
        return ", ".join(sorted({*self.bindings, *heads, "OPTIONS"}))


class RouteTable:
    """All paths of all operations, their aliases too."""

    def __init__(self, operations: Iterable[Operation], *, ignored: Iterable[str] = ()) -> None:
        operations, ignored = tuple(operations), tuple(ignored)
        resources: dict[tuple[str, ...], Resource] = {}
        for operation in operations:
            binding = Binding(operation, ignored=ignored, shown=shown_by(operation, operations))
            for path in (operation.http.path, *operation.http.aliases):
                template = tuple(path.split("/"))
                resource = resources.setdefault(template, Resource(template))
                assert operation.http.method not in resource.bindings, path
                resource.bindings[operation.http.method] = binding
        self._fixed = {"/".join(t).encode(): r for t, r in resources.items() if not r.names}
        self._open: dict[int, list[Resource]] = {}
        # A path without parameters goes before one whose parameter could be read in its place.
        for template, resource in sorted(resources.items(), key=lambda item: "{" in "".join(item[0])):
            self._open.setdefault(len(template), []).append(resource)

    def find(self, raw_path: bytes) -> tuple[Resource, dict[str, str]] | None:
        """What a path as it came (percent-encoded, without query) names, and its parameters; None = nothing.

        It is split before it is decoded, so that an encoded slash belongs to the parameter.
        """
        fixed = self._fixed.get(raw_path)
        if fixed is not None:
            return fixed, {}
        texts: list[str | None]
        if b"%" in raw_path or not raw_path.isascii():
            texts = [decode(part.replace(b"+", b"%2B")) for part in raw_path.split(b"/")]
        else:
            texts = [*raw_path.decode().split("/")]
        for resource in self._open.get(len(texts), ()):
            if _fits(resource, texts):
                return resource, {name: texts[i] or "" for i, name in resource.names.items()}
        return None


def _fits(resource: Resource, texts: list[str | None]) -> bool:
    for i, part in resource.fixed:
        if texts[i] != part:
            return False
    return all(texts[i] for i in resource.names)


def is_tagged(operation: Operation) -> bool:
    """Whether the reply is one job or scheduled job, which has an entity tag."""
    return _reply_kind(operation, "version") is Kind.INT64


def is_paged(operation: Operation) -> bool:
    """Whether the reply is a page of a list."""
    return _reply_kind(operation, "nextStartAfter") is not None


def shown_by(operation: Operation, operations: Iterable[Operation]) -> Operation | None:
    """The operation that shows what this one creates: the GET by id that replies with the same model."""
    if operation.http.status != 201 or operation.reply is None:
        return None
    for other in operations:
        same = other.reply is not None and other.reply.model is operation.reply.model
        ends = f"/{{{other.path[0].name}}}" if len(other.path) == 1 else None
        if same and other.http.method == "GET" and ends and other.http.path.endswith(ends):
            return other
    return None


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
