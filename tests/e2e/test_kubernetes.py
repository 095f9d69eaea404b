"""A gateway whose jobs run in Kubernetes: a stand-in cluster that runs their commands as processes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.gateway_process import GatewayProcess, wait_until
from tests.kubernetes_stand import KubernetesStand

HERE = Path(__file__).parent


@pytest.fixture
def cluster() -> Iterator[KubernetesStand]:
    """A cluster that runs commands."""
    made = KubernetesStand(runs=True).up()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def gateway(tmp_path: Path, cluster: KubernetesStand) -> Iterator[GatewayProcess]:
    """A gateway of that cluster that serves."""
    settings = {
        "GATEWAY_EXECUTOR": "kubernetes",
        "GATEWAY_KUBERNETES_CONFIG": str(cluster.kubeconfig(tmp_path / "kubeconfig")),
        "GATEWAY_KUBERNETES_INSTANCE": "ours",
        # Jobs run in containers: nothing needs to be said of users of this host, not even by root.
        "GATEWAY_JOB_USER": "",
    }
    made = GatewayProcess(tmp_path / "data", **settings)
    try:
        yield made.start()
    finally:
        made.close()


def _holding(folder: Path) -> tuple[list[str], Path, Path]:
    """A command that notes its start and ends with 7 when a file is there; the note, and that file."""
    began, go = folder / "began", folder / "go"
    script = (
        f"echo begun >> '{began}'; echo first; until [ -e '{go}' ]; do sleep 0.02; done; echo last; exit 7"
    )
    return ["sh", "-c", script], began, go


def test_what_is_started_over_soap_is_watched_over_rest(gateway: GatewayProcess) -> None:
    job = gateway.soap().startJob(
        job={
            "dockerImageUrl": "image:1",
            "commands": ["env"],
            "environmentVariables": [
                {"name": "MINE", "value": "a $(HOME) $$ b"},
                {"name": "PASSWORD", "value": "the-very-secret-value", "secret": True},
            ],
        }
    )
    ended = gateway.final(job.id)
    assert (ended["jobStatus"], ended["exitCode"]) == ("FINISHED", 0)
    variables = dict(line.split("=", 1) for line in gateway.output(job.id).splitlines())
    assert variables["MINE"] == "a $(HOME) $$ b"
    assert variables["PASSWORD"] == "the-very-secret-value"
    assert variables.keys() == {
        *("MINE", "PASSWORD", "JOB_ID", "JOB_ATTEMPT", "JOB_TYPE", "JOB_STORAGE_ID", "JOB_INPUT_URI"),
        *("JOBS_API_URL", "JOBS_SOAP_URL", "JOB_TOKEN"),
    }
    info = gateway.http.get("/v2/info").json()
    assert (info["executor"], info["isolation"]) == ("kubernetes", "container")


def test_a_running_job_outlives_a_kill_with_its_output_and_exit_code(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    command, began, go = _holding(tmp_path)
    job = gateway.start_job(*command)
    wait_until(began.exists)
    wait_until(lambda: gateway.job(job["id"])["jobStatus"] == "RUNNING")
    gateway.kill()
    gateway.start()
    assert gateway.job(job["id"])["jobStatus"] == "RUNNING"
    assert gateway.output(job["id"]) == "first\n"
    go.touch()
    ended = gateway.final(job["id"])
    assert (ended["jobStatus"], ended["exitCode"], ended["attempt"]) == ("FAILED", 7, 1)
    assert gateway.output(job["id"]) == "first\nlast\n"
    assert began.read_text() == "begun\n"


def test_a_kill_between_start_and_handle_runs_the_job_once(
    gateway: GatewayProcess, cluster: KubernetesStand, tmp_path: Path
) -> None:
    assert gateway.stop() == 0
    gateway.start(HERE / "dies_after_kubernetes_start.py")
    command, began, go = _holding(tmp_path)
    with contextlib.suppress(httpx.TransportError):
        # The job is confirmed, or the gateway is gone before it can be.
        gateway.start_job(*command)
    wait_until(lambda: gateway.ended)
    go.touch()
    gateway.start()
    (job,) = gateway.http.get("/v2/jobs").json()["jobs"]
    ended = gateway.final(job["id"])
    assert (ended["jobStatus"], ended["exitCode"], ended["attempt"]) == ("FAILED", 7, 1)
    assert began.read_text() == "begun\n"
    assert len(cluster.cluster.all("jobs")) == 1


def test_a_canceled_job_has_its_grace_and_its_last_words(gateway: GatewayProcess, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'echo bye; exit 5' TERM; touch '{ready}'; while :; do sleep 0.05; done"
    job = gateway.start_job("sh", "-c", script, cancelGraceSeconds=60)
    wait_until(ready.exists)
    wait_until(lambda: gateway.job(job["id"])["jobStatus"] == "RUNNING")
    gateway.http.post(f"/v2/jobs/{job['id']}/cancel").raise_for_status()
    ended = gateway.final(job["id"])
    assert (ended["jobStatus"], ended["exitCode"]) == ("CANCELED", 5)
    assert gateway.output(job["id"]) == "bye\n"


def test_a_command_that_the_image_does_not_have_is_told_and_not_tried_again(
    gateway: GatewayProcess, cluster: KubernetesStand
) -> None:
    job = gateway.start_job("/there/is/none", "--of=it", retryPolicy={"maxAttempts": 3, "backoffSeconds": 0})
    ended = gateway.final(job["id"])
    assert (ended["jobStatus"], ended["attempt"]) == ("FAILED", 1)
    assert ended["message"] == 'StartError: exec: "/there/is/none": No such file or directory'
    assert not ended.keys() & {"exitCode", "startedAt"}
    assert len(cluster.cluster.all("jobs")) == 1


def test_a_deleted_job_leaves_nothing_in_the_cluster(
    gateway: GatewayProcess, cluster: KubernetesStand
) -> None:
    job = gateway.start_job("true")
    gateway.final(job["id"])
    gateway.http.delete(f"/v2/jobs/{job['id']}").raise_for_status()
    for resource in ("jobs", "pods", "secrets"):
        wait_until(lambda: cluster.cluster.all(resource) == [])  # noqa: B023


def test_a_cluster_that_lets_nobody_in_is_told_at_the_start(
    gateway: GatewayProcess, cluster: KubernetesStand
) -> None:
    assert gateway.stop() == 0
    cluster.api.tokens = set()
    gateway.start()
    assert gateway.ended
    assert "Kubernetes does not let the gateway in: Unauthorized" in (
        gateway.data.with_name("gateway.log").read_text()
    )
