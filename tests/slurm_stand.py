"""A private Slurm cluster on this host: slurmctld, three nodes, munged and slurmrestd, each with a free port.

One cluster serves all workers of pytest-xdist: the first that needs it starts it, the last one that is done
ends it, by process ids. It needs no root, and touches no Slurm that the host may have.
"""

import fcntl
import getpass
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

SECONDS = 30.0
"""How long the cluster may take for anything; it needs a fraction of it."""
PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmrestd", "scontrol")
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
NODES = ("n1", "n2", "n3")
CORES = len(os.sched_getaffinity(0))

CONFIGURATION = """\
ClusterName=stand
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller_port}
SlurmctldParameters=
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/jwt.key
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
# Linux without cgroups, as in a container. Memory is looked at each second.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1,sched_interval=1
SlurmdParameters=config_overrides
MinJobAge=600
KillWait=2
ReturnToService=2
SwitchType=switch/none
MpiDefault=none
"""


@dataclass(frozen=True)
class Slurm:
    """A cluster that runs."""

    folder: Path
    url: str
    """slurmrestd, for the executor."""
    user: str
    token_file: Path

    def command(self, *words: str) -> str:
        """What one of Slurm's own commands says."""
        done = subprocess.run(
            words, env=_environment(self.folder), capture_output=True, text=True, timeout=SECONDS, check=True
        )
        return done.stdout

    def token(self, user: str) -> str:
        """A new token of a user."""
        said = self.command("scontrol", "token", f"username={user}", "lifespan=3600")
        return said.strip().removeprefix("SLURM_JWT=")
