import pytest

from ashiato.connector.ports import Conflict, UnitOfWork
from ashiato.dsp.states import Role, TransferState
from ashiato.stores.engine import SqlStore
from tests.stores.samples import DOCUMENT, MAKER, OTHER, TAKER, access, fetch, received, transfer


async def test_a_transfer_comes_back_as_it_was_stored_and_as_it_was_changed(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.transfers.insert(transfer(peer_pid=None)))
    assert await store.run(MAKER, lambda uow: uow.transfers.get("transfer-1")) == transfer(peer_pid=None)
    later = transfer(mark="later", state=TransferState.COMPLETED)
    await store.run(MAKER, lambda uow: uow.transfers.update(later))
    found = await store.read(
        MAKER,
        lambda uow: (
            uow.transfers.get("transfer-1"),
            uow.transfers.find_by_peer(Role.PROVIDER, TAKER, "peer-1"),
            uow.transfers.find_by_peer(Role.CONSUMER, TAKER, "peer-1"),
            uow.transfers.find_by_peer(Role.PROVIDER, OTHER, "peer-1"),
        ),
    )
    assert found == (later, later, None, None)


async def test_a_pid_that_is_taken_is_a_conflict(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.transfers.insert(transfer()))
    with pytest.raises(Conflict):
        await store.run(MAKER, lambda uow: uow.transfers.insert(transfer("transfer-2")))
    with pytest.raises(Conflict):
        await store.run(MAKER, lambda uow: uow.transfers.insert(transfer(peer_pid="peer-2")))
    assert await store.read(MAKER, lambda uow: uow.transfers.page("", 10)) == [transfer()]


async def test_pages_are_filtered_by_state_and_agreement(store: SqlStore) -> None:
    def insert(uow: UnitOfWork) -> None:
        for number, (agreement_id, state) in enumerate(
            [
                ("a", TransferState.STARTED),
                ("b", TransferState.STARTED),
                ("a", TransferState.SUSPENDED),
                ("a", TransferState.STARTED),
            ]
        ):
            pid = f"{number}"
            uow.transfers.insert(transfer(pid, peer_pid=pid, agreement_id=agreement_id, state=state))

    def page(uow: UnitOfWork, after_id: str, limit_count: int, **filters: str) -> list[str]:
        return [found.own_pid for found in uow.transfers.page(after_id, limit_count, **filters)]

    await store.run(MAKER, insert)
    assert await store.read(MAKER, lambda uow: page(uow, "", 3)) == ["0", "1", "2"]
    assert await store.read(MAKER, lambda uow: page(uow, "2", 3)) == ["3"]
    assert await store.read(MAKER, lambda uow: page(uow, "", 9, state="STARTED")) == ["0", "1", "3"]
    assert await store.read(MAKER, lambda uow: page(uow, "", 9, agreement_id="a")) == ["0", "2", "3"]
    both = await store.read(MAKER, lambda uow: page(uow, "0", 9, state="STARTED", agreement_id="a"))
    assert both == ["3"]


async def test_a_context_is_empty_until_it_is_put_and_then_replaced(store: SqlStore) -> None:
    assert await store.read(MAKER, lambda uow: uow.transfers.context("transfer-1")) == {}
    await store.run(MAKER, lambda uow: uow.transfers.put_context("transfer-1", {"a": 1}))
    await store.run(MAKER, lambda uow: uow.transfers.put_context("transfer-1", DOCUMENT))
    assert await store.read(MAKER, lambda uow: uow.transfers.context("transfer-1")) == DOCUMENT


async def test_accesses_are_listed_in_the_order_of_their_start(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.transfers.put_access(access("z", started_ms=1))
        uow.transfers.put_access(access("b", started_ms=3, agreement_id="agreement-2"))
        uow.transfers.put_access(access("a", started_ms=3))
        uow.transfers.put_access(access("m", started_ms=2))
        uow.transfers.put_access(access("m", mark="ended", started_ms=2))

    def page(uow: UnitOfWork, after_id: str, limit_count: int, **filters: str) -> list[str]:
        return [found.access_id for found in uow.transfers.list_accesses(after_id, limit_count, **filters)]

    await store.run(MAKER, put)
    assert await store.read(MAKER, lambda uow: page(uow, "", 3)) == ["z", "m", "a"]
    assert await store.read(MAKER, lambda uow: page(uow, "a", 3)) == ["b"]
    assert await store.read(MAKER, lambda uow: page(uow, "b", 3)) == []
    assert await store.read(MAKER, lambda uow: page(uow, "never there", 3)) == []
    filtered = await store.read(MAKER, lambda uow: page(uow, "z", 9, agreement_id="agreement-1"))
    assert filtered == ["m", "a"]
    second = await store.read(MAKER, lambda uow: uow.transfers.list_accesses("z", 1))
    assert second == [access("m", mark="ended", started_ms=2)]


async def test_the_accesses_of_one_transfer_are_listed_in_the_order_of_their_start(store: SqlStore) -> None:
    mine = [
        access(name, transfer_pid="t-1", started_ms=start) for name, start in (("z", 1), ("a", 2), ("b", 2))
    ]

    def put(uow: UnitOfWork) -> None:
        for one in reversed(mine):
            uow.transfers.put_access(one)
        uow.transfers.put_access(access("y", transfer_pid="t-2", started_ms=1))

    await store.run(MAKER, put)
    await store.run(OTHER, lambda uow: uow.transfers.put_access(access("x", transfer_pid="t-1")))
    assert await store.read(MAKER, lambda uow: uow.transfers.accesses_of_transfer("t-1", 9)) == mine
    assert await store.read(MAKER, lambda uow: uow.transfers.accesses_of_transfer("t-1", 2)) == mine[:2]
    assert await store.read(MAKER, lambda uow: uow.transfers.accesses_of_transfer("t-3", 9)) == []


async def test_received_data_is_listed_page_by_page(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        for number in (3, 1, 2):
            uow.transfers.put_received(received(f"{number}"))
        uow.transfers.put_received(received("1", mark="again"))

    await store.run(MAKER, put)
    found = await store.read(
        MAKER,
        lambda uow: (
            uow.transfers.received("1"),
            uow.transfers.received("no"),
            uow.transfers.list_received("", 2),
            uow.transfers.list_received("2", 2),
        ),
    )
    again = received("1", mark="again")
    assert found == (again, None, [again, received("2")], [received("3")])


async def test_a_fetch_is_found_by_either_of_its_processes(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.transfers.put_fetch(fetch("1"))
        uow.transfers.put_fetch(fetch("2", negotiation_pid="n-2"))
        uow.transfers.put_fetch(fetch("3", negotiation_pid="n-3", transfer_pid="t-3"))
        uow.transfers.put_fetch(fetch("1", negotiation_pid="n-1", mark="again"))

    await store.run(MAKER, put)
    first = fetch("1", negotiation_pid="n-1", mark="again")
    third = fetch("3", negotiation_pid="n-3", transfer_pid="t-3")
    found = await store.run(
        MAKER,
        lambda uow: (
            uow.transfers.fetch("1"),
            uow.transfers.fetch("no"),
            uow.transfers.fetch_of_process("n-1"),
            uow.transfers.fetch_of_process("t-3"),
            uow.transfers.fetch_of_process("t-4"),
            uow.transfers.list_fetches("", 1),
            uow.transfers.list_fetches("2", 9),
        ),
    )
    assert found == (first, None, first, third, None, [first], [third])
