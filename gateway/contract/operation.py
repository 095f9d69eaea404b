"""What an operation is: one entry of the list from which both protocols are derived."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from pydantic import create_model

from gateway.domain.errors import JobsError
from gateway.domain.model import Model
from gateway.domain.scalars import Line
from gateway.domain.words import Role


@dataclass(frozen=True)
class PathPart:
    """A path parameter: its wire name, and its meaning."""

    name: str
    meaning: str


@dataclass(frozen=True)
class Body:
    """The body object: its name as a SOAP request child, its model, and whether it must be there."""

    name: str
    model: type[Model]
    required: bool = True


@dataclass(frozen=True)
class Reply:
    """The reply object: its name as the one SOAP reply child, and its model."""

    name: str
    model: type[Model]


@dataclass(frozen=True)
class Http:
    """Where an operation lies over HTTP. `aliases` answer, too, but are not documented."""

    method: str
    path: str
    status: int = 200
    aliases: tuple[str, ...] = ()


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
    def query_required(self) -> bool:
        """Whether the query has a required member."""
        return self.query is not None and any(f.is_required() for f in self.query.model_fields.values())

    @cached_property
    def request(self) -> type[Model]:
        """The whole request as one model: path parameters, then `query`, then the body, as SOAP sends it."""
        members: dict[str, Any] = {}
        for part in self.path:
            members[part.name] = (Annotated[Line, part.meaning], ...)
        if self.query:
            members["query"] = (self.query, ... if self.query_required else self.query())
        if self.body:
            members[self.body.name] = (
                self.body.model,
                ... if self.body.required else self.body.model(),
            )
        return create_model(self.name[0].upper() + self.name[1:] + "Request", __base__=Model, **members)


def _python_name(wire: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in wire)
