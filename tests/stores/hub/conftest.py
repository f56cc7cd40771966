from collections.abc import AsyncIterator

import pytest

from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.hub.rooms import hub_furnishing

HUB = "did:web:hub.example:hub"


@pytest.fixture
async def hub_store(store_url: str) -> AsyncIterator[SqlStore]:
    """An empty store of a hub; a test that takes it runs once on each engine."""
    opened = await open_store(store_url, "node-1", hub_furnishing(HUB))
    yield opened
    await opened.close()
