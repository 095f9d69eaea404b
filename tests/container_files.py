"""The files in docker/, as the tests of the image and of what stands around it read them."""

import re
from pathlib import Path
from typing import Any

import click
import yaml

from gateway.__main__ import cli
from gateway.cli.options import CONFIG_VARIABLE
from gateway.settings import Settings, variable_name
from tests.dockerfile import Dockerfile

ROOT = Path(__file__).parent.parent
HERE = ROOT / "docker"
DOCKERFILE = Dockerfile(HERE / "Dockerfile")
COMPOSE: dict[str, Any] = yaml.safe_load((HERE / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("jobs-gateway:")]

VARIABLES = {variable_name(name) for name in Settings.model_fields} | {CONFIG_VARIABLE}
"""What the environment may tell the gateway."""
PINNED = re.compile(r"[a-z-]+:[0-9]+(\.[0-9]+)+(-[a-z0-9]+)*(@sha256:[0-9a-f]{64})?")
"""An image whose tag names a version."""


def pinned_versions() -> dict[str, str]:
    """Version by package, of constraints.txt."""
    lines = (HERE / "constraints.txt").read_text("utf-8").splitlines()
    pairs = [line.partition("==") for line in lines if not line.startswith("#")]
    return {name: version for name, _, version in pairs}


def check_command(words: list[str]) -> None:
    """Parse a command line of the gateway as it would be, short of running it. Raises click's errors."""
    name, *arguments = words
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"there is no command {name}"
    command.make_context(name, arguments)
