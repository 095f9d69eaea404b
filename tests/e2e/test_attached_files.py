"""Attachments of a real gateway: killed at any point, none is half there; none is held in memory whole."""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.translate.soap_versions import SOAP11
from tests.e2e.gateway_process import GatewayProcess, wait_until
from tests.wire.valid import check_envelope

HERE = Path(__file__).parent
MIB = 2**20


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that serves."""
    made = GatewayProcess(tmp_path / "data")
    try:
        yield made.start()
    finally:
        made.close()


def attach(gateway: GatewayProcess, job_id: str, content: Any = b"hello") -> dict[str, Any]:
    """Add an attachment over REST."""
    reply = gateway.http.post(f"/v2/jobs/{job_id}/attachments", params={"name": "a"}, content=content)
    assert reply.status_code == 201, reply.text
    attachment: dict[str, Any] = reply.json()
    return attachment


def files_of(gateway: GatewayProcess) -> set[str]:
    """What lies in the folder of attachments."""
    folder = gateway.data / "attachments"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("point", ["received", "kept", "added", "deleted", "erased"])
def test_a_kill_leaves_no_row_without_its_file_and_after_a_start_no_file_without_its_row(
    gateway: GatewayProcess, point: str
) -> None:
    job = gateway.final(gateway.start_job("true")["id"])
    path = f"/v2/jobs/{job['id']}"
    first = attach(gateway, job["id"])
    assert gateway.stop() == 0
    gateway.settings = {"DIES_AT": point}
    gateway.start(HERE / "dies_with_attachments.py")
    with contextlib.suppress(httpx.TransportError):
        if point == "deleted":
            gateway.http.delete(f"{path}/attachments/{first['id']}")
        elif point == "erased":
            gateway.http.delete(path)
        else:
            attach(gateway, job["id"], b"second")
    wait_until(lambda: gateway.ended)
    left = len(files_of(gateway))
    assert left == (1 if point in ("deleted", "erased") else 2)
    gateway.start()
    if point == "erased":
        assert gateway.http.get(path).status_code == 404
        assert files_of(gateway) == set()
        return
    shown = gateway.job(job["id"])["attachments"]
    assert files_of(gateway) == {f"{job['id']}/{attachment['id']}" for attachment in shown}
    assert len(shown) == {"received": 1, "kept": 1, "added": 2, "deleted": 0}[point]
    for attachment in shown:
        content = gateway.http.get(f"{path}/attachments/{attachment['id']}").raise_for_status().content
        assert hashlib.sha256(content).hexdigest() == attachment["sha256"]


def test_a_kill_in_the_middle_of_a_body_leaves_nothing(gateway: GatewayProcess) -> None:
    job = gateway.start_job("true")

    def body() -> Iterator[bytes]:
        yield b"x" * 3 * MIB
        wait_until(
            lambda: any(os.stat(gateway.data / "attachments" / name).st_size for name in files_of(gateway))
        )
        gateway.kill()
        yield b"x"

    with contextlib.suppress(httpx.TransportError):
        attach(gateway, job["id"], body())
    assert len(files_of(gateway)) == 1
    gateway.start()
    assert files_of(gateway) == set()
    assert gateway.job(job["id"])["attachments"] == []


def test_a_sender_who_goes_away_leaves_nothing(gateway: GatewayProcess) -> None:
    job = gateway.start_job("true")

    def body() -> Iterator[bytes]:
        yield b"x" * 3 * MIB
        wait_until(lambda: files_of(gateway))
        raise InterruptedError

    with pytest.raises(InterruptedError):
        attach(gateway, job["id"], body())
    wait_until(lambda: not files_of(gateway))
    assert gateway.job(job["id"])["attachments"] == []


def _peak_bytes(gateway: GatewayProcess) -> int:
    """The most memory that the gateway ever had in use."""
    assert gateway.process is not None
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def test_a_long_file_is_never_whole_in_memory(gateway: GatewayProcess) -> None:
    job = gateway.start_job("true")
    piece = bytes(range(256)) * 256
    count = 90 * MIB // len(piece)
    small = attach(gateway, job["id"], piece)
    gateway.http.get(f"/v2/jobs/{job['id']}/attachments/{small['id']}")
    gateway.soap().readJobAttachment(jobId=job["id"], attachmentId=small["id"])
    before = _peak_bytes(gateway)
    attachment = attach(gateway, job["id"], iter([piece] * count))
    assert attachment["size"] == 90 * MIB
    path = f"/v2/jobs/{job['id']}/attachments/{attachment['id']}"
    for part in ({}, {"Range": "bytes=1000-"}):
        length = 0
        with gateway.http.stream("GET", path, headers=part) as reply:
            for got in reply.iter_raw():
                length += len(got)
        assert length == 90 * MIB - (1000 if part else 0)
    envelope = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:jobs-gateway:v2"><s:Body>'
        f"<readJobAttachment><jobId>{job['id']}</jobId><attachmentId>{attachment['id']}</attachmentId>"
        "</readJobAttachment></s:Body></s:Envelope>"
    )
    length, start, end = 0, b"", b""
    with gateway.http.stream(
        "POST", "/soap/v2/", content=envelope.encode(), headers={"Content-Type": "text/xml"}
    ) as reply:
        for got in reply.iter_raw():
            length += len(got)
            start, end = (start + got[: 4096 - len(start)]), (end + got)[-4096:]
    assert length > 120 * MIB
    without_content = re.sub(rb"(?<=<content>)[A-Za-z0-9+/=]+(?=</content>)", b"", start + end)
    assert check_envelope(without_content, SOAP11) is None
    assert _peak_bytes(gateway) - before < 20 * MIB, (before, _peak_bytes(gateway))


def test_a_long_file_goes_up_over_soap_as_far_as_a_message_may_be_long(gateway: GatewayProcess) -> None:
    soap = gateway.soap()
    job = gateway.start_job("true")
    content = os.urandom(11 * MIB)
    attachment = soap.addJobAttachment(jobId=job["id"], attachment={"name": "a", "content": content})
    assert attachment.sha256 == hashlib.sha256(content).hexdigest()
    path = f"/v2/jobs/{job['id']}/attachments/{attachment.id}"
    assert gateway.http.get(path).content == content


def test_a_running_job_attaches_a_file_with_its_token(gateway: GatewayProcess, tmp_path: Path) -> None:
    script = """
import os, urllib.request as http
url = os.environ["JOBS_API_URL"] + "/v2/jobs/" + os.environ["JOB_ID"] + "/attachments?name=r.txt"
headers = {"Authorization": "Bearer " + os.environ["JOB_TOKEN"], "Content-Type": "text/plain"}
print(http.urlopen(http.Request(url, data=b"done", headers=headers)).status)
"""
    job = gateway.final(gateway.start_job("python3", "-c", script)["id"])
    assert (job["jobStatus"], gateway.output(job["id"])) == ("FINISHED", "201\n")
    (attachment,) = job["attachments"]
    assert (attachment["name"], attachment["contentType"]) == ("r.txt", "text/plain")
