"""Several nodes on one database, one of them lost: no job is lost, none runs twice at once."""

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateway_process import GatewayProcess, wait_until
from tests.e2e.history_check import check, histories
from tests.e2e.node_process import door, nodes
from tests.pg_stand import PgStand, a_stand

RETRIED = {"maxAttempts": 9, "backoffSeconds": 0}


@pytest.fixture(scope="module")
def stand() -> Iterator[PgStand]:
    """A database server."""
    with a_stand() as made:
        yield made


@pytest.fixture
def address(stand: PgStand) -> Iterator[str]:
    """An empty database."""
    made = stand.database()
    yield made
    stand.drop(made)


def noting(folder: Path, *, lock: str | None = None, seconds: float = 0.2) -> list[str]:
    """A command that holds files locked while it lives: its job's, and that of a lock of the job.

    Whoever finds one of them held writes that down: it runs beside another that must have ended.
    """
    held = [f"exec 8>>'{folder}'/$JOB_ID; flock -n 8 || echo $JOB_ID >> '{folder}'/OVERLAP"]
    if lock is not None:
        held.append(f"exec 9>>'{folder}'/lock-{lock}; flock -n 9 || echo {lock} >> '{folder}'/OVERLAP")
    return [
        "sh",
        "-c",
        "; ".join([*held, f"echo run in $PWD >> '{folder}'/$JOB_ID", f"exec sleep {seconds}"]),
    ]


def load(gateway: GatewayProcess, folder: Path, count: int = 40) -> list[str]:
    """Start many jobs: plain ones, some that share a lock, and some that depend on the one before."""
    started: list[str] = []
    for number in range(count):
        members: dict[str, object] = {"retryPolicy": RETRIED}
        lock = "shared" if number % 10 == 3 else None
        if lock is not None:
            members["locks"] = [{"name": lock, "onConflict": "WAIT"}]
        if number % 10 == 5:
            members["jobDependencies"] = [{"jobId": started[-1]}]
        started.append(gateway.start_job(*noting(folder, lock=lock), **members)["id"])
    return started


def ran(folder: Path, job_id: str, *, on: str = "") -> int:
    """How often a job's command has run, on a node or on any."""
    file = folder / job_id
    runs = file.read_text().splitlines() if file.exists() else []
    return sum(f"/{on}/" in run for run in runs) if on else len(runs)


def prove(gateway: GatewayProcess, folder: Path, address: str, jobs: list[str]) -> None:
    """All ended well, each attempt ran once, and nothing ran beside what it must not."""
    for job_id in jobs:
        assert gateway.final(job_id)["jobStatus"] == "FINISHED"
    assert not (folder / "OVERLAP").exists(), (folder / "OVERLAP").read_text()
    found = histories(address)
    assert sorted(history.job.id for history in found) == sorted(jobs)
    check(found)
    for history in found:
        assert 1 <= ran(folder, history.job.id) <= history.job.attempt


