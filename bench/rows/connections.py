"""Row 12: many open connections, and many callers who wait."""

import json
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.figures import Figure, at_most, in_turn, quantile
from bench.http import HOST, Line, get
from bench.load import load
from bench.process import Server
from bench.rows.writing import start_request
from bench.stand import Stand

_IDLE = 10_000
_WAITING = 200
_FILES = 12_000
"""The hard file limit that the idle connections need, on either side."""


def beside_idle_connections(stand: Stand) -> Iterator[Figure]:
    """Row 12."""
    effort = stand.effort
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    idle = effort.some(_IDLE, 1000)
    enough = hard == resource.RLIM_INFINITY or hard >= _FILES
    if not enough:
        idle = min(idle, hard - 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with stand.new_gateway() as server:
        with Line(server.port) as line:
            job = json.loads(line.ask(start_request()).body)
        requests = [get(f"/v2/jobs/{job['id']}")]
        count = effort.some(4000, 500)

        def alone() -> float:
            return quantile(load(server.port, requests, count=count, connections=1).latencies, 0.99)

        def beside() -> float:
            with _connected(server, idle, job["id"]):
                return alone()

        alone()
        ratio, with_them, without = in_turn(beside, alone, rounds=min(effort.rounds, 5))
    yield Figure(
        f"getJob p99 beside {idle:,} idle connections and {_WAITING} long polls : without",
        ratio,
        at_most(2),
        note=f"{with_them * 1000:.2f} : {without * 1000:.2f} ms"
        + ("" if enough else f"; the hard file limit is {hard}, under {_FILES}"),
        proof=idle >= _IDLE,
    )


@contextmanager
def _connected(server: Server, idle: int, job_id: str) -> Iterator[None]:
    """Connections that have had one reply each, and callers who wait for a job that does not change."""
    with ExitStack() as stack:
        for _ in range(idle):
            stack.enter_context(Line(server.port)).ask(get("/livez"))
        for _ in range(_WAITING):
            waiting = stack.enter_context(socket.create_connection((HOST, server.port)))
            waiting.sendall(get(f"/v2/jobs/{job_id}/wait?timeoutSeconds=60"))
        yield
