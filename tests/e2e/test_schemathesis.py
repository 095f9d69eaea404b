"""The live OpenAPI document and the server agree: schemathesis, with all its checks, finds nothing.

The gateway under test runs no commands (runs_nothing.py), since it is told arbitrary ones.
"""

import subprocess
import sys
from pathlib import Path

from gateway.contract.registry import OPERATIONS
from tests.e2e.gateway_process import SECONDS, GatewayProcess, plain_environment

HERE = Path(__file__).parent


def test_requests_made_from_the_document_find_no_disagreement(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = _admin_key(data)
    gateway = GatewayProcess(data).start(HERE / "runs_nothing.py")
    try:
        st = [Path(sys.executable).with_name("st"), "--config-file", HERE / "schemathesis.toml"]
        url = str(gateway.http.base_url.join("/openapi.json"))
        run = subprocess.run(
            [*st, "run", url, "--checks", "all", "--header", f"X-API-KEY: {key}"],
            cwd=tmp_path,
            env=plain_environment() | {"PYTHONPATH": str(HERE.parents[1])},
            capture_output=True,
            text=True,
            timeout=20 * SECONDS,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert f"Tested: {len(OPERATIONS)}" in run.stdout
        assert gateway.stop() == 0
    finally:
        gateway.close()


def _admin_key(data: Path) -> str:
    command = [sys.executable, "-m", "gateway", "keys", "create", "--name", "tester", "--role", "admin"]
    made = subprocess.run([*command, "--data", data], capture_output=True, text=True, check=True)
    return made.stdout.strip()
