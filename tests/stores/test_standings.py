from ashiato.connector.ports import UnitOfWork
from ashiato.identity.presentations import StoredPresentation
from ashiato.stores.engine import PURGED_AT_ONCE_COUNT, SqlStore
from tests.stores.samples import MAKER, OTHER, TAKER, presentation


def _put(uow: UnitOfWork, *presentations: StoredPresentation) -> None:
    for one in presentations:
        uow.standings.put(one)


async def test_the_last_presentation_of_a_peer_is_the_one_that_is_kept(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _put(uow, presentation(mark="first")))
    await store.run(MAKER, lambda uow: _put(uow, presentation(mark="second", fetched_ms=2_000)))
    found = await store.read(MAKER, lambda uow: uow.standings.get(TAKER))
    assert found == StoredPresentation(peer_id=TAKER, credentials=("a.b.second",), fetched_ms=2_000)
    assert await store.read(MAKER, lambda uow: uow.standings.get(OTHER)) is None


async def test_presentations_come_back_page_by_page(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _put(uow, *(presentation(f"did:web:{name}") for name in "cab")))
    found = await store.read(MAKER, lambda uow: uow.standings.page("did:web:a", 1))
    assert [one.peer_id for one in found] == ["did:web:b"]


async def test_a_presentation_is_taken_away(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: _put(uow, presentation()))
    assert await store.run(MAKER, lambda uow: uow.standings.delete(TAKER))
    assert not await store.run(MAKER, lambda uow: uow.standings.delete(TAKER))
    assert await store.read(MAKER, lambda uow: uow.standings.get(TAKER)) is None


async def test_old_presentations_of_all_participants_are_forgotten(store: SqlStore) -> None:
    count = PURGED_AT_ONCE_COUNT + 1
    await store.run(
        MAKER, lambda uow: _put(uow, *(presentation(f"did:web:{number}") for number in range(count)))
    )
    await store.run(OTHER, lambda uow: _put(uow, presentation(fetched_ms=999), presentation("did:web:new")))
    assert await store.purge_presentations(1_000) == 1
    assert await store.purge_presentations(1_001) == count + 1
    assert await store.read(OTHER, lambda uow: uow.standings.page("", 10)) == []
