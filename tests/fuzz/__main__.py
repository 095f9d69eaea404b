"""Fuzzes the SOAP door for FUZZ_SECONDS, with other messages each time (`make fuzz`).

Tells what came of them. A message that is answered wrongly is made as small as it can be and kept as a file,
which the tests send from then on.
"""

import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from hypothesis import HealthCheck, given, settings

from tests.fuzz.message import Message
from tests.fuzz.mutations import messages
from tests.fuzz.target import Target

ROUND = settings(
    max_examples=2000,
    deadline=None,
    database=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
"""After so many messages the house is a new one, since what they made there slows it down."""


def main() -> int:
    """Fuzz until the time is over or a message was answered wrongly. The exit code."""
    end = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "600"))
    outcomes: dict[str, int] = {}
    failed: Message | None = None
    while failed is None and time.monotonic() < end:
        with tempfile.TemporaryDirectory() as folder, Target(Path(folder)) as target:
            failed = _round(target, end)
            for outcome, count in target.outcomes.items():
                outcomes[outcome] = outcomes.get(outcome, 0) + count
        print(f"{sum(outcomes.values())} messages", flush=True)
    _tell(outcomes)
    if failed is None:
        return 0
    print(f"a message was answered wrongly, and is kept as {failed.keep()}")
    return 1


def _round(target: Target, end: float) -> Message | None:
    """Messages for one house; the one that was answered wrongly."""

    @ROUND
    @given(messages())
    def check(message: Message) -> None:
        # Hypothesis cannot be stopped, but need not be obeyed.
        if target.failed or time.monotonic() < end:
            target.send(message)

    try:
        check()
    except Exception:
        traceback.print_exc()
    return target.failed


def _tell(outcomes: dict[str, int]) -> None:
    accepted = {name: count for name, count in outcomes.items() if name[0].islower()}
    refused = {name: count for name, count in outcomes.items() if name not in accepted}
    for told, group in (("accepted", accepted), ("refused", refused)):
        print(f"{sum(group.values())} {told}")
        for name, count in sorted(group.items(), key=lambda item: -item[1]):
            print(f"{count:9}  {name}")


if __name__ == "__main__":
    sys.exit(main())
