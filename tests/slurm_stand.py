"""A private Slurm cluster on this host: a controller, three nodes, munged and slurmrestd, on free ports.

It serves all workers of pytest-xdist: the first that needs it starts it, the last that is done ends it, by
process ids. It needs no root, and touches no Slurm that the host may have.

Nodes n1 and n2 are in the partition `main`; n3 is alone in `lone`, for tests that take a node away. With runc
and busybox-static n1 and n2 run containers, for which two images have bundles; n3 has no oci.conf.
"""

import fcntl
import getpass
import io
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine_stand import BUSYBOX, image_layer

SECONDS = 30.0
"""How long the cluster may take for anything; it needs a fraction of it."""
PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmrestd", "scontrol")
NODES = ("n1", "n2", "n3")
API_VERSIONS = ("v0.0.38", "v0.0.39", "v0.0.40", "v0.0.41", "v0.0.42", "v0.0.43")

# proctrack/linuxproc and jobacct_gather/linux need no cgroups, so this runs in containers, too.
CONFIGURATION = """\
ClusterName=stand
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/jwt.key
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1,bf_interval=1
SlurmdParameters=config_overrides
MinJobAge=600
KillWait=30
ReturnToService=2
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
"""
OCI = """\
RunTimeQuery="runc --root={folder}/runc/%u --rootless=true state %n.%u.%j.%s.%t"
RunTimeKill="runc --root={folder}/runc/%u --rootless=true kill -a %n.%u.%j.%s.%t"
RunTimeDelete="runc --root={folder}/runc/%u --rootless=true delete --force %n.%u.%j.%s.%t"
RunTimeRun="runc --root={folder}/runc/%u --rootless=true run -b %b %n.%u.%j.%s.%t"
"""
BARE_NODE = "n3"
"""Its slurm.conf has no oci.conf beside it."""
IMAGE = "registry.example.org:5000/tests/busybox:1"
ROOTLESS = "rootless:1"
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cores} RealMemory=4000\n"
PARTITIONS = """\
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE
PartitionName=lone Nodes=n3 MaxTime=60 PriorityTier=1
PartitionName=first Nodes=n3 PriorityTier=2
"""


