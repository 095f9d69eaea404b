"""The table of hostile and odd input against a real gateway, which must answer each case and go on as before.

The gateway runs no commands (runs_nothing.py), since jobs are started here that nobody needs.
"""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.translate.soap_versions import VERSIONS, SoapVersion
from tests.e2e.gateway_process import SECONDS, GatewayProcess
from tests.wire.hostile import LIMIT, ROWS, UNSAYABLE, Row, about, in_version, pieces, saved
from tests.wire.hostile_reply import check, told

HERE = Path(__file__).parent
GROWTH_KIB = 128 * 1024
"""How much more memory the gateway may hold at the end than at its start; most of it is kept by the allocator
for the next message of four million bytes."""
PEAK_KIB = 256 * 1024
"""How much more it may have held at any time."""

each_version = pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.number)
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


class Victim:
    """A gateway, and what a message may try to reach: a job, a file, and a socket that listens."""

    def __init__(self, gateway: GatewayProcess, canary: Path) -> None:
        self.gateway, self.canary = gateway, canary
        self.job = gateway.start_job("run")["id"]
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.address = "{}:{}".format(*self.listener.getsockname())
        self.held_at_start = self.memory("VmRSS")

    def send(self, row: Row, version: SoapVersion) -> httpx.Response:
        """The answer to a row, whose message is about what is here."""
        body = about(row.body(version), job=self.job, file=str(self.canary), address=self.address)
        content = pieces(body) if row.chunked else body
        headers = row.header(version)
        return self.gateway.http.request(row.method, "/soap/v2/", content=content, headers=headers)

    def check_unharmed(self) -> None:
        """The same process answers at both doors, and has connected to nobody."""
        assert not self.gateway.ended
        assert self.gateway.http.get("/v2/info").json()["name"]
        for version in VERSIONS:
            headers = {"Content-Type": version.content_type}
            info = in_version(saved("info"), version)
            answer = self.gateway.http.post("/soap/v2/", content=info, headers=headers)
            assert told(answer, version).operation == "getServiceInfo"
        with pytest.raises(BlockingIOError):
            self.listener.accept()

    def memory(self, name: str) -> int:
        """How many KiB the process holds (VmRSS), or has ever held (VmHWM; proc(5), status)."""
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        return int(status.partition(f"{name}:")[2].split()[0])


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("hostile")
    canary = folder / "canary"
    canary.write_text("what-nobody-may-read")
    (folder / "data").mkdir()
    gateway = GatewayProcess(folder / "data", GATEWAY_MAX_BODY_BYTES=str(LIMIT))
    try:
        made = Victim(gateway.start(HERE / "runs_nothing.py"), canary)
        with made.listener:
            yield made
        assert gateway.stop() == 0
        assert "Traceback" not in (folder / "gateway.log").read_text()
    finally:
        gateway.close()


@each_version
@each_row
def test_each_case_gets_its_answer_and_does_no_harm(victim: Victim, row: Row, version: SoapVersion) -> None:
    response = victim.send(row, version)
    check(row, version, response)
    assert "what-nobody-may-read" not in response.text
    victim.check_unharmed()


@pytest.mark.parametrize("text", UNSAYABLE)
def test_what_xml_cannot_say_is_refused_over_rest_too(victim: Victim, text: str) -> None:
    body = f'{{"dockerImageUrl": "i", "commands": ["run"], "description": "a{text}"}}'
    reply = victim.gateway.http.post("/v2/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["technicalKey"]) == (400, "VALIDATION_FAILED")
    assert [error["pointer"] for error in reply.json()["errors"]] == ["/description"]


class Connection:
    """A connection on which HTTP is written by hand."""

    def __init__(self, victim: Victim) -> None:
        url = victim.gateway.http.base_url
        self._host = f"{url.host}:{url.port}"
        self._socket = socket.create_connection((url.host, url.port), SECONDS)
        self._read = self._socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._read.close()
        self._socket.close()

    def write(self, content: bytes) -> None:
        self._socket.sendall(content)

    def ask(self, version: SoapVersion, *headers: str) -> None:
        """The head of a request."""
        lines = ["POST /soap/v2/ HTTP/1.1", f"Host: {self._host}", f"Content-Type: {version.content_type}"]
        self.write("\r\n".join([*lines, *headers, "", ""]).encode())

    def response(self) -> httpx.Response:
        """The next response, which tells its length."""
        status = int(self._read.readline().split()[1])
        headers = []
        while line := self._read.readline().strip():
            name, _, value = line.partition(b":")
            headers.append((name, value.strip()))
        length = int(dict(headers).get(b"content-length", b"0"))
        return httpx.Response(status, headers=headers, content=self._read.read(length))

    def is_over(self) -> bool:
        """Whether the gateway hangs up."""
        return self._read.read(1) == b""


@each_version
def test_who_waits_for_100_is_told_to_go_on(victim: Victim, version: SoapVersion) -> None:
    body = in_version(saved("start"), version)
    with Connection(victim) as connection:
        connection.ask(version, f"Content-Length: {len(body)}", "Expect: 100-continue")
        assert connection.response().status_code == 100
        connection.write(body)
        assert told(connection.response(), version).operation == "startJob"
    victim.check_unharmed()


@each_version
def test_one_connection_carries_many_messages_good_and_bad(victim: Victim, version: SoapVersion) -> None:
    bodies = [in_version(saved(name), version) for name in ("start", "not-xml", "info", "info", "start")]
    with Connection(victim) as connection:
        # All are sent before the first is answered.
        for number, body in enumerate(bodies):
            if number % 2:
                connection.ask(version, "Transfer-Encoding: chunked")
                chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:7], body[7:])]
                connection.write(b"".join([*chunks, b"0\r\n\r\n"]))
            else:
                connection.ask(version, f"Content-Length: {len(body)}")
                connection.write(body)
        answers = [told(connection.response(), version) for _ in bodies]
    assert [answer.operation or answer.key for answer in answers] == [
        "startJob",
        "MALFORMED_MESSAGE",
        "getServiceInfo",
        "getServiceInfo",
        "startJob",
    ]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 5", "Transfer-Encoding: chunked"], b"0\r\n\r\n"),
        (["Content-Length: five"], b"12345"),
        (["Content-Length: -5"], b""),
        (["Transfer-Encoding: chunked"], b"zz\r\n"),
        (["No colon"], b""),
    ],
    ids=["two lengths", "no number", "negative", "no chunk", "no header"],
)
def test_what_is_no_http_is_400_and_ends_the_connection(
    victim: Victim, headers: list[str], body: bytes
) -> None:
    with Connection(victim) as connection:
        connection.ask(VERSIONS[0], *headers)
        connection.write(body)
        assert connection.response().status_code == 400
        assert connection.is_over()
    victim.check_unharmed()


def test_who_hangs_up_in_the_middle_does_no_harm(victim: Victim) -> None:
    body = saved("start")
    for headers in ([f"Content-Length: {len(body) + 100}"], ["Transfer-Encoding: chunked"]):
        with Connection(victim) as connection:
            connection.ask(VERSIONS[0], *headers)
            connection.write(body)
    victim.check_unharmed()


def test_the_memory_of_the_gateway_stays_bounded(victim: Victim) -> None:
    for row in ROWS:
        victim.send(row, VERSIONS[0])
    assert victim.memory("VmRSS") - victim.held_at_start < GROWTH_KIB
    assert victim.memory("VmHWM") - victim.held_at_start < PEAK_KIB
