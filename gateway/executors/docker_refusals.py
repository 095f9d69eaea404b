"""What an engine's refusals mean: the reason in words, and whether another attempt may succeed.

The API has few statuses and tells the rest in sentences, those of registries among them. They are known by
words that have stood in them for years; one that is not known is told as it is.
"""

import re

from gateway.domain.executor import StartRefused
from gateway.executors.docker_engine import EngineRefused

PASSING = re.compile(
    "no space left|toomanyrequests|too many requests|rate limit|connection refused|connection reset|timeout"
    "|timed out|deadline exceeded|no such host|temporary failure|server misbehaving|network is unreachable"
    "|no route to host|EOF|cannot allocate memory|resource temporarily unavailable|HTTP status: 5"
    "|status code 5",
    re.IGNORECASE,
)
"""What may be other the next time."""
LASTING = re.compile("unable to set memory limit|unable to find (user|group)", re.IGNORECASE)
"""What podman says with a status that may mean anything, and will say the next time, too."""
UNAUTHORIZED = re.compile(
    "unauthorized|authentication required|no basic auth|incorrect username or password", re.IGNORECASE
)
NO_ACCESS = re.compile("pull access denied|denied:|requested access .* is denied|forbidden", re.IGNORECASE)
NO_IMAGE = re.compile(
    "manifest unknown|manifest for .* not found|name unknown|repository .* not found|no such image",
    re.IGNORECASE,
)
BAD_NAME = re.compile("invalid reference format|must be lowercase|invalid repository name", re.IGNORECASE)
NO_PLATFORM = re.compile("no matching manifest for", re.IGNORECASE)
NO_INIT = re.compile("docker-init|catatonit|container-init", re.IGNORECASE)


def refused_pull(image: str, error: EngineRefused) -> StartRefused:
    """An image could not be pulled."""
    message = error.message
    for pattern, reason in (
        (BAD_NAME, f"{image!r} is not the name of an image"),
        (UNAUTHORIZED, f"the registry of image {image} wants other credentials: {message}"),
        (NO_ACCESS, f"there is no image {image}, or it needs credentials: {message}"),
        (NO_IMAGE, f"there is no image {image}: {message}"),
        (NO_PLATFORM, f"image {image} is not made for this machine: {message}"),
    ):
        if pattern.search(message):
            return StartRefused(reason, passing=False)
    passing = bool(PASSING.search(message)) or error.status >= 500
    return StartRefused(f"image {image} could not be pulled: {message}", passing=passing)


def refused_create(image: str, error: EngineRefused) -> StartRefused:
    """A container could not be made."""
    if BAD_NAME.search(error.message):
        return StartRefused(f"{image!r} is not the name of an image", passing=False)
    if NO_INIT.search(error.message):
        return _without_init(error)
    passing = bool(PASSING.search(error.message)) or error.status >= 500
    return StartRefused(f"Docker refuses the container: {error.message}", passing=passing)


def refused_start(error: EngineRefused) -> StartRefused:
    """A container that was made could not be started."""
    if NO_INIT.search(error.message):
        return _without_init(error)
    passing = not LASTING.search(error.message) and (
        bool(PASSING.search(error.message)) or error.status >= 500
    )
    return StartRefused(f"Docker could not start the container: {error.message}", passing=passing)


def _without_init(error: EngineRefused) -> StartRefused:
    return StartRefused(
        f"Docker lacks the small init process that runs the commands: {error.message}", passing=False
    )