@dataclass(frozen=True)
class Slurm:
    """A cluster that runs."""

    folder: str
    url: str
    """slurmrestd, as the executor is told."""
    version: str
    """Version of its API."""
    user: str
    cores: int
    """Of each node."""

    @property
    def bundles(self) -> Path:
        """The folder of the images' bundles."""
        return Path(self.folder, "bundles")

    @property
    def token_file(self) -> Path:
        """The user's token."""
        return Path(self.folder, "token")

    def command(self, *words: str) -> str:
        """What one of Slurm's own commands says."""
        return _run(Path(self.folder), *words)

    def token(self, lifespan: int = 3600) -> str:
        """A new token of the user's."""
        return self.command("scontrol", "token", f"lifespan={lifespan}").strip()

    @contextmanager
    def lone_node(self) -> Iterator[str]:
        """Node n3 for one test alone, among all workers; it is up again afterwards."""
        with Path(self.folder, "lone.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield "n3"
            finally:
                self.command("scontrol", "update", "nodename=n3", "state=down", "reason=test")
                self.command("scontrol", "update", "nodename=n3", "state=idle")
                _wait(lambda: "idle" in self.command("sinfo", "-h", "-n", "n3", "-o", "%t"), "node n3")

    @contextmanager
    def another_rest(self) -> Iterator["Rest"]:
        """A slurmrestd of one's own, which may be taken away."""
        rest = Rest(Path(self.folder), self.version)
        rest.start()
        try:
            yield rest
        finally:
            rest.stop()


class Rest:
    """One slurmrestd, on a port or on a socket."""

    def __init__(self, folder: Path, version: str, *, at_socket: bool = True) -> None:
        self._folder = folder
        self._version = version
        self._socket = folder / f"rest-{secrets.token_hex(4)}" / "socket"
        self._port = None if at_socket else _free_ports(1)[0]
        self._pid: int | None = None

    @property
    def url(self) -> str:
        """Its address, as the executor is told."""
        return f"unix://{self._socket}" if self._port is None else f"http://127.0.0.1:{self._port}"

    def start(self) -> int:
        """Start it and wait until it listens; its process id."""
        listen = f"unix:{self._socket}" if self._port is None else f"127.0.0.1:{self._port}"
        self._socket.parent.mkdir(exist_ok=True)
        self._socket.parent.chmod(0o777)
        self._socket.unlink(missing_ok=True)
        # SLURM_JWT makes it take tokens; everything else here signs with munge.
        words = [
            "env",
            "SLURM_JWT=daemon",
            "slurmrestd",
            "-a",
            "rest_auth/jwt",
            *_plugins(self._version),
            listen,
        ]
        if os.geteuid() == 0:
            # It refuses to run as root.
            words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *words]
        self._pid = _spawn(self._folder, "slurmrestd", *words)
        _wait(self.listens, "slurmrestd")
        return self._pid

    def listens(self) -> bool:
        """Whether it takes connections."""
        family = socket.AF_INET if self._port else socket.AF_UNIX
        address = ("127.0.0.1", self._port) if self._port else str(self._socket)
        with socket.socket(family) as probe:
            return probe.connect_ex(address) == 0  # type: ignore[arg-type]

    def stop(self) -> None:
        """End it."""
        if self._pid is not None:
            _end([self._pid])
            self._pid = None


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Slurm]:
    """The cluster, which all workers share."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        reason = f"Slurm left out: there is no {', '.join(missing)}"
        if os.environ.get("ENGINES") == "all":
            pytest.fail(reason)
        pytest.skip(reason)
    mine = tmp_path_factory.getbasetemp()
    place = mine if worker_id == "master" else mine.parent
    with _shared(place / "slurm.lock") as users:
        if users.count == 0:
            users.state = asdict(_start())
        users.count += 1
        cluster = Slurm(**users.state)
    try:
        yield cluster
    finally:
        with _shared(place / "slurm.lock") as users:
            users.count -= 1
            if users.count == 0:
                _stop(Path(cluster.folder))


@pytest.fixture
def contained(slurm: Slurm) -> Slurm:
    """The cluster, if it can run containers."""
    if lack := lacks_containers():
        leave_out = pytest.fail if os.environ.get("ENGINES") == "all" else pytest.skip
        leave_out(f"containers in Slurm left out: {lack}")
    return slurm


@dataclass
class _Users:
    count: int
    state: dict[str, object]


@contextmanager
def _shared(path: Path) -> Iterator[_Users]:
    """How many workers use the cluster, and which it is; for one worker at a time."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        users = _Users(**json.loads(file.read() or '{"count": 0, "state": {}}'))
        yield users
        file.truncate(0)
        file.write(json.dumps(asdict(users)))


def _start() -> Slurm:
    # Short, because a socket's path is at most 107 bytes long.
    folder = Path("/tmp") / f"slurm-stand-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o755)
    try:
        return _started(folder)
    except BaseException:
        _stop(folder)
        raise


def _started(folder: Path) -> Slurm:
    (folder / "state").mkdir()
    for name in ("munge.key", "jwt.key"):
        (folder / name).write_bytes(secrets.token_bytes(1024 if name == "munge.key" else 32))
        (folder / name).chmod(0o600)
    controller_port, *ports = _free_ports(1 + len(NODES))
    host, user = socket.gethostname().partition(".")[0], getpass.getuser()
    cores = min(2, len(os.sched_getaffinity(0)))
    text = CONFIGURATION.format(folder=folder, host=host, user=user, controller_port=controller_port)
    for name, port in zip(NODES, ports, strict=True):
        text += NODE.format(name=name, host=host, port=port, cores=cores)
    (folder / "bare").mkdir()
    for place in (folder, folder / "bare"):
        (place / "slurm.conf").write_text(text + PARTITIONS)
    (folder / "oci.conf").write_text(OCI.format(folder=folder))
    (folder / "runc").mkdir()
    (folder / "runc").chmod(0o1777)
    if lacks_containers() is None:
        _make_bundles(folder / "bundles")
    key = ["--force", f"--key-file={folder}/munge.key", f"--seed-file={folder}/munge.seed"]
    files = [
        f"--{kind}={folder}/munge.{kind.removesuffix('-file')}" for kind in ("socket", "pid-file", "log-file")
    ]
    _spawn(folder, "munged", "munged", "--foreground", *key, *files)
    _wait((folder / "munge.socket").exists, "munged")
    _spawn(folder, "slurmctld", "slurmctld", "-D")
    _wait(lambda: "UP" in _run(folder, "scontrol", "ping"), "slurmctld")
    for name in NODES:
        bare = ["env", f"SLURM_CONF={folder}/bare/slurm.conf"] if name == BARE_NODE else []
        _spawn(folder, name, *bare, "slurmd", "-D", "-N", name)
    _wait(
        lambda: _run(folder, "sinfo", "-h", "-N", "-o", "%t").split().count("idle") >= len(NODES), "the nodes"
    )
    version = _api_version(folder)
    rest = Rest(folder, version, at_socket=False)
    rest.start()
    (folder / "token").write_text(_run(folder, "scontrol", "token", "lifespan=36000"))
    return Slurm(folder=str(folder), url=rest.url, version=version, user=user, cores=cores)


