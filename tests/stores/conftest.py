"""What the store tests share: stores that are opened and closed for them, on each engine."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from ashiato.stores.engine import SqlStore, open_store

OpenStore = Callable[[str, str], Awaitable[SqlStore]]


@pytest.fixture
async def opened() -> AsyncIterator[OpenStore]:
    """Opens stores by URL and node id; they are closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def open_one(url: str, node_id: str) -> SqlStore:
            store = await open_store(url, node_id)
            stack.push_async_callback(store.close)
            return store

        yield open_one


@pytest.fixture
async def store(store_url: str, opened: OpenStore) -> SqlStore:
    """An empty store; a test that takes it runs once on each engine."""
    return await opened(store_url, "node-1")
