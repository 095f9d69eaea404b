"""What the main job runs: checks every ISO 3166-2 subdivision that the package pycountry ships.

It reports through the API with its own token, as any job can, in whatever language it is written.
"""

import json
import os
import re
import sys
import time
import urllib.request
from collections import Counter
from typing import Any

import pycountry

REPORT_EVERY = 50
DATA_SOURCE = "iso-3166-2"
_CODE = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}")


def problems_of(record: Any, countries: set[str], codes: set[str]) -> list[str]:
    """What is wrong with a subdivision: its code's pattern, its country, its parent."""
    found = []
    if not _CODE.fullmatch(record.code):
        found.append("code")
    if record.code.partition("-")[0] != record.country_code or record.country_code not in countries:
        found.append("country")
    if record.parent_code is not None and record.parent_code not in codes:
        found.append("parent")
    return found


def result_of(record: Any, found: list[str]) -> dict[str, Any]:
    """The result of one record, as writeJobResults takes it."""
    return {
        "dataSourceId": DATA_SOURCE,
        "externalId": record.code,
        "status": "FAILED" if found else "OK",
        "resultData": json.dumps({"name": record.name, "type": record.type, "wrong": found}),
    }


class Gateway:
    """The job's way back to the gateway that runs it."""

    def __init__(self, environment: "os._Environ[str]") -> None:
        self._base = f"{environment['JOBS_API_URL']}/v2/jobs/{environment['JOB_ID']}"
        self._token = environment["JOB_TOKEN"]

    def send(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Call one operation on this job with JSON. Raises HTTPError when it is refused."""
        self.upload(method, path, json.dumps(body).encode(), "application/json")

    def upload(self, method: str, path: str, body: bytes, media_type: str) -> None:
        """Call one operation on this job. Raises HTTPError when it is refused."""
        request = urllib.request.Request(  # noqa: S310 - the address is the gateway's own
            self._base + path,
            method=method,
            data=body,
            headers={"Content-Type": media_type, "Authorization": f"Bearer {self._token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310
            reply.read()


def main() -> int:
    """Check all records; the exit code is 0 unless the data cannot be read."""
    gateway = Gateway(os.environ)
    records = list(pycountry.subdivisions)
    countries = {country.alpha_2 for country in pycountry.countries}
    codes = {record.code for record in records}
    began, kinds, failed = time.monotonic(), Counter[str](), 0
    storage, results, report = os.environ["JOB_STORAGE_ID"], [], ["code,name,wrong"]
    print(f"checking {len(records)} subdivisions of {len(countries)} countries", flush=True)
    for number, record in enumerate(records, 1):
        found = problems_of(record, countries, codes)
        kinds.update(found)
        failed += bool(found)
        results.append(result_of(record, found))
        report.append(f"{record.code},{json.dumps(record.name, ensure_ascii=False)},{' '.join(found)}")
        if found:
            print(f"{record.code} {record.name}: wrong {', '.join(found)}", flush=True)
        if number % REPORT_EVERY == 0 or number == len(records):
            gateway.send("POST", "/results", {"storageId": storage, "results": results})
            results = []
            progress = {
                "progress": number * 100 // len(records),
                "totalItems": len(records),
                "processedItems": number,
                "failedItems": failed,
                "message": f"checked {record.code}",
            }
            gateway.send("PUT", "/progress", progress)
    seconds = round(time.monotonic() - began, 3)
    metrics = [
        {"name": "duration", "value": seconds, "unit": "seconds"},
        {"name": "records_per_second", "value": round(len(records) / seconds, 1), "unit": "1/s"},
    ]
    gateway.send("POST", "/metrics", {"metrics": metrics})
    table = "\n".join([*report, ""]).encode()
    gateway.upload("POST", "/attachments?name=subdivisions.csv", table, "text/csv; charset=utf-8")
    summary = {"records": len(records), "failed": failed, "countries": len(countries), "wrong": dict(kinds)}
    gateway.send("PUT", "/resultdata", {"resultData": json.dumps(summary)})
    print(f"{len(records) - failed} records are right, {failed} are not", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
