import asyncio

import msgspec
import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.outbox.deliveries import LEASE_MS, Delivery
from ashiato.stores.engine import SqlStore
from tests.stores.conftest import OpenStore
from tests.stores.samples import MAKER, OTHER, delivery

LATER_MS = 10_000_000


def _add(uow: UnitOfWork, *deliveries: Delivery) -> None:
    for one in deliveries:
        uow.outbox.add(one)


def _ids(deliveries: list[Delivery]) -> list[str]:
    return [found.delivery_id for found in deliveries]


async def test_a_delivery_comes_back_with_its_place_in_the_process(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _add(uow, delivery("a"), delivery("b"), delivery("c", "own-2")))
    found = await store.read(
        MAKER,
        lambda uow: (uow.outbox.get("b"), uow.outbox.of_process("own-1"), uow.outbox.get("no")),
    )
    second = msgspec.structs.replace(delivery("b"), sequence=2)
    assert found == (second, [msgspec.structs.replace(delivery("a"), sequence=1), second], None)


async def test_the_first_of_a_process_goes_to_the_courier_after_the_commit(store: SqlStore) -> None:
    taken: list[Delivery] = []
    store.on_delivery(taken.append)
    await store.run(MAKER, lambda uow: _add(uow, delivery("a"), delivery("b"), delivery("c", "own-2")))
    await asyncio.sleep(0)
    assert taken == [
        msgspec.structs.replace(delivery("a"), sequence=1),
        msgspec.structs.replace(delivery("c", "own-2"), sequence=1),
    ]


async def test_the_next_comes_when_the_one_before_it_is_removed(store: SqlStore) -> None:
    taken: list[Delivery] = []
    store.on_delivery(taken.append)
    await store.run(MAKER, lambda uow: _add(uow, delivery("a"), delivery("b")))
    following = await store.run(MAKER, lambda uow: uow.outbox.remove("a"))
    assert following == msgspec.structs.replace(delivery("b"), sequence=2)
    assert await store.run(MAKER, lambda uow: uow.outbox.remove("b")) is None
    await store.run(MAKER, lambda uow: _add(uow, delivery("c")))
    await asyncio.sleep(0)
    assert _ids(taken) == ["a", "c"]


async def test_removing_one_that_waits_does_not_give_out_the_first_again(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _add(uow, delivery("a"), delivery("b"), delivery("c")))
    assert await store.run(MAKER, lambda uow: uow.outbox.remove("b")) is None
    assert await store.run(MAKER, lambda uow: uow.outbox.remove("never there")) is None
    assert _ids(await store.read(MAKER, lambda uow: uow.outbox.of_process("own-1"))) == ["a", "c"]


async def test_work_that_fails_leaves_nothing_to_deliver(store: SqlStore) -> None:
    taken: list[Delivery] = []
    store.on_delivery(taken.append)

    def fail(uow: UnitOfWork) -> None:
        uow.outbox.add(delivery("a"))
        assert uow.outbox.of_process("own-1")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.run(MAKER, fail)
    await asyncio.sleep(0)
    assert taken == []
    assert await store.next_due_ms() is None


async def test_a_process_can_be_emptied_and_begun_again(store: SqlStore) -> None:
    taken: list[Delivery] = []
    store.on_delivery(taken.append)
    await store.run(MAKER, lambda uow: _add(uow, delivery("a"), delivery("b"), delivery("x", "own-2")))

    def overtake(uow: UnitOfWork) -> None:
        uow.outbox.remove_of_process("own-1")
        uow.outbox.add(delivery("c"))

    await store.run(MAKER, overtake)
    await asyncio.sleep(0)
    assert _ids(taken) == ["a", "x", "c"]
    assert _ids(await store.read(MAKER, lambda uow: uow.outbox.of_process("own-1"))) == ["c"]
    assert _ids(await store.read(MAKER, lambda uow: uow.outbox.of_process("own-2"))) == ["x"]


async def test_what_is_added_is_leased_until_due_and_lease(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _add(uow, delivery("a", created_ms=1_000)))
    assert await store.next_due_ms() == 1_000 + LEASE_MS
    assert await store.claim_due(999 + LEASE_MS, LATER_MS, 10) == []
    assert _ids(await store.claim_due(1_000 + LEASE_MS, LATER_MS, 10)) == ["a"]


