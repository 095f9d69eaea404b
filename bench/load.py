"""The caller: sends requests over a few connections that stay open, and times each.

Plain sockets and epoll in one thread; a request costs the caller some 15 microseconds. What it really cost is
told with each load (`caller_seconds`), so that a caller that is too slow for its server shows.
"""

import itertools
import multiprocessing
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from bench.http import HOST, LENGTH

_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Load:
    """What a run of requests took."""

    seconds: float
    latencies: list[float]
    """Seconds of each request, in the order of the replies."""
    sent_at: list[float]
    """When each was sent, on the clock that all processes share (perf_counter)."""
    caller_seconds: float
    """Processor time of the caller."""

    @property
    def count(self) -> int:
        """How many requests were answered."""
        return len(self.latencies)

    @property
    def each(self) -> float:
        """Seconds per request, all connections together."""
        return self.seconds / self.count

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.count / self.seconds


class _Connection:
    """An open connection with one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), 60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pieces: list[bytes] = []
        self._missing = -1
        self.sent = 0.0

    def send(self, request: bytes) -> None:
        self._pieces, self._missing = [], -1
        self.sent = time.perf_counter()
        self.socket.sendall(request)

    def received(self) -> bool:
        """Read what has come; whether the reply is whole. Raises RuntimeError when it is no success."""
        piece = self.socket.recv(1 << 20)
        if not piece:
            raise RuntimeError("the server hung up")
        if self._missing < 0:
            self._pieces.append(piece)
            piece = b"".join(self._pieces)
            head, found, body = piece.partition(b"\r\n\r\n")
            if not found:
                return False
            if head[9:10] != b"2":
                raise RuntimeError(f"refused: {piece[:800]!r}")
            length = LENGTH.search(head)
            if length is None:
                raise RuntimeError(f"a reply without a length: {head!r}")
            self._missing = int(length[1]) - len(body)
        else:
            self._missing -= len(piece)
        return self._missing <= 0


def load(
    port: int,
    requests: Sequence[bytes],
    *,
    connections: int = 2,
    seconds: float | None = None,
    count: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Load:
    """Send the requests one after another, from the first again after the last, one at a time a connection.

    Ends after `seconds` or `count` requests, or when `stop` says so; what is under way is waited for.
    """
    with ExitStack() as opened:
        poll = opened.enter_context(select.epoll())
        by_number: dict[int, _Connection] = {}
        for _ in range(connections):
            connection = _Connection(port)
            opened.callback(connection.socket.close)
            by_number[connection.socket.fileno()] = connection
            poll.register(connection.socket, select.EPOLLIN)
        source: Iterator[bytes] = itertools.cycle(requests)
        if count is not None:
            source = itertools.islice(source, count)
        latencies: list[float] = []
        sent_at: list[float] = []
        under_way = 0
        used = time.process_time()
        began = ended = time.perf_counter()
        deadline = began + seconds if seconds is not None else float("inf")
        for connection in by_number.values():
            if (request := next(source, None)) is not None:
                connection.send(request)
                under_way += 1
        while under_way:
            for number, _ in poll.poll(60):
                connection = by_number[number]
                if not connection.received():
                    continue
                ended = time.perf_counter()
                latencies.append(ended - connection.sent)
                sent_at.append(connection.sent)
                request = next(source, None) if ended < deadline and not stop() else None
                if request is None:
                    under_way -= 1
                else:
                    connection.send(request)
        return Load(ended - began, latencies, sent_at, time.process_time() - used)


class Aside:
    """A load that runs in a process of its own until it is stopped."""

    def __init__(self, port: int, requests: Sequence[bytes], connections: int) -> None:
        self._stop = _FORK.Event()
        self._mine, theirs = _FORK.Pipe(duplex=False)
        self._process = _FORK.Process(
            target=self._run, args=(theirs, port, list(requests), connections), daemon=True
        )
        self._process.start()
        theirs.close()

    def end(self) -> Load:
        """Stop it; what it measured."""
        self._stop.set()
        found: Any = self._mine.recv()
        self._process.join()
        if isinstance(found, Exception):
            raise found
        measured: Load = found
        return measured

    def _run(self, pipe: Any, port: int, requests: list[bytes], connections: int) -> None:
        try:
            pipe.send(load(port, requests, connections=connections, stop=self._stop.is_set))
        except Exception as error:
            pipe.send(RuntimeError(str(error)))


@contextmanager
def aside(port: int, requests: Sequence[bytes], *, connections: int = 1) -> Iterator[Aside]:
    """Run a load beside what the caller does meanwhile."""
    running = Aside(port, requests, connections)
    time.sleep(0.05)
    yield running
