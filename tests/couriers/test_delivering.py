"""The courier: at once, in order, again and again, never twice at a time, and never one company at another's expense."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest

from ashiato.api.turns import Queues, waiting_outside
from ashiato.connector.node import Node
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.couriers import delivering
from ashiato.couriers.delivering import Courier, Handler, Outcome, Verdict
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.stores import outbox
from ashiato.stores.engine import SqlStore, open_store
from tests.connector.firms import PlainWord, Street

MAKER = "did:web:maker.example"
CELLS = "did:web:cells.example"
DONE = Outcome(verdict=Verdict.DONE)
AGAIN = Outcome(verdict=Verdict.AGAIN, why="not now")
NEVER = Outcome(verdict=Verdict.NEVER, why="no")
Work = Callable[[Delivery], Awaitable[Outcome]]


def moment() -> Moment:
    return Moment(time.time_ns() // 1_000_000, lambda: str(uuid.uuid4()))


def delivery(name: str, process_id: str = "p", **changed: object) -> Delivery:
    now_ms = moment().now_ms
    made = Delivery(
        delivery_id=f"{process_id}/{name}",
        participant_id=MAKER,
        kind=DeliveryKind.MESSAGE,
        process_id=process_id,
        sequence=0,
        message_name=name,
        address="https://cells.example/dsp",
        audience=CELLS,
        body=b"{}",
        created_ms=now_ms,
        due_ms=now_ms,
    )
    return msgspec.structs.replace(made, **changed)


class Desk:
    """A store with a running courier whose deliveries the test makes itself."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.made: list[str] = []
        self.work: Work = self._done
        handlers: dict[DeliveryKind, Handler] = {
            DeliveryKind.MESSAGE: self._handle,
            DeliveryKind.PULL: self._handle,
        }
        self.courier = Courier(Node(store, PlainWord(), Street(store), moment), handlers, Queues().turn)

    async def _handle(self, found: Delivery) -> Outcome:
        self.made.append(found.message_name)
        return await self.work(found)

    async def _done(self, found: Delivery) -> Outcome:
        return DONE

    async def put(self, *deliveries: Delivery) -> None:
        """In one transaction for each participant."""
        for participant_id in dict.fromkeys(found.participant_id for found in deliveries):
            mine = [found for found in deliveries if found.participant_id == participant_id]
            await self.store.run(participant_id, partial(_add, deliveries=mine))

    async def until(self, holds: Callable[[], bool], patience_s: float = 5.0) -> None:
        deadline_s = time.monotonic() + patience_s
        while not holds():
            assert time.monotonic() < deadline_s, self.made
            await asyncio.sleep(0.002)

    async def rest(self) -> None:
        """Nothing is left of the process of the test."""
        deadline_s = time.monotonic() + 5
        while left := await self.waiting():
            assert time.monotonic() < deadline_s, left
            await asyncio.sleep(0.005)

    async def waiting(self, process_id: str = "p") -> list[str]:
        found = await self.store.read(MAKER, lambda uow: uow.outbox.of_process(process_id))
        return [entry.message_name for entry in found]


def _add(uow: UnitOfWork, deliveries: list[Delivery]) -> None:
    for found in deliveries:
        uow.outbox.add(found)


@asynccontextmanager
async def open_desk(url: str) -> AsyncIterator[Desk]:
    store = await open_store(url, "desk")
    desk = Desk(store)
    try:
        yield desk
    finally:
        await desk.courier.close()
        await store.close()


@pytest.fixture
async def desk(store_url: str) -> AsyncIterator[Desk]:
    async with open_desk(store_url) as opened:
        yield opened


async def test_a_delivery_is_made_at_once_after_the_commit(desk: Desk) -> None:
    desk.courier.start()
    await asyncio.sleep(0.05)
    started_s = time.monotonic()
    await desk.put(delivery("a"))
    await desk.until(lambda: desk.made == ["a"])
    assert time.monotonic() - started_s < 0.5
    await desk.rest()


async def test_what_an_earlier_run_left_is_made_at_the_start(store_url: str) -> None:
    async with open_desk(store_url) as before:
        await before.put(delivery("a"), delivery("b"), delivery("c", "q"))
    async with open_desk(store_url) as after:
        after.courier.start()
        await after.until(lambda: len(after.made) == 3)
        assert after.made.index("a") < after.made.index("b")
        await after.rest()


