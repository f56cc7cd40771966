import asyncio
import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ashiato.connector.ports import Conflict, UnitOfWork
from ashiato.connector.records import Event
from ashiato.dsp.states import NegotiationState, Role
from ashiato.outbox.deliveries import Delivery
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.errors import BadStoreUrl, StatementRefused, StoreUnavailable
from tests.stores.conftest import OpenStore
from tests.stores.samples import (
    MAKER,
    OTHER,
    TAKER,
    agreement,
    asset,
    delivery,
    event,
    framework,
    negotiation,
    offer,
    policy,
    transfer,
)


class _Refused(Exception):
    """What a use case raises."""


def _everything(uow: UnitOfWork) -> None:
    uow.assets.put_asset(asset())
    uow.negotiations.insert(negotiation())
    uow.negotiations.put_context("own-1", {"a": 1})
    uow.contracts.put_agreement(agreement())
    uow.outbox.add(delivery())
    uow.records.add_history(1, "x", "own-1", TAKER, {})
    uow.records.remember_token(TAKER, "token", 1_000)
    uow.tell(event())


def _seen(uow: UnitOfWork) -> list[object]:
    return [
        uow.assets.asset("asset-1"),
        uow.negotiations.get("own-1"),
        uow.negotiations.context("own-1"),
        uow.contracts.agreement("agreement-1"),
        uow.outbox.of_process("own-1"),
        uow.records.list_history(0, 10),
    ]


@contextlib.asynccontextmanager
async def _one_commit(store: SqlStore, participant_id: str = "did:web:blocker") -> Any:
    """What is handed over inside waits behind a running unit of work, so that it is taken together."""
    running, go_on = threading.Semaphore(0), threading.Event()

    def block(uow: UnitOfWork) -> None:
        running.release()
        go_on.wait(30)

    # Every writer is held, so that none takes what follows at once.
    writers_count = sum(thread.name.startswith("store-writer") for thread in threading.enumerate())
    blockers = []
    for number in range(writers_count):
        # One after the other: what waits together is taken together, by one writer.
        blockers.append(asyncio.create_task(store.run(f"{participant_id}-{number}", block)))
        assert await asyncio.to_thread(running.acquire, timeout=30)
    try:
        yield
    finally:
        await asyncio.sleep(0.02)
        go_on.set()
        await asyncio.gather(*blockers)


async def test_work_returns_its_result_and_reads_what_it_wrote(store: SqlStore) -> None:
    def write_and_read(uow: UnitOfWork) -> object:
        uow.assets.put_asset(asset(mark="1"))
        first = uow.assets.asset("asset-1")
        uow.assets.put_asset(asset(mark="2"))
        return first, uow.assets.asset("asset-1"), uow.participant_id

    assert await store.run(MAKER, write_and_read) == (asset(mark="1"), asset(mark="2"), MAKER)
    assert await store.read(MAKER, lambda uow: uow.assets.asset("asset-1")) == asset(mark="2")


async def test_work_sees_what_it_changed_also_where_it_had_read_before(store: SqlStore) -> None:
    def prepare(uow: UnitOfWork) -> None:
        _everything(uow)
        uow.assets.put_offer(offer())
        uow.assets.put_policy(policy())
        uow.contracts.put_framework(framework())
        uow.transfers.insert(transfer())

    def read(uow: UnitOfWork) -> list[object]:
        return [
            uow.assets.offer("offer-1"),
            uow.assets.policy("policy-1"),
            uow.contracts.agreement("agreement-1"),
            uow.contracts.framework("framework-1"),
            uow.negotiations.get("own-1"),
            uow.negotiations.find_by_peer(Role.PROVIDER, TAKER, "peer-1"),
            uow.negotiations.context("own-1"),
            uow.transfers.get("transfer-1"),
            uow.transfers.context("transfer-1"),
        ]

    def change(uow: UnitOfWork) -> list[list[object]]:
        before = read(uow)
        uow.assets.put_offer(offer(mark="2"))
        uow.assets.put_policy(policy(mark="2"))
        uow.contracts.put_agreement(agreement(mark="2"))
        uow.contracts.put_framework(framework(mark="2"))
        uow.negotiations.update(negotiation(mark="2"))
        uow.negotiations.put_context("own-1", {"a": 2})
        uow.transfers.update(transfer(mark="2"))
        uow.transfers.put_context("transfer-1", {"b": 2})
        after = read(uow)
        uow.assets.delete_offer("offer-1")
        uow.assets.delete_policy("policy-1")
        return [before, after, read(uow)[:2]]

    await store.run(MAKER, prepare)
    first, second = negotiation(), negotiation(mark="2")
    changed = [offer(mark="2"), policy(mark="2"), agreement(mark="2"), framework(mark="2")]
    assert await store.run(MAKER, change) == [
        [offer(), policy(), agreement(), framework(), first, first, {"a": 1}, transfer(), {}],
        [*changed, second, second, {"a": 2}, transfer(mark="2"), {"b": 2}],
        [None, None],
    ]
    left = await store.read(MAKER, read)
    assert left == [None, None, *changed[2:], second, second, {"a": 2}, transfer(mark="2"), {"b": 2}]


