"""Signing in over SOAP with WS-Security: zeep's own tokens, and a replay after kill -9."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import zeep
from zeep.exceptions import Fault, TransportError
from zeep.wsse.username import UsernameToken
from zeep.wsse.utils import WSU

from gateway.translate.soap_versions import SOAP11
from tests.e2e.gateway_process import GatewayProcess
from tests.wire.security import digested, security, text_of
from tests.wire.soap_stand import Said, envelope


class SignIn:
    """A gateway with one key and its shared secret."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self.key = self.run("create", "--name", "sap", "--role", "operator")
        self.key_id = self.key.split("_")[1]
        self.secret = self.run("digest", self.key_id)
        self.gateway = GatewayProcess(data).start()

    def run(self, *words: str) -> str:
        """`gateway keys …`"""
        command = [sys.executable, "-m", "gateway", "keys", *words, "--data", str(self._data)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def zeep(self, query: str, **token: Any) -> Any:
        """zeep that signs in with this token."""
        address = f"{str(self.gateway.http.base_url).rstrip('/')}/soap/v2/?{query}"
        return zeep.Client(address, wsse=UsernameToken(**token)).service

    def replay(self, message: bytes) -> httpx.Response:
        """Send these bytes."""
        return self.gateway.http.post(
            "/soap/v2/", content=message, headers={"content-type": SOAP11.content_type}
        )


@pytest.fixture
def sign_in(tmp_path: Path) -> Iterator[SignIn]:
    made = SignIn(tmp_path / "data")
    try:
        yield made
    finally:
        made.gateway.close()


def test_zeep_signs_in_with_a_password_a_digest_and_a_timestamp(sign_in: SignIn) -> None:
    for query in ("wsdl", "wsdl=1.2"):
        plain = sign_in.zeep(query, username="sap", password=sign_in.key)
        job = plain.startJob(job={"dockerImageUrl": "none", "commands": ["true"]})
        assert job.user == "sap"
        digest = sign_in.zeep(query, username=sign_in.key_id, password=sign_in.secret, use_digest=True)
        assert [digest.getJob(jobId=job.id).id for _ in range(2)] == [job.id, job.id]
        stamp = WSU.Timestamp(WSU.Created(text_of(datetime.now(UTC))))
        stamped = sign_in.zeep(query, username="sap", password=sign_in.key, timestamp_token=stamp)
        assert stamped.getJob(jobId=job.id).user == "sap"


def test_zeep_is_told_when_it_may_not(sign_in: SignIn) -> None:
    stranger = sign_in.zeep("wsdl", username=sign_in.key_id, password="guessed", use_digest=True)
    with pytest.raises((Fault, TransportError)) as caught:
        stranger.listJobs()
    assert "digest is not valid" in str(caught.value)


def test_a_digest_is_good_once_also_after_a_crash(sign_in: SignIn) -> None:
    header = security(digested(sign_in.key_id, sign_in.secret, created=text_of(datetime.now(UTC))))
    message = envelope("<j:listJobs/>", header=header)
    assert sign_in.replay(message).status_code == 200
    assert Said(sign_in.replay(message)).reason.startswith("the nonce was used before")
    sign_in.gateway.kill()
    sign_in.gateway.start()
    assert Said(sign_in.replay(message)).reason.startswith("the nonce was used before")


def test_a_shared_secret_can_be_replaced_and_taken_away_while_it_serves(sign_in: SignIn) -> None:
    def is_let_in(secret: str) -> bool:
        service = sign_in.zeep("wsdl", username=sign_in.key_id, password=secret, use_digest=True)
        try:
            return service.listJobs() is not None
        except Fault:
            return False

    assert is_let_in(sign_in.secret)
    newer = sign_in.run("digest", sign_in.key_id)
    assert (is_let_in(sign_in.secret), is_let_in(newer)) == (False, True)
    assert "no shared secret any more" in sign_in.run("digest", sign_in.key_id, "--remove")
    assert not is_let_in(newer)
    assert is_let_in(sign_in.run("digest", sign_in.key_id))


def test_a_secret_needs_a_key_that_is_valid(sign_in: SignIn) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        sign_in.run("digest", "nobody")
    assert "there is no key nobody" in caught.value.stderr
    sign_in.run("revoke", sign_in.key_id)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        sign_in.run("digest", sign_in.key_id)
    assert "is no longer valid" in caught.value.stderr
