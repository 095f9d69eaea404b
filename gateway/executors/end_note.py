"""How the end of an attempt is written down, so that it outlives what its engine knows."""

from collections.abc import Mapping
from typing import Any, get_args

from gateway.domain.executor import End

KINDS: Mapping[str, type[End]] = {kind.__name__: kind for kind in get_args(End)}


def end_document(end: End) -> dict[str, Any]:
    """An end as JSON has it."""
    return {"kind": type(end).__name__, "members": vars(end)}


def end_of_document(document: Mapping[str, Any]) -> End:
    """The end that was written down."""
    return KINDS[document["kind"]](**document["members"])
