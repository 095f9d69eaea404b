"""What attempts wrote, wherever it is kept: here, at the engine, or with another node of the store."""

import json
from dataclasses import asdict

from gateway.domain.errors import ServiceUnavailable
from gateway.domain.executor import AttemptKey, OutputChunk
from gateway.domain.house import House
from gateway.domain.words import OutputChannel

_NOTHING = OutputChunk(data=b"", offset=0, next_offset=0, dropped_bytes=0, size=0)


async def read_output(
    house: House, key: AttemptKey, channel: OutputChannel, *, offset: int, limit: int
) -> OutputChunk:
    """At most `limit` bytes from `offset` on, see Executor.output. Raises ServiceUnavailable when the node
    that keeps them does not answer.
    """
    if not key.attempt:
        return _NOTHING
    if house.exchange is None or house.executor.keeps(key.job_id):
        return await house.executor.output(key, channel, offset=offset, limit=limit)
    question = {"key": key, "channel": channel.name, "offset": offset, "limit": limit}
    answer = await house.exchange.ask(json.dumps(question).encode())
    if answer is None:
        reason = f"the node that keeps the output of job {key.job_id} does not answer"
        raise ServiceUnavailable(reason, retry_after_seconds=5)
    head, _, data = answer.partition(b"\n")
    return OutputChunk(data=data, **json.loads(head))


async def answer_for_output(house: House, question: bytes) -> bytes | None:
    """The answer to another node's question; None when it is not kept here."""
    asked = json.loads(question)
    key = AttemptKey(*asked["key"])
    if not house.executor.keeps(key.job_id):
        return None
    chunk = await house.executor.output(
        key, OutputChannel[asked["channel"]], offset=asked["offset"], limit=asked["limit"]
    )
    head = asdict(chunk)
    data = head.pop("data")
    return json.dumps(head).encode() + b"\n" + bytes(data)
