"""What only a server with several clients can do wrong."""

import asyncio
import random
import threading
import time
from collections.abc import Callable

import msgspec
import psycopg
import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import Event, HistoryEntry
from ashiato.dsp.states import Role
from ashiato.stores.engine import SqlStore
from ashiato.stores.errors import NodeIdTaken, StatementRefused, StoreUnavailable
from tests.postgresql_server import allow_connections, cut_connections
from tests.stores.conftest import OpenStore
from tests.stores.samples import MAKER, OTHER, TAKER, agreement, asset, event, negotiation


@pytest.fixture
async def nodes(postgresql_database: str, opened: OpenStore) -> list[SqlStore]:
    """Two processes on one database."""
    return [await opened(postgresql_database, name) for name in ("node-1", "node-2")]


async def test_no_update_is_lost_between_two_processes(nodes: list[SqlStore]) -> None:
    await nodes[0].run(MAKER, lambda uow: uow.contracts.put_agreement(agreement()))

    def use(uow: UnitOfWork) -> None:
        found = uow.contracts.agreement("agreement-1")
        assert found is not None
        uow.contracts.put_agreement(msgspec.structs.replace(found, uses_count=found.uses_count + 1))

    await asyncio.gather(*(node.run(MAKER, use) for _ in range(50) for node in nodes))
    found = await nodes[0].read(MAKER, lambda uow: uow.contracts.agreement("agreement-1"))
    assert found is not None
    assert found.uses_count == agreement().uses_count + 100


async def test_whoever_comes_second_with_the_same_agreement_id_does_not_replace_the_first(
    nodes: list[SqlStore],
) -> None:
    both_looked = threading.Barrier(2)

    def remember(peer_id: str) -> Callable[[UnitOfWork], bool]:
        tries_count = 0

        def insert_unless_known(uow: UnitOfWork) -> bool:
            nonlocal tries_count
            tries_count += 1
            if uow.contracts.agreement("agreement-1") is not None:
                return False
            if tries_count == 1:
                both_looked.wait(timeout=10)
            uow.contracts.insert_agreement(agreement(peer_id=peer_id))
            return True

        return insert_unless_known

    is_first = await asyncio.gather(
        *(node.run(MAKER, remember(peer)) for node, peer in zip(nodes, (TAKER, OTHER), strict=True))
    )
    assert sorted(is_first) == [False, True]
    kept = await nodes[0].read(MAKER, lambda uow: uow.contracts.agreement("agreement-1"))
    assert kept is not None
    assert kept.peer_id == (TAKER if is_first[0] else OTHER)


async def test_no_context_is_lost_between_two_processes(nodes: list[SqlStore]) -> None:
    await nodes[0].run(MAKER, lambda uow: uow.negotiations.insert(negotiation()))

    def count(uow: UnitOfWork) -> None:
        found = uow.negotiations.get("own-1")
        assert found is not None
        context = uow.negotiations.context("own-1")
        uow.negotiations.put_context("own-1", {"count": int(str(context.get("count", 0))) + 1})

    await asyncio.gather(*(node.run(MAKER, count) for _ in range(50) for node in nodes))
    assert await nodes[0].read(MAKER, lambda uow: uow.negotiations.context("own-1")) == {"count": 100}


async def test_whoever_comes_second_with_the_same_request_sees_the_first(nodes: list[SqlStore]) -> None:
    def request(own_pid: str, peer_pid: str) -> Callable[[UnitOfWork], str]:
        def find_or_insert(uow: UnitOfWork) -> str:
            known = uow.negotiations.find_by_peer(Role.PROVIDER, TAKER, peer_pid)
            if known is None:
                known = negotiation(own_pid, peer_pid=peer_pid)
                uow.negotiations.insert(known)
            return known.own_pid

        return find_or_insert

    for number in range(30):
        first, second = await asyncio.gather(
            nodes[0].run(MAKER, request(f"a-{number}", f"peer-{number}")),
            nodes[1].run(MAKER, request(f"b-{number}", f"peer-{number}")),
        )
        assert first == second


