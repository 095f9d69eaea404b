"""`python -m bench [--quick] [--rows 1,4,hold] [--large N]`: measures the rows and prints the table.

Ends with 0 also when rows fall short, and says which; with 1 when a row could not be measured. A full run
renews `results.json`, `table.svg` and the table in the README; with `--write` any run does, for its rows.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bench import cores
from bench.figures import Figure
from bench.machine import facts
from bench.report import Report
from bench.rows import (
    compressing,
    connections,
    databases,
    filters,
    holding,
    memory,
    nodes,
    reading,
    starting,
    writing,
)
from bench.stand import Effort, Stand

_FULL = Effort(rounds=41, seconds=0.12, large=1_000_000)
_QUICK = Effort(rounds=3, seconds=0.06, large=20_000, quick=True)


@dataclass(frozen=True)
class Row:
    """A row: its name, and what measures its figures."""

    name: str
    measure: Callable[[Stand], Iterator[Figure]]


ROWS = (
    Row("1", reading.soap_to_rest_list),
    Row("2", reading.soap_list_to_models),
    Row("3", reading.plain_spyne_to_soap),
    Row("4", reading.rest_job_to_constant),
    Row("5", reading.soap_to_rest_job),
    Row("6", writing.write_results),
    Row("7", writing.durable_starts),
    Row("8", filters.job_filters),
    Row("results", filters.result_filters),
    Row("logs", filters.log_filters),
    Row("9", starting.start_to_running),
    Row("10", starting.many_short_jobs),
    Row("11", memory.after_listing_all),
    Row("12", connections.beside_idle_connections),
    Row("hold", holding.large_replies),
    Row("prune", holding.pruning),
    Row("gzip", compressing.compressed),
    Row("nodes", nodes.many_short_jobs),
    Row("across", nodes.start_to_running),
    Row("pglist", databases.lists),
)
"""The numbered ones are those of the goals; the others are ours."""


def main() -> int:
    """Measure; the exit code."""
    given = _arguments()
    effort = _QUICK if given.quick else _FULL
    effort = replace(effort, rounds=given.rounds or effort.rounds, large=given.large or effort.large)
    wanted = [row for row in ROWS if not given.rows or row.name in given.rows]
    cores.keep_to(cores.CALLERS)
    report = Report(facts(effort))
    failed = []
    began = time.monotonic()
    with Stand.open(effort) as stand:
        for row in wanted:
            try:
                for figure in row.measure(stand):
                    report.add(row.name, figure)
            except Exception:
                traceback.print_exc()
                failed.append(row.name)
    report.tell(time.monotonic() - began, failed)
    if not failed and (given.write or not (effort.quick or given.rows or given.large)):
        report.write([row.name for row in ROWS])
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a rough answer in under two minutes")
    parser.add_argument("--rows", type=_names, help=f"only these of {', '.join(row.name for row in ROWS)}")
    parser.add_argument("--large", type=int, help="jobs in the large store")
    parser.add_argument("--rounds", type=int, help="how often both sides of a ratio are measured")
    parser.add_argument(
        "--write", action="store_true", help="renew the results of the rows that are measured"
    )
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no row {', '.join(sorted(unknown))}")
    return names


if __name__ == "__main__":
    sys.exit(main())
