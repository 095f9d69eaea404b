"""What an operation is: one entry of the list from which both protocols are derived."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ConfigDict, create_model

from gateway.contract.shapes import Shape, shape_of
from gateway.domain.errors import JobsError
from gateway.domain.model import Model
from gateway.domain.scalars import Line
from gateway.domain.words import Role


@dataclass(frozen=True)
class PathPart:
    """A path parameter: its wire name, its meaning, and its type: one that a member of a model may have."""

    name: str
    meaning: str
    type: Any = Line


@dataclass(frozen=True)
class Body:
    """The body object: its name as a SOAP request child, its model, and whether it must be there.

    `wrapped` = the JSON body is an object whose one member, of that name, is the body object. It is the whole
    request then, so the operation has no path parameters and no query.
    """

    name: str
    model: type[Model]
    required: bool = True
    wrapped: bool = False


@dataclass(frozen=True)
class Reply:
    """The reply object: its name as the one SOAP reply child, and its model."""

    name: str
    model: type[Model]


@dataclass(frozen=True)
class RawBody:
    """A body that is sent over HTTP as its bytes, not as JSON. Members by wire name; what is not named here
    are query parameters.
    """

    content: str
    """The bytes."""
    media_type: str
    """What Content-Type says."""


@dataclass(frozen=True)
class RawReply:
    """A reply that is sent over HTTP as its bytes, to be saved under a name. Members by wire name."""

    content: str
    """The bytes; a `Kept`, which the door closes."""
    media_type: str
    """What Content-Type says. Accept is not looked at: the bytes have no other form."""
    file_name: str
    """The name that Content-Disposition proposes."""
    sha256: str
    """The bytes' SHA-256 in hexadecimal: their entity tag."""


@dataclass(frozen=True)
class Http:
    """Where an operation lies over HTTP. `aliases` answer, too, but are not documented."""

    method: str
    path: str
    status: int = 200
    aliases: tuple[str, ...] = ()
    raw_body: RawBody | None = None
    raw_reply: RawReply | None = None


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of the contract.

    `run` is called as run(house, call, **parts): the path parameters by their Python names, `query`, and the
    body by its Python name; it returns what `reply` names (a model, or Stored), or None.
    """

    name: str
    summary: str
    """One sentence; the longer text is the docstring of `run`."""
    http: Http
    role: Role
    run: Callable[..., Awaitable[Any]]
    path: tuple[PathPart, ...] = ()
    query: type[Model] | None = None
    body: Body | None = None
    reply: Reply | None = None
    errors: tuple[type[JobsError], ...] = ()
    """The errors that are the operation's own, beside those that every operation may answer."""
    worker: bool = False
    """Whether a running job may call it with its token, for itself."""
    versioned: bool = False
    """Whether it changes one job or scheduled job, so that If-Match guards it."""

    @property
    def description(self) -> str:
        """The longer text."""
        return " ".join((self.run.__doc__ or "").split())

    @property
    def takes_idempotency_key(self) -> bool:
        """Whether Idempotency-Key works on it: on every POST operation and its SOAP twin."""
        return self.http.method == "POST"

    @cached_property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The wire name and the Python name of each part, as `run` takes them."""
        return tuple((name, _python_name(name)) for name in self.request.model_fields)

    @cached_property
    def query_shape(self) -> Shape | None:
        """The query parameters over HTTP: the members of `query`, or those of a raw body that lie there."""
        raw = self.http.raw_body
        if raw is None or self.body is None:
            return shape_of(self.query) if self.query else None
        members = shape_of(self.body.model).members
        elsewhere = (raw.content, raw.media_type)
        return Shape(self.body.model, tuple(m for m in members if m.wire not in elsewhere))

    @cached_property
    def query_required(self) -> bool:
        """Whether the query has a required member."""
        return self.query is not None and any(f.is_required() for f in self.query.model_fields.values())

    @cached_property
    def request(self) -> type[Model]:
        """The whole request as one model: path parameters, then `query`, then the body, as SOAP sends it."""
        members: dict[str, Any] = {}
        for part in self.path:
            members[part.name] = (part.type, ...)
        if self.query:
            members["query"] = (self.query, ... if self.query_required else self.query())
        if self.body:
            members[self.body.name] = (
                self.body.model,
                ... if self.body.required else self.body.model(),
            )
        return create_model(self.name[0].upper() + self.name[1:] + "Request", __base__=_Request, **members)


class _Request(Model):
    """Has no source of its own that its members could be described in."""

    model_config = ConfigDict(use_attribute_docstrings=False)


def _python_name(wire: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in wire)