async def test_a_deadlock_is_resolved_by_running_one_side_again(nodes: list[SqlStore]) -> None:
    await nodes[0].run(MAKER, lambda uow: uow.contracts.put_agreement(agreement("a")))
    await nodes[0].run(MAKER, lambda uow: uow.contracts.put_agreement(agreement("b")))
    both_hold_one = threading.Barrier(2)
    runs: list[str] = []

    def lock(first: str, second: str) -> Callable[[UnitOfWork], None]:
        def work(uow: UnitOfWork) -> None:
            held = uow.contracts.agreement(first)
            runs.append(first)
            if len(runs) <= 2:
                both_hold_one.wait(10)
            assert held is not None
            assert uow.contracts.agreement(second) is not None
            uow.contracts.put_agreement(msgspec.structs.replace(held, uses_count=held.uses_count + 1))

        return work

    await asyncio.gather(nodes[0].run(MAKER, lock("a", "b")), nodes[1].run(MAKER, lock("b", "a")))
    assert len(runs) >= 3
    found = await nodes[0].read(MAKER, lambda uow: uow.contracts.list_agreements("", 9))
    assert [one.uses_count for one in found] == [agreement().uses_count + 1] * 2


async def test_history_has_no_gap_for_whoever_follows_it(nodes: list[SqlStore]) -> None:
    count = 60
    writing = [
        asyncio.create_task(node.run(MAKER, lambda uow: uow.records.add_history(1, "x", "p", TAKER, {})))
        for _ in range(count)
        for node in nodes
    ]
    followed: list[int] = []
    are_written = False
    while not are_written:
        are_written = all(task.done() for task in writing)
        after = followed[-1] if followed else 0
        entries = await nodes[1].read(MAKER, _history_after(after))
        followed += [entry.sequence for entry in entries]
    await asyncio.gather(*writing)
    assert followed == list(range(1, 2 * count + 1))


async def test_histories_of_many_participants_do_not_lock_each_other_out(nodes: list[SqlStore]) -> None:
    names = [f"did:web:{number}.example" for number in range(12)]
    started_s = time.monotonic()
    await asyncio.gather(
        *(
            node.run(name, lambda uow: uow.records.add_history(1, "x", "p", TAKER, {}))
            for node, order in ((nodes[0], names), (nodes[1], names[::-1]))
            for _ in range(10)
            for name in order
        )
    )
    # The server looks for a deadlock after a second: without one, all of it is over before.
    assert time.monotonic() - started_s < 1.0
    for name in names:
        assert await nodes[0].read(name, lambda uow: uow.records.last_sequence()) == 20


async def test_a_node_id_belongs_to_one_running_process(postgresql_database: str, opened: OpenStore) -> None:
    first = await opened(postgresql_database, "node-1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ashiato.stores.notifications.NODE_ID_TRIES_COUNT", 2)
        with pytest.raises(NodeIdTaken, match="node-1"):
            await opened(postgresql_database, "node-1")
    await first.close()
    await opened(postgresql_database, "node-1")


async def test_a_store_goes_on_after_its_connections_werecut_connections(
    postgresql_url: str, postgresql_database: str, opened: OpenStore
) -> None:
    store = await opened(postgresql_database, "node-1")
    for number in range(3):
        await store.run(MAKER, _put(f"{number}"))
        cut_connections(postgresql_url, postgresql_database)
        await asyncio.sleep(0.2)
        assert len(await store.read(MAKER, lambda uow: uow.assets.list_assets("", 9))) == number + 1


async def test_a_server_that_is_away_is_told_as_such_and_found_again(
    postgresql_url: str, postgresql_database: str, opened: OpenStore
) -> None:
    store = await opened(postgresql_database, "node-1")
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset("before")))
    allow_connections(postgresql_url, postgresql_database, connections=False)
    cut_connections(postgresql_url, postgresql_database)
    # The server counts a connection as ended a moment before it closes it.
    await asyncio.sleep(0.2)
    for _ in range(3):
        results = await asyncio.gather(
            *(store.run(MAKER, lambda uow: uow.assets.put_asset(asset("during"))) for _ in range(5)),
            store.read(MAKER, lambda uow: uow.assets.asset("before")),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [StoreUnavailable] * 6
        assert not any(getattr(result, "outcome_unknown", None) for result in results)
    allow_connections(postgresql_url, postgresql_database, connections=True)
    await store.run(MAKER, lambda uow: uow.assets.put_asset(asset("after")))
    found = await store.read(MAKER, lambda uow: uow.assets.list_assets("", 9))
    assert [one.asset_id for one in found] == ["after", "before"]


async def test_a_key_that_is_too_large_for_an_index_is_refused_and_stops_no_other(
    nodes: list[SqlStore],
) -> None:
    # Random, so that the server cannot compress it below its limit.
    huge = random.Random(1).randbytes(4_000).hex()
    results = await asyncio.gather(
        *(nodes[0].run(MAKER, _put(name)) for name in ("a", huge, "b", "c")), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), StatementRefused, type(None), type(None)]
    found = await nodes[0].read(MAKER, lambda uow: uow.assets.list_assets("", 9))
    assert [one.asset_id for one in found] == ["a", "b", "c"]


