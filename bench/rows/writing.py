"""Rows 6 and 7: writes, which are durable before they are answered."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.alike import check_alike, plain_json, plain_xml
from bench.compared import Side, compared
from bench.figures import Figure, at_least, at_most, in_turn
from bench.http import ask, get, send, soap
from bench.load import load
from bench.stand import Stand

_RECORDS = 1000
_CALLERS = 64
_BLOCK = b"\xa5" * 4096
_LATER = "2999-01-01T00:00:00Z"


def start_request(**members: Any) -> bytes:
    """A startJob of a job that waits for ever: what is measured is the writing."""
    members = {"dockerImageUrl": "none", "commands": ["true"], "notBefore": _LATER} | members
    return send("/v2/jobs", json.dumps(members).encode())


def write_results(stand: Stand) -> Iterator[Figure]:
    """Row 6."""
    with stand.new_gateway() as server:
        job = json.loads(ask(server.port, start_request(resultStorageId="results")).body)
        path = f"/v2/jobs/{job['id']}/results"
        records = [_record(number) for number in range(_RECORDS)]
        body = json.dumps({"storageId": "results", "results": records}).encode()
        in_xml = "".join(f"<results>{_elements(record)}</results>" for record in records)
        rest = send(path, body)
        soaped = soap(
            "writeJobResults",
            f"<jobId>{job['id']}</jobId><results><storageId>results</storageId>{in_xml}</results>",
        )
        written = frozenset({"firstId", "lastId"})
        check_alike(
            "writeJobResults, SOAP and REST",
            plain_xml(ask(server.port, soaped).body, without=written),
            plain_json(ask(server.port, rest).body, without=written),
        )
        _check_pages(server.port, path)
        yield compared(
            f"writeJobResults({_RECORDS}), SOAP : REST",
            Side(server, [soaped]),
            Side(server, [rest]),
            effort=stand.effort,
            goal=at_most(2.5),
        )


def durable_starts(stand: Stand) -> Iterator[Figure]:
    """Row 7. The jobs wait for ever, so that no process runs beside."""
    effort = stand.effort
    start = [start_request(name=f"durable {number}") for number in range(100)]
    with stand.new_gateway() as server:
        load(server.port, start, count=200, connections=_CALLERS)
        ratio, starts, syncs = in_turn(
            lambda: load(server.port, start, seconds=effort.seconds, connections=_CALLERS).rate,
            lambda: syncs_per_second(stand.folder / "synced", effort.seconds),
            rounds=effort.rounds,
        )
    yield Figure(
        f"durable startJob at {_CALLERS} callers, requests/s : this disk's fsyncs/s",
        ratio,
        at_least(2),
        note=f"{starts:.0f}/s : {syncs:.0f}/s",
    )


def syncs_per_second(path: Path, seconds: float) -> float:
    """How often a second 4 KiB can be appended to a file and synced."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        count = 0
        began = time.perf_counter()
        while (taken := time.perf_counter() - began) < seconds:
            os.write(file, _BLOCK)
            os.fsync(file)
            count += 1
        return count / taken
    finally:
        os.close(file)


def _record(number: int) -> dict[str, str]:
    return {
        "businessPartnerId": f"BP{number:08d}",
        "dataSourceId": "source-1",
        "externalId": f"external-{number}",
        "status": "OK",
        "resultData": json.dumps({"score": number % 101, "street": f"Main Street {number}"}),
        "message": "address completed & checked",
    }


def _elements(record: dict[str, str]) -> str:
    return "".join(f"<{name}>{value.replace('&', '&amp;')}</{name}>" for name, value in record.items())


def _check_pages(port: int, path: str) -> None:
    """Both calls stored the same records, the first SOAP's and the second REST's."""
    pages = []
    after = ""
    for _ in range(2):
        page = json.loads(ask(port, get(f"{path}?storageId=results&limit={_RECORDS}{after}")).body)
        after = f"&startAfter={page.get('nextStartAfter')}"
        pages.append([{**value, "id": "", "createdAt": ""} for value in page["values"]])
    check_alike("writeJobResults, what was stored", pages[0], pages[1])
