"""The gateway is stopped, killed and started again while jobs run: none is lost, none runs twice."""

import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gateway.executors.process_session import Waiter, members, processes, send
from tests.e2e.gateway_process import GatewayProcess, wait_until

HERE = Path(__file__).parent


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that serves."""
    made = GatewayProcess(tmp_path / "data")
    try:
        yield made.start()
    finally:
        made.close()


def _holding(folder: Path, name: str = "job") -> tuple[list[str], Path, Path]:
    """A command that notes its start and ends with 7 when a file is there; the note, and that file."""
    began, go = folder / f"{name}.began", folder / f"{name}.go"
    script = (
        f"echo first; echo begun >> '{began}'; until [ -e '{go}' ]; do sleep 0.02; done; echo last; exit 7"
    )
    return ["sh", "-c", script], began, go


def test_a_running_job_outlives_a_kill_with_its_output_and_exit_code(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    command, began, go = _holding(tmp_path)
    job = gateway.start_job(*command)
    wait_until(began.exists)
    gateway.kill()
    gateway.start()
    assert gateway.job(job["id"])["jobStatus"] == "RUNNING"
    assert gateway.output(job["id"]) == "first\n"
    go.touch()
    ended = gateway.final(job["id"])
    assert (ended["jobStatus"], ended["exitCode"], ended["attempt"]) == ("FAILED", 7, 1)
    assert gateway.output(job["id"]) == "first\nlast\n"
    assert began.read_text() == "begun\n"


def test_a_job_that_ended_while_no_gateway_ran_has_its_exit_code(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    command, began, go = _holding(tmp_path)
    job = gateway.start_job(*command)
    wait_until(began.exists)
    wait_until(lambda: gateway.job(job["id"])["jobStatus"] == "RUNNING")
    gateway.kill()
    go.touch()
    wait_until(lambda: list((tmp_path / "data").rglob("exit")))
    gateway.start()
    ended = gateway.final(job["id"])
    assert (ended["jobStatus"], ended["exitCode"]) == ("FAILED", 7)
    assert gateway.statuses(job["id"]) == ["PERSISTED", "SCHEDULED", "RUNNING", "FAILED"]


def test_a_job_whose_processes_were_killed_while_no_gateway_ran_has_died(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    command, began, _ = _holding(tmp_path)
    job = gateway.start_job(*command)
    wait_until(began.exists)
    wait_until(lambda: gateway.job(job["id"])["jobStatus"] == "RUNNING")
    gateway.kill()
    (pid_file,) = (tmp_path / "data").rglob("pid")
    waiter = int(pid_file.read_text().split()[1])
    os.killpg(waiter, signal.SIGKILL)
    gateway.start()
    assert gateway.final(job["id"])["jobStatus"] == "DIED"


@pytest.mark.parametrize("fault", ["dies_after_start.py", "dies_before_start.py"])
def test_a_kill_between_claim_and_handle_starts_the_job_once(
    gateway: GatewayProcess, tmp_path: Path, fault: str
) -> None:
    assert gateway.stop() == 0
    gateway.start(HERE / fault)
    command, began, go = _holding(tmp_path)
    with contextlib.suppress(httpx.TransportError):
        # The job is confirmed, or the gateway is gone before it can be.
        gateway.start_job(*command, name="the one")
    wait_until(lambda: gateway.ended)
    go.touch()
    gateway.start()
    jobs = gateway.http.get("/v2/jobs").json()["jobs"]
    ended = [gateway.final(job["id"]) for job in jobs]
    assert [(job["jobStatus"], job["exitCode"], job["attempt"]) for job in ended] == [("FAILED", 7, 1)]
    assert began.read_text() == "begun\n"


def test_waiting_jobs_go_on_after_a_kill(gateway: GatewayProcess, tmp_path: Path) -> None:
    command, began, go = _holding(tmp_path)
    first = gateway.start_job(*command, locks=[{"name": "x"}])
    depends = gateway.start_job("true", jobDependencies=[{"jobId": first["id"], "condition": "ENDED"}])
    doomed = gateway.start_job("true", jobDependencies=[{"jobId": first["id"]}])
    locked = gateway.start_job("true", locks=[{"name": "x", "onConflict": "WAIT"}])
    retried = gateway.start_job("false", retryPolicy={"maxAttempts": 2, "backoffSeconds": 1})
    wait_until(began.exists)
    gateway.kill()
    gateway.start()
    go.touch()
    ends = [gateway.final(job["id"]) for job in (first, depends, doomed, locked, retried)]
    assert [job["jobStatus"] for job in ends] == ["FAILED", "FINISHED", "CANCELED", "FINISHED", "FAILED"]
    assert ends[-1]["attempt"] == 2


def test_a_cancel_goes_on_after_a_kill(gateway: GatewayProcess, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    deaf = f"trap '' TERM; touch '{ready}'; while :; do sleep 0.1; done"
    job = gateway.start_job("sh", "-c", deaf, cancelGraceSeconds=3600)
    wait_until(ready.exists)
    gateway.http.post(f"/v2/jobs/{job['id']}/cancel").raise_for_status()
    gateway.kill()
    gateway.start()
    assert gateway.job(job["id"])["jobStatus"] == "RUNNING"
    (pid_file,) = (tmp_path / "data").rglob("pid")
    waiter = Waiter.parse(pid_file.read_text().splitlines()[0])
    assert waiter is not None
    send(signal.SIGKILL, [process.pid for process in members(waiter, processes())])
    ended = gateway.final(job["id"])
    assert (ended["jobStatus"], ended["message"]) == ("CANCELED", "canceled by anonymous")


def test_kills_at_any_moment_lose_no_job_and_run_none_twice(gateway: GatewayProcess, tmp_path: Path) -> None:
    chance = random.Random(os.getpid())
    note = tmp_path / "ran"
    confirmed: list[str] = []
    for round_ in range(6):
        kill_after = chance.randrange(1, 12)
        for number in range(12):
            if number == kill_after:
                gateway.kill()
                gateway.start()
            script = f"echo $JOB_ID >> '{note}'; sleep 0.0{chance.randrange(5)}"
            job = gateway.start_job("sh", "-c", script, name=f"{round_} {number}")
            confirmed.append(job["id"])
    ends = Counter(gateway.final(job_id)["jobStatus"] for job_id in confirmed)
    assert ends == {"FINISHED": 72}
    assert Counter(note.read_text().split()) == Counter(confirmed)


def test_what_is_started_over_soap_is_watched_over_rest(gateway: GatewayProcess) -> None:
    soap = gateway.soap()
    job = soap.startJob(
        job={
            "dockerImageUrl": "none",
            "commands": ["env"],
            "environmentVariables": [{"name": "MINE", "value": "a b"}, {"name": "odd.name", "value": "c"}],
            "type": "GENERIC_JOB",
            "resultStorageId": "store",
            "inputUri": "s3://in",
        }
    )
    ended = gateway.final(job.id)
    assert (ended["jobStatus"], ended["exitCode"]) == ("FINISHED", 0)
    variables = dict(line.split("=", 1) for line in gateway.output(job.id).splitlines())
    token, home = variables.pop("JOB_TOKEN"), variables.pop("HOME")
    base = str(gateway.http.base_url).rstrip("/")
    assert variables == {
        "MINE": "a b",
        "odd.name": "c",
        "JOB_ID": job.id,
        "JOB_ATTEMPT": "1",
        "JOB_TYPE": "GENERIC_JOB",
        "JOB_STORAGE_ID": "store",
        "JOB_INPUT_URI": "s3://in",
        "JOBS_API_URL": base,
        "JOBS_SOAP_URL": f"{base}/soap/v2/",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TMPDIR": home,
        "LANG": "C.UTF-8",
    }
    assert soap.getJob(jobId=job.id).version == ended["version"]
    late = gateway.http.get(f"/v2/jobs/{job.id}", headers={"X-API-KEY": token})
    assert late.status_code == 401


def test_the_exit_code_and_both_streams_are_kept(gateway: GatewayProcess) -> None:
    ended = gateway.final(gateway.start_job("sh", "-c", "echo out; echo oops >&2; exit 3")["id"])
    assert (ended["jobStatus"], ended["exitCode"], ended["message"]) == (
        "FAILED",
        3,
        "ended with exit code 3",
    )
    assert gateway.output(ended["id"]) == "out\n"
    output = gateway.soap().readJobOutput(jobId=ended["id"], query={"stream": "STDERR"})
    assert (output.content, output.complete) == ("oops\n", True)


def test_a_command_that_does_not_exist_is_failed_with_the_reason(gateway: GatewayProcess) -> None:
    ended = gateway.final(gateway.start_job("no-such-command")["id"])
    assert (ended["jobStatus"], "exitCode" in ended) == ("FAILED", False)
    assert "no-such-command" in ended["message"]


def test_a_job_past_its_expiry_is_really_gone(gateway: GatewayProcess, tmp_path: Path) -> None:
    ids: list[str] = []

    def starts() -> bool:
        # On its way the request may take longer than the instant lies ahead, and is refused then.
        soon = datetime.now(UTC) + timedelta(seconds=1)
        job = {"dockerImageUrl": "none", "commands": ["echo", "gone"], "expiresAt": soon.isoformat()}
        reply = gateway.http.post("/v2/jobs", json=job)
        ids.extend([reply.json()["id"]] if reply.is_success else [])
        return reply.is_success

    def names() -> list[str]:
        # Folders go while it is looked into them; walk() passes over these.
        return [name for _, *both in os.walk(tmp_path / "data") for some in both for name in some]

    wait_until(starts)
    (job_id,) = ids
    wait_until(lambda: gateway.http.get(f"/v2/jobs/{job_id}").status_code == 404)
    wait_until(lambda: not any(job_id in name for name in names()))


def test_secrets_lie_encrypted_and_are_never_shown(gateway: GatewayProcess, tmp_path: Path) -> None:
    secret = {"name": "PASSWORD", "value": "the-very-secret-value", "secret": True}
    job = gateway.start_job(
        "sh", "-c", 'test "$PASSWORD" = the-very-secret-value', environmentVariables=[secret]
    )
    assert gateway.final(job["id"])["jobStatus"] == "FINISHED"
    new = gateway.http.post(f"/v2/jobs/{job['id']}/rerun").json()
    assert gateway.final(new["id"])["jobStatus"] == "FINISHED"
    shown = gateway.http.get(f"/v2/jobs/{job['id']}").text + gateway.http.get("/v2/jobs").text
    assert "very-secret" not in shown.replace('test \\"$PASSWORD\\" = the-very-secret-value', "")
    assert gateway.stop() == 0
    for file in (tmp_path / "data").rglob("*"):
        if file.is_file() and file.name != "address":
            found = file.read_bytes().replace(b'$PASSWORD\\" = the-very-secret-value', b"")
            assert b"the-very-secret-value" not in found, file
