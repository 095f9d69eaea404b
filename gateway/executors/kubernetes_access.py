"""Where the API server is and who asks it: the service account of a pod, or a kubeconfig file.

Of a kubeconfig are read: server, certificates (in the file or named by it), insecure-skip-tls-verify, token,
tokenFile, username and password, client certificates, and exec plugins that give a token. Proxies and the
removed `auth-provider` are not.
"""

import asyncio
import base64
import binascii
import json
import os
import ssl
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_SECONDS = 60.0
"""How long a token that was read from a file is used before it is read again: the kubelet exchanges it."""
PLUGIN_SECONDS = 60.0
"""How long an exec plugin may take."""


class Credentials(Protocol):
    """Who asks."""

    async def header(self) -> str | None:
        """The value of `Authorization`. Raises ValueError when there is none to be had."""

    def renew(self) -> None:
        """The API server did not believe the last one: get another for the next call."""


@dataclass(frozen=True, kw_only=True)
class Access:
    """All that is needed to speak to an API server."""

    server: str
    tls: ssl.SSLContext | bool
    namespace: str
    """The one of the pod or of the kubeconfig's context."""
    credentials: Credentials


class FixedCredentials:
    """The same ones for ever; None = none, or a client certificate."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    async def header(self) -> str | None:
        """The value given."""
        return self._value

    def renew(self) -> None:
        """There is no other."""


class TokenFile:
    """A token in a file that others exchange."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._token: str | None = None
        self._read_at = 0.0

    async def header(self) -> str | None:
        """The token, at most a minute old."""
        if self._token is None or time.monotonic() - self._read_at > TOKEN_SECONDS:
            try:
                self._token = self._path.read_text("ascii").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"token file {self._path}: {error}") from None
            self._read_at = time.monotonic()
        return f"Bearer {self._token}"

    def renew(self) -> None:
        """Read the file again with the next call."""
        self._token = None


class ExecPlugin:
    """A command that prints a token (client.authentication.k8s.io, v1 and v1beta1)."""

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self._version = str(spec.get("apiVersion", ""))
        command = str(spec["command"])
        # "relative to the directory of the config file" if it holds a separator.
        self._command = str(folder / command) if os.sep in command else command
        self._arguments = [str(argument) for argument in spec.get("args") or ()]
        self._environment = {str(one["name"]): str(one["value"]) for one in spec.get("env") or ()}
        self._token: str | None = None
        self._lock = asyncio.Lock()

    async def header(self) -> str | None:
        """The token; the command is run when there is none yet."""
        async with self._lock:
            if self._token is None:
                self._token = await self._run()
            return f"Bearer {self._token}"

    def renew(self) -> None:
        """Run the command again with the next call."""
        self._token = None

    async def _run(self) -> str:
        asked = {"apiVersion": self._version, "kind": "ExecCredential", "spec": {"interactive": False}}
        try:
            process = await asyncio.create_subprocess_exec(
                self._command,
                *self._arguments,
                env={**os.environ, **self._environment, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise ValueError(f"exec plugin {self._command}: {error.strerror}") from None
        try:
            async with asyncio.timeout(PLUGIN_SECONDS):
                printed, complaint = await process.communicate()
        except TimeoutError:
            raise ValueError(f"exec plugin {self._command}: took longer than {PLUGIN_SECONDS:g} s") from None
        finally:
            # Also when nobody waits for the token any more.
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            said = complaint.decode("utf-8", "replace").strip()[-500:]
            raise ValueError(f"exec plugin {self._command}: exit code {process.returncode}: {said}")
        try:
            return str(json.loads(printed)["status"]["token"])
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"exec plugin {self._command}: printed no token") from None


def access_in_cluster(folder: Path = SERVICE_ACCOUNT) -> Access | None:
    """That of the pod in which the gateway runs; None when it runs in none. Raises ValueError."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        return None
    try:
        namespace = (folder / "namespace").read_text("ascii").strip()
        tls = ssl.create_default_context(cafile=folder / "ca.crt")
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"service account in {folder}: {error}") from None
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        tls=tls,
        namespace=namespace,
        credentials=TokenFile(folder / "token"),
    )


def access_by_file(path: Path) -> Access:
    """That of the current context of a kubeconfig file. Raises ValueError, saying what is wrong with it."""
    try:
        document = yaml.safe_load(path.read_text("utf-8"))
        context = _named(document, "context", document.get("current-context"))
        cluster = _named(document, "cluster", context.get("cluster"))
        user = _named(document, "user", context["user"]) if context.get("user") else {}
        return Access(
            server=str(cluster["server"]).rstrip("/"),
            tls=_tls(cluster, user, path.parent),
            namespace=str(context.get("namespace") or "default"),
            credentials=_credentials(user, path.parent),
        )
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]} is missing") from None
    except (yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _named(document: Any, kind: str, name: Any) -> Mapping[str, Any]:
    for entry in document.get(f"{kind}s") or ():
        if entry.get("name") == name:
            found: Mapping[str, Any] = entry.get(kind) or {}
            return found
    raise ValueError(f"there is no {kind} {name!r}")


def _credentials(user: Mapping[str, Any], folder: Path) -> Credentials:
    if "exec" in user:
        return ExecPlugin(user["exec"], folder)
    # "If both are specified, the token file is the one that is read", whatever the order in the file.
    if "tokenFile" in user:
        return TokenFile(folder / user["tokenFile"])
    if "token" in user:
        return FixedCredentials(f"Bearer {user['token']}")
    if "username" in user:
        pair = f"{user['username']}:{user.get('password', '')}"
        return FixedCredentials("Basic " + base64.b64encode(pair.encode()).decode())
    return FixedCredentials(None)


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext | bool:
    if not str(cluster["server"]).startswith("https:"):
        return False
    context = ssl.create_default_context(cadata=_pem(cluster, "certificate-authority", folder))
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _pem(user, "client-certificate", folder), _pem(user, "client-key", folder)
    if certificate and key:
        # The ssl module loads a certificate from files alone; this one is 0600 and gone at once.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(f"{certificate}\n{key}\n")
            file.flush()
            context.load_cert_chain(file.name)
    return context


def _pem(entry: Mapping[str, Any], name: str, folder: Path) -> str | None:
    """What stands in the file as `name`-data, or in the file that `name` names."""
    if data := entry.get(f"{name}-data"):
        try:
            return base64.b64decode(data, validate=True).decode("ascii")
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError(f"{name}-data is no PEM in base64") from None
    return (folder / entry[name]).read_text("ascii") if entry.get(name) else None
