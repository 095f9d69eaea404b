"""Replies as XML, written step by step, so that other callers get their turn beside a long one."""

import asyncio
import time
from typing import Any

from gateway.contract.shapes import listed_in
from gateway.domain.model import Model
from gateway.domain.record import Stored
from gateway.translate.xml_writer import XmlWriter

_STEP_SECONDS = 0.002


async def written(reply: Model | Stored[Any], writer: XmlWriter) -> list[bytes]:
    """The members of a reply as elements, in pieces to be joined.

    Raises ValueError when XML cannot say a text.
    """
    if isinstance(reply, Stored):
        return [writer.fragment(reply)]
    listed = listed_in(type(reply))
    if listed is None:
        return [writer.fragment(reply)]
    fragments = []
    end = time.perf_counter() + _STEP_SECONDS
    for item in getattr(reply, listed.name):
        fragments.append(writer.fragment(item))
        if time.perf_counter() >= end:
            await asyncio.sleep(0)
            end = time.perf_counter() + _STEP_SECONDS
    return writer.page(reply, listed, fragments)