def lacks_containers() -> str | None:
    """What this machine lacks for containers in Slurm; None if nothing."""
    if shutil.which("runc", path=_path()) is None:
        return "runc is not installed"
    if not Path(BUSYBOX).exists():
        return "busybox-static is not installed"
    return None if os.geteuid() == 0 else "the bundle of the tests is for root"


def _make_bundles(folder: Path) -> None:
    """Bundles of busybox: IMAGE with a variable of its own, and ROOTLESS for the user nobody."""
    root = folder / IMAGE.replace("/", "+") / "rootfs"
    with tarfile.open(fileobj=io.BytesIO(image_layer())) as archive:
        archive.extractall(root, filter="data")
    config = _specify(root.parent)
    config["process"]["env"].append("OF_IMAGE=busybox")
    (root.parent / "config.json").write_text(json.dumps(config))
    (folder / ROOTLESS).mkdir()
    config = _specify(folder / ROOTLESS, "--rootless")
    config["root"]["path"] = str(root)
    config["linux"]["uidMappings"][0]["hostID"] = pwd.getpwnam("nobody").pw_uid
    config["linux"]["gidMappings"][0]["hostID"] = pwd.getpwnam("nobody").pw_gid
    (folder / ROOTLESS / "config.json").write_text(json.dumps(config))


def _specify(folder: Path, *options: str) -> Any:
    """What runc has for a bundle in a folder."""
    words = ["runc", "spec", *options, "--bundle", str(folder)]
    subprocess.run(words, env={"PATH": _path()}, check=True)
    return json.loads((folder / "config.json").read_text())


def _stop(folder: Path) -> None:
    pids = [int(pid) for pid in (folder / "pids").read_text().split()] if (folder / "pids").exists() else []
    # The controller last: nodes wait for it.
    _end(pids[::-1])
    shutil.rmtree(folder)


def _api_version(folder: Path) -> str:
    """The oldest version that this slurmrestd has and the executor knows."""
    said = _rest_lists(folder, "-s") + _rest_lists(folder, "-d")
    return next((version for version in API_VERSIONS if version in said), API_VERSIONS[0])


def _plugins(version: str) -> list[str]:
    """A plugin for each version of the API; later ones share one, and have a parser each."""
    if version < "v0.0.40":
        return ["-s", f"openapi/{version}"]
    return ["-s", "openapi/slurmctld", "-d", f"data_parser/{version}"]


def _rest_lists(folder: Path, option: str) -> str:
    words = ["slurmrestd", option, "list"]
    if os.geteuid() == 0:
        words = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *words]
    done = subprocess.run(
        words, env=_environment(folder), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.stdout + done.stderr


def _spawn(folder: Path, name: str, *words: str) -> int:
    """Start a daemon that outlives this process; it is ended by `_stop`."""
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            words,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    with (folder / "pids").open("a") as pids:
        pids.write(f"{process.pid}\n")
    # It is waited for by its pid, if at all; the object is not to complain.
    process.returncode = 0
    return process.pid


def _end(pids: list[int]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + 5
        while any(map(_lives, pids)) and time.monotonic() < deadline:
            time.sleep(0.01)


def _lives(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _run(folder: Path, *words: str) -> str:
    done = subprocess.run(
        words, env=_environment(folder), capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    return {"PATH": _path(), "SLURM_CONF": f"{folder}/slurm.conf"}


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
    finally:
        for free in sockets:
            free.close()


def _wait(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not start"
        time.sleep(0.02)