async def test_what_is_due_later_is_claimed_when_it_is_due(store: SqlStore) -> None:
    taken: list[Delivery] = []
    store.on_delivery(taken.append)
    await store.run(MAKER, lambda uow: _add(uow, delivery("a", created_ms=1_000, due_ms=5_000)))
    await asyncio.sleep(0)
    assert taken == []
    assert await store.next_due_ms() == 5_000
    assert await store.claim_due(4_999, LATER_MS, 10) == []
    assert _ids(await store.claim_due(5_000, LATER_MS, 10)) == ["a"]


async def test_a_claim_is_a_lease(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _add(uow, delivery("a")))
    assert _ids(await store.claim_due(100_000, 130_000, 10)) == ["a"]
    assert await store.claim_due(100_001, 140_000, 10) == []
    assert await store.next_due_ms() == 130_000
    assert _ids(await store.claim_due(130_000, 160_000, 10)) == ["a"]


async def test_only_the_first_of_each_process_is_claimed_and_the_longest_due_first(store: SqlStore) -> None:
    await store.run(
        MAKER,
        lambda uow: _add(
            uow,
            delivery("a1", "own-a", created_ms=3_000),
            delivery("a2", "own-a", created_ms=1_000),
            delivery("b1", "own-b", created_ms=2_000),
        ),
    )
    await store.run(
        OTHER, lambda uow: _add(uow, delivery("c1", "own-a", created_ms=1_500, participant_id=OTHER))
    )
    claimed = await store.claim_due(LATER_MS, LATER_MS + LEASE_MS, 10)
    assert [(found.participant_id, found.delivery_id) for found in claimed] == [
        (OTHER, "c1"),
        (MAKER, "b1"),
        (MAKER, "a1"),
    ]


async def test_a_claim_takes_no_more_than_it_asked_for(store: SqlStore) -> None:
    await store.run(
        MAKER, lambda uow: _add(uow, *(delivery(f"{n}", f"own-{n}", created_ms=n) for n in range(5)))
    )
    assert _ids(await store.claim_due(LATER_MS, LATER_MS * 2, 2)) == ["0", "1"]
    assert _ids(await store.claim_due(LATER_MS, LATER_MS * 2, 9)) == ["2", "3", "4"]


async def test_a_failed_try_frees_the_lease_and_holds_back_those_behind_it(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _add(uow, delivery("a"), delivery("b")))
    await store.run(MAKER, lambda uow: uow.outbox.reschedule("a", 3, 60_000))
    assert await store.next_due_ms() == 60_000
    assert await store.claim_due(59_999, LATER_MS, 10) == []
    (claimed,) = await store.claim_due(60_000, 90_000, 10)
    assert (claimed.delivery_id, claimed.attempts_count, claimed.due_ms) == ("a", 3, 60_000)
    behind = await store.read(MAKER, lambda uow: uow.outbox.get("b"))
    assert behind is not None
    assert (behind.attempts_count, behind.due_ms) == (0, 1_000)


async def test_the_next_has_the_lease_of_the_one_removed(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _add(uow, delivery("a"), delivery("b")))
    await store.run(MAKER, lambda uow: uow.outbox.reschedule("a", 1, 100_000))
    await store.claim_due(100_000, 130_000, 10)
    await store.run(MAKER, lambda uow: uow.outbox.remove("a"))
    assert await store.claim_due(129_999, LATER_MS, 10) == []
    assert _ids(await store.claim_due(130_000, LATER_MS, 10)) == ["b"]


async def test_a_restart_gives_back_what_the_dead_process_had_leased(
    store_url: str, opened: OpenStore
) -> None:
    first = await opened(store_url, "node-1")
    await first.run(MAKER, lambda uow: _add(uow, delivery("a", created_ms=1_000), delivery("b", "own-2")))
    await first.claim_due(1_000 + LEASE_MS, LATER_MS, 1)
    await first.close()
    second = await opened(store_url, "node-1")
    assert await second.next_due_ms() == 1_000
    assert sorted(_ids(await second.claim_due(1_000, LATER_MS, 10))) == ["a", "b"]