@pytest.mark.parametrize("reads_last", [False, True], ids=["writes last", "reads last"])
async def test_work_that_raises_has_no_effect_at_all(store: SqlStore, *, reads_last: bool) -> None:
    told: list[Event] = []
    taken: list[Delivery] = []
    store.subscribe(told.append)
    store.on_delivery(taken.append)

    def fail(uow: UnitOfWork) -> None:
        _everything(uow)
        if reads_last:
            assert all(_seen(uow))
        raise _Refused

    with pytest.raises(_Refused):
        await store.run(MAKER, fail)
    await asyncio.sleep(0.01)
    assert not any(await store.read(MAKER, _seen))
    assert (told, taken) == ([], [])
    assert await store.run(MAKER, lambda uow: uow.records.remember_token(TAKER, "token", 1_000))


@pytest.mark.parametrize("kind", ["reads", "writes", "writes and reads", "conflicts", "is refused"])
async def test_one_failing_work_does_not_undo_those_beside_it(store: SqlStore, kind: str) -> None:
    await store.run(MAKER, lambda uow: uow.negotiations.insert(negotiation("taken", peer_pid="taken")))

    def fail(uow: UnitOfWork) -> None:
        uow.assets.list_assets("", 10)
        if kind != "reads":
            uow.assets.put_asset(asset("bad"))
        if kind == "writes and reads":
            assert uow.assets.asset("bad") is not None
        if kind == "conflicts":
            uow.negotiations.insert(negotiation("taken", peer_pid="other"))
        elif kind == "is refused":
            uow.records.remember_token(TAKER, "t", 2**80)
        else:
            raise _Refused

    def good(number: int) -> Callable[[UnitOfWork], None]:
        def put(uow: UnitOfWork) -> None:
            uow.assets.put_asset(asset(f"good-{number}"))
            uow.records.add_history(1, f"good-{number}", "p", TAKER, {})

        return put

    async with _one_commit(store):
        tasks = [
            asyncio.create_task(store.run(MAKER, work)) for work in (good(0), good(1), fail, good(2), good(3))
        ]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    expected = {"conflicts": Conflict, "is refused": StatementRefused}.get(kind, _Refused)
    assert [type(result) for result in results] == [type(None)] * 2 + [expected] + [type(None)] * 2
    names = [f"good-{number}" for number in range(4)]
    assert [
        found.asset_id for found in await store.read(MAKER, lambda uow: uow.assets.list_assets("", 9))
    ] == names
    history = await store.read(MAKER, lambda uow: uow.records.list_history(0, 9))
    assert [(entry.sequence, entry.event) for entry in history] == list(enumerate(names, start=1))


async def test_events_and_deliveries_are_told_after_the_commit_and_in_its_order(store: SqlStore) -> None:
    told: list[str] = []
    store.subscribe(lambda found: told.append(found.name))
    store.on_delivery(lambda found: told.append(found.delivery_id))

    def work(uow: UnitOfWork) -> None:
        uow.tell(event("first"))
        uow.outbox.add(delivery("delivery"))
        uow.tell(event("second"))
        assert told == []

    await store.run(MAKER, work)
    await store.run(MAKER, lambda uow: uow.tell(event("third")))
    await asyncio.sleep(0)
    assert told == ["delivery", "first", "second", "third"]


async def test_a_listener_that_fails_stops_no_other(store: SqlStore) -> None:
    told: list[str] = []
    problems: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))

    def fail(found: Event) -> None:
        raise _Refused

    store.subscribe(fail)
    store.subscribe(lambda found: told.append(found.name))
    await store.run(MAKER, lambda uow: uow.tell(event("x")))
    await asyncio.sleep(0.01)
    assert told == ["x"]
    assert isinstance(problems[0]["exception"], _Refused)


async def test_a_conflict_that_work_swallows_still_fails_it(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.negotiations.insert(negotiation()))

    def swallow(uow: UnitOfWork) -> None:
        uow.assets.put_asset(asset())
        with contextlib.suppress(Conflict):
            uow.negotiations.insert(negotiation())
            uow.negotiations.get("own-1")

    with pytest.raises(Conflict):
        await store.run(MAKER, swallow)
    assert await store.read(MAKER, lambda uow: uow.assets.asset("asset-1")) is None


async def test_no_update_is_lost_between_units_of_work(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.contracts.put_agreement(agreement()))

    def use(uow: UnitOfWork) -> None:
        found = uow.contracts.agreement("agreement-1")
        assert found is not None
        uow.contracts.put_agreement(msgspec.structs.replace(found, uses_count=found.uses_count + 1))

    await asyncio.gather(*(store.run(MAKER, use) for _ in range(100)))
    found = await store.read(MAKER, lambda uow: uow.contracts.agreement("agreement-1"))
    assert found is not None
    assert found.uses_count == agreement().uses_count + 100


