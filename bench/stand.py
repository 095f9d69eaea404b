"""The stand: starts each server when a row first asks for it, and stops all of them in the end."""

import os
import pwd
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from bench.filled import filled
from bench.http import ask, get
from bench.process import Server, free_port

T = TypeVar("T")

RIVALS = ("constant", "starlette_models", "fastapi_models", "plain_spyne")
SMALL = 10_000
"""Jobs in the store that is not large."""
GATEWAY_SETTINGS = {
    # A line per call is for operators; no rival writes one.
    "GATEWAY_LOG_LEVEL": "warning",
    # Who runs the bench.
    "GATEWAY_JOB_USER": pwd.getpwuid(os.geteuid()).pw_name,
}


@dataclass(frozen=True)
class Effort:
    """How much is done."""

    rounds: int
    seconds: float
    """Length of one side of a round."""
    large: int
    """Jobs in the large store."""
    quick: bool = False
    """Whether figures need only be rough; some rows are then too small to prove anything."""

    def some(self, full: int, quick: int) -> int:
        """A number of things to do."""
        return quick if self.quick else full


class Stand:
    """Servers and stores for the rows."""

    def __init__(self, effort: Effort, stack: ExitStack, folder: Path) -> None:
        self.effort = effort
        self.folder = folder
        self._stack = stack
        self._made: dict[str, Server] = {}

    @classmethod
    @contextmanager
    def open(cls, effort: Effort) -> Iterator["Stand"]:
        """A stand whose servers end with the block."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-gateway-bench-")))
            yield cls(effort, stack, folder)

    def small(self) -> Server:
        """A gateway over a store with SMALL jobs."""
        return self._once("small", lambda: self._gateway(filled(SMALL)))

    def large(self) -> Server:
        """A gateway over the large store."""
        return self._once("large", lambda: self._gateway(filled(self.effort.large)))

    def large_anew(self) -> Server:
        """The gateway over the large store, just started."""
        if "large" in self._made:
            self._made.pop("large").stop()
        return self.large()

    def rival(self, name: str) -> Server:
        """One of RIVALS, which serves what the gateway over the small store serves."""
        assert name in RIVALS, name
        return self._once(name, lambda: self._rival(name))

    @contextmanager
    def new_gateway(self, data: Path | None = None, **settings: str) -> Iterator[Server]:
        """A gateway for one row, over a store of its own that is empty unless `data` says otherwise."""
        with tempfile.TemporaryDirectory(dir=self.folder) as empty:
            server = self._start_gateway(data or Path(empty), settings)
            try:
                yield server
            finally:
                server.stop()

    def _once(self, name: str, make: Callable[[], Server]) -> Server:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def _gateway(self, data: Path) -> Server:
        server = self._start_gateway(data, {})
        self._stack.callback(server.stop)
        return server

    def _start_gateway(self, data: Path, settings: dict[str, str]) -> Server:
        port = free_port()
        return Server(
            ["-m", "gateway", "serve", "--port", str(port), "--data", str(data)],
            port=port,
            log=self.folder / "gateway.log",
            environment=GATEWAY_SETTINGS | settings,
        )

    def _rival(self, name: str) -> Server:
        page = self.folder / "page.json"
        if not page.exists():
            page.write_bytes(ask(self.small().port, get("/v2/jobs?limit=100")).body)
        port = free_port()
        server = Server(
            ["-m", f"bench.servers.{name}", str(port), str(page)],
            port=port,
            log=self.folder / f"{name}.log",
            environment={},
        )
        self._stack.callback(server.stop)
        return server