@pytest.mark.parametrize("others", [("one",), ("one", "three")])
def test_a_node_that_is_killed_under_load_loses_nothing(
    tmp_path: Path, address: str, others: tuple[str, ...]
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with door(tmp_path, address) as gateway, nodes(tmp_path, address, "two", *others) as working:
        jobs = load(gateway, notes)
        wait_until(lambda: sum(ran(notes, job_id, on="two") for job_id in jobs) > 2)
        working["two"].kill()
        prove(gateway, notes, address, jobs)
        # It was at work, and the others have told what became of its jobs.
        wait_until(lambda: any("is lost" in working[name].log for name in others))


def test_a_halted_node_runs_nothing_past_its_lease_and_comes_back_without_harm(
    tmp_path: Path, address: str
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with door(tmp_path, address) as gateway, nodes(tmp_path, address, "one", "two") as working:
        long = [
            gateway.start_job(*noting(notes, seconds=600), retryPolicy=RETRIED, priority=9)["id"]
            for _ in range(2)
        ]
        wait_until(lambda: all(ran(notes, job_id) for job_id in long))
        jobs = load(gateway, notes, 20)
        working["two"].signal(signal.SIGSTOP)
        # What the halted node held starts again elsewhere; what the other one held goes on.
        wait_until(lambda: "is lost" in working["one"].log)
        working["two"].signal(signal.SIGCONT)
        wait_until(lambda: "lets go of all" in working["two"].log)
        for job_id in long:
            wait_until(lambda job_id=job_id: gateway.job(job_id)["jobStatus"] == "RUNNING")
            gateway.http.post(f"/v2/jobs/{job_id}/cancel", json={"graceSeconds": 0}).raise_for_status()
            assert gateway.final(job_id)["jobStatus"] == "CANCELED"
        for job_id in jobs:
            assert gateway.final(job_id)["jobStatus"] == "FINISHED"
        assert not (notes / "OVERLAP").exists(), (notes / "OVERLAP").read_text()
        check(histories(address))
        # It is a node again: with the other one gone it runs what comes.
        working["one"].kill()
        again = gateway.start_job(*noting(notes), retryPolicy=RETRIED)["id"]
        assert gateway.final(again)["jobStatus"] == "FINISHED"


def test_a_node_that_is_started_again_within_its_lease_finds_its_jobs_running(
    tmp_path: Path, address: str
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with door(tmp_path, address) as gateway, nodes(tmp_path, address, "one", lease_seconds=60) as working:
        job = gateway.start_job(*noting(notes, seconds=0.5))["id"]
        wait_until(lambda: ran(notes, job))
        working["one"].kill()
        working["one"].start()
        ended = gateway.final(job)
        assert (ended["jobStatus"], ended["attempt"]) == ("FINISHED", 1)
        check(histories(address))


def test_the_database_is_restarted_under_load(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    with a_stand() as stand:
        if not stand.is_ours:
            pytest.skip("the server that GATEWAY_TEST_DSN names is not ours to stop")
        address = stand.database()
        with door(tmp_path, address) as gateway, nodes(tmp_path, address, "one", "two"):
            jobs = load(gateway, notes, 20)
            wait_until(lambda: sum(ran(notes, job_id) for job_id in jobs) > 4)
            stand.stop()
            refused = gateway.http.get(f"/v2/jobs/{jobs[0]}")
            assert (refused.status_code, refused.json()["technicalKey"]) == (503, "SERVICE_UNAVAILABLE")
            assert int(refused.headers["Retry-After"]) > 0
            stand.start()
            wait_until(lambda: gateway.http.get(f"/v2/jobs/{jobs[0]}").status_code == 200)
            prove(gateway, notes, address, jobs)


def test_locks_and_keys_hold_across_doors(tmp_path: Path, address: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with door(tmp_path / "a", address) as first, door(tmp_path / "b", address) as second:
        body = {"dockerImageUrl": "none", "commands": ["true"], "locks": [{"name": "only"}]}
        holder = first.http.post("/v2/jobs", json=body, headers={"Idempotency-Key": "k"})
        repeat = second.http.post("/v2/jobs", json=body, headers={"Idempotency-Key": "k"})
        assert (holder.status_code, repeat.status_code) == (201, 201)
        assert holder.json()["id"] == repeat.json()["id"]
        refused = second.http.post("/v2/jobs", json=body)
        assert (refused.status_code, refused.json()["technicalKey"]) == (409, "LOCK_HELD")
        page = first.http.get("/v2/jobs", params={"limit": 1}).json()
        assert Counter(job["id"] for job in page["jobs"]) == {holder.json()["id"]: 1}
        waiting = second.http.get(f"/v2/jobs/{holder.json()['id']}/wait", params={"timeoutSeconds": 1})
        assert waiting.json()["jobStatus"] == "SCHEDULED"
