"""The proxy of compose.yaml with its own configuration, before real gateways."""

import hashlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import zeep
from lxml import etree
from requests import Session

from tests.container_files import HERE
from tests.e2e.gateway_process import SECONDS, GatewayProcess, wait_until

MIB = 1024 * 1024
NOWHERE = "127.0.0.1:1"
"""Where nobody listens."""


@pytest.fixture(scope="module", autouse=True)
def _haproxy() -> None:
    if not shutil.which("haproxy"):
        leave_out = pytest.fail if os.environ.get("ENGINES") == "all" else pytest.skip
        leave_out("no haproxy on this machine: what compose.yaml puts in front is not tried")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    key_file = folder / "key"
    gateway = GatewayProcess(
        folder / "data", GATEWAY_BOOTSTRAP_KEY_FILE=str(key_file), GATEWAY_TRUSTED_PROXIES="127.0.0.1"
    ).start()
    gateway.http.headers["X-API-KEY"] = key_file.read_text().strip()
    yield gateway
    gateway.close()


@contextmanager
def front(gateway: GatewayProcess, other: str, log: Path) -> Iterator[httpx.Client]:
    """HAProxy before a gateway and another address; a client of it with the gateway's key."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    places = {"LISTEN": address, "GATEWAY_1": other, "GATEWAY_2": gateway.http.base_url.netloc.decode()}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["haproxy", "-f", HERE / "haproxy.cfg"], env=os.environ | places, stdout=output, stderr=output
        )
    try:
        with httpx.Client(
            base_url=f"http://{address}", headers=gateway.http.headers, timeout=SECONDS
        ) as client:
            wait_until(lambda: process.poll() is not None or _serves(client))
            assert process.poll() is None, log.read_text()
            yield client
    finally:
        process.kill()
        process.wait(SECONDS)


def _serves(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def client(gateway: GatewayProcess, tmp_path: Path) -> Iterator[httpx.Client]:
    """Calls through the proxy, whose other gateway is away."""
    with front(gateway, NOWHERE, tmp_path / "log") as client:
        yield client


def address_in(wsdl: httpx.Response) -> str:
    (address,) = etree.fromstring(wsdl.raise_for_status().content).xpath(
        "//*[local-name()='address']/@location"
    )
    return str(address)


def test_the_wsdl_names_the_address_in_front_and_soap_calls_through_it(client: httpx.Client) -> None:
    wsdl = f"{client.base_url}/soap/v2/?wsdl"
    assert address_in(client.get(wsdl)) == f"{client.base_url}/soap/v2/"
    session = Session()
    session.headers["X-API-KEY"] = client.headers["X-API-KEY"]
    service = zeep.Client(wsdl, transport=zeep.Transport(session=session)).service
    assert service.getServiceInfo().name == "jobs-gateway"


@pytest.mark.parametrize(
    "telling",
    [
        {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"},
        {"Forwarded": 'for=192.0.2.7;host="evil.example";proto=https'},
        {"X-Forwarded-Port": "1", "X-Forwarded-Prefix": "/evil"},
    ],
)
def test_what_clients_say_of_proxies_does_not_get_through(
    client: httpx.Client, telling: dict[str, str]
) -> None:
    reply = client.get("/soap/v2/?wsdl", headers=telling)
    assert address_in(reply) == f"{client.base_url}/soap/v2/"


def test_a_long_file_is_streamed_through(client: httpx.Client, gateway: GatewayProcess) -> None:
    job = gateway.start_job("true")
    piece = os.urandom(MIB)
    incoming = gateway.data / "attachments" / "incoming"

    def body() -> Iterator[bytes]:
        # The gateway has some of it before the client has sent the rest.
        yield from [piece] * 4
        wait_until(lambda: any(path.stat().st_size for path in incoming.iterdir()))
        yield from [piece] * 56

    path = f"/v2/jobs/{job['id']}/attachments"
    headers = {"Content-Type": "application/octet-stream"}
    reply = client.post(path, params={"name": "a"}, content=body(), headers=headers)
    assert reply.status_code == 201, reply.text
    assert reply.json()["sha256"] == hashlib.sha256(piece * 60).hexdigest()
    digest = hashlib.sha256()
    with client.stream("GET", f"{path}/{reply.json()['id']}") as content:
        for part in content.iter_raw():
            digest.update(part)
    assert digest.hexdigest() == reply.json()["sha256"]


def test_a_wait_lasts_until_the_job_ends(client: httpx.Client, gateway: GatewayProcess) -> None:
    job = gateway.start_job("sleep", "600")
    replies: list[httpx.Response] = []

    def wait() -> None:
        replies.append(client.get(f"/v2/jobs/{job['id']}/wait", params={"timeoutSeconds": 60}))

    waiting = threading.Thread(target=wait)
    waiting.start()
    gateway.http.post(f"/v2/jobs/{job['id']}/cancel").raise_for_status()
    waiting.join(SECONDS)
    assert replies[0].json()["jobStatus"] == "CANCELED"


def test_a_query_may_be_as_long_as_the_gateway_reads(client: httpx.Client) -> None:
    ids = "&".join(f"externalId={number:0110}" for number in range(500))
    # httpx makes no address that is so long.
    connection = HTTPConnection(client.base_url.netloc.decode(), timeout=SECONDS)
    with closing(connection):
        connection.request(
            "GET", f"/v2/jobs/results/s1?{ids}", headers={"X-API-KEY": client.headers["X-API-KEY"]}
        )
        assert connection.getresponse().status == 200
    assert len(ids) > 60_000


class HangsUp(BaseHTTPRequestHandler):
    """A gateway that is ready, and takes calls without ever answering one."""

    calls: list[str]

    def do_GET(self) -> None:
        if self.path == "/readyz":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.calls.append(self.command)
        self.close_connection = True

    do_POST = do_GET  # noqa: N815 - the name that http.server calls

    def log_message(self, *_: object) -> None:
        """Tell nobody."""


@contextmanager
def hanging_up(calls: list[str]) -> Iterator[str]:
    """The address of a server that notes the methods of calls and hangs up."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (HangsUp,), {"calls": calls}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_what_was_sent_is_sent_again_only_if_it_changes_nothing(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    calls: list[str] = []
    with hanging_up(calls) as other, front(gateway, other, tmp_path / "log") as client:
        read = [client.get("/v2/jobs").status_code for _ in range(6)]
        assert read == [200] * 6
        assert "GET" in calls
        written = [_start_job(client) for _ in range(6)]
    assert set(written) == {201, 502}
    assert calls.count("POST") == written.count(502)
    page = gateway.http.get("/v2/jobs", params={"tag": "once", "featuresOn": "NUMBER_OF_TOTAL"}).json()
    assert page["total"] == written.count(201)


def _start_job(client: httpx.Client) -> int:
    """startJob; the status of the reply. Head and body come in one piece, as a proxy could repeat them best,
    and on a connection of their own: on one that was used before, the proxy hangs up as the gateway did.
    """
    host = client.base_url.netloc.decode()
    body = b'{"dockerImageUrl": "none", "commands": ["true"], "tags": ["once"]}'
    head = [
        "POST /v2/jobs HTTP/1.1",
        f"Host: {host}",
        f"X-API-KEY: {client.headers['X-API-KEY']}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    address, _, port = host.partition(":")
    with socket.create_connection((address, int(port)), timeout=SECONDS) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        with connection.makefile("rb") as reply:
            return int(reply.readline().split()[1])
