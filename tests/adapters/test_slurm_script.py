"""The batch script of Slurm jobs, run by each shell that a node may have, without Slurm."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.domain.executor import AttemptKey, Exited, Launch
from gateway.executors.slurm_bundles import Bundle, attempt_bundle
from gateway.executors.slurm_folder import AttemptFolder, SharedFolder
from gateway.executors.slurm_launch import batch_script, launch_text

SHELLS = [path for path in map(shutil.which, ("dash", "bash")) if path]
SECONDS = 20


class Node:
    """Runs the script of one attempt in one shell, in a session that another process leads, as Slurm does."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.folder = AttemptFolder(SharedFolder(folder, None), folder / "x" / "1")
        self.shell = shell

    def prepare(self, *commands: str, environment: dict[str, str] | None = None) -> None:
        launch = Launch(key=AttemptKey("x", 1), commands=commands, image="", environment=environment or {})
        path = str(self.folder.path)
        self.folder.prepare(launch_text(launch, path, default_path="/usr/bin:/bin"))
        (self.folder.path.parent / "script").write_text(batch_script(path))

    def begin(self, slurm_id: str = "5", **others: str) -> subprocess.Popen[bytes]:
        words = [self.shell, str(self.folder.path.parent / "script")]
        leader = ["/bin/sh", "-c", '"$@"; exit $?', "leader", *words]
        environment = {"PATH": "/usr/bin:/bin", "SLURM_JOB_ID": slurm_id, **others}
        return subprocess.Popen(leader, env=environment, start_new_session=True)

    def run(self, *commands: str, environment: dict[str, str] | None = None) -> int:
        self.prepare(*commands, environment=environment)
        return self.begin().wait(SECONDS)

    def text(self, name: str = "stdout") -> str:
        path = self.folder.path / name
        return path.read_text() if path.exists() else ""


@pytest.fixture(params=SHELLS, ids=lambda path: Path(path).name)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Node:
    return Node(tmp_path, request.param)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def session(leader: subprocess.Popen[bytes]) -> list[int]:
    """Living processes of a session but its leader."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, number = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(number) == leader.pid != int(path.parent.name) and state != "Z":
            found.append(int(path.parent.name))
    return found


def send(leader: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """As Slurm does: to everything of the job."""
    for pid in session(leader):
        # The first to get it may have killed the others.
        with suppress(ProcessLookupError):
            os.kill(pid, number)


@pytest.mark.parametrize("status", [0, 1, 127, 130, 137, 143, 255])
def test_an_exit_code_is_kept_and_is_the_scripts_own(node: Node, status: int) -> None:
    # Shells are silent on SIGINT and SIGPIPE: 130 is taken for the signal, as they tell it.
    assert node.run("sh", "-c", f"exit {status}") == status
    silent = status == 130 or (node.shell.endswith("bash") and status == 143)
    assert node.folder.exited() == Exited(exit_code=status, signal=status - 128 if silent else None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGINT])
def test_a_signal_is_told_from_an_exit_code(node: Node, number: signal.Signals) -> None:
    node.run("sh", "-c", f"ulimit -c 0; kill -{number.value} $$")
    assert node.folder.exited() == Exited(exit_code=128 + number, signal=number)


def test_signals_are_at_their_defaults_for_the_command(node: Node) -> None:
    node.run("sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status")
    blocked, ignored = [int(line.split()[1], 16) for line in node.text().splitlines()]
    # What was ignored when the tests began, as under nohup, no shell can undo. SIGPIPE is of Python's doing.
    status = Path("/proc/self/status").read_text()
    own = int(next(line for line in status.splitlines() if line.startswith("SigIgn")).split()[1], 16)
    own &= ~(1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1)
    assert (blocked, ignored & ~own) == (0, 0)


def test_the_second_run_of_an_attempt_leaves_at_once(node: Node) -> None:
    assert node.run("sh", "-c", "echo run; exit 3") == 3
    node.prepare("sh", "-c", "echo again")
    assert node.begin("6").wait(SECONDS) == 0
    assert node.text() == "run\n"
    assert node.folder.begun() == "5"


def test_a_withdrawn_attempt_does_not_run(node: Node) -> None:
    node.prepare("sh", "-c", "echo run")
    node.folder.withdraw()
    assert node.begin().wait(SECONDS) == 0
    assert node.text() == ""


def test_what_the_command_leaves_in_its_session_is_killed(node: Node) -> None:
    node.prepare("sh", "-c", "trap '' TERM; sleep 600 & echo $!; exit 4")
    leader = node.begin()
    assert leader.wait(SECONDS) == 4
    until(lambda: not session(leader))
    assert node.folder.exited() == Exited(exit_code=4)


def test_sigterm_is_the_commands_and_the_script_outlives_it(node: Node) -> None:
    node.prepare("sh", "-c", "trap 'echo asked; exit 9' TERM; echo here; while :; do sleep 0.05; done")
    leader = node.begin()
    until(lambda: "here" in node.text())
    send(leader, signal.SIGTERM)
    assert leader.wait(SECONDS) == 9
    assert node.text() == "here\nasked\n"


def test_sigusr2_kills_everything_that_is_deaf(node: Node) -> None:
    deaf = "trap '' TERM USR2; (while :; do sleep 0.05; done) & echo here; while :; do sleep 0.05; done"
    node.prepare("sh", "-c", deaf)
    leader = node.begin()
    until(lambda: "here" in node.text())
    send(leader, signal.SIGUSR2)
    assert leader.wait(SECONDS) == 137
    assert node.folder.exited() == Exited(exit_code=137, signal=9)
    assert session(leader) == []


def test_sigusr2_is_told_as_the_kill_that_it_stands_for(node: Node) -> None:
    node.prepare("sh", "-c", "echo here; exec sleep 600")
    leader = node.begin()
    until(lambda: "here" in node.text())
    send(leader, signal.SIGUSR2)
    assert leader.wait(SECONDS) == 137
    assert node.folder.exited() == Exited(exit_code=137, signal=9)


def test_a_variable_of_any_name_and_value_reaches_the_command(node: Node) -> None:
    values = {"A": "x'\n\"$y\\", "IFS": "q", "a.b": "'\n", "PPID": "1", "BASH_X": "2", "LINENO": "3"}
    node.run("env", "-0", environment=values)
    pairs = dict(pair.split("=", 1) for pair in node.text().split("\0") if pair)
    assert {name: pairs.get(name) for name in values} == values
    assert not {"PWD", "OLDPWD", "SHLVL"} & pairs.keys()


@pytest.mark.parametrize(
    ("path", "command", "found"),
    [
        ("/nowhere:/bin", "true", True),
        ("/nowhere", "true", False),
        ("", "./mine", True),
        (":/bin", "mine", True),
        ("/bin:", "mine", True),
        ("/bin", "mine", False),
    ],
)
def test_a_command_is_looked_for_as_execvp_does(node: Node, path: str, command: str, found: bool) -> None:
    node.prepare(command, environment={"PATH": path})
    mine = node.folder.path / "work" / "mine"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o700)
    status = node.begin().wait(SECONDS)
    assert (status, node.folder.refused() is None) == (0 if found else 127, found)


SRUN = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'
"""Takes Slurm's place: the command tells by itself where it is."""


