"""The image's file tree, built and started as in the image: as another user, who may write in /data alone.

What the test cannot see is the base image: its Python may be another than the one at hand.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

import httpx
import pytest
import zeep
from packaging.utils import canonicalize_name
from requests import Session

from tests.container_files import DOCKERFILE, HERE, pinned_versions
from tests.e2e.gateway_process import SECONDS, wait_until

MIB = 1024 * 1024
TREE_BYTES = 100 * MIB
"""Most of the tree. With the base image, some 45 MB compressed, that stays below 150 MB."""
READ_ALONE = "-all,+dac_read_search"
"""Capabilities: the user gets to where tests build, also through folders of root, and can change nothing."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What /opt/gateway is in the image."""
    folder = tmp_path_factory.mktemp("image") / "gateway"
    assert shutil.which("strip"), "the tree cannot be built: strip is missing; install binutils"
    environment = os.environ | {"PYTHON": sys.executable}
    subprocess.run([HERE / "build-tree.sh", folder], env=environment, check=True)
    subprocess.run(["chmod", "-R", "a-w", folder], check=True)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


@pytest.fixture
def data() -> Iterator[Path]:
    """What /data is in the image: at a place that another user gets to without capabilities (access(2))."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


class Container:
    """A process that has what it would have in a container of the image, as far as that goes without one."""

    def __init__(self, tree: Path, data: Path, log: Path) -> None:
        self.data = data
        self.log = log
        self._tree = tree
        self._user: list[str] = []
        if os.geteuid() == 0:
            uid, _, gid = DOCKERFILE.last("USER").text.partition(":")
            os.chown(data, int(uid), int(gid))
            self._user = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
            self._user += [f"--inh-caps={READ_ALONE}", f"--ambient-caps={READ_ALONE}"]

    def command(self, words: list[str], **environment: str) -> subprocess.Popen[bytes]:
        """Start a command of the image."""
        places = {"/opt/gateway": str(self._tree), "/data": str(self.data)}
        # Tests serve on loopback, on a free port.
        given = DOCKERFILE.environment | {"GATEWAY_HOST": "127.0.0.1", "GATEWAY_PORT": "0"} | environment
        for place, here in places.items():
            words = [word.replace(place, here) for word in words]
            given = {name: value.replace(place, here) for name, value in given.items()}
        # The environment stands in the command, so that nothing of ours comes along.
        pairs = [f"{name}={value}" for name, value in given.items()]
        whole = [*self._user, "env", "-i", *pairs, *words]
        with self.log.open("ab") as log:
            return subprocess.Popen(whole, cwd="/", stdout=log, stderr=log)

    def health(self, port: int) -> int:
        """The exit code of the health check."""
        return self.command(DOCKERFILE.health_check, GATEWAY_PORT=str(port)).wait(SECONDS)


def what_lies_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each file."""
    found = [Path(place) / name for place, _, names in os.walk(folder) for name in names]
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in found}


def packages_of(tree: Path) -> list[Distribution]:
    (folder,) = tree.glob("lib/python3*/site-packages")
    return list(distributions(path=[str(folder)]))


def test_the_tree_is_small_and_holds_what_is_pinned_and_the_gateway_serves_from_it(
    tree: Path, data: Path, tmp_path: Path
) -> None:
    before = what_lies_in(tree)
    size = sum(length for length, _ in before.values())
    assert size <= TREE_BYTES, f"{size / MIB:.0f} MiB"
    versions = {canonicalize_name(one.name): one.version for one in packages_of(tree)}
    assert versions.pop("jobs-gateway")
    assert versions.keys() >= {"spyne", "lxml", "pydantic"}
    assert versions.items() <= pinned_versions().items(), "renew with `make image-constraints`"

    container = Container(tree, data, tmp_path / "log")
    gateway = container.command([*DOCKERFILE.last("ENTRYPOINT").words, *DOCKERFILE.last("CMD").words])
    try:
        address = container.data / "address"
        wait_until(lambda: gateway.poll() is not None or address.exists())
        assert gateway.poll() is None, container.log.read_text()
        url = address.read_text().strip()
        port = int(url.rpartition(":")[2])
        assert httpx.get(f"{url}/readyz").status_code == 200
        assert container.health(port) == 0
        key = (container.data / "bootstrap.key").read_text().strip()
        _start_and_watch_a_job(url, key)
    finally:
        gateway.terminate()
        code = gateway.wait(SECONDS)
    assert code == 0
    assert container.health(port) == 1
    assert what_lies_in(tree) == before


def _start_and_watch_a_job(url: str, key: str) -> None:
    """Started over SOAP, watched over REST; it runs as the user of the image."""
    session = Session()
    session.headers["X-API-KEY"] = key
    service = zeep.Client(f"{url}/soap/v2/?wsdl", transport=zeep.Transport(session=session)).service
    job = service.startJob(job={"dockerImageUrl": "none", "commands": ["sh", "-c", "id -u"]})
    with httpx.Client(base_url=url, headers={"X-API-KEY": key}, timeout=SECONDS) as client:
        while "finishedAt" not in client.get(f"/v2/jobs/{job.id}/wait").raise_for_status().json():
            pass
        output = client.get(f"/v2/jobs/{job.id}/output").raise_for_status().json()["content"]
    user = DOCKERFILE.last("USER").text.partition(":")[0] if os.geteuid() == 0 else str(os.geteuid())
    assert output == f"{user}\n"
