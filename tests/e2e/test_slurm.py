"""A gateway whose jobs run in a real Slurm cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.gateway_process import GatewayProcess, wait_until
from tests.slurm_stand import IMAGE, Slurm, contained, slurm  # noqa: F401


@contextmanager
def serving(slurm: Slurm, tmp_path: Path, **settings: str) -> Iterator[GatewayProcess]:  # noqa: F811
    made = GatewayProcess(
        tmp_path / "data",
        GATEWAY_EXECUTOR="slurm",
        GATEWAY_SLURM_URL=slurm.url,
        GATEWAY_SLURM_API_VERSION=slurm.version,
        GATEWAY_SLURM_USER=slurm.user,
        GATEWAY_SLURM_TOKEN_FILE=str(slurm.token_file),
        GATEWAY_SLURM_SHARED_FOLDER=str(tmp_path / "shared"),
        **settings,
    )
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture
def gateway(slurm: Slurm, tmp_path: Path) -> Iterator[GatewayProcess]:  # noqa: F811
    with serving(slurm, tmp_path) as made:
        yield made


def test_a_job_started_over_soap_runs_in_slurm_and_outlives_a_kill_of_the_gateway(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    began, go = tmp_path / "began", tmp_path / "go"
    text = f"echo run >> {began}; echo $JOB_ID $KEY; until [ -e {go} ]; do sleep 0.05; done; exit 7"
    started = gateway.soap().startJob(
        job={
            "dockerImageUrl": "none",
            "commands": ["sh", "-c", text],
            "environmentVariables": [{"name": "KEY", "value": "secret", "secret": True}],
        }
    )
    job_id = started["id"]
    wait_until(began.exists)
    wait_until(lambda: gateway.job(job_id)["jobStatus"] == "RUNNING")
    gateway.kill()
    gateway.start()
    assert gateway.job(job_id)["jobStatus"] == "RUNNING"
    go.touch()
    ended = gateway.final(job_id)
    assert (ended["jobStatus"], ended["exitCode"], ended["attempt"]) == ("FAILED", 7, 1)
    assert gateway.output(job_id) == f"{job_id} secret\n"
    assert gateway.statuses(job_id) == ["PERSISTED", "SCHEDULED", "RUNNING", "FAILED"]
    assert began.read_text() == "run\n"
    assert gateway.http.delete(f"/v2/jobs/{job_id}").status_code == 204
    wait_until(lambda: not list((tmp_path / "shared").iterdir()))


def test_a_running_job_is_canceled_and_what_the_executor_does_is_told(gateway: GatewayProcess) -> None:
    job = gateway.start_job("sh", "-c", "echo here; exec sleep 600")
    wait_until(lambda: gateway.output(job["id"]) == "here\n")
    wait_until(lambda: gateway.job(job["id"])["jobStatus"] == "RUNNING")
    gateway.soap().cancelJob(jobId=job["id"], cancellation={"reason": "enough"})
    ended = gateway.final(job["id"])
    assert (ended["jobStatus"], ended["exitCode"]) == ("CANCELED", 143)
    info = gateway.http.get("/v2/info").json()
    assert info["executor"] == "slurm"
    assert "without containers" in info["isolation"]
    support = {feature["name"]: feature["support"] for feature in info["executorFeatures"]}
    assert (support["dockerImageUrl"], support["volumes"]) == ("RECORDED", "REFUSED")


def test_a_job_runs_in_the_container_of_its_image_and_outlives_a_kill_of_the_gateway(
    contained: Slurm,  # noqa: F811
    tmp_path: Path,
) -> None:
    with serving(contained, tmp_path, GATEWAY_SLURM_BUNDLES=str(contained.bundles)) as gateway:
        text = "echo run >>/tmp/runs; ls /; echo $KEY; until [ -e /tmp/go ]; do sleep 0.05; done; exit 7"
        started = gateway.soap().startJob(
            job={
                "dockerImageUrl": IMAGE,
                "commands": ["sh", "-c", text],
                "environmentVariables": [{"name": "KEY", "value": "secret", "secret": True}],
            }
        )
        job_id = started["id"]
        work = tmp_path / "shared" / job_id / "1" / "work"
        wait_until((work / "runs").exists)
        gateway.kill()
        gateway.start()
        (work / "go").touch()
        ended = gateway.final(job_id)
        assert (ended["jobStatus"], ended["exitCode"], ended["attempt"]) == ("FAILED", 7, 1)
        assert gateway.output(job_id).split() == ["bin", "dev", "etc", "proc", "sys", "tmp", "secret"]
        assert (work / "runs").read_text() == "run\n"
        missing = gateway.http.post("/v2/jobs", json={"dockerImageUrl": "none", "commands": ["true"]}).json()
        ended = gateway.final(missing["id"])
        assert ended["jobStatus"] == "FAILED"
        assert "there is no bundle of the image 'none'" in ended["message"]
        info = gateway.http.get("/v2/info").json()
        assert "in a container of Slurm's" in info["isolation"]
        support = {feature["name"]: feature["support"] for feature in info["executorFeatures"]}
        assert support["dockerImageUrl"] == "ENFORCED"


def test_a_gateway_that_cannot_use_slurm_does_not_start(slurm: Slurm, tmp_path: Path) -> None:  # noqa: F811
    gateway = GatewayProcess(
        tmp_path / "data",
        GATEWAY_EXECUTOR="slurm",
        GATEWAY_SLURM_URL=slurm.url,
        GATEWAY_SLURM_TOKEN_FILE=str(tmp_path / "none"),
        GATEWAY_SLURM_SHARED_FOLDER=str(tmp_path / "shared"),
    )
    try:
        gateway.start()
        assert gateway.ended
        assert "SLURM_TOKEN_FILE" in (tmp_path / "gateway.log").read_text()
    finally:
        gateway.close()