async def test_a_process_keeps_its_order_and_another_does_not_wait_for_it(desk: Desk) -> None:
    gate = asyncio.Event()

    async def slow(found: Delivery) -> Outcome:
        if found.message_name == "a":
            await gate.wait()
        return DONE

    desk.work = slow
    desk.courier.start()
    await desk.put(delivery("a"), delivery("b"), delivery("other", "q"))
    await desk.until(lambda: sorted(desk.made) == ["a", "other"])
    await asyncio.sleep(0.1)
    assert sorted(desk.made) == ["a", "other"]
    gate.set()
    await desk.until(lambda: desk.made[-1] == "b")
    await desk.rest()


async def test_what_could_not_be_made_is_made_again_before_what_comes_after_it(desk: Desk) -> None:
    async def third_time(found: Delivery) -> Outcome:
        return AGAIN if desk.made.count("a") < 3 and found.message_name == "a" else DONE

    desk.work = third_time
    desk.courier.start()
    await desk.put(delivery("a"), delivery("b"))
    await desk.until(lambda: desk.made == ["a", "a", "a", "b"])
    await desk.rest()


async def test_a_defect_in_one_delivery_ends_neither_the_courier_nor_the_delivery(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_MS", 300)
    monkeypatch.setattr(delivering, "LEASE_MS", 300)

    async def breaks_once(found: Delivery) -> Outcome:
        if desk.made.count("broken") == 1 and found.message_name == "broken":
            raise ZeroDivisionError
        return DONE

    desk.work = breaks_once
    desk.courier.start()
    await desk.put(delivery("broken"), delivery("whole", "q"))
    await desk.until(lambda: desk.made.count("broken") == 2)
    assert desk.made.count("whole") == 1
    await desk.rest()


async def test_a_kind_that_this_node_does_not_know_waits_for_one_that_does(desk: Desk) -> None:
    desk.courier.start()
    await desk.put(delivery("hook", kind=DeliveryKind.WEBHOOK), delivery("message", "q"))
    await desk.until(lambda: desk.made == ["message"])
    await asyncio.sleep(0.05)
    assert await desk.waiting() == ["hook"]


async def test_what_is_recorded_with_a_delivery_is_recorded_exactly_when_it_is_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_MS", 200)
    monkeypatch.setattr(delivering, "LEASE_MS", 200)
    tries: list[str] = []

    def record(uow: UnitOfWork) -> None:
        tries.append("tried")
        uow.records.add_history(1, "made", "p", "", {})
        if len(tries) == 1:
            raise ZeroDivisionError

    async def recorded(found: Delivery) -> Outcome:
        return Outcome(verdict=Verdict.DONE, record=record)

    desk.work = recorded
    desk.courier.start()
    await desk.put(delivery("a"))
    await desk.until(lambda: len(tries) == 2)
    await desk.rest()
    history = await desk.store.read(MAKER, lambda uow: uow.records.list_history(0, 10))
    assert [entry.event for entry in history] == ["made"]


@pytest.mark.parametrize("verdict", [Verdict.NEVER, Verdict.AGAIN])
async def test_the_failure_of_a_delivery_that_was_withdrawn_meanwhile_is_not_recorded(
    desk: Desk, verdict: Verdict
) -> None:
    recorded: list[str] = []
    gate, under_way = asyncio.Event(), asyncio.Event()

    async def fails(found: Delivery) -> Outcome:
        under_way.set()
        await gate.wait()
        return Outcome(verdict=verdict, record=lambda uow: recorded.append("failed"))

    desk.work = fails
    desk.courier.start()
    await desk.put(delivery("a", created_ms=0))
    await under_way.wait()
    await desk.store.run(MAKER, lambda uow: uow.outbox.remove_of_process("p"))
    gate.set()
    desk.work = desk._done
    await desk.put(delivery("b"))
    await desk.until(lambda: desk.made == ["a", "b"])
    assert recorded == []


async def test_what_is_under_way_at_the_end_is_made_again_by_the_next_run(store_url: str) -> None:
    async with open_desk(store_url) as before:

        async def never_ends(found: Delivery) -> Outcome:
            await asyncio.sleep(60)
            return DONE

        before.work = never_ends
        before.courier.start()
        await before.put(delivery("a"))
        await before.until(lambda: before.made == ["a"])
    async with open_desk(store_url) as after:
        after.courier.start()
        await after.until(lambda: after.made == ["a"], patience_s=2)
        await after.rest()


async def test_a_counterparty_that_does_not_answer_holds_up_no_other(desk: Desk) -> None:
    gate = asyncio.Event()

    async def silent(found: Delivery) -> Outcome:
        if found.audience == "did:web:silent.example":
            async with waiting_outside():
                await gate.wait()
        return DONE

    desk.work = silent
    desk.courier.start()
    many = [
        delivery(f"silent-{number}", f"s-{number}", audience="did:web:silent.example") for number in range(50)
    ]
    await desk.put(*many)
    await desk.until(lambda: len(desk.made) >= 8)
    await desk.put(delivery("answered"), delivery("of another company", "q", participant_id=CELLS))
    await desk.until(lambda: {"answered", "of another company"} <= set(desk.made), patience_s=2)
    assert len(desk.made) < 50
    gate.set()
    await desk.until(lambda: len(desk.made) == 52)


async def test_a_long_delivery_keeps_its_lease_and_is_not_made_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LEASE_MS", 300)
    monkeypatch.setattr(delivering, "LEASE_MS", 300)

    async def long(found: Delivery) -> Outcome:
        await asyncio.sleep(1.0)
        return DONE

    desk.work = long
    desk.courier.start()
    await desk.put(delivery("pull", kind=DeliveryKind.PULL))
    await asyncio.sleep(0.7)
    # Another node finds nothing to take while this one holds it.
    taken = await desk.store.claim_due(moment().now_ms, moment().now_ms + 300, 10)
    assert taken == []
    await asyncio.sleep(0.6)
    assert desk.made == ["pull"]
    await desk.rest()


async def test_a_pull_cut_by_a_crash_is_taken_up_at_once_by_the_next_run(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "LEASE_MS", 300)
    async with open_desk(store_url) as before:

        async def never_ends(found: Delivery) -> Outcome:
            await asyncio.sleep(60)
            return DONE

        before.work = never_ends
        before.courier.start()
        await before.put(delivery("pull", kind=DeliveryKind.PULL))
        await asyncio.sleep(0.25)
        # The heartbeat of this run has renewed the lease by now; then another pretends that it is far from its end.
        await before.store.run(MAKER, lambda uow: uow.outbox.renew_lease("p/pull", moment().now_ms + 30_000))
    async with open_desk(store_url) as after:
        after.courier.start()
        await after.until(lambda: after.made == ["pull"], patience_s=2)


def _broken(uow: UnitOfWork) -> None:
    raise KeyError("a defect")


async def _breaks(found: Delivery) -> Outcome:
    raise KeyError("a defect")


async def _cannot_be_recorded(found: Delivery) -> Outcome:
    return Outcome(verdict=Verdict.DONE, record=_broken)


@pytest.mark.parametrize("work", [_breaks, _cannot_be_recorded])
async def test_a_try_that_ends_in_a_defect_counts_and_the_next_comes_later(desk: Desk, work: Work) -> None:
    desk.work = work
    desk.courier.start()
    await desk.put(delivery("a"))
    await desk.until(lambda: len(desk.made) == 3)
    await asyncio.sleep(0.3)
    # 0.1 s, 0.2 s, 0.4 s, ... between the tries.
    assert len(desk.made) <= 4
    left = await desk.store.read(MAKER, lambda uow: uow.outbox.get("p/a"))
    assert left is not None
    assert left.attempts_count == len(desk.made)


@pytest.mark.parametrize("work", [_breaks, _cannot_be_recorded])
async def test_a_defect_that_lasts_is_given_up_and_the_owner_reads_it(desk: Desk, work: Work) -> None:
    desk.work = work
    desk.courier.start()
    await desk.put(delivery("a", created_ms=0))
    await desk.rest()
    (entry,) = await desk.store.read(MAKER, lambda uow: uow.records.list_history(0, 10))
    assert (entry.event, entry.process_id, entry.peer_id) == ("delivery.given_up", "p", CELLS)
    assert "KeyError" in str(entry.details["reason"])
    assert len(desk.made) == 1