async def test_a_renewed_lease_ends_with_its_node(store_url: str, opened: OpenStore) -> None:
    first = await opened(store_url, "node-1")
    await first.run(MAKER, lambda uow: _add(uow, delivery("a", created_ms=1_000)))
    await first.run(MAKER, lambda uow: uow.outbox.renew_lease("a", LATER_MS))
    assert await first.claim_due(LATER_MS - 1, LATER_MS * 2, 10) == []
    await first.close()
    second = await opened(store_url, "node-1")
    (claimed,) = await second.claim_due(1_000, LATER_MS, 10)
    assert (claimed.delivery_id, claimed.attempts_count, claimed.due_ms) == ("a", 0, 1_000)


async def test_a_lease_that_was_given_back_or_lost_is_not_renewed(
    postgresql_database: str, opened: OpenStore
) -> None:
    first, second = [await opened(postgresql_database, name) for name in ("node-1", "node-2")]
    await first.run(MAKER, lambda uow: _add(uow, delivery("a", created_ms=1_000)))
    await first.run(MAKER, lambda uow: uow.outbox.reschedule("a", 1, 50_000))
    await first.run(MAKER, lambda uow: uow.outbox.renew_lease("a", LATER_MS))
    assert await first.next_due_ms() == 50_000
    await second.claim_due(50_000, 80_000, 10)
    await first.run(MAKER, lambda uow: uow.outbox.renew_lease("a", LATER_MS))
    assert await first.next_due_ms() == 80_000


async def test_two_nodes_never_hold_the_same_delivery(postgresql_database: str, opened: OpenStore) -> None:
    nodes = [await opened(postgresql_database, f"node-{number}") for number in range(3)]
    count = 120
    await nodes[0].run(MAKER, lambda uow: _add(uow, *(delivery(f"{n}", f"own-{n}") for n in range(count))))
    held: list[str] = []

    async def claim(node: SqlStore) -> None:
        while claimed := await node.claim_due(LATER_MS, LATER_MS + LEASE_MS, 7):
            held.extend(_ids(claimed))

    await asyncio.gather(*(claim(node) for node in nodes for _ in range(2)))
    assert len(held) == len(set(held))
    # A claim that met locked rows may have come back short: the rest is there for the next one.
    while claimed := await nodes[0].claim_due(LATER_MS, LATER_MS + LEASE_MS, 50):
        held.extend(_ids(claimed))
    assert sorted(held) == sorted(f"{n}" for n in range(count))


async def test_a_restart_leaves_the_leases_of_other_nodes_alone(
    postgresql_database: str, opened: OpenStore
) -> None:
    one = await opened(postgresql_database, "node-1")
    await one.run(MAKER, lambda uow: _add(uow, delivery("a", created_ms=1_000)))
    other = await opened(postgresql_database, "node-2")
    assert await other.next_due_ms() == 1_000 + LEASE_MS
    assert await other.claim_due(2_000, LATER_MS, 10) == []


async def test_adding_and_removing_at_the_same_time_forgets_no_delivery(
    postgresql_database: str, opened: OpenStore
) -> None:
    # Whoever adds behind one that another node removes at this moment must either be found by it or be the first.
    one, other = [await opened(postgresql_database, f"node-{number}") for number in (1, 2)]
    given: list[str] = []
    other.on_delivery(lambda found: given.append(found.delivery_id))

    async def race(number: int) -> None:
        process_id = f"own-{number}"
        await one.run(MAKER, lambda uow: _add(uow, delivery(f"first-{number}", process_id)))
        following, _ = await asyncio.gather(
            one.run(MAKER, lambda uow: uow.outbox.remove(f"first-{number}")),
            other.run(MAKER, lambda uow: _add(uow, delivery(f"second-{number}", process_id))),
        )
        if following is not None:
            given.append(following.delivery_id)

    for number in range(60):
        await race(number)
    await asyncio.sleep(0)
    assert sorted(given) == sorted(f"second-{number}" for number in range(60))
