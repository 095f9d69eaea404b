"""Real gateways on a PostgreSQL database: they serve, outlive its restart, and take over a SQLite gateway."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.gateway_process import SECONDS, GatewayProcess, plain_environment, wait_until
from tests.pg_stand import PgStand, a_stand


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def address(postgres: PgStand) -> Iterator[str]:
    """The address of an empty database."""
    made = postgres.database(empty=True)
    yield made
    postgres.drop(made)


def gateway_on(stack: ExitStack, data: Path, address: str | None = None, **settings: str) -> GatewayProcess:
    """A gateway that serves from a data folder, or from a database."""
    store = {} if address is None else {"GATEWAY_STORE": address}
    made = GatewayProcess(data, **store, **settings)
    stack.callback(made.close)
    data.mkdir(exist_ok=True, mode=0o700)
    made.start()
    assert not made.ended, data.with_name("gateway.log").read_text()
    return made


def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the gateway to its end."""
    environment = plain_environment(traced=True)
    return subprocess.run(
        [sys.executable, "-m", "gateway", *arguments],
        env=environment | settings,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_jobs_run_and_are_there_after_a_restart(stack: ExitStack, tmp_path: Path, address: str) -> None:
    gateway = gateway_on(stack, tmp_path / "data", address)
    job_id = gateway.start_job("sh", "-c", "echo hello", name="first")["id"]
    assert gateway.final(job_id)["jobStatus"] == "FINISHED"
    assert gateway.statuses(job_id) == ["PERSISTED", "SCHEDULED", "RUNNING", "FINISHED"]
    attached = gateway.http.post(f"/v2/jobs/{job_id}/attachments?name=a", content=b"x" * 1_000_000).json()
    runs = gateway.start_job("sh", "-c", "sleep 1; exit 0")["id"]
    gateway.kill()

    gateway.start()
    assert gateway.job(job_id)["name"] == "first"
    path = f"/v2/jobs/{job_id}/attachments/{attached['id']}"
    assert gateway.http.get(path).content == b"x" * 1_000_000
    assert gateway.final(runs)["jobStatus"] == "FINISHED"
    assert not (tmp_path / "data" / "gateway.db").exists()
    assert gateway.stop() == 0


def test_a_restart_of_the_database_loses_nothing(stack: ExitStack, tmp_path: Path) -> None:
    stand = stack.enter_context(a_stand())
    if not stand.is_ours:
        pytest.skip("the server that GATEWAY_TEST_DSN names is not stopped")
    gateway = gateway_on(stack, tmp_path / "data", stand.database(empty=True))
    go = tmp_path / "go"
    runs = gateway.start_job("sh", "-c", f"until [ -e {go} ]; do sleep 0.05; done")["id"]
    waits = gateway.start_job("true", jobDependencies=[{"jobId": runs}])["id"]
    stand.stop()
    for reply in (
        gateway.http.get(f"/v2/jobs/{runs}"),
        gateway.http.post("/v2/jobs", json={"dockerImageUrl": "none", "commands": ["true"]}),
    ):
        assert reply.status_code == 503
        assert reply.json()["technicalKey"] == "SERVICE_UNAVAILABLE"
        assert int(reply.headers["retry-after"]) > 0
    # The job ends while nobody can write that down.
    go.touch()
    stand.start()
    wait_until(lambda: gateway.http.get(f"/v2/jobs/{runs}").status_code == 200)
    assert gateway.final(runs)["jobStatus"] == "FINISHED"
    assert gateway.final(waits)["jobStatus"] == "FINISHED"


def shown(gateway: GatewayProcess) -> list[Any]:
    """What the gateway replies about all that it keeps."""
    jobs = gateway.http.get("/v2/jobs", params={"limit": 100}).raise_for_status().json()["jobs"]
    events = [gateway.http.get(f"/v2/jobs/{job['id']}/events").json() for job in jobs]
    others = ("/v2/scheduledjobs", "/v2/jobs/results/s", "/v2/storages/s/processinglogs/CURATION_LOG/data")
    return [jobs, events, *(gateway.http.get(path).raise_for_status().json() for path in others)]


def test_a_gateway_moves_from_a_folder_into_a_database(
    stack: ExitStack, tmp_path: Path, address: str
) -> None:
    data = tmp_path / "old" / "data"
    data.parent.mkdir()
    old = gateway_on(stack, data)
    secret = [{"name": "PIN", "value": "1234", "secret": True}]
    first = old.start_job(
        *("sh", "-c", "echo $PIN"),
        name="alpha beta",
        tags=["t"],
        labels=[{"name": "l", "value": "v"}],
        environmentVariables=secret,
        resultStorageId="s",
    )["id"]
    old.final(first)
    result = {"businessPartnerId": "p", "status": "OK"}
    for path, body in (
        (f"/v2/jobs/{first}/results", {"storageId": "s", "results": [result, result]}),
        ("/v2/storages/s/processinglogs/CURATION_LOG/data", {"entries": [result | {"resultData": "{}"}]}),
        (
            "/v2/scheduledjobs",
            {
                "scheduledJob": {
                    "cronExpression": "@yearly",
                    "job": {"dockerImageUrl": "x", "commands": ["x"]},
                }
            },
        ),
    ):
        assert old.http.post(path, json=body).is_success
    attached = old.http.post(f"/v2/jobs/{first}/attachments?name=a", content=b"y" * 600_000).json()
    waits = old.start_job("true", notBefore="9998-01-01T00:00:00Z", locks=[{"name": "k"}])["id"]
    before = shown(old)

    refused = run("copy", str(data), address)
    assert (refused.returncode, "is in use by another gateway" in refused.stderr) == (2, True)
    assert old.stop() == 0
    copied = run("copy", str(data), address)
    assert copied.returncode == 0, copied.stderr
    counts = {line.split()[1]: int(line.split()[0]) for line in copied.stdout.splitlines()[:-1]}
    assert {counts[name] for name in ("jobs", "results")} == {2}
    assert (counts["log_entries"], counts["schedules"], counts["attachments"]) == (1, 1, 1)
    again = run("copy", str(data), address)
    assert (again.returncode, "holds something already (in jobs)" in again.stderr) == (2, True)

    new = gateway_on(stack, tmp_path / "data", address, GATEWAY_SECRET_KEY_FILE=str(data / "secret.key"))
    assert shown(new) == before
    assert new.http.get(f"/v2/jobs/{first}/attachments/{attached['id']}").content == b"y" * 600_000
    for query in ({"tag": "t"}, {"label": "l=v"}, {"text": "bet"}):
        assert [job["id"] for job in new.http.get("/v2/jobs", params=query).json()["jobs"]] == [first]
    written = new.http.post(f"/v2/jobs/{first}/results", json={"storageId": "s", "results": [result]}).json()
    assert written["firstId"] == "4"
    rerun = new.http.post(f"/v2/jobs/{first}/rerun").json()["id"]
    assert new.final(rerun)["jobStatus"] == "FINISHED"
    assert new.output(rerun) == "1234\n"
    held = new.http.post(
        "/v2/jobs", json={"dockerImageUrl": "x", "commands": ["x"], "locks": [{"name": "k"}]}
    )
    assert (held.status_code, held.json()["technicalKey"]) == (409, "LOCK_HELD")
    assert new.http.post(f"/v2/jobs/{waits}/cancel", json={}).json()["jobStatus"] == "CANCELED"


def test_gateways_with_different_secret_keys_do_not_share_a_database(
    stack: ExitStack, tmp_path: Path, address: str
) -> None:
    gateway_on(stack, tmp_path / "data", address)
    other = GatewayProcess(tmp_path / "other", GATEWAY_STORE=address)
    stack.callback(other.close)
    other.data.mkdir(mode=0o700)
    assert other.start().ended
    assert "SECRET_KEY_FILE" in (tmp_path / "gateway.log").read_text()


def test_keys_and_migrate_work_on_the_database(tmp_path: Path, address: str) -> None:
    settings = {"GATEWAY_STORE": address, "GATEWAY_DATA": str(tmp_path / "data")}
    migrated = run("migrate", **settings)
    assert migrated.returncode == 0, migrated.stderr
    assert "came from version none" in migrated.stdout
    assert "was up to date" in run("migrate", **settings).stdout
    assert run("keys", "create", "--name", "ci", "--role", "operator", **settings).stdout.startswith("jg_")
    assert "ci" in run("keys", "list", **settings).stdout


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_password_is_told_to_nobody(tmp_path: Path, command: str) -> None:
    for address in ("postgresql://u:hunter2@127.0.0.1:1/x", "postgresql://u:hunter2@h:noport/x", "hunter2"):
        told = run(
            command, GATEWAY_STORE=address, GATEWAY_DATA=str(tmp_path / "data"), GATEWAY_JOB_USER="root"
        )
        assert told.returncode == 2, told.stderr
        assert "database" in told.stderr
        assert "hunter2" not in told.stdout + told.stderr
