"""A house per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.house import TestHouse, a_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TestHouse]:
    """A house without keys."""
    async with a_house(tmp_path) as built:
        yield built