async def test_what_reads_cannot_write(store: SqlStore) -> None:
    with pytest.raises(StatementRefused):
        await store.read(MAKER, lambda uow: uow.assets.put_asset(asset()))
    with pytest.raises(StatementRefused):
        await store.read(MAKER, lambda uow: uow.assets.delete_asset("asset-1"))
    assert await store.read(MAKER, lambda uow: uow.assets.asset("asset-1")) is None


async def test_a_reader_that_raises_leaves_its_connection_in_order(store: SqlStore) -> None:
    def fail(uow: UnitOfWork) -> None:
        uow.assets.asset("asset-1")
        raise _Refused

    for _ in range(5):
        with pytest.raises(_Refused):
            await store.read(MAKER, fail)
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset()))
    for _ in range(5):
        assert await store.read(MAKER, lambda uow: uow.assets.asset("asset-1")) == asset()


async def test_a_reader_sees_one_moment(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset(mark="before")))
    first_read, written = threading.Event(), threading.Event()

    def read_twice(uow: UnitOfWork) -> object:
        first = uow.assets.asset("asset-1")
        first_read.set()
        assert written.wait(10)
        return first, uow.assets.asset("asset-1")

    reading = asyncio.create_task(store.read(MAKER, read_twice))
    await asyncio.to_thread(first_read.wait, 10)
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset(mark="after")))
    written.set()
    assert await reading == (asset(mark="before"), asset(mark="before"))


async def test_work_that_is_cancelled_before_it_began_is_not_run(store: SqlStore) -> None:
    async with _one_commit(store):
        tasks = [
            asyncio.create_task(store.run(MAKER, lambda uow: uow.assets.put_asset(asset("a")))),
            asyncio.create_task(store.run(MAKER, lambda uow: uow.assets.put_asset(asset("b")))),
        ]
        await asyncio.sleep(0)
        tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert [
        found.asset_id for found in await store.read(MAKER, lambda uow: uow.assets.list_assets("", 9))
    ] == ["b"]


async def test_work_that_raises_what_a_future_cannot_carry_is_told_of_it(store: SqlStore) -> None:
    with pytest.raises(RuntimeError, match="StopIteration"):
        await store.run(MAKER, lambda uow: next(iter(())))
    with pytest.raises(SystemExit):
        await store.run(MAKER, _leave)
    assert await store.run(MAKER, lambda uow: 1) == 1


def _leave(uow: UnitOfWork) -> None:
    raise SystemExit


async def test_a_closed_store_has_done_what_was_handed_over_and_takes_no_more(
    store_url: str, opened: OpenStore
) -> None:
    store = await opened(store_url, "node-1")
    tasks = [
        asyncio.create_task(store.run(f"{MAKER}-{n % 3}", lambda uow: uow.assets.put_asset(asset())))
        for n in range(30)
    ]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*tasks)
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.run(MAKER, lambda uow: None)
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.read(MAKER, lambda uow: None)
    again = await opened(store_url, "node-1")
    assert await again.read(f"{MAKER}-2", lambda uow: uow.assets.asset("asset-1")) == asset()


async def test_many_participants_at_once_all_get_their_turn(store: SqlStore) -> None:
    def step(uow: UnitOfWork) -> None:
        found = uow.negotiations.get("own-1")
        if found is None:
            uow.negotiations.insert(negotiation())
        else:
            uow.negotiations.update(msgspec.structs.replace(found, rounds=found.rounds + 1))

    participants = [f"did:web:{number}.example" for number in range(40)]
    await asyncio.gather(*(store.run(name, step) for _ in range(10) for name in participants))
    for name in participants:
        found = await store.read(name, lambda uow: uow.negotiations.get("own-1"))
        assert found is not None
        assert (found.rounds, found.state) == (negotiation().rounds + 9, NegotiationState.REQUESTED)


async def test_history_of_works_in_one_commit_stays_with_its_participants(store: SqlStore) -> None:
    async with _one_commit(store):
        tasks = [
            asyncio.create_task(
                store.run(name, lambda uow: uow.records.add_history(1, uow.participant_id, "p", TAKER, {}))
            )
            for name in (MAKER, OTHER, MAKER, TAKER, OTHER, MAKER)
        ]
    await asyncio.gather(*tasks)
    for name, count in ((MAKER, 3), (OTHER, 2), (TAKER, 1)):
        history = await store.read(name, lambda uow: uow.records.list_history(0, 9))
        assert [(entry.sequence, entry.event) for entry in history] == [
            (n, name) for n in range(1, count + 1)
        ]


@pytest.mark.parametrize(
    "url", ["", "mysql://localhost/x", "sqlite://", "sqlite:///", "postgresql://localhost", "just text"]
)
async def test_an_address_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(BadStoreUrl):
        await open_store(url, "node-1")


async def test_a_store_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        await open_store(f"sqlite:///{tmp_path}/no/such/folder/x.db", "node-1")
    # Nothing listens on the discard port.
    with pytest.raises(StoreUnavailable):
        await open_store("postgresql://nobody@127.0.0.1:9/nothing", "node-1")
