"""Gives tests of any room a provider and a consumer with running data planes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ashiato.dsp.states import Role
from tests.data_plane import CONSUMER, PROVIDER, STRANGER, Parties, Side, running_side


@pytest.fixture(scope="session")
def parties() -> Parties:
    """Everybody's keys."""
    return Parties(PROVIDER, CONSUMER, STRANGER)


@pytest.fixture
async def provider(parties: Parties, tmp_path: Path) -> AsyncIterator[Side]:
    """The side that has the data."""
    url = f"sqlite:///{tmp_path}/provider.db"
    async with running_side(PROVIDER, Role.PROVIDER, parties, url, tmp_path / "provider-files") as side:
        yield side


@pytest.fixture
async def consumer(parties: Parties, tmp_path: Path) -> AsyncIterator[Side]:
    """The side that gets the data."""
    url = f"sqlite:///{tmp_path}/consumer.db"
    async with running_side(CONSUMER, Role.CONSUMER, parties, url, tmp_path / "consumer-files") as side:
        yield side
