"""Replies for callers who ask for gzip."""

import gzip
from collections.abc import Iterator

from bench.alike import check_alike, plain_json, plain_xml
from bench.compared import Side, compared
from bench.figures import Figure, Spread, at_most
from bench.http import ask, get, soap
from bench.stand import Stand

_OWN_GOAL = 0.5
"""The contract names none; less than half is what a caller on a slow line asks for."""
_LIST = "<query><limit>100</limit></query>"
_CURSOR = frozenset({"nextStartAfter"})


def compressed(stand: Stand) -> Iterator[Figure]:
    """The size of a list of 100 on the wire, and what it costs to make it small."""
    server = stand.small()
    doors = {
        "REST": (get("/v2/jobs?limit=100"), get("/v2/jobs?limit=100", accept_encoding="gzip"), plain_json),
        "SOAP": (soap("listJobs", _LIST), soap("listJobs", _LIST, accept_encoding="gzip"), plain_xml),
    }
    for door, (plain, zipped, form) in doors.items():
        whole, small = ask(server.port, plain), ask(server.port, zipped)
        asked = b"content-encoding: gzip" in small.head.lower()
        body = gzip.decompress(small.body) if asked else small.body
        check_alike(f"{door}, plain and gzip", form(whole.body, without=_CURSOR), form(body, without=_CURSOR))
        ratio = len(small.body) / len(whole.body)
        cost = compared("", Side(server, [zipped]), Side(server, [plain]), effort=stand.effort)
        yield Figure(
            f"{door} listJobs(100), bytes asked for with gzip : without",
            Spread(ratio, ratio, ratio),
            at_most(_OWN_GOAL),
            note=f"{len(small.body):,} : {len(whole.body):,} bytes, "
            + (f"for {cost.spread.median:.2f} of the time" if asked else "this door does not compress"),
        )
