"""Units of work that wait to be written in groups, and what is told when a group is durable."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.ports import Change, JobWriter, ScheduleChange


@dataclass(eq=False)
class Unit:
    """A unit of work, who waits for it, and what became of it."""

    work: Callable[[JobWriter], Any]
    waiting: "asyncio.Future[Any] | None" = None
    """None for the follow-up, and for what only calls for it."""
    about: str | None = None
    """Id of the job that it is about, if it is about one."""
    calls_for_follow_up: bool = False
    """Whether it does so without any change."""
    result: Any = None
    error: BaseException | None = None
    changes: Sequence[Change | ScheduleChange] = field(default=())

    def answer(self) -> None:
        """On the event loop: answer who still waits."""
        if self.waiting is None or self.waiting.done():
            return
        if self.error is None:
            self.waiting.set_result(self.result)
        else:
            self.waiting.set_exception(self.error)


@dataclass(frozen=True)
class FollowUp:
    """A unit of work that certain changes call for, see JobStore.follow_up."""

    due: Callable[[Change], bool]
    work: Callable[[JobWriter], Any]
    done: Callable[[Any], Any]

    def is_called_for(self, group: Iterable[Unit]) -> bool:
        """Whether any of these units calls for it; one that does the same work does not."""
        return any(
            unit.calls_for_follow_up
            or any(isinstance(change, Change) and self.due(change) for change in unit.changes)
            for unit in group
            if unit.work != self.work
        )


def settle(
    group: Sequence[Unit],
    last: Unit | None,
    follow_up: FollowUp | None,
    tell: Callable[[Change | ScheduleChange], None],
) -> None:
    """On the event loop: tell the changes of a group, then answer. `last` is what the follow-up did in it."""
    for unit in (*group, last):
        for change in unit.changes if unit is not None and unit.error is None else ():
            tell(change)
    for unit in group:
        unit.answer()
    if last is not None and follow_up is not None:
        follow_up.done(last.result if last.error is None else None)


def carried(error: BaseException) -> BaseException:
    """An error as a future can carry it."""
    if isinstance(error, StopIteration):
        wrapped = RuntimeError("a unit of work raised StopIteration")
        wrapped.__cause__ = error
        return wrapped
    return error
