"""The Dockerfile and the versions that the image has; nothing here needs Docker."""

import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gateway import __version__
from gateway.settings import Settings
from tests.container_files import (
    DOCKERFILE,
    HERE,
    PINNED,
    ROOT,
    VARIABLES,
    check_command,
    pinned_versions,
)


def test_every_base_is_pinned_and_all_stages_have_the_same() -> None:
    assert PINNED.fullmatch(DOCKERFILE.arguments["PYTHON"])
    assert [stage[0].text for stage in DOCKERFILE.stages] == ["${PYTHON} AS build", "${PYTHON}"]


def test_nothing_comes_from_elsewhere_than_the_context_and_the_stage_before() -> None:
    for instruction in DOCKERFILE.instructions:
        assert instruction.name != "ADD"
        assert "http" not in instruction.text or instruction.name == "HEALTHCHECK", instruction


def test_what_is_copied_is_in_the_context_and_nothing_else_is() -> None:
    copied = {word for one in DOCKERFILE.stages[0] if one.name == "COPY" for word in one.words[:-1]}
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied
    for name in copied:
        assert (ROOT / name).exists(), name


def test_it_runs_as_a_user_that_kubernetes_knows_not_to_be_root() -> None:
    user, _, group = DOCKERFILE.last("USER").text.partition(":")
    assert int(user) >= 10000
    assert int(group) >= 10000
    created = next(one.text for one in DOCKERFILE.stages[-1] if "useradd" in one.text)
    assert f"--uid {user} " in created


def test_its_environment_is_made_of_settings_and_it_writes_in_the_volume_alone() -> None:
    environment = DOCKERFILE.environment
    assert {name for name in environment if name.startswith("GATEWAY_")} <= VARIABLES
    Settings(
        **{name[8:].lower(): value for name, value in environment.items() if name.startswith("GATEWAY_")}
    )
    assert environment["GATEWAY_DATA"] == environment["HOME"] == DOCKERFILE.last("VOLUME").text
    assert environment["GATEWAY_PORT"] == DOCKERFILE.last("EXPOSE").text


def test_its_command_is_one_of_the_gateway() -> None:
    assert DOCKERFILE.last("ENTRYPOINT").words == ["gateway"]
    check_command(DOCKERFILE.last("CMD").words)
    assert DOCKERFILE.last("STOPSIGNAL").text == "SIGTERM"


def test_it_carries_the_version_of_the_gateway() -> None:
    assert f"ARG VERSION={__version__}" in (HERE / "Dockerfile").read_text("utf-8")


def test_every_dependency_of_the_image_is_pinned_to_a_version_that_is_allowed() -> None:
    told = [sys.executable, HERE / "extras.py", ROOT / "pyproject.toml", "--required"]
    required = subprocess.run(told, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(required) > 15
    pinned = pinned_versions()
    for line in required:
        wanted = Requirement(line)
        version = pinned[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), f"{line}, but {version} is pinned: make image-constraints"


def test_the_image_has_every_extra_but_those_of_people(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["a>=1"]\n[project.optional-dependencies]\n'
        'demo = ["b"]\ntest = ["e"]\nbench = ["f"]\n'
        'slurm = ["c>=2; python_version > \'3\'"]\ndocker = ["d"]\n'
    )
    told = [sys.executable, HERE / "extras.py", tmp_path / "pyproject.toml"]

    def output(*options: str) -> str:
        return subprocess.run([*told, *options], capture_output=True, text=True, check=True).stdout

    assert output() == "docker,slurm\n"
    assert output("--required") == "a>=1\nd\nc>=2\n"
