"""Row `pglist`: lists from PostgreSQL and from SQLite, of the same jobs."""

from collections.abc import Iterator

from bench.alike import check_alike, plain_json
from bench.compared import Side, compared
from bench.copied import DATA, NAME, SECRET_KEY, copied
from bench.database import running
from bench.figures import Figure
from bench.http import ask
from bench.rows.filters import JOB_FILTERS, job_list
from bench.stand import Stand

_QUICK_FILTERS = ("none", "tag, both", "text")
_FILTERS = (
    *_QUICK_FILTERS,
    *("sort", "user", "storageId, rare", "jobStatus", "tag", "tag, rare", "createdAfter", "text, rare"),
)
_CURSOR = frozenset({"nextStartAfter"})
"""It is sealed anew for each reply."""


def lists(stand: Stand) -> Iterator[Figure]:
    """A page of 100 by some filters."""
    total = stand.effort.large
    sqlite = stand.large()
    folder = copied(total)
    with (
        running(folder / DATA) as database,
        stand.new_gateway(
            GATEWAY_STORE=database.address(NAME), GATEWAY_SECRET_KEY_FILE=str(folder / SECRET_KEY)
        ) as server,
    ):
        for name in _QUICK_FILTERS if stand.effort.quick else _FILTERS:
            request = job_list(JOB_FILTERS[name])
            pages = [plain_json(ask(one.port, request).body, without=_CURSOR) for one in (server, sqlite)]
            check_alike(f"listJobs, {name}, PostgreSQL and SQLite", *pages)
            yield compared(
                f"listJobs, {name}, of {total:,}: PostgreSQL : SQLite",
                Side(server, [request], database),
                Side(sqlite, [request]),
                effort=stand.effort,
                connections=1,
            )
