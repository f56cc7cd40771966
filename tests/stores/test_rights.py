"""Groups of partners, declared facts and obligations, on both engines."""

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.records import ObligationState
from ashiato.stores.engine import SqlStore
from tests.stores.samples import MAKER, OTHER, TAKER, fact, obligation, partner_group


async def test_a_partner_is_in_every_group_that_names_it_until_it_does_no_more(store: SqlStore) -> None:
    def fill(uow: UnitOfWork) -> None:
        uow.declarations.put_group(partner_group("suppliers", members=(TAKER, OTHER)))
        uow.declarations.put_group(partner_group("friends", members=(TAKER, TAKER)))

    await store.run(MAKER, fill)
    assert await store.read(MAKER, lambda uow: uow.declarations.groups_of(TAKER)) == {"suppliers", "friends"}
    assert await store.read(MAKER, lambda uow: uow.declarations.groups_of(OTHER)) == {"suppliers"}
    await store.run(MAKER, lambda uow: uow.declarations.put_group(partner_group("friends", members=())))
    assert await store.run(MAKER, lambda uow: uow.declarations.delete_group("suppliers"))
    assert not await store.run(MAKER, lambda uow: uow.declarations.delete_group("suppliers"))
    assert await store.read(MAKER, lambda uow: uow.declarations.groups_of(TAKER)) == frozenset()
    left = await store.read(MAKER, lambda uow: uow.declarations.list_groups())
    assert left == [partner_group("friends", members=())]


async def test_a_fact_of_an_agreement_adds_to_what_holds_for_all(store: SqlStore) -> None:
    def fill(uow: UnitOfWork) -> None:
        uow.declarations.put_fact(fact("event", "recall"))
        uow.declarations.put_fact(fact("event", "audit", "agreement-1"))

    await store.run(MAKER, fill)

    async def events(agreement_id: str) -> frozenset[str] | None:
        return await store.read(MAKER, lambda uow: uow.declarations.fact("event", agreement_id))

    assert await events("agreement-1") == frozenset({"recall", "audit"})
    assert await events("agreement-2") == frozenset({"recall"})
    assert await store.read(MAKER, lambda uow: uow.declarations.fact("payAmount", "agreement-1")) is None
    assert await store.run(MAKER, lambda uow: uow.declarations.delete_fact("event", ""))
    assert await events("agreement-2") is None
    of_one = await store.read(MAKER, lambda uow: uow.declarations.list_facts("agreement-1"))
    assert of_one == [fact("event", "audit", "agreement-1")]


async def test_only_what_can_stand_in_the_way_is_read_with_an_agreement(store: SqlStore) -> None:
    done = ObligationState.FULFILLED

    def fill(uow: UnitOfWork) -> None:
        uow.obligations.put(obligation("pending"))
        uow.obligations.put(obligation("late", state=ObligationState.OVERDUE))
        uow.obligations.put(obligation("done", state=done))
        uow.obligations.put(obligation("paid", state=done, comes_first=True))
        uow.obligations.put(obligation("elsewhere", agreement_id="agreement-2"))

    await store.run(MAKER, fill)
    found = await store.read(MAKER, lambda uow: uow.obligations.of_agreement("agreement-1"))
    assert [owed.obligation_id for owed in found] == ["late", "paid", "pending"]
    late = await store.read(MAKER, lambda uow: uow.obligations.page("", 10, state=ObligationState.OVERDUE))
    assert late == [obligation("late", state=ObligationState.OVERDUE)]
    rest = await store.read(
        MAKER, lambda uow: uow.obligations.page("elsewhere", 2, agreement_id="agreement-1")
    )
    assert [owed.obligation_id for owed in rest] == ["late", "paid"]
    await store.run(MAKER, lambda uow: uow.obligations.put(obligation("late", state=done)))
    left = await store.read(MAKER, lambda uow: uow.obligations.of_agreement("agreement-1"))
    assert [owed.obligation_id for owed in left] == ["paid", "pending"]
