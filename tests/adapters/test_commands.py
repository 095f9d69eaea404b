"""The commands that end by themselves, in this process: settings, keys, the contract's files."""

import logging
import os
import re
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.__main__ import cli
from gateway.contract_files import BEGIN, END
from gateway.settings import PREFIX


@pytest.fixture(autouse=True)
def _process_as_it_was():
    umask, root = os.umask(0o022), logging.getLogger()
    os.umask(umask)
    before = root.handlers, root.level
    yield
    os.umask(umask)
    root.handlers, root.level = before


@pytest.fixture
def run(tmp_path):
    """Runs a command; `check` is the exit code that it must end with."""
    settings = {name: None for name in os.environ if name.startswith(PREFIX)}
    settings["GATEWAY_DATA"] = str(tmp_path / "data")

    def run(*arguments, env=None, check=None):
        done = CliRunner().invoke(cli, arguments, prog_name="gateway", env=settings | (env or {}))
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        if check is not None:
            assert done.exit_code == check, done.output
        return done

    return run


def refused(done, message):
    """It ended with 2 and one clear line."""
    assert done.exit_code == 2, done.output
    assert re.search(message, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    "command", [[], ["serve"], ["keys"], ["keys", "create"], ["keys", "revoke"], ["contract"]]
)
def test_every_command_explains_itself(run, command):
    told = run(*command, "--help", check=0).stdout
    assert told.startswith("Usage: gateway")


def test_every_setting_is_an_option_with_its_variable(run):
    told = " ".join(run("serve", "--help", check=0).stdout.split())
    for name in ("HOST", "PORT", "DATA", "CONFIG", "MAX_BODY_BYTES", "STOP_JOBS_ON_EXIT", "VOLUMES"):
        assert f"--{name.lower().replace('_', '-')}" in told
        assert f"GATEWAY_{name}" in told


def test_the_version_is_told(run):
    assert run("version", check=0).stdout.startswith("jobs-gateway ")


def test_wrong_settings_are_refused(run, tmp_path):
    refused(run("serve", "--port", "x"), r"setting PORT, from --port: 'x'")
    refused(run("serve", env={"GATEWAY_RETENTION_DAYS": "x"}), r"setting RETENTION_DAYS, from GATEWAY_RET")
    config = tmp_path / "gateway.toml"
    config.write_text("prot = 1")
    refused(run("serve", "--config", str(config)), r"gateway\.toml: prot is no setting; did you mean port\?")
    refused(run("serve", env={"GATEWAY_CONFIG": str(config)}), r"prot is no setting")
    assert run("serve", "--prot", "1").exit_code == 2


def test_making_and_revoking_keys_is_audited(run, tmp_path):
    key = run("keys", "create", "--name", "ada", "--role", "admin", check=0).stdout.strip()
    run("keys", "revoke", key.split("_")[1], check=0)
    with sqlite3.connect(Path(tmp_path, "data", "gateway.db")) as database:
        entries = database.execute("SELECT action, subject FROM audit ORDER BY rowid").fetchall()
    database.close()
    assert entries == [("key.created", key.split("_")[1]), ("key.revoked", key.split("_")[1])]


def test_a_name_is_unique_among_the_valid_keys_of_an_organization(run):
    arguments = ("keys", "create", "--name", "ada", "--role", "reader")
    first = run(*arguments, check=0).stdout.strip()
    again = run(*arguments)
    assert again.exit_code == 1
    assert "ada" in again.stderr
    run("keys", "revoke", first.split("_")[1], check=0)
    run(*arguments, check=0)


def test_options_of_keys_are_variables_too(run):
    variables = {"GATEWAY_KEYS_CREATE_NAME": "ada", "GATEWAY_KEYS_CREATE_ROLE": "reader"}
    assert run("keys", "create", env=variables, check=0).stdout.startswith("jg_")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--role", "king"],
        ["--name", ""],
        ["--name", "a\nb"],
        ["--organization", "a b"],
        ["--expires", "yesterday"],
        ["--expires", "2001-01-01T00:00:00Z"],
    ],
)
def test_wrong_options_of_a_key_are_refused(run, wrong):
    done = run("keys", "create", "--name", "ada", "--role", "reader", *wrong)
    assert done.exit_code == 2
    assert wrong[0] in done.stderr


def test_a_key_may_expire(run):
    arguments = ("keys", "create", "--role", "reader", "--name")
    run(*arguments, "ada", "--expires", "90d", check=0)
    run(*arguments, "bob", "--expires", "2999-01-01T00:00:00Z", check=0)
    assert "2999-01-01T00:00:00.000Z" in run("keys", "list", check=0).stdout


def test_a_data_folder_that_is_none_has_no_keys(run):
    refused(run("keys", "list"), r"no gateway has kept anything there")
    refused(run("keys", "revoke", "x"), r"no gateway has kept anything there")


def test_an_unknown_key_cannot_be_revoked(run):
    run("keys", "create", "--name", "ada", "--role", "reader", check=0)
    done = run("keys", "revoke", "nobody")
    assert done.exit_code == 1
    assert "there is no key nobody" in done.stderr


def test_the_contracts_files_are_compared_and_renewed(run, tmp_path):
    folder = ["--folder", str(tmp_path)]
    refused(run("contract", "--check", *folder), r"is not the project's folder")
    (tmp_path / "README.md").write_text(f"{BEGIN}\n{END}\n")
    done = run("contract", "--check", *folder)
    assert done.exit_code == 1
    assert "wsdl/jobs-v2.wsdl is missing" in done.stdout
    assert "renewed wsdl/jobs-v2.wsdl" in run("contract", "--write", *folder, check=0).stdout
    assert run("contract", "--check", *folder, check=0).stdout == ""
