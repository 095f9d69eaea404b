"""Tells which extras of pyproject.toml the image has: all but those for people who work on the gateway.

    python extras.py pyproject.toml             docker,kubernetes,…
    python extras.py pyproject.toml --required  a requirement a line, of the gateway and of these extras

The requirements are told without their markers: constraints hold for every Python that the gateway runs on.
"""

import sys
import tomllib
from pathlib import Path

FOR_PEOPLE = frozenset({"bench", "demo", "demo-postgres", "test"})


def main(pyproject: str, *options: str) -> None:
    """Print what was asked for."""
    project = tomllib.loads(Path(pyproject).read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    extras = sorted(optional.keys() - FOR_PEOPLE)
    if "--required" not in options:
        print(",".join(extras))
        return
    required = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    print("\n".join(line.partition(";")[0].strip() for line in required))


if __name__ == "__main__":
    main(*sys.argv[1:])
