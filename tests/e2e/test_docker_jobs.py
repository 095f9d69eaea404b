"""A real gateway whose jobs run in containers of a real dockerd."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker_stand import DockerStand
from tests.e2e.gateway_process import GatewayProcess, wait_until
from tests.engine_stand import IMAGE, EngineStand, running


@pytest.fixture(scope="module")
def docker() -> Iterator[EngineStand]:
    """A dockerd that runs."""
    with running(DockerStand) as stand:
        yield stand


@pytest.fixture
def gateway(docker: EngineStand, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that is not started yet."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "answer").write_text("42\n")
    settings = {
        "GATEWAY_EXECUTOR": "docker",
        "GATEWAY_DOCKER_URL": docker.url,
        "GATEWAY_VOLUMES": f"in={tmp_path / 'in'}",
        # Needed by jobs that run as processes alone.
        "GATEWAY_JOB_USER": "",
    }
    made = GatewayProcess(tmp_path / "data", **settings)
    try:
        yield made
    finally:
        made.close()


def start(gateway: GatewayProcess, text: str) -> str:
    """startJob over SOAP."""
    job: dict[str, Any] = {
        "dockerImageUrl": IMAGE,
        "commands": ["sh", "-c", text],
        "volumes": [{"name": "in", "source": "in", "mountPath": "/in", "readOnly": True}],
        "resourceRequest": {"memoryLimit": 64, "cpuLimit": "0.5"},
        "environmentVariables": [{"name": "SECRET", "value": "open sesame", "secret": True}],
    }
    return str(gateway.soap().startJob(job=job).id)


def test_a_job_started_over_soap_outlives_a_killed_gateway_and_leaves_nothing(
    docker: EngineStand, gateway: GatewayProcess
) -> None:
    gateway.start()
    info = gateway.http.get("/v2/info").json()
    assert (info["executor"], info["isolation"]) == ("docker", "container")
    features = {feature["name"]: feature["support"] for feature in info["executorFeatures"]}
    assert (features["volumes"], features["dockerImageUrl"]) == ("ENFORCED", "ENFORCED")

    tell = 'cat /in/answer; trap "exit 7" TERM; echo "$JOB_ID $SECRET"; while :; do sleep 0.05; done'
    job_id = start(gateway, tell)
    wait_until(lambda: "sesame" in gateway.output(job_id))
    assert gateway.job(job_id)["jobStatus"] == "RUNNING"
    gateway.kill()
    gateway.start()
    wait_until(lambda: gateway.job(job_id)["jobStatus"] == "RUNNING")
    assert gateway.output(job_id) == f"42\n{job_id} open sesame\n"
    gateway.http.post(f"/v2/jobs/{job_id}/cancel").raise_for_status()
    job = gateway.final(job_id)
    assert (job["jobStatus"], job["exitCode"]) == ("CANCELED", 7)
    assert gateway.statuses(job_id).count("RUNNING") == 1

    greedy = gateway.final(start(gateway, "tail /dev/zero"))
    assert (greedy["jobStatus"], greedy["exitCode"]) == ("DIED", 137)
    assert "out of memory" in greedy["message"]

    for ended in (job_id, greedy["id"]):
        gateway.http.delete(f"/v2/jobs/{ended}").raise_for_status()
    wait_until(lambda: not docker.names())
    assert gateway.stop() == 0


def test_an_image_or_a_command_that_is_not_there_fails_the_job_with_the_reason(
    docker: EngineStand, gateway: GatewayProcess
) -> None:
    gateway.settings["GATEWAY_DOCKER_PULL"] = "never"
    gateway.start()
    job = gateway.final(gateway.start_job("true", dockerImageUrl="missing:1")["id"])
    assert job["jobStatus"] == "FAILED"
    assert job["message"].startswith("Docker has no image missing:1")
    again = {"maxAttempts": 3, "backoffSeconds": 0}
    job = gateway.final(gateway.start_job("no-such-command", dockerImageUrl=IMAGE, retryPolicy=again)["id"])
    assert (job["jobStatus"], job["attempt"]) == ("FAILED", 1)
    assert "the image cannot run the command" in job["message"]
    wait_until(lambda: not docker.names())


def test_without_docker_the_gateway_says_so_and_does_not_start(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    gateway.settings["GATEWAY_DOCKER_URL"] = f"unix://{tmp_path}/none.sock"
    gateway.start()
    assert gateway.ended
    assert "none.sock cannot be used: No such file or directory" in (tmp_path / "gateway.log").read_text()
