import pytest

from ashiato.connector.ports import Conflict, UnitOfWork
from ashiato.connector.records import Approvable
from ashiato.dsp.states import NegotiationState, Role
from ashiato.stores.engine import SqlStore
from tests.stores.samples import DOCUMENT, MAKER, OTHER, TAKER, approvable, negotiation


async def test_a_negotiation_comes_back_as_it_was_stored(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.negotiations.insert(negotiation()))
    found = await store.run(
        MAKER,
        lambda uow: (
            uow.negotiations.get("own-1"),
            uow.negotiations.find_by_peer(Role.PROVIDER, TAKER, "peer-1"),
        ),
    )
    assert found == (negotiation(), negotiation())


async def test_what_is_not_there_is_none(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.negotiations.insert(negotiation()))
    found = await store.read(
        MAKER,
        lambda uow: (
            uow.negotiations.get("own-2"),
            uow.negotiations.find_by_peer(Role.CONSUMER, TAKER, "peer-1"),
            uow.negotiations.find_by_peer(Role.PROVIDER, OTHER, "peer-1"),
            uow.negotiations.find_by_peer(Role.PROVIDER, TAKER, "peer-2"),
            uow.negotiations.approvable("own-1"),
            uow.negotiations.context("own-1"),
        ),
    )
    assert found == (None, None, None, None, None, {})


async def test_an_update_is_found_by_the_pid_that_the_peer_gave_later(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.negotiations.insert(negotiation(peer_pid=None)))
    later = negotiation(mark="later", peer_pid="peer-9", state=NegotiationState.AGREED)
    await store.run(MAKER, lambda uow: uow.negotiations.update(later))
    found = await store.read(MAKER, lambda uow: uow.negotiations.find_by_peer(Role.PROVIDER, TAKER, "peer-9"))
    assert found == later


@pytest.mark.parametrize(
    ("own_pid", "peer_pid"), [("own-1", "peer-2"), ("own-2", "peer-1")], ids=["own pid", "peer pid"]
)
async def test_a_pid_that_is_taken_is_a_conflict_without_effect(
    store: SqlStore, own_pid: str, peer_pid: str
) -> None:
    await store.run(MAKER, lambda uow: uow.negotiations.insert(negotiation()))

    def insert(uow: UnitOfWork) -> None:
        uow.negotiations.put_context("own-3", {"a": 1})
        uow.negotiations.insert(negotiation(own_pid, "second", peer_pid))

    with pytest.raises(Conflict):
        await store.run(MAKER, insert)
    assert await store.read(MAKER, lambda uow: uow.negotiations.page("", 10)) == [negotiation()]
    assert await store.read(MAKER, lambda uow: uow.negotiations.context("own-3")) == {}


async def test_one_peer_pid_may_stand_for_both_roles_and_for_each_peer(store: SqlStore) -> None:
    def insert(uow: UnitOfWork) -> None:
        uow.negotiations.insert(negotiation("own-1"))
        uow.negotiations.insert(negotiation("own-2", role=Role.CONSUMER))
        uow.negotiations.insert(negotiation("own-3", peer_id=OTHER))
        uow.negotiations.insert(negotiation("own-4", peer_pid=None))
        uow.negotiations.insert(negotiation("own-5", peer_pid=None))

    await store.run(MAKER, insert)
    found = await store.read(MAKER, lambda uow: uow.negotiations.find_by_peer(Role.CONSUMER, TAKER, "peer-1"))
    assert found is not None
    assert found.own_pid == "own-2"


async def test_pages_are_filtered_by_state_and_peer(store: SqlStore) -> None:
    def insert(uow: UnitOfWork) -> None:
        for number, (peer_id, state) in enumerate(
            [
                (TAKER, NegotiationState.REQUESTED),
                (OTHER, NegotiationState.REQUESTED),
                (TAKER, NegotiationState.FINALIZED),
                (TAKER, NegotiationState.REQUESTED),
            ]
        ):
            pid = f"own-{number}"
            uow.negotiations.insert(negotiation(pid, peer_pid=pid, peer_id=peer_id, state=state))

    def page(uow: UnitOfWork, after_id: str, limit_count: int, **filters: str) -> list[str]:
        return [found.own_pid for found in uow.negotiations.page(after_id, limit_count, **filters)]

    await store.run(MAKER, insert)
    assert await store.read(MAKER, lambda uow: page(uow, "", 3)) == ["own-0", "own-1", "own-2"]
    assert await store.read(MAKER, lambda uow: page(uow, "own-2", 3)) == ["own-3"]
    assert await store.read(MAKER, lambda uow: page(uow, "", 9, state="REQUESTED")) == [
        "own-0",
        "own-1",
        "own-3",
    ]
    assert await store.read(MAKER, lambda uow: page(uow, "", 9, peer_id=TAKER)) == ["own-0", "own-2", "own-3"]
    both = await store.read(MAKER, lambda uow: page(uow, "own-0", 9, state="REQUESTED", peer_id=TAKER))
    assert both == ["own-3"]


async def test_open_negotiations_are_counted_by_peer_until_they_end(store: SqlStore) -> None:
    def insert(uow: UnitOfWork) -> None:
        for number, state in enumerate(NegotiationState):
            uow.negotiations.insert(negotiation(f"own-{number}", peer_pid=f"peer-{number}", state=state))
        uow.negotiations.insert(negotiation("own-other", peer_id=OTHER))

    await store.run(MAKER, insert)
    # Seven states, of which FINALIZED and TERMINATED are terminal.
    assert await store.read(MAKER, lambda uow: uow.negotiations.count_open(TAKER)) == 5
    ended = negotiation("own-0", peer_pid="peer-0", state=NegotiationState.TERMINATED)
    await store.run(MAKER, lambda uow: uow.negotiations.update(ended))
    assert await store.read(MAKER, lambda uow: uow.negotiations.count_open(TAKER)) == 4
    assert await store.read(MAKER, lambda uow: uow.negotiations.count_open("did:web:nobody")) == 0


async def test_a_context_is_replaced_and_may_come_before_its_negotiation(store: SqlStore) -> None:
    def begin(uow: UnitOfWork) -> None:
        uow.negotiations.put_context("own-1", {"offer_id": "o"})
        uow.negotiations.insert(negotiation())
        uow.negotiations.put_context("own-1", DOCUMENT)

    await store.run(MAKER, begin)
    assert await store.read(MAKER, lambda uow: uow.negotiations.context("own-1")) == DOCUMENT


async def test_what_waits_for_a_person_comes_page_by_page(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.negotiations.put_approvable(approvable("own-1", since_ms=30))
        uow.negotiations.put_approvable(approvable("own-2", since_ms=10))
        uow.negotiations.put_approvable(approvable("own-3", since_ms=20))
        uow.negotiations.put_approvable(approvable("own-3", mark="again", since_ms=20))
        uow.negotiations.delete_approvable("own-1")
        uow.negotiations.delete_approvable("never there")

    await store.run(MAKER, put)
    expected = [approvable("own-2", since_ms=10), approvable("own-3", mark="again", since_ms=20)]
    for after_id, limit_count, wanted in (
        ("", 2, expected),
        ("", 1, expected[:1]),
        ("own-2", 9, expected[1:]),
    ):

        def page(
            uow: UnitOfWork, after_id: str = after_id, limit_count: int = limit_count
        ) -> list[Approvable]:
            return uow.negotiations.list_approvables(after_id, limit_count)

        assert await store.read(MAKER, page) == wanted
    assert await store.read(MAKER, lambda uow: uow.negotiations.approvable("own-2")) == expected[0]
