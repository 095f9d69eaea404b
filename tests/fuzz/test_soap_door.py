"""The SOAP door answers arbitrary messages rightly: the same ones each time, and those that once were not.

`make fuzz` tries many more, and other ones each time.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.message import Message, found
from tests.fuzz.mutations import SEEDS, messages
from tests.fuzz.target import Target

BOUNDED = settings(
    max_examples=1000,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    with Target(tmp_path) as built:
        yield built
        if built.failed:
            print("kept as", built.failed.keep())


def test_messages_that_were_changed_are_answered_rightly(target: Target) -> None:
    @BOUNDED
    @given(messages())
    def check(message: Message) -> None:
        target.send(message)

    check()
    # Else it would be the parser alone that is tested.
    accepted = sum(count for outcome, count in target.outcomes.items() if outcome[0].islower())
    assert accepted > BOUNDED.max_examples / 20
    assert target.outcomes["VALIDATION_FAILED"] > BOUNDED.max_examples / 10


@pytest.mark.parametrize("version", ["text/xml", "application/soap+xml"])
def test_messages_as_they_are_are_answered_rightly(target: Target, version: str) -> None:
    for seed in SEEDS:
        target.send(Message(seed.encode("utf-8", "replace"), {"Content-Type": version}))
    assert target.failed is None


def test_messages_that_were_answered_wrongly_once_no_longer_are(target: Target) -> None:
    for _, message in found():
        target.send(message)
    assert target.failed is None
