"""The operator's catalogue of job types."""

from collections.abc import Iterable
from typing import Annotated

from gateway.domain.job import AttemptSeconds, Command, GraceSeconds, HeartbeatSeconds
from gateway.domain.model import Maybe, Model
from gateway.domain.parts import JobTypeSearchResult, ResourceRequest, RetryPolicy
from gateway.domain.scalars import Limits, Line, Name, Text
from gateway.domain.words import JobTypeFeature


class JobType(Model):
    """A type of the catalogue, with defaults for what a request leaves out."""

    type: Name
    """Name of the type, for startJob."""
    name: Name
    """Name for people."""
    description: Maybe[Text] = None
    """What jobs of the type do."""
    features_on: tuple[JobTypeFeature, ...] = ()
    """What jobs of the type can do."""
    commands: Annotated[tuple[Command, ...], Limits(max_length=100)] = ()
    """Argument vector of requests without one."""
    resource_request: Maybe[ResourceRequest] = None
    """Memory and processor time of requests without them."""
    timeout_seconds: Maybe[AttemptSeconds] = None
    """Timeout of requests without one."""
    heartbeat_timeout_seconds: Maybe[HeartbeatSeconds] = None
    """Heartbeat timeout of requests without one."""
    cancel_grace_seconds: Maybe[GraceSeconds] = None
    """Grace of requests without one."""
    retry_policy: Maybe[RetryPolicy] = None
    """Retry policy of requests without one."""
    docker_image_url: Maybe[Annotated[Line, Limits(min_length=1, max_length=2048)]] = None
    """The image that requests should name; it is shown to people, since a request always names its own."""

    def shown(self) -> JobTypeSearchResult:
        """The type as listJobTypes shows it."""
        names = JobTypeSearchResult.model_fields.keys() & self.model_fields_set
        return JobTypeSearchResult(**{name: getattr(self, name) for name in names})


class Catalogue:
    """All types, by name."""

    def __init__(self, types: Iterable[JobType]) -> None:
        self._types = {entry.type: entry for entry in sorted(types, key=lambda entry: entry.type)}

    def get(self, name: str) -> JobType | None:
        """The type of that name."""
        return self._types.get(name)

    def all(self) -> list[JobType]:
        """All types, ordered by name."""
        return list(self._types.values())