def contain(node: Node, place: Path, *commands: str) -> subprocess.Popen[bytes]:
    """Begin an attempt for a container, on a node whose programs and oci.conf are in a folder."""
    path = str(node.folder.path)
    bundle = Bundle(root=place, content={}, config={"root": {}, "process": {}})
    launch = Launch(key=AttemptKey("x", 1), commands=commands, image="", environment={})
    text = launch_text(launch, path, default_path="/usr/bin:/bin", bundle=bundle)
    node.folder.prepare(text, attempt_bundle(bundle, path))
    (node.folder.path.parent / "script").write_text(batch_script(path))
    return node.begin(PATH=str(place), SLURM_CONF=f"{place}/slurm.conf", SLURMD_NODENAME="n7")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """All that a node has, which can run containers."""
    for name in ("env", "nice", "rm", "sleep", "ln", "tail", "tr", "sh"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    (tmp_path / "oci.conf").touch()
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "srun").chmod(0o755)
    return tmp_path


def sleeps(leader: subprocess.Popen[bytes], seconds: int) -> bool:
    """Whether the guard sleeps so long at a time."""
    for pid in session(leader):
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes() == f"sleep\0{seconds}\0".encode():
                return True
    return False


def test_a_container_that_is_asked_to_end_before_it_runs_is_asked_when_it_does(
    node: Node, place: Path
) -> None:
    folder = node.folder.path
    tell = f"until [ -e {folder}/go ]; do sleep 0.05; done; printf '{{\"pid\": %s}}' $$ >{folder}/container"
    leader = contain(node, place, "sh", "-c", f"trap 'exit 9' TERM; {tell}; while :; do sleep 0.05; done")
    until(lambda: sleeps(leader, 3600))
    send(leader, signal.SIGURG)
    until(lambda: sleeps(leader, 1))
    (folder / "go").touch()
    assert leader.wait(SECONDS) == 9
    assert node.folder.exited() == Exited(exit_code=9)


@pytest.mark.parametrize("missing", ["oci.conf", "srun"])
def test_a_node_that_cannot_run_containers_runs_nothing(node: Node, place: Path, missing: str) -> None:
    (place / missing).unlink()
    leader = contain(node, place, "sh", "-c", f"echo run >{place}/runs")
    assert leader.wait(SECONDS) == 127
    assert "Slurm cannot run containers on node n7: there is no" in (node.folder.refused() or "")
    assert missing in (node.folder.refused() or "")
    assert not (place / "runs").exists()


def test_what_srun_says_of_a_container_that_never_ran_is_the_reason(node: Node, place: Path) -> None:
    (place / "srun").write_text("#!/bin/sh\necho srun: no such thing >&2; exit 1\n")
    assert contain(node, place, "true").wait(SECONDS) == 1
    assert node.folder.refused() == "the container could not begin on node n7: srun: no such thing"


def test_a_container_that_was_ended_before_it_ran_could_have_begun(node: Node, place: Path) -> None:
    (place / "srun").write_text("#!/bin/sh\nexit 143\n")
    assert contain(node, place, "true").wait(SECONDS) == 143
    assert node.folder.refused() is None
    assert node.folder.exited() == Exited(exit_code=143, signal=15)


def test_a_container_that_ran_is_over_however_it_ended(node: Node, place: Path) -> None:
    leader = contain(node, place, "sh", "-c", f"touch {node.folder.path}/container; exit 137")
    assert leader.wait(SECONDS) == 137
    assert node.folder.refused() is None
    assert node.folder.exited() == Exited(exit_code=137, signal=9)


def test_a_container_is_killed_although_it_is_in_no_session_of_the_script(node: Node, place: Path) -> None:
    pid = node.folder.path / "container"
    tell = f"printf '{{\"pid\":%s}}' $$ >{pid}; exec sleep 600"
    leader = contain(node, place, "setsid", "--wait", "sh", "-c", tell)
    until(lambda: node.text("container").endswith("}"))
    first = Path("/proc", node.text("container").removeprefix('{"pid":').removesuffix("}"))
    until(lambda: (first / "cmdline").read_bytes().startswith(b"sleep"))
    send(leader, signal.SIGUSR2)
    assert leader.wait(SECONDS) == 137
    until(lambda: not first.exists())
