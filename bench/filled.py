"""Stores that hold many jobs: filled once and kept in a cache folder.

A store is made anew when something that decides what is in it has changed: the number of jobs, the files that
fill, the migrations, the model of a job, or the rows that the store's writer makes of a few jobs now.
"""

import hashlib
import json
import shutil
import time
from functools import cache
from pathlib import Path

import gateway.domain.job
from bench import filling, jobs, patterns, written
from bench.sample import check_filled, rows_now
from bench.written import writing
from gateway.stores.sqlite import SQL_FOLDER

CACHE = Path(__file__).with_name(".cache")
_MODULES = (filling, jobs, patterns, written, gateway.domain.job)
_FEW = 2 * jobs.RARE
_BYTES_EACH = 6000
"""What a job takes on the disk, with its result, its log entry and its share of the indexes."""
_SORTED_BYTES_EACH = 400
"""What an index being made takes beside them, for a job."""


def filled(total: int) -> Path:
    """The data folder of a store with so many jobs, as many results and as many log entries."""
    folder = CACHE / f"jobs-{total}"
    made_of = folder / "recipe.json"
    recipe = {"jobs": total, "made_of": _recipe()}
    if made_of.exists() and json.loads(made_of.read_text()) == recipe:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    _check_room(folder, total)
    began = time.monotonic()
    filling.fill(folder, total)
    took = time.monotonic() - began
    with writing(folder) as (connection, _):
        check_filled(connection, total)
    print(
        f"filled a store with {total:,} jobs in {took:.0f} s, "
        f"looked at in {time.monotonic() - began - took:.0f} s",
        flush=True,
    )
    made_of.write_text(json.dumps(recipe))
    return folder


def _check_room(folder: Path, total: int) -> None:
    needed, free = total * (_BYTES_EACH + _SORTED_BYTES_EACH), shutil.disk_usage(folder).free
    if free < needed:
        raise RuntimeError(f"{folder}: {total:,} jobs need {needed:,} bytes, the disk has {free:,}")


@cache
def _recipe() -> str:
    digest = hashlib.sha256()
    modules = [Path(str(module.__file__)) for module in _MODULES]
    for file in (Path(__file__), *modules, *sorted(SQL_FOLDER.glob("0*.sql"))):
        digest.update(file.read_bytes())
    for row in rows_now(_FEW):
        digest.update(row.encode())
    return digest.hexdigest()
