"""XOP packages through a real gateway: long files up and down, and clients of others."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import zeep

from tests.e2e.gateway_process import GatewayProcess, wait_until
from tests.wire.packages import INCLUDE, XOP, content_type, included, package, root

NAMESPACES = {
    "text/xml": "http://schemas.xmlsoap.org/soap/envelope/",
    "application/soap+xml": "http://www.w3.org/2003/05/soap-envelope",
}
ASKED = 'multipart/related; type="application/xop+xml"'
MIB = 2**20
PIECE = bytes(range(256)) * 256
COUNT = 90 * MIB // len(PIECE)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that serves."""
    made = GatewayProcess(tmp_path / "data")
    try:
        yield made.start()
    finally:
        made.close()


def envelope(inner: str, media_type: str) -> bytes:
    """An envelope around the element of an operation."""
    return (
        f'<s:Envelope xmlns:s="{NAMESPACES[media_type]}" xmlns="urn:jobs-gateway:v2"><s:Body>{inner}'
        "</s:Body></s:Envelope>"
    ).encode()


def adding(job_id: str, media_type: str) -> tuple[bytes, bytes]:
    """What stands in a package before and behind the content of an attachment."""
    include = f'<x:Include xmlns:x="{XOP}" href="cid:content%40test"/>'
    inner = (
        f"<addJobAttachment><jobId>{job_id}</jobId><attachment><name>a</name><content>{include}</content>"
        "</attachment></addJobAttachment>"
    )
    mark = b"the content"
    before, _, behind = package(root(envelope(inner, media_type), media_type), included(mark)).partition(mark)
    return before, behind


def post(gateway: GatewayProcess, content: Any, media_type: str) -> httpx.Response:
    """Post a package; one that is no bytes is chunked."""
    headers = {"Content-Type": content_type(media_type)}
    return gateway.http.post("/soap/v2/", content=content, headers=headers)


def peak_bytes(gateway: GatewayProcess) -> int:
    """The most memory that the gateway ever had in use."""
    assert gateway.process is not None
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def attachments_of(gateway: GatewayProcess, job: dict[str, Any]) -> list[dict[str, Any]]:
    """The attachments of a job."""
    shown: list[dict[str, Any]] = gateway.job(job["id"])["attachments"]
    return shown


def up(gateway: GatewayProcess, job: dict[str, Any], pieces: int, media_type: str) -> dict[str, Any]:
    """Send a file in a package; the attachment."""
    before, behind = adding(job["id"], media_type)

    def body() -> Iterator[bytes]:
        yield before
        for _ in range(pieces):
            yield PIECE
        yield behind

    reply = post(gateway, body(), media_type)
    assert reply.status_code == 200, reply.text
    return attachments_of(gateway, job)[-1]


def down(
    gateway: GatewayProcess, job: dict[str, Any], attachment: dict[str, Any], media_type: str
) -> tuple[int, str]:
    """Fetch a file in a package; the length and the digest of its part, which is read piece by piece."""
    wanted = f"<jobId>{job['id']}</jobId><attachmentId>{attachment['id']}</attachmentId>"
    message = envelope(f"<readJobAttachment>{wanted}</readJobAttachment>", media_type)
    headers = {"Content-Type": media_type, "Accept": ASKED}
    with gateway.http.stream("POST", "/soap/v2/", content=message, headers=headers) as reply:
        assert reply.status_code == 200
        boundary = re.search(r'boundary="([^"]+)"', reply.headers["content-type"])
        assert boundary
        end = f"\r\n--{boundary[1]}--\r\n".encode()
        pieces = reply.iter_raw()
        head = b""
        while head.count(b"\r\n\r\n") < 2:
            head += next(pieces)
        front, part, held = head.split(b"\r\n\r\n", 2)
        total = len(front) + len(part) + 8
        size, digest = 0, hashlib.sha256()
        for piece in pieces:
            held += piece
            ready, held = held[: -len(end)], held[-len(end) :]
            digest.update(ready)
            size += len(ready)
        digest.update(held.removesuffix(end))
        assert held.endswith(end)
        size += len(held) - len(end)
        assert int(reply.headers["content-length"]) == total + size + len(end)
    return size, digest.hexdigest()


