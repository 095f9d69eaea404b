"""Rows 9 and 10: from startJob to a process, against a bare event loop that starts the same command.

The gateway, its jobs, the loop and its processes all have the servers' core; the caller has the other one.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from bench import cores
from bench.figures import Figure, Spread, at_most, in_turn, quantile
from bench.http import Line, get, send
from bench.load import load
from bench.process import ROOT, Server
from bench.rows.writing import syncs_per_second
from bench.stand import Stand

_STAMP = ["date", "+%s.%N"]
"""A command that writes when it began."""
NO_OP = ["true"]
CONCURRENCY = 8
"""How many jobs run at a time on one worker."""
_CALLERS = 16
_NOT_FINAL = get("/v2/jobs?limit=1&jobStatus=PERSISTED,WAITING,SCHEDULED,RUNNING,UNKNOWN")
_LOOK_SECONDS = 0.02
IDLE_SECONDS = 0.02
"""The pause between one job and the next, so that each starts on an idle gateway."""


def no_op() -> bytes:
    """A startJob of a job that does nothing."""
    return _start(NO_OP)


def start_to_running(stand: Stand) -> Iterator[Figure]:
    """Row 9. RUNNING = a caller who waits for it is told so; the loop's = its spawn has returned."""
    effort = stand.effort
    each, rounds = effort.some(100, 20), min(effort.rounds, 5)
    told: list[list[float]] = []
    begun: list[list[float]] = []
    bare: list[dict[str, Any]] = []
    with stand.new_gateway() as server:
        _started(server, 5)
        for _ in range(rounds):
            running, command = _started(server, each)
            told.append(running)
            begun.append(command)
            bare.append(bare_loop(stand, each, 1, _STAMP, pause=IDLE_SECONDS))
    syncs = syncs_per_second(stand.folder / "synced", effort.seconds)
    for share, name, goal in ((0.5, "p50", 5), (0.99, "p99", 20)):
        ours, theirs = milliseconds(told, share), milliseconds([one["starts"] for one in bare], share)
        by_round = [
            milliseconds([one], share) - milliseconds([other["starts"]], share)
            for one, other in zip(told, bare, strict=True)
        ]
        note = f"{ours:.1f} : {theirs:.1f} ms; one sync of the disk takes {1000 / syncs:.1f} ms"
        if share == 0.5:
            to_command = milliseconds(begun, share) - milliseconds([one["begun"] for one in bare], share)
            note += f"; until the command itself begins {to_command:.1f} ms more"
        yield Figure(
            f"startJob to RUNNING, {name}, over a bare loop's",
            Spread(ours - theirs, min(by_round), max(by_round)),
            at_most(goal),
            unit="ms",
            note=note,
            proof=not effort.quick,
        )


def many_short_jobs(stand: Stand) -> Iterator[Figure]:
    """Row 10."""
    effort = stand.effort
    count = effort.some(2000, 200)
    threads: list[int] = []
    with stand.new_gateway(GATEWAY_MAX_RUNNING_JOBS=str(CONCURRENCY)) as server:
        idle = server.threads
        ratio, ours, theirs = in_turn(
            lambda: _run_all(server, count, threads),
            lambda: float(bare_loop(stand, count, CONCURRENCY, NO_OP)["seconds"]),
            rounds=min(effort.rounds, 5),
        )
    yield Figure(
        f"{count} no-op jobs, start to FINISHED : from a bare loop",
        ratio,
        at_most(2),
        note=f"{count / ours:.0f}/s : {count / theirs:.0f}/s, {CONCURRENCY} at a time; "
        f"threads {idle} idle, {max(threads)} at most",
        proof=not effort.quick,
    )


def bare_loop(
    stand: Stand, count: int, concurrency: int, command: list[str], *, pause: float = 0
) -> dict[str, Any]:
    """What the bare loop measured; `pause` = seconds that it is idle after each command."""
    with tempfile.TemporaryDirectory(dir=stand.folder) as folder:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "bench.servers.bare_loop",
                folder,
                str(count),
                str(concurrency),
                str(pause),
                *command,
            ],
            cwd=ROOT,
            check=True,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: cores.keep_to(cores.SERVERS),
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _started(server: Server, count: int) -> tuple[list[float], list[float]]:
    """Seconds until the caller is told of RUNNING, and until the command began, for one job after another."""
    running, begun = [], []
    start = _start(_STAMP)
    with Line(server.port) as line:
        for _ in range(count):
            asked_at = time.time()
            seconds, path = run_one(line, start)
            running.append(seconds)
            begun.append(float(json.loads(line.ask(get(f"{path}/output")).body)["content"]) - asked_at)
            time.sleep(IDLE_SECONDS)
    return running, begun


def run_one(line: Line, start: bytes) -> tuple[float, str]:
    """Start a job and wait for its end: seconds until the caller was told of RUNNING, and the job's path."""
    asked = time.perf_counter()
    job = json.loads(line.ask(start).body)
    path = f"/v2/jobs/{job['id']}"
    while job["jobStatus"] in ("PERSISTED", "SCHEDULED"):
        job = json.loads(line.ask(get(f"{path}/wait?timeoutSeconds=10&version={job['version']}")).body)
    seconds = time.perf_counter() - asked
    job = json.loads(line.ask(get(f"{path}/wait?timeoutSeconds=10")).body)
    assert job["jobStatus"] == "FINISHED", job
    return seconds, path


def _run_all(server: Server, count: int, threads: list[int]) -> float:
    """Seconds from the first startJob until the last job has finished."""
    began = time.perf_counter()
    load(server.port, [no_op()], count=count, connections=_CALLERS)
    with Line(server.port) as line:
        while json.loads(line.ask(_NOT_FINAL).body)["jobs"]:
            threads.append(server.threads)
            time.sleep(_LOOK_SECONDS)
    taken = time.perf_counter() - began
    threads.append(server.threads)
    return taken


def _start(command: list[str]) -> bytes:
    return send("/v2/jobs", json.dumps({"dockerImageUrl": "none", "commands": command}).encode())


def milliseconds(rounds: list[list[float]], share: float) -> float:
    """The quantile of all values, which are seconds."""
    values = [value for one in rounds for value in one]
    return 1000 * (statistics.median(values) if share == 0.5 else quantile(values, share))
