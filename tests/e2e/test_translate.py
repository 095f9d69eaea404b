"""What `gateway translate` prints really works: each operation, both ways, against a live gateway.

The requests are the example envelopes of the contract, about things that were made for each. `curl` commands
are run by a shell as they were printed.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from lxml import etree

from gateway.__main__ import cli
from gateway.contract.operation import Operation
from gateway.contract.registry import OPERATIONS
from gateway.soap.examples import EXAMPLES
from gateway.soap.golden import documents
from gateway.translate.rest_message import RestRequest
from gateway.translate.soap_to_rest import to_rest
from tests.e2e.gateway_process import GatewayProcess
from tests.e2e.scene import Scene

HERE = Path(__file__).parent
NS = "{urn:jobs-gateway:v2}"
NOWHERE = "01a20000-0000-7000-8000-000000000000"
OTHER_JOB = EXAMPLES["dependentJobId"]

each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
BY_ID = ("jobId", "attachmentId", "scheduledJobId")
each_by_id = pytest.mark.parametrize(
    "operation",
    [one for one in OPERATIONS if any(part.name in BY_ID for part in one.path)],
    ids=lambda operation: operation.name,
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    data = tmp_path_factory.mktemp("translate") / "data"
    data.mkdir()
    settings = {"GATEWAY_VOLUMES": "reference-data=/tmp", "GATEWAY_MAX_RUNNING_JOBS": "1000"}
    process = GatewayProcess(data, **settings).start(HERE / "runs_nothing.py")
    try:
        yield process
        assert process.stop() == 0
    finally:
        process.close()


@pytest.fixture(scope="module")
def examples() -> dict[str, str]:
    """The example request of each operation."""
    made = documents()
    return {one.name: made[f"examples/{one.name}.request.xml"].decode() for one in OPERATIONS}


def translate(*words: str, input: bytes = b"") -> bytes:
    """What the command prints, run in this process to save its start."""
    result = CliRunner().invoke(cli, ["translate", *words], input=input)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


def run(command: str, folder: Path) -> tuple[int, bytes]:
    """The HTTP status and the body that a printed command gets."""
    (folder / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n')
    environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(folder)}
    done = subprocess.run(
        ["sh"], input=command.encode(), env=environment, cwd=folder, capture_output=True, check=True
    )
    body, _, status = done.stdout.rpartition(b"\n")
    return int(status), body


def told_to_rest(gateway: GatewayProcess, envelope: str, folder: Path) -> tuple[int, bytes]:
    """The answer over REST to what an envelope asks for."""
    base_url = str(gateway.http.base_url).rstrip("/")
    return run(translate("--base-url", base_url, input=envelope.encode()).decode(), folder)


def post(gateway: GatewayProcess, envelope: str | bytes, version: str = "1.1") -> httpx.Response:
    media_type = {"1.1": "text/xml", "1.2": "application/soap+xml"}[version]
    content = envelope if isinstance(envelope, bytes) else envelope.encode()
    return gateway.http.post("/soap/v2/", content=content, headers={"Content-Type": media_type})


def body_of(envelope: bytes) -> str:
    """What stands in the body of an envelope, as canonical text."""
    root = etree.fromstring(envelope, etree.XMLParser(remove_blank_text=True))
    (body,) = root.iter("{*}Body")
    alone = etree.fromstring(etree.tostring(body[0], with_tail=False))
    return etree.tostring(alone, method="c14n2").decode()


def send(gateway: GatewayProcess, request: RestRequest) -> httpx.Response:
    headers = {"Content-Type": request.content_type} if request.content_type else {}
    return gateway.http.request(request.method, request.target, content=request.body, headers=headers)


def to_soap(request: RestRequest, body: bytes | None, folder: Path, *more: str) -> bytes:
    """The envelope that a request, or what came back, is translated to."""
    words = [*more, request.method, request.target]
    if body is not None:
        (folder / "body").write_bytes(body)
        words.append(str(folder / "body"))
    return translate("--to-soap", *words)


@each_operation
def test_the_curl_command_of_an_envelope_does_what_the_envelope_does(
    gateway: GatewayProcess, examples: dict[str, str], operation: Operation, tmp_path: Path
) -> None:
    one = Scene(gateway, operation)
    another = one if operation.http.method == "GET" else Scene(gateway, operation)
    soap = post(gateway, one.about(examples[operation.name]))
    assert soap.status_code == 200, soap.text
    status, body = told_to_rest(gateway, another.about(examples[operation.name]), tmp_path)
    assert status == operation.http.status, body
    reply = translate(input=soap.content)
    if operation.http.raw_reply:
        assert reply == body
    elif operation.reply is None:
        assert reply == body == b""
    else:
        assert json.loads(one.told(reply.decode())) == json.loads(another.told(body.decode()))


@each_operation
def test_the_envelope_of_a_call_does_what_the_call_does(
    gateway: GatewayProcess, examples: dict[str, str], operation: Operation, tmp_path: Path
) -> None:
    one = Scene(gateway, operation)
    another = one if operation.http.method == "GET" else Scene(gateway, operation)
    request = to_rest(one.about(examples[operation.name]).encode())
    assert isinstance(request, RestRequest)
    media_type = [f"-HContent-Type: {request.content_type}"] if operation.http.raw_body else []
    soap = post(gateway, to_soap(request, request.body, tmp_path, "--soap", "1.2", *media_type), "1.2")
    assert soap.status_code == 200, soap.text
    same = to_rest(another.about(examples[operation.name]).encode())
    assert isinstance(same, RestRequest)
    rest = send(gateway, same)
    assert rest.status_code == operation.http.status, rest.text
    if operation.reply is None:
        return
    names = ("Content-Type", "Content-Disposition") if operation.http.raw_reply else ()
    headers = [f"-H{name}: {rest.headers[name]}" for name in names]
    envelope = to_soap(same, rest.content, tmp_path, *headers)
    assert another.told(body_of(envelope)) == one.told(body_of(soap.content))


@each_by_id
def test_faults_and_problems_are_translated_into_each_other(
    gateway: GatewayProcess, examples: dict[str, str], operation: Operation, tmp_path: Path
) -> None:
    scene = Scene(gateway, operation)
    envelope = scene.about(examples[operation.name])
    for name in BY_ID:
        envelope = re.sub(f"<{name}>.*?<", f"<{name}>{NOWHERE}<", envelope)
    soap = post(gateway, envelope)
    status, body = told_to_rest(gateway, envelope, tmp_path)
    problem = json.loads(scene.told(body.decode()))
    assert problem["status"] == status
    assert json.loads(scene.told(translate(input=soap.content).decode())) == problem
    request = to_rest(envelope.encode())
    assert isinstance(request, RestRequest)
    fault = to_soap(request, body, tmp_path)
    assert scene.told(body_of(fault)) == scene.told(body_of(soap.content))


NASTY = 'it\'s "$HOME" `id` $(id) \\ \\n %41 {a,b} !! <&]]> \t\r\n JSON\nJSON\n\x7f\x85 ß€𝄞 '


def test_every_character_comes_through_the_shell_and_through_xml(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    job = {
        "dockerImageUrl": "it's; $(id)",
        "description": NASTY,
        # Longer together than an argument of a command may be.
        "commands": [NASTY * 400] * 5,
        "tags": ["a,b & 'c'", " "],
    }
    envelope = to_soap(
        RestRequest(method="POST", target="/v2/jobs"), json.dumps(job).encode(), tmp_path, "--soap", "1.2"
    )
    status, body = told_to_rest(gateway, envelope.decode(), tmp_path)
    assert status == 201, body
    shown = json.loads(body)
    assert {name: shown[name] for name in job} == job
    assert NASTY.split(maxsplit=1)[0] in envelope.decode()
    queried = to_soap(RestRequest(method="GET", target="/v2/jobs?tag=a%2Cb%20%26%20%27c%27"), None, tmp_path)
    status, body = told_to_rest(gateway, queried.decode(), tmp_path)
    assert [found["id"] for found in json.loads(body)["jobs"]] == [shown["id"]]


def test_the_key_of_a_request_and_the_version_to_change_are_said_in_both(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    start = RestRequest(method="POST", target="/v2/jobs")
    key = '-HIdempotency-Key: it\'s "one" & <two>'
    envelope = to_soap(start, b'{"dockerImageUrl": "i", "commands": ["run"]}', tmp_path, key)
    soap = json.loads(translate(input=post(gateway, envelope).content))
    status, body = told_to_rest(gateway, envelope.decode(), tmp_path)
    assert (status, json.loads(body)["id"]) == (201, soap["id"])
    change = RestRequest(method="PATCH", target=f"/v2/jobs/{soap['id']}")
    envelope = to_soap(change, b'{"name": null, "description": "d"}', tmp_path, '-HIf-Match: "999"')
    assert post(gateway, envelope).status_code == 500
    assert told_to_rest(gateway, envelope.decode(), tmp_path)[0] == 412


def test_the_command_itself_reads_files_and_ends_with_2_when_it_cannot(tmp_path: Path) -> None:
    def call(*words: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "gateway", "translate", *words]
        return subprocess.run(command, input=b"nonsense \x1b[2J", capture_output=True, check=False)

    (tmp_path / "job.json").write_text('{"dockerImageUrl": "ä"}')
    told = call("--to-soap", "post", "http://localhost/v2/jobs", str(tmp_path / "job.json"))
    assert told.returncode == 0
    assert "<dockerImageUrl>ä</dockerImageUrl>" in told.stdout.decode()
    for words in ((), ("no-such-file",), ("--to-soap", "POST", "/v2/jobs", "-"), ("--show-code", "Jobs")):
        failed = call(*words)
        assert (failed.returncode, failed.stdout) == (2, b"")
        assert failed.stderr.startswith(b"gateway: ")
        assert b"Traceback" not in failed.stderr
