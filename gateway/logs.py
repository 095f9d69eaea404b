"""Logs: JSON lines on standard error, or plain text on a terminal. What is logged is decided elsewhere.

All code logs through the standard library; a value that belongs to a line comes as `extra`. A traceback shows
code and no values: local variables could hold keys or tokens.
"""

import logging
import sys
from typing import Literal, TextIO

import structlog
from structlog.typing import Processor


def set_up_logs(
    *,
    level: Literal["debug", "info", "warning", "error"] = "info",
    format: Literal["auto", "json", "text"] = "auto",
    stream: TextIO | None = None,
) -> None:
    """Send all logs of the process to a stream, standard error by default; `auto` is text on a terminal."""
    stream = stream or sys.stderr
    as_text = format == "text" or (format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
                structlog.stdlib.ExtraAdder(),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_text(colors=stream.isatty()) if as_text else _json()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Their lines on starting and stopping say what ours say already; the clients have one for each request.
    for library in ("uvicorn.error", "asyncio", "spyne", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(max(root.level, logging.WARNING))


def _text(*, colors: bool) -> list[Processor]:
    return [
        structlog.dev.ConsoleRenderer(
            colors=colors, timestamp_key="at", exception_formatter=structlog.dev.plain_traceback
        )
    ]


def _json() -> list[Processor]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
