"""`python -m bench.profiles NAME`: where a server's time goes under one kind of request, by py-spy.

Prints the functions with their share of the samples of the event loop's thread: with all that they call, and
by themselves. `store` in front of a name (`store:start`) shows the thread that writes instead.
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
from bench.rows.starting import no_op
from bench.rows.writing import start_request
from bench.stand import Effort, Stand

_SECONDS = 8
_RATE = 500
_SHOWN = 45
_LOOP = "Runner.run (asyncio/runners.py)"
_WRITER = "GroupCommit._run (stores/sqlite_commits.py)"
_RESULTS = f"<storageId>{jobs.STORAGE}</storageId><query><limit>5000</limit></query>"

_OF_SMALL = {
    "rest-list": get("/v2/jobs?limit=100"),
    "soap-list": soap("listJobs", "<query><limit>100</limit></query>"),
    "rest-get": get(f"/v2/jobs/{jobs.job_id(0)}"),
    "soap-get": soap("getJob", f"<jobId>{jobs.job_id(0)}</jobId>"),
    "rest-results": get(f"/v2/jobs/results/{jobs.STORAGE}?limit=5000"),
    "soap-results": soap("listStorageResults", _RESULTS),
}
_OF_LARGE = {f"filter {name}": job_list(query) for name, query in JOB_FILTERS.items()}
_OF_NEW = {"start": (start_request(), 64), "no-op": (no_op(), 16)}
_NAMES = (*_OF_SMALL, *_OF_NEW, *_OF_LARGE)


def main() -> None:
    """Profile one kind of request."""
    thread, name = _asked()
    cores.keep_to(cores.CALLERS)
    with Stand.open(Effort(rounds=1, seconds=1, large=1_000_000)) as stand:
        if name in _OF_NEW:
            request, connections = _OF_NEW[name]
            with stand.new_gateway(GATEWAY_MAX_RUNNING_JOBS="8") as server:
                stacks = _samples(server, request, stand.folder, connections)
        elif name in _OF_SMALL:
            stacks = _samples(stand.small(), _OF_SMALL[name], stand.folder, 2)
        else:
            stacks = _samples(stand.large(), _OF_LARGE[name], stand.folder, 2)
    _tell(stacks, _WRITER if thread == "store" else _LOOP)


def _asked() -> tuple[str, str]:
    """The thread and the kind of request that the command line names."""
    given = sys.argv[1] if len(sys.argv) == 2 else ""
    thread, _, name = given.rpartition(":")
    if name not in _NAMES or thread not in ("", "store"):
        sys.exit("usage: python -m bench.profiles NAME, which is one of\n  " + "\n  ".join(_NAMES))
    return thread, name


def _samples(server: Server, request: bytes, folder: Path, connections: int) -> list[list[str]]:
    """The stacks that were seen while the request was sent over and over."""
    load(server.port, [request], count=200, connections=connections)
    loading = threading.Thread(
        target=load,
        args=(server.port, [request]),
        kwargs={"connections": connections, "seconds": _SECONDS + 2},
    )
    loading.start()
    raw = folder / "profile"
    options = ["--duration", str(_SECONDS), "--rate", str(_RATE), "--format", "raw", "--full-filenames"]
    subprocess.run(
        [Path(sys.executable).with_name("py-spy"), "record", *options, "-o", raw, "--pid", str(server.pid)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    loading.join()
    stacks = []
    for line in raw.read_text().splitlines():
        text, _, count = line.rpartition(" ")
        stacks += [[_function(frame) for frame in text.split(";")]] * int(count)
    return stacks


def _tell(stacks: list[list[str]], thread: str) -> None:
    """Print what a thread did. One that waits for work counts as busy with waiting."""
    seen = [stack[stack.index(thread) + 1 :] or [thread] for stack in stacks if thread in stack]
    within = Counter(frame for stack in seen for frame in set(stack))
    own = Counter(stack[-1] for stack in seen)
    for title, counted in (("with what it calls", within), ("by itself", own)):
        print(f"\n{title}, of {len(seen)} samples")
        for function, count in counted.most_common(_SHOWN):
            print(f"{count / len(seen):6.1%}  {function}")


def _function(frame: str) -> str:
    """A frame without its line: `function (folder/file)`."""
    name, _, place = frame.partition(" (")
    return f"{name} ({'/'.join(place.split(':')[0].split('/')[-2:])})"


if __name__ == "__main__":
    main()
