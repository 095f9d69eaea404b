"""What is said of settings of executors that do not do."""

import pwd
from pathlib import Path
from typing import Any

import pytest

from gateway.executor_choice import build_executor
from gateway.refusal import Refusal
from gateway.settings import read_settings


def refusal_of(folder: Path, **given: Any) -> str:
    with pytest.raises(Refusal) as refused:
        build_executor(read_settings(given), folder, open_files=1024)
    return str(refused.value)


def test_a_file_of_credentials_that_cannot_be_read_is_told_with_its_setting(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    told = refusal_of(tmp_path, executor="docker", docker_auth_file=file)
    assert told == f"setting DOCKER_AUTH_FILE: {file}: No such file or directory"
    file.write_text("auths")
    told = refusal_of(tmp_path, executor="docker", docker_auth_file=file)
    assert told == f"setting DOCKER_AUTH_FILE: {file}: is no JSON"


def test_a_user_without_a_name_must_say_whose_slurms_token_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless(uid: int) -> pwd.struct_passwd:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nameless)
    token = tmp_path / "token"
    told = refusal_of(tmp_path, executor="slurm", slurm_token_file=token, slurm_shared_folder=tmp_path)
    assert told.startswith("setting SLURM_USER: needed, because user ")
