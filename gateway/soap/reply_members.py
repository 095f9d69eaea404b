"""The members of a reply as XML, written step by step: other callers get their turn beside a long one."""

import asyncio
import time
from typing import Any

from gateway.contract.shapes import listed_in
from gateway.domain.model import Model
from gateway.domain.record import Stored
from gateway.translate.xml_writer import XmlWriter

_STEP_SECONDS = 0.0005


async def written(reply: Model | Stored[Any], writer: XmlWriter) -> list[bytes]:
    """The members of a reply as elements, in pieces to be joined.

    Raises ValueError when XML cannot say a text.
    """
    if isinstance(reply, Stored):
        return [writer.fragment(reply)]
    listed = listed_in(type(reply))
    if listed is None:
        return [writer.fragment(reply)]
    items = getattr(reply, listed.name)
    end = time.perf_counter() + _STEP_SECONDS
    fragments = writer.known(items)
    for at, known in enumerate(fragments):
        if known:
            continue
        fragments[at] = writer.fragment(items[at])
        if time.perf_counter() >= end:
            await asyncio.sleep(0)
            end = time.perf_counter() + _STEP_SECONDS
    return writer.page(reply, listed, fragments)
