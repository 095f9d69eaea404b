"""`python -m bench.profiles NAME`: where the gateway's time goes under one kind of request, by py-spy.

Prints the functions with their share of the samples: with all that they call, and by themselves.
"""

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

from bench import cores, jobs
from bench.http import get, soap
from bench.load import load
from bench.process import Server
from bench.rows.filters import JOB_FILTERS, job_list
from bench.rows.writing import start_request
from bench.stand import Effort, Stand

_SECONDS = 8
_RATE = 500
_SHOWN = 45
_LOOP = "Runner.run (asyncio/runners.py)"
_REQUESTS = {
    "rest-list": get("/v2/jobs?limit=100"),
    "soap-list": soap("listJobs", "<query><limit>100</limit></query>"),
    "rest-get": get(f"/v2/jobs/{jobs.job_id(0)}"),
    "soap-get": soap("getJob", f"<jobId>{jobs.job_id(0)}</jobId>"),
    "constant": get(f"/v2/jobs/{jobs.job_id(0)}"),
    "start": start_request(),
    "rest-results": get(f"/v2/jobs/results/{jobs.STORAGE}?limit=5000"),
} | {f"filter-{name}": job_list(query) for name, query in JOB_FILTERS.items()}


def main() -> None:
    """Profile one kind of request."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in _REQUESTS:
        sys.exit(f"usage: python -m bench.profiles {' | '.join(_REQUESTS)}")
    cores.keep_to(cores.CALLERS)
    with Stand.open(Effort(rounds=1, seconds=1, large=1_000_000)) as stand:
        if name == "start":
            with stand.new_gateway() as server:
                _tell(_samples(server, name, stand.folder, connections=64))
            return
        large = name.startswith("filter-")
        server = stand.rival(name) if name == "constant" else stand.large() if large else stand.small()
        _tell(_samples(server, name, stand.folder, connections=2))


def _samples(server: Server, name: str, folder: Path, *, connections: int) -> list[list[str]]:
    request = [_REQUESTS[name]]
    load(server.port, request, count=200, connections=connections)
    loading = threading.Thread(
        target=load, args=(server.port, request), kwargs={"connections": connections, "seconds": _SECONDS + 2}
    )
    loading.start()
    raw = folder / "profile"
    command = ["py-spy", "record", "-d", str(_SECONDS), "-r", str(_RATE), "-f", "raw", "--full-filenames"]
    subprocess.run(
        [
            str(Path(sys.executable).with_name("py-spy")),
            *command[1:],
            "-o",
            str(raw),
            "--pid",
            str(server.pid),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    loading.join()
    stacks = []
    for line in raw.read_text().splitlines():
        text, _, count = line.rpartition(" ")
        frames = [_function(frame) for frame in text.split(";")]
        # The event loop's thread; py-spy takes threads that wait for work as busy.
        if _LOOP in frames:
            stacks += [frames[frames.index(_LOOP) + 1 :] or [_LOOP]] * int(count)
    return stacks


def _tell(stacks: list[list[str]]) -> None:
    within = Counter(frame for stack in stacks for frame in set(stack))
    own = Counter(stack[-1] for stack in stacks)
    for title, counted in (("with what it calls", within), ("by itself", own)):
        print(f"\n{title}, of {len(stacks)} samples")
        for function, count in counted.most_common(_SHOWN):
            print(f"{count / len(stacks):6.1%}  {function}")


def _function(frame: str) -> str:
    """A frame without its line: `function (file)`."""
    name, _, place = frame.partition(" (")
    return f"{name} ({'/'.join(place.split(':')[0].split('/')[-2:])})"


if __name__ == "__main__":
    main()
