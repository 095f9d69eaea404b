"""Writes a reply as JSON. Stored models are their JSON already and are copied, not parsed."""

from functools import cache

from gateway.contract.shapes import Kind, Member, shape_of
from gateway.domain.model import Model, dump
from gateway.domain.record import Stored


def write_json(reply: Model | Stored[Model]) -> bytes:
    """The JSON document of a reply: a model, a stored one, or a page whose list holds stored ones."""
    if isinstance(reply, Stored):
        return reply.json
    listed = _listed(type(reply))
    if listed is None:
        return dump(reply)
    items = getattr(reply, listed.name)
    if not items or not isinstance(items[0], Stored):
        return dump(reply)
    rest = dump(reply.with_(**{listed.name: ()}))
    empty = b'"%s":[]' % listed.wire.encode()
    before, _, after = rest.partition(empty)
    return b"".join((before, empty[:-1], b",".join([item.json for item in items]), b"]", after))


@cache
def _listed(model: type[Model]) -> Member | None:
    """The list of a page: its only member that is a list of models."""
    lists = [member for member in shape_of(model).members if member.many and member.kind is Kind.MODEL]
    return lists[0] if len(lists) == 1 else None
