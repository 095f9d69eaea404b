"""From a launch to the two texts that a node reads: the batch script, and the file `launch` beside it.

Every word is quoted for the shell, so that newlines, quotes and whatever else reach the command as they are.
The script is for Slurm, which keeps it and shows it to its user; all that is secret is in `launch`.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from gateway.domain.executor import Launch, StartRefused
from gateway.executors.slurm_bundles import TMP, Bundle, step_words

SCRIPT = Path(__file__).with_name("slurm_script.sh")

# What a shell can export. Others are its own, or act on the shell itself, and take a longer way.
_SHELL_NAME = re.compile(
    r"(?!BASH|LD_|attempt_)"
    r"(?!(_|PWD|OLDPWD|SHLVL|IFS|PPID|UID|EUID|LINENO|OPT(IND|ARG|ERR)|CDPATH|RANDOM|ENV|SHELLOPTS)\Z)"
    r"[A-Za-z_][A-Za-z0-9_]*\Z"
)


def batch_script(folder: str) -> str:
    """What Slurm runs for the attempt of a folder."""
    return f"#!/bin/sh\nattempt_folder={shlex.quote(folder)}\n{SCRIPT.read_text('utf-8')}"


def launch_text(launch: Launch, folder: str, *, default_path: str, bundle: Bundle | None = None) -> bytes:
    """The file `launch`. `bundle`: of the image to run the command in; None = on the node itself.

    Raises StartRefused for what no command can be given.
    """
    if not launch.commands:
        raise StartRefused("commands is empty, there is nothing to run", passing=False)
    environment = _environment(launch, folder, default_path, bundle)
    if any("\0" in word for word in (*launch.commands, *environment, *environment.values())):
        raise StartRefused("arguments and variables cannot hold NUL characters", passing=False)
    loaders = {} if bundle is None else _loaders(launch, environment)
    environment = {name: value for name, value in environment.items() if name not in loaders}
    exported = {name: value for name, value in environment.items() if _SHELL_NAME.match(name)}
    carried = [f"{name}={value}" for name, value in environment.items() if name not in exported]
    words = " ".join(map(shlex.quote, launch.commands))
    # Before PATH is the job's: what the node has is looked for in the node's.
    lines = ["attempt_run() {", "attempt_env=$(command -v env) attempt_nice=$(command -v nice)"]
    if bundle is not None:
        lines.append("attempt_find_srun")
        words = f"{step_words(folder, loaders)} {words}"
    lines += [f"export {name}={shlex.quote(value)}" for name, value in exported.items()]
    if bundle is None:
        lines.append(f"attempt_find {shlex.quote(launch.commands[0])}")
    if carried:
        # env(1) shows them, secrets too, for a moment. It would take a command with an = for a variable;
        # `nice -n 0` changes nothing and would not.
        pairs = " ".join(map(shlex.quote, carried))
        words = f'"$attempt_env" -- {pairs} "$attempt_nice" -n 0 {words}'
    become = "attempt_become" if bundle is None else "attempt_become_srun"
    lines += [f"{become} {words}", "}", ""]
    try:
        return "\n".join(lines).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise StartRefused("arguments and variables cannot hold lone surrogates", passing=False) from error


def _environment(launch: Launch, folder: str, default_path: str, bundle: Bundle | None) -> dict[str, str]:
    work = f"{folder}/work" if bundle is None else TMP
    defaults = {"PATH": default_path, "HOME": work, "TMPDIR": work, "LANG": "C.UTF-8"}
    if bundle is not None:
        defaults |= bundle.environment
    environment = defaults | dict(launch.environment)
    for name in environment:
        if not name or "=" in name:
            raise StartRefused(f"a variable cannot be called {name!r}", passing=False)
        # srun takes its options from these, and gives all it has to the command.
        if bundle is not None and name.startswith(("SLURM", "SRUN")):
            raise StartRefused(f"{name!r} is Slurm's own: no job in a container can set it", passing=False)
    return environment


def _loaders(launch: Launch, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that act on the node's own programs, srun too. They are told to srun as an option's value."""
    loaders = {name: value for name, value in environment.items() if name.startswith("LD_")}
    for name, value in loaders.items():
        if name in launch.secrets or re.search(r"""[,'"\\\x00-\x1f]""", value):
            reason = f"{name!r} cannot be given to a container: it is secret, or has commas or quotes in it"
            raise StartRefused(reason, passing=False)
    return loaders
