"""A call waits for news of a process, and for nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ashiato.connector.records import Event
from ashiato.couriers.waiting import Waiter
from ashiato.stores.engine import SqlStore, open_store

MAKER, CELLS = "did:web:maker.example", "did:web:cells.example"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite:///{tmp_path}/connector.db", "node")
    yield opened
    await opened.close()


async def tell(store: SqlStore, participant_id: str, process_id: str) -> None:
    event = Event(name="negotiation.agreed", participant_id=participant_id, process_id=process_id)
    await store.run(participant_id, lambda uow: uow.tell(event))


async def test_who_waits_is_woken_by_the_next_event_of_the_process(store: SqlStore) -> None:
    waiter = Waiter(store)
    waiting = [
        asyncio.create_task(waiter.wait(MAKER, "p", 5)),
        asyncio.create_task(waiter.wait(MAKER, "p", 5)),
        asyncio.create_task(waiter.wait(MAKER, None, 5)),
    ]
    await asyncio.sleep(0.02)
    started_s = time.monotonic()
    await tell(store, MAKER, "p")
    await asyncio.gather(*waiting)
    assert time.monotonic() - started_s < 1


async def test_an_event_between_the_start_of_waiting_and_the_first_look_is_not_missed(
    store: SqlStore,
) -> None:
    waiter = Waiter(store)
    waiting = asyncio.create_task(waiter.wait(MAKER, "p", 5))
    await store.read(MAKER, lambda uow: uow.records.last_sequence())
    await tell(store, MAKER, "p")
    started_s = time.monotonic()
    await waiting
    assert time.monotonic() - started_s < 1


async def test_events_of_other_processes_and_companies_wake_nobody(store: SqlStore) -> None:
    waiter = Waiter(store)
    waiting = asyncio.create_task(waiter.wait(MAKER, "p", 5))
    anything = asyncio.create_task(waiter.wait(MAKER, None, 5))
    await asyncio.sleep(0.02)
    await tell(store, CELLS, "p")
    await asyncio.sleep(0.05)
    assert not waiting.done()
    assert not anything.done()
    await tell(store, MAKER, "q")
    await anything
    assert not waiting.done()
    await tell(store, MAKER, "p")
    await waiting


async def test_waiting_ends_when_its_time_is_over_and_leaves_nothing_behind(store: SqlStore) -> None:
    waiter = Waiter(store)
    started_s = time.monotonic()
    await waiter.wait(MAKER, "p", 0.05)
    assert 0.04 < time.monotonic() - started_s < 2
    cancelled = asyncio.create_task(waiter.wait(MAKER, "p", 60))
    await asyncio.sleep(0.01)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    assert waiter._waiting == {}
    await tell(store, MAKER, "p")
