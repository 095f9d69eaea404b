"""Where the API server is, and who asks: kubeconfig files and service accounts."""

import asyncio
import base64
import datetime
import os
import ssl
import stat
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.executors import kubernetes_access
from gateway.executors.kubernetes_access import access_by_file, access_in_cluster


@pytest.fixture(scope="module")
def pems():
    """A certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "cluster")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def config(tmp_path: Path, user=None, cluster=None, **more) -> Path:
    """A kubeconfig file."""
    path = tmp_path / "kubeconfig"
    document = {
        "current-context": "here",
        "contexts": [
            {"name": "other", "context": {"cluster": "other"}},
            {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "jobs"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1/", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
        **more,
    }
    path.write_text(yaml.safe_dump(document))
    return path


async def header(tmp_path, **user):
    return await access_by_file(config(tmp_path, user)).credentials.header()


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def test_server_and_namespace_are_those_of_the_current_context(tmp_path):
    access = access_by_file(config(tmp_path))
    assert (access.server, access.namespace, access.tls) == ("http://127.0.0.1:1", "jobs", False)


async def test_each_way_to_sign_in_is_read(tmp_path):
    (tmp_path / "token").write_text("from-file\n")
    assert await header(tmp_path, token="t") == "Bearer t"
    assert await header(tmp_path, tokenFile="token", token="t") == "Bearer from-file"
    assert await header(tmp_path, username="me", password="p:w") == "Basic " + encoded("me:p:w")
    assert await header(tmp_path) is None


async def test_a_token_file_is_read_again_when_it_is_old_or_was_not_believed(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("one")
    credentials = access_by_file(config(tmp_path, {"tokenFile": str(file)})).credentials
    assert await credentials.header() == "Bearer one"
    file.write_text("two")
    assert await credentials.header() == "Bearer one"
    credentials.renew()
    assert await credentials.header() == "Bearer two"
    monkeypatch.setattr(kubernetes_access, "TOKEN_SECONDS", -1)
    file.write_text("three")
    assert await credentials.header() == "Bearer three"
    file.unlink()
    with pytest.raises(ValueError, match="No such file"):
        await credentials.header()


def plugin(tmp_path, script):
    path = tmp_path / "plugin"
    path.write_text(f"#!{sys.executable}\n{script}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "./plugin",
            "args": ["a"],
            "env": [{"name": "MINE", "value": "b"}],
        }
    }


async def test_a_plugin_gives_a_token_and_another_one_when_that_is_not_believed(tmp_path):
    script = """
import json, os, pathlib, sys
count = pathlib.Path(__file__).with_name("count")
count.write_text((count.read_text() if count.exists() else "") + "x")
asked = json.loads(os.environ["KUBERNETES_EXEC_INFO"])
token = "-".join([sys.argv[1], os.environ["MINE"], asked["kind"], count.read_text()])
print(json.dumps({"apiVersion": asked["apiVersion"], "kind": "ExecCredential", "status": {"token": token}}))
"""
    credentials = access_by_file(config(tmp_path, plugin(tmp_path, script))).credentials
    assert await credentials.header() == "Bearer a-b-ExecCredential-x"
    assert await credentials.header() == "Bearer a-b-ExecCredential-x"
    credentials.renew()
    assert await credentials.header() == "Bearer a-b-ExecCredential-xx"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import sys; sys.exit('no such account')", "exit code 1: no such account"),
        ("print('{}')", "printed no token"),
        ("import time; time.sleep(60)", "took longer than"),
    ],
)
async def test_a_plugin_that_fails_is_told_with_what_it_said(tmp_path, script, told, monkeypatch):
    monkeypatch.setattr(kubernetes_access, "PLUGIN_SECONDS", 0.5 if "sleep" in script else 30)
    with pytest.raises(ValueError, match=told):
        await header(tmp_path, **plugin(tmp_path, script))


async def test_a_plugin_whose_token_nobody_waits_for_any_more_is_ended(tmp_path):
    os.mkfifo(tmp_path / "alive")
    script = """
import pathlib, time
with open(pathlib.Path(__file__).with_name("alive"), "w") as alive:
    print("begun", file=alive, flush=True)
    time.sleep(60)
"""
    asking = asyncio.ensure_future(header(tmp_path, **plugin(tmp_path, script)))
    with await asyncio.to_thread(open, tmp_path / "alive") as alive:
        assert await asyncio.to_thread(alive.readline) == "begun\n"
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        # The end of the file is the plugin's end.
        assert await asyncio.wait_for(asyncio.to_thread(alive.read), 30) == ""


async def test_a_plugin_that_is_not_there_is_told(tmp_path):
    with pytest.raises(ValueError, match="exec plugin no-such-command: No such file"):
        await header(tmp_path, exec={"command": "no-such-command"})


def test_certificates_are_read_from_the_file_and_from_beside_it(tmp_path, pems):
    certificate, key = pems
    (tmp_path / "ca.pem").write_text(certificate)
    server = {"server": "https://127.0.0.1:1"}
    inside = {**server, "certificate-authority-data": encoded(certificate)}
    beside = {**server, "certificate-authority": "ca.pem"}
    user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    for cluster in (inside, beside):
        tls = access_by_file(config(tmp_path, user, cluster)).tls
        assert isinstance(tls, ssl.SSLContext)
        assert [dict(one["subject"][0]) for one in tls.get_ca_certs()] == [{"commonName": "cluster"}]
        assert tls.verify_mode is ssl.CERT_REQUIRED
    unchecked = access_by_file(config(tmp_path, {}, {**server, "insecure-skip-tls-verify": True})).tls
    assert isinstance(unchecked, ssl.SSLContext)
    assert unchecked.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"current-context": "nowhere"}, "there is no context 'nowhere'"),
        ({"clusters": []}, "there is no cluster 'c'"),
        ({"users": None}, "there is no user 'u'"),
        ({"clusters": [{"name": "c", "cluster": {}}]}, "server is missing"),
        ({"contexts": "x"}, "kubeconfig: "),
        (
            {
                "clusters": [
                    {"name": "c", "cluster": {"server": "https://x", "certificate-authority-data": "?"}}
                ]
            },
            "certificate-authority-data is no PEM in base64",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path, more, told):
    with pytest.raises(ValueError, match=told):
        access_by_file(config(tmp_path, **more))


def test_a_file_that_is_not_there_or_no_yaml_is_told(tmp_path):
    with pytest.raises(ValueError, match="missing: No such file"):
        access_by_file(tmp_path / "missing")
    broken = tmp_path / "broken"
    broken.write_text("a: [")
    with pytest.raises(ValueError, match="broken: "):
        access_by_file(broken)
    broken.write_text("")
    with pytest.raises(ValueError, match="broken: "):
        access_by_file(broken)


async def test_in_a_cluster_the_pods_service_account_asks(tmp_path, pems, monkeypatch):
    for name, text in {"namespace": "ours", "token": "t", "ca.crt": pems[0]}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    access = access_in_cluster(tmp_path)
    assert access is not None
    assert (access.server, access.namespace) == ("https://[fd00::1]:443", "ours")
    assert await access.credentials.header() == "Bearer t"
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(ValueError, match="service account in"):
        access_in_cluster(tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert access_in_cluster(tmp_path) is None
