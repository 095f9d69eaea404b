"""Images that are pulled, by a real dockerd from a stand-in of a registry."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.executor import StartRefused
from gateway.executors.docker_images import full_name, read_credentials, registry_of
from tests.adapters.docker_gateway import gateway, launch
from tests.engine_stand import EngineStand
from tests.registry_stand import NAME, PASSWORD, RegistryStand


@pytest.fixture
def registry(docker: EngineStand) -> Iterator[RegistryStand]:
    """A registry whose image dockerd does not have yet."""
    with RegistryStand() as stand:
        yield stand
        docker.delete_image(f"{stand.host}/team/tool:1")


def auth_file(folder: Path, host: str, password: str = PASSWORD) -> Path:
    """Credentials as `docker login` writes them."""
    path = folder / "config.json"
    auth = base64.b64encode(f"{NAME}:{password}".encode()).decode()
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return path


async def test_a_missing_image_is_pulled_once_with_the_credentials_of_the_file(
    docker: EngineStand, tmp_path: Path, registry: RegistryStand
) -> None:
    image = f"{registry.host}/team/tool:1"
    images = {"pull": "missing", "auth_file": auth_file(tmp_path, registry.host)}
    async with gateway(docker, tmp_path / "jobs", images=images) as opened:
        launches = [launch(image=image) for _ in range(3)]
        assert await asyncio.gather(*map(opened.run, launches)) == [opened.succeeded] * 3
        assert [await opened.text(launched.key) for launched in launches] == ["pulled\n"] * 3
        assert registry.manifests_read == 1


async def test_always_means_for_each_attempt(
    docker: EngineStand, tmp_path: Path, registry: RegistryStand
) -> None:
    image = f"{registry.host}/team/tool:1"
    images = {"pull": "always", "auth_file": auth_file(tmp_path, registry.host)}
    async with gateway(docker, tmp_path / "jobs", images=images) as opened:
        for _ in range(2):
            assert await opened.run(launch(image=image)) == opened.succeeded
        registry.failure = (503, "UNAVAILABLE")
        with pytest.raises(StartRefused, match="could not be pulled"):
            await opened.executor.start(launch(image=image))


@pytest.mark.parametrize(
    ("failure", "tag", "reason", "passing"),
    [
        (None, "2", "there is no image", False),
        ((404, "NAME_UNKNOWN"), "1", "there is no image", False),
        ((403, "DENIED"), "1", "it needs credentials", False),
        ((429, "TOOMANYREQUESTS"), "1", "could not be pulled: toomanyrequests", True),
        ((503, "UNAVAILABLE"), "1", "could not be pulled: ", True),
    ],
)
async def test_what_a_registry_says_is_told(
    docker: EngineStand,
    tmp_path: Path,
    registry: RegistryStand,
    failure: Any,
    tag: str,
    reason: str,
    passing: bool,
) -> None:
    registry.failure = failure
    images = {"pull": "missing", "auth_file": auth_file(tmp_path, registry.host)}
    async with gateway(docker, tmp_path / "jobs", images=images) as opened:
        with pytest.raises(StartRefused, match=reason) as refused:
            await opened.executor.start(launch(image=f"{registry.host}/team/tool:{tag}"))
        assert refused.value.passing is passing


async def test_wrong_credentials_are_told_without_them(
    docker: EngineStand, tmp_path: Path, registry: RegistryStand
) -> None:
    images = {"pull": "missing", "auth_file": auth_file(tmp_path, registry.host, "wrong password")}
    async with gateway(docker, tmp_path / "jobs", images=images) as opened:
        with pytest.raises(StartRefused, match="wants other credentials") as refused:
            await opened.executor.start(launch(image=f"{registry.host}/team/tool:1"))
        assert not refused.value.passing
        assert "wrong password" not in refused.value.reason
        # Credentials are read anew each time.
        auth_file(tmp_path, registry.host)
        assert await opened.run(launch(image=f"{registry.host}/team/tool:1")) == opened.succeeded


async def test_a_registry_that_is_not_there_may_come_back(docker: EngineStand, tmp_path: Path) -> None:
    async with gateway(docker, tmp_path, images={"pull": "missing"}) as opened:
        with pytest.raises(StartRefused, match=r"could not be pulled: .*refused") as refused:
            await opened.executor.start(launch(image="127.0.0.1:9/team/tool:1"))
        assert refused.value.passing


@pytest.mark.parametrize(
    ("image", "registry", "name"),
    [
        ("busybox", "docker.io", "docker.io/library/busybox"),
        ("team/tool:1", "docker.io", "docker.io/team/tool:1"),
        ("docker.io/team/tool", "docker.io", "docker.io/team/tool"),
        ("localhost/tool", "localhost", "localhost/tool"),
        ("registry.example:5000/a/b@sha256:0", "registry.example:5000", "registry.example:5000/a/b@sha256:0"),
    ],
)
def test_the_registry_of_an_image_is_known_by_its_name(image: str, registry: str, name: str) -> None:
    assert (registry_of(image), full_name(image)) == (registry, name)


def test_credentials_have_three_forms_and_addresses_many(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    entry = {"username": "a", "password": "b:c"}
    auths = {
        "https://index.docker.io/v1/": {"auth": base64.b64encode(b"a:b:c").decode()},
        "registry.example:5000": entry,
        "https://other.example": {"identitytoken": "t", "auth": "YTo="},
    }
    path.write_text(json.dumps({"auths": auths, "HttpHeaders": {}}))
    assert read_credentials(path) == {
        "docker.io": entry,
        "registry.example:5000": entry,
        "other.example": {"identitytoken": "t"},
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is no JSON"),
        ("[]", "has no member auths"),
        ('{"credsStore": "desktop"}', "has no member auths; helpers are not asked"),
        ('{"auths": {"a": "b"}}', "the entry of a is no object"),
        ('{"auths": {"a": {}}}', "the entry of a has no credentials"),
        ('{"auths": {"a": {"auth": "c2VjcmV0"}}}', "the entry of a has no credentials"),
        ('{"auths": {"a": {"auth": "?"}}}', "the entry of a has no credentials"),
    ],
)
def test_a_file_without_credentials_is_refused_without_telling_what_is_in_it(
    tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason) as refused:
        read_credentials(path)
    assert str(path) in str(refused.value)
    assert "secret" not in str(refused.value)
    with pytest.raises(ValueError, match="No such file"):
        read_credentials(tmp_path / "missing")
