"""`make demo`: the story of the main job, with two clients. Exit code 0 only if all of it happened."""

import argparse
import hashlib
import json
import sys
import time
from typing import Any

import httpx
import zeep
from lxml import etree
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.syntax import Syntax
from zeep.exceptions import Fault
from zeep.plugins import HistoryPlugin

from gateway.demo.nodes import Nodes, running_nodes
from gateway.demo.server import running_gateway

IMAGE = "jobs-gateway/demo"
FINAL = {"FINISHED", "FAILED", "DIED", "CANCELED"}
LOCK = "iso-3166-2"
STORAGE = "subdivisions"
HALF_WAY = 40
"""Per cent; the kill takes a moment."""

console = Console()


class Story:
    """The steps of the demo, in order. Each raises AssertionError when what it shows did not happen."""

    def __init__(self, address: str, nodes: Nodes | None = None) -> None:
        """`nodes`: those of which the one that runs the main job is killed half-way."""
        self.nodes = nodes
        self.history: Any = HistoryPlugin()  # type: ignore[no-untyped-call]
        self.soap: Any = zeep.Client(  # type: ignore[no-untyped-call]
            f"{address}/soap/v2/?wsdl", plugins=[self.history]
        )
        self.rest = httpx.Client(base_url=address, timeout=70)

    def tell(self) -> None:
        """The whole story."""
        main = self.start_main_job()
        second = self.start_dependent_job(main)
        self.start_refused_job(main)
        self.follow(main)
        self.show(main)
        self.page_results(main)
        self.read_attachment(main)
        self.show_dependent(main, second)
        self.cancel_a_running_job()
        self.run_a_schedule()

    def start_main_job(self) -> str:
        """Start the main job over SOAP."""
        job = self.soap.service.startJob(
            job={
                "name": "Check ISO 3166-2",
                "description": "Checks every subdivision that pycountry ships.",
                "type": "DATA_VALIDATION_JOB",
                "dockerImageUrl": IMAGE,
                "commands": [sys.executable, "-m", "gateway.demo.subdivisions"],
                "resultStorageId": STORAGE,
                "tags": ["demo", "geo"],
                "labels": [{"name": "standard", "value": "ISO 3166-2"}],
                "locks": [{"name": LOCK}],
                "timeoutSeconds": 50,
                "retryPolicy": {"maxAttempts": 2 if self.nodes else 1, "backoffSeconds": 0},
            }
        )
        console.print(f"[bold]1[/] started over SOAP: job {job.id} is {job.jobStatus}")
        return str(job.id)

    def start_dependent_job(self, main: str) -> str:
        """Start a job that waits for the main job."""
        body = {
            "name": "After the check",
            "dockerImageUrl": IMAGE,
            "commands": ["/bin/sh", "-c", "echo the records were checked before"],
            "jobDependencies": [{"jobId": main}],
        }
        job = self.rest.post("/v2/jobs", json=body).raise_for_status().json()
        expect(job["jobStatus"] == "WAITING", f"the dependent job is {job['jobStatus']}")
        console.print(f"[bold]2[/] started over REST: job {job['id']} is WAITING, {job['message']}")
        return str(job["id"])

    def start_refused_job(self, main: str) -> None:
        """Try to start a job under the lock that the main job holds."""
        try:
            self.soap.service.startJob(
                job={"dockerImageUrl": IMAGE, "commands": ["true"], "locks": [{"name": LOCK}]}
            )
        except Fault as fault:
            detail = fault.detail.find("{*}serviceFault")
            key = detail.findtext("{*}technicalKey")
            reason = detail.findtext("{*}reason")
            expect(key == "LOCK_HELD" and main in reason, f"the fault is {key}: {reason}")
            console.print(f"[bold]3[/] refused over SOAP: {key}, {reason}")
        else:
            raise AssertionError("a job was started under a lock that another job holds")

    def follow(self, job_id: str) -> None:
        """Follow status and progress over REST, with a long poll that returns when the job has changed."""
        columns = (
            TextColumn("{task.description:>9}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        seen = set()
        killed = None
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("WAITING", total=None)
            job = self.get(job_id)
            while True:
                seen.add(job.get("progress"))
                progress.update(
                    task,
                    description=job["jobStatus"],
                    total=job.get("totalItems"),
                    completed=job.get("processedItems", 0),
                )
                if job["jobStatus"] in FINAL:
                    break
                if self.nodes and killed is None and job.get("progress", 0) >= HALF_WAY:
                    killed = self.nodes.kill_the_one_that_runs(job_id)
                    console.print(f"  [bold]{killed}[/] runs it, and is killed at {job['progress']} %")
                query = {"version": job["version"], "timeoutSeconds": 20}
                job = self.rest.get(f"/v2/jobs/{job_id}/wait", params=query).raise_for_status().json()
        expect(job["jobStatus"] == "FINISHED", f"the main job is {job['jobStatus']}: {job.get('message')}")
        expect(not self.nodes or (killed is not None and job["attempt"] == 2), "no node was killed")
        expect(len(seen) > 3, "no progress was seen while the job ran")
        expect(job["totalItems"] > 4000, f"the job checked {job['totalItems']} records only")

    def show(self, job_id: str) -> None:
        """Print the job as JSON and as the SOAP reply, its history, its output and its result."""
        job = self.get(job_id)
        console.rule("the job over REST")
        console.print(Syntax(json.dumps(job, indent=2), "json", background_color="default"))
        over_soap = self.soap.service.getJob(jobId=job_id)
        console.rule("the same job over SOAP")
        envelope = etree.tostring(self.history.last_received["envelope"], pretty_print=True).decode()
        console.print(Syntax(envelope, "xml", background_color="default"))
        expect(over_soap.id == job["id"], "the SOAP reply shows another job")
        expect(over_soap.version == job["version"], "the SOAP reply shows another version")
        expect(over_soap.resultData == job["resultData"], "the SOAP reply shows another result")
        expect(
            [metric.name for metric in over_soap.metrics] == [metric["name"] for metric in job["metrics"]],
            "the SOAP reply shows other metrics",
        )
        console.rule("its history")
        events = self.soap.service.listJobEvents(jobId=job_id).events
        for event in events:
            change = f"{event.fromStatus or '':>9} -> {event.toStatus:<9}" if event.toStatus else event.kind
            console.print(
                f"{event.at:%H:%M:%S.%f}  {change}  {event.actor} ({event.protocol}) {event.message or ''}"
            )
        again = ["WAITING", "SCHEDULED", "RUNNING"] if self.nodes else []
        expect(
            [event.toStatus for event in events if event.toStatus]
            == ["PERSISTED", "SCHEDULED", "RUNNING", *again, "FINISHED"],
            "the history lacks a status",
        )
        console.rule("its output")
        output = self.rest.get(f"/v2/jobs/{job_id}/output").raise_for_status().json()
        console.print(output["content"].rstrip(), highlight=False, markup=False)
        expect("records are right" in output["content"], "the output is not whole")
        console.rule("its result")
        result = json.loads(job["resultData"])
        console.print_json(data=result)
        expect(result["records"] == job["totalItems"], "the result counts other records")
        console.rule()

    def page_results(self, job_id: str) -> None:
        """Page the results of all records back over SOAP."""
        query: dict[str, Any] = {"storageId": STORAGE, "limit": 1000}
        found: set[str] = set()
        pages = 0
        while True:
            page = self.soap.service.listJobRunResults(jobId=job_id, query=query)
            found |= {result.externalId for result in page.values}
            pages += 1
            if page.nextStartAfter is None:
                break
            query["startAfter"] = page.nextStartAfter
        checked = self.get(job_id)["totalItems"]
        # What the killed node's attempt had written is there as well.
        written = page.total == checked if self.nodes is None else page.total >= checked
        expect(written and len(found) == checked, f"{len(found)} of {checked} results came back")
        console.print(
            f"its {len(found)} results came back over SOAP in {pages} pages, the last: {result_line(page)}"
        )

    def read_attachment(self, job_id: str) -> None:
        """Read the report that the job attached, over REST and over SOAP."""
        # The killed node's attempt may have come as far as that, too.
        *earlier, told = self.get(job_id)["attachments"]
        expect(self.nodes is not None or not earlier, "there is more than one report")
        over_rest = self.rest.get(f"/v2/jobs/{job_id}/attachments/{told['id']}").raise_for_status().content
        over_soap = self.soap.service.readJobAttachment(jobId=job_id, attachmentId=told["id"])
        digest = hashlib.sha256(over_rest).hexdigest()
        expect(over_rest == over_soap.content, "the two doors gave different bytes")
        expect(digest == told["sha256"] == over_soap.sha256, "the report has another digest")
        console.print(
            f"its report {told['name']}: {told['size']} bytes, sha256 {digest[:16]}…, alike over both"
        )

    def run_a_schedule(self) -> None:
        """Have a job run once a second, for three runs."""
        schedule = self.soap.service.createScheduledJob(
            scheduledJob={
                "name": "Every second",
                "cronExpression": "* * * * * *",
                "overlapPolicy": "ALLOW",
                "job": {"dockerImageUrl": IMAGE, "commands": ["date"]},
            }
        )
        console.print(
            f"[bold]5[/] scheduled over SOAP: {schedule.cronExpression}, next at {schedule.nextRunAt}"
        )
        query = {"scheduledJobId": schedule.id, "jobStatus": "FINISHED"}
        deadline = time.monotonic() + 20
        while True:
            runs = self.rest.get("/v2/jobs", params=query).raise_for_status().json()["jobs"]
            if len(runs) >= 3:
                break
            expect(time.monotonic() < deadline, f"the schedule ran {len(runs)} times in 20 seconds")
            time.sleep(0.1)
        self.soap.service.deleteScheduledJob(scheduledJobId=schedule.id)
        for run in runs[:3]:
            console.print(f"  run {run['id']} started at {run['startedAt']}: {run['jobStatus']}")

    def show_dependent(self, main: str, job_id: str) -> None:
        """Show that the second job ran after the first."""
        first, second = self.get(main), self.wait(job_id)
        expect(second["jobStatus"] == "FINISHED", f"the dependent job is {second['jobStatus']}")
        expect(second["startedAt"] >= first["finishedAt"], "the dependent job started too early")
        console.print(
            f"[bold]2[/] the dependent job started at {second['startedAt']}, "
            f"after the first had ended at {first['finishedAt']}: {second['jobStatus']}"
        )

    def cancel_a_running_job(self) -> None:
        """Start a job that would run for ten minutes, and cancel it while it runs."""
        body = {"dockerImageUrl": IMAGE, "commands": ["sleep", "600"], "cancelGraceSeconds": 5}
        job = self.rest.post("/v2/jobs", json=body).raise_for_status().json()
        while job["jobStatus"] != "RUNNING":
            expect(job["jobStatus"] not in FINAL, f"the fourth job is {job['jobStatus']}")
            job = self.wait(job["id"], version=job["version"])
        asked = self.soap.service.cancelJob(jobId=job["id"], cancellation={"reason": "shown enough"})
        ended = self.wait(job["id"])
        expect(ended["jobStatus"] == "CANCELED", f"the fourth job is {ended['jobStatus']}")
        console.print(
            f"[bold]4[/] job {job['id']} was RUNNING, "
            f"canceled over SOAP at {asked.cancelRequestedAt:%H:%M:%S}: "
            f"{ended['jobStatus']}, {ended['message']}"
        )

    def get(self, job_id: str) -> dict[str, Any]:
        """The job over REST."""
        job: dict[str, Any] = self.rest.get(f"/v2/jobs/{job_id}").raise_for_status().json()
        return job

    def wait(self, job_id: str, **query: Any) -> dict[str, Any]:
        """The job over REST, once it is final or has changed."""
        reply = self.rest.get(f"/v2/jobs/{job_id}/wait", params=query | {"timeoutSeconds": 20})
        job: dict[str, Any] = reply.raise_for_status().json()
        return job


def result_line(page: Any) -> str:
    """The last result of a page, in short."""
    last = page.values[-1]
    return f"{last.externalId} {last.status} {last.resultData}"


def expect(happened: bool, otherwise: str) -> None:
    """Raises AssertionError when something did not happen."""
    if not happened:
        raise AssertionError(otherwise)


def main() -> int:
    """Tell the story; 1 when something in it did not happen."""
    parser = argparse.ArgumentParser(prog="python -m gateway.demo", description=__doc__)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite", help="default: sqlite")
    parser.add_argument("--nodes", type=int, default=1, help="how many run jobs, on postgres; default: 1")
    given = parser.parse_args()
    if given.nodes != 1 and given.store == "sqlite":
        parser.error("a SQLite file belongs to one gateway; say --store postgres")
    began = time.monotonic()
    try:
        if given.store == "sqlite":
            with running_gateway() as address:
                console.print(f"the gateway serves on {address}")
                Story(address).tell()
        else:
            with running_nodes(given.nodes) as (address, nodes):
                console.print(f"a gateway answers on {address}; {', '.join(nodes.names)} run the jobs")
                # Who kills the only node waits for ever.
                Story(address, nodes if given.nodes > 1 else None).tell()
    except (AssertionError, RuntimeError, Fault, httpx.HTTPError) as error:
        console.print(f"[bold red]it did not happen:[/] {error}")
        return 1
    console.print(f"all of it happened, in {time.monotonic() - began:.1f} seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
