"""What make-secrets.sh makes is what compose.yaml hands out and the gateway reads."""

import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from gateway.domain.keys import key_id
from gateway.settings import Settings
from gateway.vault import FileVault
from tests.container_files import COMPOSE, HERE, ROOT, SERVICES


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """The folder that make-secrets.sh has filled."""
    shutil.copy(HERE / "make-secrets.sh", tmp_path)
    subprocess.run([tmp_path / "make-secrets.sh"], check=True, capture_output=True)
    return tmp_path / "secrets"


def test_all_that_compose_hands_out_is_made_in_a_closed_folder(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    wanted = {Path(one["file"]).name for one in COMPOSE["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == wanted
    for path in secrets.iterdir():
        # The users in the containers are others, and Compose mounts files as they are.
        assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_the_gateway_can_read_its_secrets(secrets: Path) -> None:
    assert key_id((secrets / "first-admin.key").read_text("ascii").strip())
    vault = FileVault(secrets / "secret.key", make=False)
    assert vault.open(vault.seal("x", context="c"), context="c") == "x"


def test_the_databases_address_holds_the_password_of_postgresql(secrets: Path) -> None:
    settings = tomllib.loads((secrets / "gateway.toml").read_text("ascii"))
    password = (secrets / "database-password").read_text("ascii")
    assert re.fullmatch("[0-9a-f]{64}", password)
    postgres = SERVICES["postgres"]["environment"]
    address = f"postgresql://{postgres['POSTGRES_USER']}:{password}@postgres/{postgres['POSTGRES_DB']}"
    assert settings == {"store": address}


def test_the_settings_file_is_one_of_the_gateway(secrets: Path) -> None:
    settings = tomllib.loads((secrets / "gateway.toml").read_text("ascii"))
    Settings(**settings)


def test_a_second_run_keeps_what_is_there(secrets: Path) -> None:
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    (secrets / "secret.key").unlink()
    subprocess.run([secrets.parent / "make-secrets.sh"], check=True, capture_output=True)
    after = {path.name: path.read_text() for path in secrets.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"secret.key"}


def test_neither_git_nor_the_image_gets_them() -> None:
    assert "docker/secrets/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert "secrets" not in (ROOT / ".dockerignore").read_text("utf-8")