async def test_a_connection_that_breaks_in_the_commit_is_not_run_again(
    postgresql_url: str, postgresql_database: str, opened: OpenStore
) -> None:
    store = await opened(postgresql_database, "node-1")
    with psycopg.connect(postgresql_database, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END'"
        )
        connection.execute(
            "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON asset DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION slow()"
        )
    runs: list[int] = []

    def put(uow: UnitOfWork) -> None:
        runs.append(1)
        uow.assets.put_asset(asset())

    running = asyncio.create_task(store.run(MAKER, put))
    while not cut_connections(postgresql_url, postgresql_database, query="COMMIT%"):
        await asyncio.sleep(0.05)
    with pytest.raises(StoreUnavailable) as caught:
        await running
    assert caught.value.outcome_unknown
    assert runs == [1]


async def test_processes_wake_each_other_and_do_not_hear_themselves(nodes: list[SqlStore]) -> None:
    heard: list[list[str]] = [[], []]
    for store, names in zip(nodes, heard, strict=True):
        store.subscribe(_noting(names))
    for turn in range(3):
        await nodes[0].run(MAKER, _tell("from-1", f"{turn}"))
        await nodes[1].run(MAKER, _tell("from-2", f"{turn}"))
    await _until(lambda: all(len(names) == 6 for names in heard))
    await asyncio.sleep(0.05)
    expected = {f"from-{node}:{turn}" for node in (1, 2) for turn in range(3)}
    assert [set(names) for names in heard] == [expected, expected]
    assert [len(names) for names in heard] == [6, 6]


async def test_large_and_many_events_travel_with_their_ids(nodes: list[SqlStore]) -> None:
    heard: list[object] = []
    nodes[1].subscribe(
        lambda found: heard.append((found.process_id, len(str(found.details.get("text", "")))))
    )

    def tell(uow: UnitOfWork) -> None:
        uow.tell(event("x", "small", text="電" * 10))
        uow.tell(event("x", "large", text="電" * 5_000))
        for number in range(200):
            uow.tell(event("x", f"{number}", text="y" * 100))

    await nodes[0].run(MAKER, tell)
    await _until(lambda: len(heard) == 202)
    assert heard[:2] == [("small", 10), ("large", 0)]
    assert heard[2:] == [(f"{number}", 100) for number in range(200)]


async def test_wake_ups_come_again_after_the_listening_connection_broke(
    postgresql_url: str, postgresql_database: str, nodes: list[SqlStore]
) -> None:
    heard: list[str] = []
    nodes[1].subscribe(lambda found: heard.append(found.process_id))
    cut_connections(postgresql_url, postgresql_database)
    for turn in range(100):
        await nodes[0].run(MAKER, _tell("x", f"{turn}"))
        await asyncio.sleep(0.05)
        if heard:
            break
    assert heard


async def test_what_others_say_on_the_channel_does_no_harm(
    postgresql_database: str, nodes: list[SqlStore]
) -> None:
    heard: list[str] = []
    nodes[1].subscribe(lambda found: heard.append(found.process_id))
    with psycopg.connect(postgresql_database, autocommit=True) as connection:
        for payload in ("", "no json", "[]", '{"node_id": 1}', '{"events": []}'):
            connection.execute("SELECT pg_notify('ashiato', %s)", (payload,))
    await nodes[0].run(MAKER, lambda uow: uow.tell(event("x", "still-heard")))
    await _until(lambda: bool(heard))
    assert heard == ["still-heard"]


def _put(asset_id: str) -> Callable[[UnitOfWork], None]:
    return lambda uow: uow.assets.put_asset(asset(asset_id))


def _tell(name: str, process_id: str) -> Callable[[UnitOfWork], None]:
    return lambda uow: uow.tell(event(name, process_id))


def _noting(names: list[str]) -> Callable[[Event], None]:
    return lambda found: names.append(f"{found.name}:{found.process_id}")


def _history_after(sequence: int) -> Callable[[UnitOfWork], list[HistoryEntry]]:
    return lambda uow: uow.records.list_history(sequence, 1_000)


async def _until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_true():
            await asyncio.sleep(0.01)
