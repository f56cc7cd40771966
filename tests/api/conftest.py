from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.speaking import Pair, running_pair
from tests.clients.conftest import tls_files, tls_pair
from tests.plugins.data_plane import consumer, parties, provider
from tests.plugins.dsp_schemas import dsp_schemas

__all__ = ["consumer", "dsp_schemas", "parties", "provider", "tls_files", "tls_pair"]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Two running programs that speak the protocol with each other."""
    async with running_pair(tmp_path) as found:
        yield found
