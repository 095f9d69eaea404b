"""The small requests that change a job."""

from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from gateway.domain.job import GraceSeconds, JobDescription, JobName, Progress, Tags
from gateway.domain.model import Maybe, Model
from gateway.domain.parts import JobMetric
from gateway.domain.scalars import Count, Limits, Message, ResultData, Uri
from gateway.domain.words import JobField


def _set_or_clear(names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    """`clear` is the last member, so what is set has been read before it."""
    for name in names:
        if info.data.get(_python_name(name)) is not None:
            raise PydanticCustomError("set_and_clear", "'{name}' is set, too", {"name": str(name)})
    return names


def _python_name(wire: str) -> str:
    return "".join(f"_{char.lower()}" if char.isupper() else char for char in wire)


SET_OR_CLEAR = AfterValidator(_set_or_clear)
"""Refuses fields in `clear` that are set, too."""


class Patch(Model):
    """A change of some fields (RFC 7396): missing = unchanged; null, or named in `clear` = unset."""

    @model_validator(mode="before")
    @classmethod
    def _null_clears(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("clear", []), list | tuple):
            return values
        clearable = cls.clearable()
        nulls = [name for name, value in values.items() if value is None and name in clearable]
        if not nulls:
            return values
        kept = {name: value for name, value in values.items() if name not in nulls}
        return kept | {"clear": [*values.get("clear", []), *nulls]}

    @classmethod
    def clearable(cls) -> frozenset[str]:
        """Wire names of the fields that may be unset."""
        words = cls.model_fields["clear"].annotation.__args__[0]  # type: ignore[union-attr]
        return frozenset(words)

    @property
    def cleared(self) -> frozenset[str]:
        """Wire names of the fields to unset."""
        return frozenset(getattr(self, "clear", ()))

    @property
    def changes(self) -> dict[str, Any]:
        """Wire names and values of the fields to set."""
        names = self.model_fields_set - {"clear"}
        fields = type(self).model_fields
        return {str(fields[name].alias): getattr(self, name) for name in names}

    @property
    def updates(self) -> dict[str, Any]:
        """Python names and values of the fields to set; None = to unset."""
        given = {name: getattr(self, name) for name in self.model_fields_set - {"clear"}}
        return given | {_python_name(name): None for name in self.cleared}


class JobFields(Patch):
    """The fields of a job that a caller may change."""

    name: Maybe[JobName] = None
    """The new name; the empty text is a name, too."""
    description: Maybe[JobDescription] = None
    """The new description; the empty text is a description, too."""
    clear: Annotated[tuple[JobField, ...], Limits(max_length=10), SET_OR_CLEAR] = ()
    """Fields to unset."""


class JobCancellation(Model):
    """Why and how fast to end a job."""

    reason: Maybe[JobDescription] = None
    """Why, for the history."""
    grace_seconds: Maybe[GraceSeconds] = None
    """Seconds between the request to end and the kill; without it the job's `cancelGraceSeconds`."""


class JobProgress(Model):
    """How far a job is. What is missing stays as it is. It counts as the job's heartbeat."""

    progress: Maybe[Progress] = None
    """Percent done, 0 to 100."""
    total_items: Maybe[Count] = None
    """Items to do."""
    processed_items: Maybe[Count] = None
    """Items done."""
    failed_items: Maybe[Count] = None
    """Items that failed."""
    message: Maybe[Message] = None
    """What the job does now."""
    report_uri: Maybe[Uri] = None
    """Where a report lies."""


class ResultDataWrite(Model):
    """The result in short."""

    result_data: ResultData
    """Text, usually JSON, up to 65535 characters."""


class JobTags(Model):
    """The tags that replace a job's tags."""

    tags: Tags = ()
    """Tags, each once; none = remove all."""


class JobMetrics(Model):
    """Figures to record."""

    metrics: Annotated[tuple[JobMetric, ...], Limits(min_length=1, max_length=100)]
    """1 to 100 metrics; of one name the last counts."""
