"""What is made of the sentences with which Docker and registries refuse."""

import pytest

from gateway.executors.docker_engine import EngineRefused
from gateway.executors.docker_refusals import refused_create, refused_pull, refused_start

PULLS = [
    (404, "manifest for tool:9 not found: manifest unknown: manifest unknown", "there is no image", False),
    (
        404,
        "pull access denied for tool, repository does not exist or may require 'docker login': "
        "denied: requested access to the resource is denied",
        "there is no image tool:1, or it needs credentials",
        False,
    ),
    (500, "unauthorized: incorrect username or password", "wants other credentials", False),
    (500, 'Get "https://r/v2/": no basic auth credentials', "wants other credentials", False),
    (
        400,
        "invalid reference format: repository name must be lowercase",
        "is not the name of an image",
        False,
    ),
    (
        0,
        "no matching manifest for linux/arm64/v8 in the manifest list entries",
        "not made for this machine",
        False,
    ),
    (0, "toomanyrequests: You have reached your pull rate limit.", "could not be pulled", True),
    (0, "write /var/lib/docker/tmp/x: no space left on device", "could not be pulled", True),
    (
        500,
        'Get "https://r/v2/": dial tcp: lookup r on 10.0.0.1:53: no such host',
        "could not be pulled",
        True,
    ),
    (500, 'Get "https://r/v2/": net/http: TLS handshake timeout', "could not be pulled", True),
    (0, "received unexpected HTTP status: 503 Service Unavailable", "could not be pulled", True),
    (0, "unknown blob", "could not be pulled: unknown blob", False),
]


@pytest.mark.parametrize(("status", "message", "reason", "passing"), PULLS)
def test_a_pull(status: int, message: str, reason: str, passing: bool) -> None:
    refused = refused_pull("tool:1", EngineRefused(status, message))
    assert reason in refused.reason
    assert refused.passing is passing


@pytest.mark.parametrize(
    ("status", "message", "passing"),
    [
        (400, "Minimum memory limit allowed is 6MB", False),
        (500, "mkdir /var/lib/docker/overlay2/x: no space left on device", True),
        (500, "devmapper: something else", True),
        (500, "container create: container-init binary not found on the host: stat catatonit", False),
    ],
)
def test_a_container_that_cannot_be_made(status: int, message: str, passing: bool) -> None:
    refused = refused_create("tool:1", EngineRefused(status, message))
    assert message in refused.reason
    assert refused.passing is passing


@pytest.mark.parametrize(
    ("status", "message", "passing"),
    [
        (400, 'OCI runtime create failed: exec: "docker-init": executable file not found in $PATH', False),
        (404, "network gone not found", False),
        (400, "OCI runtime create failed: fork/exec: resource temporarily unavailable", True),
        (500, "failed to create shim task: something", True),
        (500, "runc create failed: unable to set memory limit to 1048576 (current usage: 2822144)", False),
        (500, "unable to find user ann: no matching entries in passwd file", False),
    ],
)
def test_a_container_that_cannot_be_started(status: int, message: str, passing: bool) -> None:
    refused = refused_start(EngineRefused(status, message))
    assert message in refused.reason
    assert refused.passing is passing
