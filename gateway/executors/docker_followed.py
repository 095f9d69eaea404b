"""What the gateway keeps in memory of an attempt that it follows, and the note of its end."""

import asyncio
import json
from dataclasses import dataclass

from gateway.domain.executor import AttemptKey, End
from gateway.executors.docker_log import LogCopy
from gateway.executors.end_note import end_document, end_of_document
from gateway.executors.kept_output import KeptFolder


@dataclass(kw_only=True)
class Followed:
    """An attempt whose container is there, as far as is known."""

    key: AttemptKey
    name: str
    log: LogCopy
    copying: asyncio.Task[None] | None = None
    """Copies the log while the container runs."""
    ending: asyncio.Task[None] | None = None
    """Copies the rest of the log, then tells of the end."""
    end: End | None = None
    observed: bool = False
    """Whether somebody asked for it, and so wants to hear of its end."""

    def forget(self) -> None:
        """Cancel what is done for it."""
        for task in (self.copying, self.ending):
            if task is not None:
                task.cancel()


def write_end(kept: KeptFolder, key: AttemptKey, end: End) -> None:
    """Note how the attempt ended; its container is not needed after that. Raises OSError."""
    kept.write_note(key, "end", json.dumps(end_document(end)), durable=True)


def read_end(kept: KeptFolder, key: AttemptKey) -> End | None:
    """How the attempt ended; None if that was not noted."""
    text = kept.note(key, "end")
    return None if text is None else end_of_document(json.loads(text))
