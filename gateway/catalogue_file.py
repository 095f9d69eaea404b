"""Reads the catalogue of job types from its TOML file."""

import tomllib
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gateway.domain.catalogue import Catalogue, JobType
from gateway.refusal import Refusal

SHIPPED = Path(__file__).with_name("catalogue.toml")
"""The catalogue that comes with the gateway, which is also the example to copy."""


def read_catalogue(path: Path | None) -> Catalogue:
    """The catalogue in a file, None = the shipped one. Raises Refusal with a line for each wrong entry."""
    path = path or SHIPPED
    try:
        document = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise Refusal(f"catalogue {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refusal(f"catalogue {path}: {error}") from None
    entries = document.pop("types", [])
    if document or not isinstance(entries, list):
        raise Refusal(f"catalogue {path}: holds nothing but tables called [[types]]")
    types: list[JobType] = []
    wrong: list[str] = []
    for number, entry in enumerate(entries, start=1):
        try:
            types.append(JobType.read(entry))
        except ValidationError as error:
            wrong += [_line(path, number, entry, problem) for problem in error.errors()]
    twice = [name for name, count in Counter(entry.type for entry in types).items() if count > 1]
    wrong += [f"catalogue {path}: type {name} is there twice" for name in twice]
    if wrong:
        raise Refusal("\n".join(wrong))
    return Catalogue(types)


def _line(path: Path, number: int, entry: Any, problem: Any) -> str:
    name = entry.get("type", f"number {number}") if isinstance(entry, dict) else f"number {number}"
    where = ".".join(str(step) for step in problem["loc"])
    return f"catalogue {path}: type {name}: {where}: {problem['msg']}"
