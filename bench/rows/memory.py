"""Row 11: resident memory."""

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

from bench.figures import Figure, Spread, at_most
from bench.http import Line, get, soap
from bench.process import Server
from bench.stand import Stand

_FULL = 1_000_000
_MIB = 2**20


def after_listing_all(stand: Stand) -> Iterator[Figure]:
    """Row 11. All jobs are listed over both doors, page by page."""
    server = stand.large_anew()
    begun = server.resident_bytes
    over_rest = _list_over_rest(server)
    rest = server.resident_bytes
    over_soap = _list_over_soap(server)
    both = server.resident_bytes
    for listed in (over_rest, over_soap):
        if not 0.8 * stand.effort.large < listed <= stand.effort.large:
            raise RuntimeError(f"{listed} of {stand.effort.large} jobs were listed")
    ratio = both / begun
    yield Figure(
        f"resident memory after listing {over_rest:,} jobs over both doors : just started",
        Spread(ratio, ratio, ratio),
        at_most(1.5),
        note=f"{both / _MIB:.0f} : {begun / _MIB:.0f} MiB; {rest / _MIB:.0f} MiB after REST alone",
        proof=stand.effort.large >= _FULL,
    )


def _list_over_rest(server: Server) -> int:
    count, after = 0, ""
    with Line(server.port) as line:
        while True:
            page = json.loads(line.ask(get(f"/v2/jobs?limit=100{after}")).body)
            count += len(page["jobs"])
            if "nextStartAfter" not in page:
                return count
            after = "&startAfter=" + quote(page["nextStartAfter"], safe="")


def _list_over_soap(server: Server) -> int:
    count, after = 0, ""
    with Line(server.port) as line:
        while True:
            call = soap("listJobs", f"<query>{after}<limit>100</limit></query>")
            page = line.ask(call).body
            count += page.count(b"<jobs>")
            found = re.search(rb"<nextStartAfter>(.*?)</nextStartAfter>", page)
            if found is None:
                return count
            after = f"<startAfter>{found[1].decode()}</startAfter>"
