"""Long replies: what they list is written step by step, so that other callers get their turn in between."""

import asyncio
import time
from typing import Any

from gateway.contract.shapes import listed_in
from gateway.domain.model import Model
from gateway.translate.xml_writer import Written, XmlWriter

_LONG = 200
"""Shorter lists are written in about a millisecond."""
_STEP_SECONDS = 0.002


async def written_ahead(reply: Any, writer: XmlWriter) -> Any:
    """The reply; if it is a long page, with the XML of what it lists in place of that."""
    listed = listed_in(type(reply)) if isinstance(reply, Model) else None
    items = () if listed is None else getattr(reply, listed.name)
    if listed is None or len(items) <= _LONG:
        return reply
    written = []
    end = time.perf_counter() + _STEP_SECONDS
    for item in items:
        written.append(Written(writer.children(item)))
        if time.perf_counter() >= end:
            await asyncio.sleep(0)
            end = time.perf_counter() + _STEP_SECONDS
    return reply.with_(**{listed.name: tuple(written)})