def test_a_long_file_goes_up_and_down_and_is_never_whole_in_memory(gateway: GatewayProcess) -> None:
    job = gateway.start_job("true")
    for media_type in NAMESPACES:
        # Long enough that the check of replies does not read it first.
        down(gateway, job, up(gateway, job, COUNT // 4, media_type), media_type)
    before = peak_bytes(gateway)
    digest = hashlib.sha256()
    for _ in range(COUNT):
        digest.update(PIECE)
    for media_type in NAMESPACES:
        attachment = up(gateway, job, COUNT, media_type)
        assert (attachment["size"], attachment["sha256"]) == (90 * MIB, digest.hexdigest())
        assert down(gateway, job, attachment, media_type) == (90 * MIB, digest.hexdigest())
    assert peak_bytes(gateway) - before < 12 * MIB, (before, peak_bytes(gateway))


def test_a_package_of_announced_length_is_taken(gateway: GatewayProcess) -> None:
    job = gateway.start_job("true")
    before, behind = adding(job["id"], "text/xml")
    content = os.urandom(3 * MIB)
    reply = post(gateway, before + content + behind, "text/xml")
    assert reply.status_code == 200
    (attachment,) = attachments_of(gateway, job)
    assert attachment["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_package_that_is_cut_short_leaves_nothing_and_the_gateway_goes_on(gateway: GatewayProcess) -> None:
    job = gateway.start_job("true")
    before, behind = adding(job["id"], "text/xml")
    reply = post(gateway, before + os.urandom(3 * MIB), "text/xml")
    assert (reply.status_code, "MALFORMED_MESSAGE" in reply.text) == (500, True)
    folder = gateway.data / "attachments"
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert attachments_of(gateway, job) == []
    assert post(gateway, before + b"x" + behind, "text/xml").status_code == 200


def test_a_sender_who_goes_away_leaves_nothing(gateway: GatewayProcess) -> None:
    job = gateway.start_job("true")
    before, _ = adding(job["id"], "text/xml")
    folder = gateway.data / "attachments"

    def files() -> list[Path]:
        return [path for path in folder.rglob("*") if path.is_file()]

    def body() -> Iterator[bytes]:
        yield before + os.urandom(3 * MIB)
        wait_until(files)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        post(gateway, body(), "text/xml")
    wait_until(lambda: not files())
    assert attachments_of(gateway, job) == []


def test_a_reader_who_goes_away_leaves_no_open_file(gateway: GatewayProcess) -> None:
    assert gateway.process is not None
    job = gateway.start_job("true")
    attachment = up(gateway, job, COUNT, "text/xml")
    descriptors = Path(f"/proc/{gateway.process.pid}/fd")

    def is_open() -> bool:
        for link in descriptors.iterdir():
            # Others come and go meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if attachment["id"] in os.readlink(link):
                    return True
        return False

    wanted = f"<jobId>{job['id']}</jobId><attachmentId>{attachment['id']}</attachmentId>"
    message = envelope(f"<readJobAttachment>{wanted}</readJobAttachment>", "text/xml")
    headers = {"Content-Type": "text/xml", "Accept": ASKED}
    with gateway.http.stream("POST", "/soap/v2/", content=message, headers=headers) as reply:
        # Once this is gone, so is the connection.
        pieces = reply.iter_raw()
        next(pieces)
        assert is_open()
    wait_until(lambda: not is_open())


def test_zeep_reads_a_package_when_it_is_told_to_ask_for_one(gateway: GatewayProcess) -> None:
    client = zeep.Client(f"{gateway.http.base_url}/soap/v2/?wsdl".replace("//soap", "/soap"))
    assert "MTOM" in client.service.getServiceInfo().features
    job = gateway.start_job("true")
    content = os.urandom(MIB)
    upload = {"name": "a", "content": content}
    attachment = client.service.addJobAttachment(jobId=job["id"], attachment=upload)
    call = {"jobId": job["id"], "attachmentId": attachment.id}
    assert client.service.readJobAttachment(**call).content == content
    client.transport.session.headers["Accept"] = ASKED
    with client.settings(raw_response=True):
        # As bytes: what encoding such a mixture has is anybody's guess.
        assert INCLUDE.partition("}")[2].encode() in client.service.readJobAttachment(**call).content
    assert client.service.readJobAttachment(**call).content == content
    assert client.service.addJobAttachment(jobId=job["id"], attachment=upload).size == MIB
