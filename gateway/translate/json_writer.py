"""Writes a reply as JSON. Stored models are their JSON already and are copied, not parsed."""

from gateway.contract.shapes import listed_in
from gateway.domain.model import Model, dump
from gateway.domain.record import Stored


def write_json(reply: Model | Stored[Model]) -> bytes:
    """The JSON document of a reply: a model, a stored one, or a page whose list holds stored ones."""
    if isinstance(reply, Stored):
        return reply.json
    listed = listed_in(type(reply))
    if listed is None:
        return dump(reply)
    items = getattr(reply, listed.name)
    if not items or not isinstance(items[0], Stored):
        return dump(reply)
    rest = dump(reply.with_(**{listed.name: ()}))
    empty = b'"%s":[]' % listed.wire.encode()
    before, _, behind = rest.partition(empty)
    # All in one list, so that the documents are copied once.
    pieces = [b","] * (2 * len(items) + 1)
    pieces[1::2] = [item.json for item in items]
    pieces[0], pieces[-1] = before + empty[:-1], b"]" + behind
    return b"".join(pieces)
