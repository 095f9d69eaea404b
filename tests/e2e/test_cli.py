"""The command `gateway` as real processes: starting, serving, stopping, keys, and what it refuses."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.gateway_process import plain_environment

SECONDS = 60
"""How long anything may take; nothing waits for it when all is well."""


@pytest.fixture
def environment(tmp_path):
    """The environment of the commands: none of the caller's settings, and jobs may run as root."""
    plain = plain_environment(traced=True)
    user = {"GATEWAY_JOB_USER": "root"} if os.geteuid() == 0 else {}
    return {**plain, **user, "GATEWAY_DATA": str(tmp_path / "data")}


@pytest.fixture
def run(environment):
    """Runs a command to its end."""

    def run(*arguments, env=None, check=None):
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments],
            env={**environment, **(env or {})},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if check is not None:
            assert done.returncode == check, done.stderr
        return done

    return run


class Server:
    """A gateway that serves."""

    def __init__(self, process, lines):
        self.process = process
        self.lines = lines
        self.url = None

    def get(self, path, **headers):
        return httpx.get(self.url + path, headers=headers, timeout=SECONDS)

    def said(self, text):
        return any(text in line for line in self.lines)

    def stop(self, number=signal.SIGTERM):
        """End it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(SECONDS)


@pytest.fixture
def serve(environment):
    """Starts gateways on free ports, and ends them after the test."""

    @contextmanager
    def serve(*arguments, env=None):
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve", "--port", "0", *arguments],
            env={**environment, **(env or {})},
            stderr=subprocess.PIPE,
            text=True,
        )
        server = Server(process, [])
        told = threading.Event()

        def read():
            for line in process.stderr:
                server.lines.append(line)
                if found := re.search(r"serving on (http://[^\s\"]+)", line):
                    server.url = found[1].replace("0.0.0.0", "127.0.0.1")
                    told.set()
            told.set()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            assert told.wait(SECONDS)
            assert server.url, "".join(server.lines)
            yield server
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            reader.join()
            process.stderr.close()

    return serve


def refused(done, message):
    """It ended with 2 and one clear line."""
    assert done.returncode == 2, done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_it_serves_and_stops_with_0(serve, environment):
    with serve() as server:
        assert server.get("/readyz").status_code == 200
        assert server.get("/livez").status_code == 200
        assert server.get("/v2/jobs").json()["jobs"] == []
        address = Path(environment["GATEWAY_DATA"], "address")
        assert address.read_text().strip() == server.url
        assert server.said("any local user can use it")
        assert server.said("isolation none")
        assert server.stop() == 0
        assert not address.exists()


def test_ctrl_c_stops_it_with_0(serve):
    with serve() as server:
        assert server.stop(signal.SIGINT) == 0


def test_its_log_is_json_lines_without_keys(serve, run):
    key = run("keys", "create", "--name", "ada", "--role", "admin", check=0).stdout.strip()
    with serve() as server:
        assert server.get("/v2/jobs", **{"x-api-key": key}).status_code == 200
        assert server.stop() == 0
        lines = list(server.lines)
    assert all("event" in json.loads(line) for line in lines)
    assert any("listJobs" in line for line in lines)
    assert key.rpartition("_")[2] not in "".join(lines)


def test_everything_in_the_data_folder_is_closed_to_others(serve, environment):
    with serve() as server:
        assert server.get("/readyz").status_code == 200
        folder = Path(environment["GATEWAY_DATA"])
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir() if file.is_file()}
        assert "gateway.db" in modes
        assert set(modes.values()) == {0o600}


def test_open_waits_are_answered_when_it_stops(serve):
    job = {"dockerImageUrl": "none", "commands": ["sleep", "60"]}
    with serve("--stop-jobs-on-exit") as server, httpx.Client(base_url=server.url, timeout=SECONDS) as client:
        path = client.post("/v2/jobs", json=job).headers["location"]
        running = client.get(path).json()
        while running["jobStatus"] != "RUNNING":
            running = client.get(f"{path}/wait", params={"version": running["version"]}).json()
        # Two requests in one piece: when the first is answered, the gateway has the second.
        host = server.url.removeprefix("http://")
        requests = [f"GET {where} HTTP/1.1\r\nHost: {host}\r\n\r\n" for where in ("/livez", f"{path}/wait")]
        with socket.create_connection(host.split(":"), timeout=SECONDS) as connection:
            connection.sendall("".join(requests).encode())
            answers = connection.makefile("rb")
            assert answers.readline().startswith(b"HTTP/1.1 200")
            server.process.send_signal(signal.SIGTERM)
            assert answers.read().count(b"HTTP/1.1 200") == 1
        assert server.stop() == 0
    with serve() as server:
        job = server.get(path).json()
        assert (job["jobStatus"], job["cancelReason"]) == ("CANCELED", "the gateway stops")


def test_a_job_goes_on_when_it_stops_and_is_found_again(serve, tmp_path):
    # The job ends when the test lets it: when its pipe has a reader.
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    job = {"dockerImageUrl": "none", "commands": ["sh", "-c", f"echo open > {gate}; exit 7"]}
    with serve() as server:
        path = httpx.post(server.url + "/v2/jobs", json=job).headers["location"]
        running = server.get(path).json()
        while running["jobStatus"] != "RUNNING":
            running = server.get(f"{path}/wait?version={running['version']}").json()
        assert server.stop() == 0
    with serve() as server:
        assert server.get(path).json()["jobStatus"] == "RUNNING"
        assert gate.read_text() == "open\n"
        ended = server.get(f"{path}/wait?timeoutSeconds=60").json()
        assert (ended["jobStatus"], ended["exitCode"]) == ("FAILED", 7)


def test_a_second_gateway_on_the_data_folder_is_refused_with_the_holder(serve, run):
    with serve() as server:
        refused(run("serve", "--port", "0"), rf"in use by another gateway \(process {server.process.pid}\)")
        assert server.get("/readyz").status_code == 200


def test_a_wrong_catalogue_is_refused(run, tmp_path):
    refused(run("serve", "--port", "0", "--catalogue", str(tmp_path / "none")), r"catalogue .*none")


def test_a_port_in_use_is_refused(run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused(run("serve", "--port", str(port)), rf"port in use: .*127\.0\.0\.1:{port}")


def test_an_unwritable_data_folder_is_refused(run, tmp_path):
    (tmp_path / "file").touch()
    refused(run("serve", "--port", "0", "--data", str(tmp_path / "file" / "x")), r"data folder .*: Not a dir")


def test_a_corrupt_database_is_refused(run, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gateway.db").write_bytes(b"this is no database at all\n" * 500)
    refused(run("serve", "--port", "0"), r"gateway\.db")
    refused(run("keys", "list"), r"gateway\.db")


def test_an_unknown_variable_is_told_and_no_more(serve):
    with serve(env={"GATEWAY_PROT": "1"}) as server:
        assert server.said("GATEWAY_PROT is no setting; did you mean GATEWAY_PORT?")
        assert server.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_must_say_whom_jobs_run_as(run):
    refused(run("serve", "--port", "0", env={"GATEWAY_JOB_USER": ""}), r"setting JOB_USER: .*root")
    refused(run("serve", "--port", "0", "--job-user", "no-such-user"), r"there is no user 'no-such-user'")


def test_an_open_address_without_a_key_is_refused(run, serve):
    refused(run("serve", "--host", "0.0.0.0", "--port", "0"), r"setting HOST: .*there is no API key")
    run("keys", "create", "--name", "ada", "--role", "reader", check=0)
    with serve("--host", "0.0.0.0") as server:
        assert server.get("/v2/jobs").status_code == 401
        assert not server.said("any local user can use it")


def test_keys_are_made_listed_and_revoked_while_it_serves(serve, run):
    with serve() as server:
        assert server.get("/v2/jobs").status_code == 200
        key = run("keys", "create", "--name", "ada", "--role", "operator", check=0).stdout.strip()
        assert re.fullmatch(r"jg_[0-9a-f]+_[0-9a-f]{64}", key)
        headers = {"authorization": f"Bearer {key}"}
        assert server.get("/v2/jobs", **headers).status_code == 200
        assert server.get("/v2/jobs").status_code == 401
        listed = run("keys", "list", check=0).stdout
        assert "ada" in listed
        assert "valid" in listed
        assert key.rpartition("_")[2] not in listed
        key_id = key.split("_")[1]
        assert "is revoked" in run("keys", "revoke", key_id, check=0).stdout
        assert server.get("/v2/jobs", **headers).status_code == 401
        assert "already" in run("keys", "revoke", key_id, check=0).stdout
        assert "revoked" in run("keys", "list", check=0).stdout


def test_organizations_whose_jobs_run_in_an_engine_share_no_host(run):
    run("keys", "create", "--name", "ada", "--role", "reader", check=0)
    other = ("keys", "create", "--name", "bob", "--role", "reader", "--organization", "other")
    run(*other, "--executor", "kubernetes", check=0)


def test_organizations_whose_jobs_share_a_user_of_slurms_share_hosts(run):
    run("keys", "create", "--name", "ada", "--role", "reader", check=0)
    other = ("keys", "create", "--name", "bob", "--role", "reader", "--organization", "other")
    refused(run(*other, "--executor", "slurm"), r"setting SHARED_HOST_JOBS: .*default, other")
    run(*other, "--executor", "slurm", "--shared-host-jobs", check=0)


def test_organizations_share_the_host_only_when_that_is_said(run, serve):
    run("keys", "create", "--name", "ada", "--role", "reader", check=0)
    other = ("keys", "create", "--name", "bob", "--role", "reader", "--organization", "other")
    refused(run(*other), r"setting SHARED_HOST_JOBS: .*default, other")
    run(*other, "--shared-host-jobs", check=0)
    refused(run("serve", "--port", "0"), r"setting SHARED_HOST_JOBS: .*default, other")
    with serve("--shared-host-jobs") as server:
        assert server.get("/readyz").status_code == 200


def test_the_bootstrap_key_is_made_once_and_opens(serve, tmp_path):
    file = tmp_path / "first.key"
    for _ in range(2):
        with serve("--host", "0.0.0.0", "--bootstrap-key-file", str(file)) as server:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            key = file.read_text().strip()
            assert server.get("/v2/jobs", **{"x-api-key": key}).status_code == 200
            assert server.get("/v2/jobs").status_code == 401
            assert server.stop() == 0


def test_a_bootstrap_key_may_be_brought(serve, run, tmp_path):
    file = tmp_path / "first.key"
    file.write_text("jg_\n")
    refused(run("serve", "--port", "0", "--bootstrap-key-file", str(file)), r"BOOTSTRAP_KEY_FILE: .*jg_<id>_")
    key = "jg_mine_" + "A" * 43
    file.write_text(key + "\n")
    with serve("--bootstrap-key-file", str(file)) as server:
        assert server.get("/v2/jobs", **{"x-api-key": key}).status_code == 200
    assert "mine" in run("keys", "list", check=0).stdout
