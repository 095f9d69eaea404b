"""podman's service of Docker's API, with storage and settings of the tests' own.

podman has no daemon: each container has a process beside it (conmon), and the service is for those who ask.
"""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.engine_stand import EngineStand

SETTINGS = """\
[containers]
# More than many a machine allows is what containers get otherwise.
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
# Times in its logs are local ones, and a machine of the tests may live in UTC.
conmon_env_vars = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TZ=EAST-05:30"]
# Those in shared memory are one for all podmans of a machine.
lock_type = "file"
"""
REGISTRIES = """\
[[registry]]
location = "127.0.0.1"
insecure = true
"""


class PodmanStand(EngineStand):
    """One `podman system service`."""

    name = "podman"
    programs = ("podman", "conmon", "runc", "catatonit")
    tells_memory = False
    variables = EngineStand.variables | {"TERM", "container"}

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the service; containers do not depend on it."""
        # One that was killed leaves it behind.
        self.socket.unlink(missing_ok=True)
        return self.run(
            "podman",
            f"--root={self.folder}/data",
            f"--runroot={self.folder}/run",
            f"--tmpdir={self.folder}/tmp",
            f"--network-config-dir={self.folder}/networks",
            "--storage-driver=overlay",
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
            # podman's other one, crun, starts nothing where a host has both versions of cgroups.
            "--runtime=runc",
            "system",
            "service",
            "--time=0",
            self.url,
            CONTAINERS_CONF=self._file("containers.conf", SETTINGS),
            CONTAINERS_REGISTRIES_CONF=self._file("registries.conf", REGISTRIES),
        )

    def end_others(self) -> None:
        """Wait for what podman does after the end of each container; it writes into the folder."""
        for process in self._processes("conmon"):
            # Its container could not be deleted, because something is still being done with it.
            with suppress(OSError):
                for child in (process / "task" / process.name / "children").read_text().split():
                    os.kill(int(child), signal.SIGKILL)
        self.wait(lambda: not self._processes("conmon", "podman"))

    def _file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def _processes(self, *programs: str) -> list[Path]:
        """Those of some programs that have the folder among their arguments."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_text(errors="replace")
            except OSError:
                continue
            if Path(words.partition("\0")[0]).name in programs and str(self.folder) in words:
                found.append(path.parent)
        return found
