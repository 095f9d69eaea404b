"""What every run of the tests says at its end, and the servers that tests share."""

from collections.abc import Iterator

import pytest

from tests.pg_stand import PgStand, a_stand

LEFT_OUT = "client stack left out: "
"""How a skipped test begins to say which client stack this machine lacks."""


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which client stacks were left out, once each."""
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", ())]
    reasons = {reason.removeprefix("Skipped: ") for _, _, reason in skipped}
    for reason in sorted(reason for reason in reasons if reason.startswith(LEFT_OUT)):
        terminalreporter.write_line(reason, yellow=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PgStand]:
    """A PostgreSQL server, started for the first test that asks for it."""
    with a_stand() as stand:
        yield stand
