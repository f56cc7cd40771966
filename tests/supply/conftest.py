"""A company with an empty chain, on a real store."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from ashiato.connector.ports import Moment
from ashiato.stores.engine import SqlStore, open_store
from ashiato.supply.ports import UnitOfWork

T = TypeVar("T")

COMPANY = "did:web:cells.example"
NOW_MS = 1_800_000_000_000


def at(now_ms: int = NOW_MS) -> Moment:
    """The moment of one event; ids are counted."""
    ids = iter(range(1, 1_000_000))
    return Moment(now_ms, lambda: f"id-{next(ids)}")


class Firm:
    """The chain of one company."""

    def __init__(self, store: SqlStore, participant_id: str = COMPANY) -> None:
        self.store = store
        self.participant_id = participant_id

    async def do(self, work: Callable[[UnitOfWork], T]) -> T:
        """One transaction."""
        return await self.store.run(self.participant_id, work)


@pytest.fixture
async def firm(tmp_path: Path) -> AsyncIterator[Firm]:
    """On SQLite: that both engines answer alike is what the tests of the stores say."""
    store = await open_store(f"sqlite:///{tmp_path}/connector.db", "node-1")
    yield Firm(store)
    await store.close()
