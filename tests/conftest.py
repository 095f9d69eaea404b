"""What every run of the tests says at its end, and the servers that tests share."""

import pytest

from tests.pg_stand import PgStand, shared_stand

LEFT_OUT = "client stack left out: "
"""How a skipped test begins to say which client stack this machine lacks."""


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which client stacks were left out, once each."""
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", ())]
    reasons = {reason.removeprefix("Skipped: ") for _, _, reason in skipped}
    for reason in sorted(reason for reason in reasons if reason.startswith(LEFT_OUT)):
        terminalreporter.write_line(reason, yellow=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that nothing is left to wait for when the others are done."""
    items.sort(key=lambda item: "test_schemathesis" not in item.nodeid)


@pytest.fixture(scope="session")
def postgres() -> PgStand:
    """A PostgreSQL server, started for the first test that asks for it."""
    return shared_stand()
