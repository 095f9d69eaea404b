"""The code on the SOAP page works as it stands there: copied from the page and run against its gateway."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from lxml import etree

from tests.e2e.gateway_process import GatewayProcess
from tests.page_reader import PageReader

NS = "{urn:jobs-gateway:v2}"
TOLD = r"[0-9a-f-]{36} FINISHED\nJOB_NOT_FOUND 40400001\n"


def _php_speaks_soap() -> bool:
    php = shutil.which("php")
    if php is None:
        return False
    modules = subprocess.run([php, "-m"], capture_output=True, text=True, check=True).stdout
    return "soap" in modules.split()


@pytest.fixture(scope="module", params=["pages open", "pages closed"])
def gateway(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway with a key; its WSDL and page are open, or need the key, too."""
    folder = tmp_path_factory.mktemp("page")
    key_file = folder / "key"
    closed = "true" if request.param == "pages closed" else "false"
    process = GatewayProcess(
        folder / "data", GATEWAY_BOOTSTRAP_KEY_FILE=str(key_file), GATEWAY_DOCS_NEED_KEY=closed
    ).start()
    process.http.headers["X-API-KEY"] = key_file.read_text().strip()
    yield process
    process.close()


def run(gateway: GatewayProcess, client: str, *command: str) -> str:
    """What the code of a client prints; it is handed to the command on its standard input."""
    page = PageReader(gateway.http.get("/soap/v2/").raise_for_status().text)
    (code,) = page.code[client]
    environment = os.environ | {"JOBS_API_KEY": gateway.http.headers["X-API-KEY"]}
    done = subprocess.run(
        command, check=False, input=code, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_curl(gateway: GatewayProcess) -> None:
    reply = etree.fromstring(run(gateway, "curl", "bash", "-s").encode())
    job_id = reply.findtext(f".//{NS}startJobResponse/{NS}job/{NS}id")
    assert job_id is not None
    assert gateway.final(job_id)["jobStatus"] == "FINISHED"
    assert gateway.output(job_id) == "hello\n"


def test_curl_without_a_key_is_refused(gateway: GatewayProcess) -> None:
    key = gateway.http.headers["X-API-KEY"]
    page = PageReader(gateway.http.get("/soap/v2/").raise_for_status().text)
    environment = {name: value for name, value in os.environ.items() if name != "JOBS_API_KEY"}
    done = subprocess.run(
        ["bash", "-s"],
        check=False,
        input=page.code["curl"][0],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "UNAUTHORIZED" in done.stdout
    assert key not in done.stdout


def test_zeep(gateway: GatewayProcess) -> None:
    assert re.fullmatch(TOLD, run(gateway, "zeep", sys.executable, "-"))


@pytest.mark.skipif(not _php_speaks_soap(), reason="php with the extension soap is not installed")
def test_php(gateway: GatewayProcess) -> None:
    assert re.fullmatch(TOLD, run(gateway, "php", "php"))
