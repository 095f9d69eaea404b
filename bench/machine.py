"""What was measured on, and with: told beside the results."""

import os
import platform
import re
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import cores, database
from bench.stand import Effort

_LIBRARIES = (
    "spyne lxml starlette uvicorn uvloop httptools pydantic fastapi a2wsgi psycopg procrastinate".split()
)


def facts(effort: Effort) -> dict[str, Any]:
    """Facts of this machine and this run."""
    found = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": found[1] if found else platform.processor(),
        "cores": os.cpu_count(),
        "apart": cores.APART,
        "memory_gib": round(pages / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": database.version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "rounds": effort.rounds,
        "quick": effort.quick,
        "load": round(os.getloadavg()[0], 1),
        "scheduler_group": _scheduler_group(),
    }


def _scheduler_group() -> str:
    """The group of processes that shares the processor with others', and its niceness; see sched(7)."""
    group = Path("/proc/self/autogroup")
    return group.read_text().strip() if group.exists() else ""
