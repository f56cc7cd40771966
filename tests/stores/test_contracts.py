import pytest

from ashiato.connector.ports import Conflict, UnitOfWork
from ashiato.connector.records import AgreementState
from ashiato.dsp.states import Role
from ashiato.stores.engine import SqlStore
from tests.stores.samples import MAKER, OTHER, TAKER, agreement, contract_text, framework, paper


async def test_an_agreement_comes_back_unchanged_and_is_replaced(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.contracts.put_agreement(agreement(finalized=False)))
    first = await store.run(MAKER, lambda uow: uow.contracts.agreement("agreement-1"))
    await store.run(MAKER, lambda uow: uow.contracts.put_agreement(agreement(framework_id="framework-1")))
    second = await store.read(MAKER, lambda uow: uow.contracts.agreement("agreement-1"))
    assert first == agreement(finalized=False)
    assert second == agreement(framework_id="framework-1")


async def test_what_is_not_there_is_none(store: SqlStore) -> None:
    found = await store.read(
        MAKER,
        lambda uow: (
            uow.contracts.agreement("no"),
            uow.contracts.framework("no"),
            uow.contracts.paper("no"),
            uow.contracts.paper_scan("no"),
            uow.contracts.list_papers(None),
            uow.contracts.list_frameworks(TAKER),
        ),
    )
    assert found == (None, None, None, None, [], [])


async def test_agreements_are_listed_by_partner_and_by_framework(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.contracts.put_agreement(agreement("1", framework_id="f"))
        uow.contracts.put_agreement(agreement("2", peer_id=OTHER, framework_id="f"))
        uow.contracts.put_agreement(agreement("3"))
        uow.contracts.put_agreement(agreement("4", framework_id="f"))

    def page(uow: UnitOfWork, after_id: str, limit_count: int, **filters: str) -> list[str]:
        return [
            found.agreement_id for found in uow.contracts.list_agreements(after_id, limit_count, **filters)
        ]

    await store.run(MAKER, put)
    assert await store.read(MAKER, lambda uow: page(uow, "", 3)) == ["1", "2", "3"]
    assert await store.read(MAKER, lambda uow: page(uow, "3", 3)) == ["4"]
    assert await store.read(MAKER, lambda uow: page(uow, "", 9, peer_id=TAKER)) == ["1", "3", "4"]
    assert await store.read(MAKER, lambda uow: page(uow, "", 9, framework_id="f")) == ["1", "2", "4"]
    both = await store.read(MAKER, lambda uow: page(uow, "1", 9, peer_id=TAKER, framework_id="f"))
    assert both == ["4"]


async def test_only_finalized_active_agreements_are_usable_and_the_newest_comes_first(
    store: SqlStore,
) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.contracts.put_agreement(agreement("old", agreed_ms=10))
        uow.contracts.put_agreement(agreement("new", agreed_ms=30))
        uow.contracts.put_agreement(agreement("middle", agreed_ms=20))
        uow.contracts.put_agreement(agreement("open", agreed_ms=40, finalized=False))
        uow.contracts.put_agreement(agreement("ended", agreed_ms=50, state=AgreementState.TERMINATED))
        uow.contracts.put_agreement(agreement("theirs", agreed_ms=60, role=Role.CONSUMER))
        uow.contracts.put_agreement(agreement("other", agreed_ms=70, peer_id=OTHER))
        uow.contracts.put_agreement(agreement("asset", agreed_ms=80, asset_id="asset-2"))

    def usable(uow: UnitOfWork) -> list[str]:
        return [found.agreement_id for found in uow.contracts.find_usable(Role.PROVIDER, TAKER, "asset-1")]

    await store.run(MAKER, put)
    assert await store.read(MAKER, usable) == ["new", "middle", "old"]
    ended = agreement("new", agreed_ms=30, state=AgreementState.TERMINATED)
    await store.run(MAKER, lambda uow: uow.contracts.put_agreement(ended))
    assert await store.read(MAKER, usable) == ["middle", "old"]


async def test_frameworks_are_replaced_and_listed_by_partner(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.contracts.put_framework(framework("1"))
        uow.contracts.put_framework(framework("2", peer_id=OTHER))
        uow.contracts.put_framework(framework("1", mark="again"))

    await store.run(MAKER, put)
    found = await store.read(
        MAKER,
        lambda uow: (
            uow.contracts.framework("1"),
            uow.contracts.list_frameworks(None),
            uow.contracts.list_frameworks(OTHER),
        ),
    )
    again, other = framework("1", mark="again"), framework("2", peer_id=OTHER)
    assert found == (again, [again, other], [other])


async def test_a_paper_contract_keeps_its_scan_byte_by_byte(store: SqlStore) -> None:
    scan = bytes(range(256)) * 5_000

    def put(uow: UnitOfWork) -> None:
        uow.contracts.put_paper(paper("1"), b"first")
        uow.contracts.put_paper(paper("2", peer_id=OTHER), b"")
        uow.contracts.put_paper(paper("1", mark="again"), scan)

    await store.run(MAKER, put)
    again, other = paper("1", mark="again"), paper("2", peer_id=OTHER)
    found = await store.read(
        MAKER,
        lambda uow: (
            uow.contracts.paper("1"),
            uow.contracts.paper_scan("1"),
            uow.contracts.paper_scan("2"),
            uow.contracts.list_papers(None),
            uow.contracts.list_papers(OTHER),
        ),
    )
    assert found == (again, scan, b"", [again, other], [other])


async def test_contract_texts_come_back_page_by_page(store: SqlStore) -> None:
    texts = [contract_text(name, peer_id=TAKER) for name in ("aa", "bb", "cc")]

    def put(uow: UnitOfWork) -> None:
        for text in texts:
            uow.contracts.put_text(text)

    await store.run(MAKER, put)
    found = await store.read(
        MAKER,
        lambda uow: (
            uow.contracts.text("bb"),
            uow.contracts.text("b"),
            uow.contracts.list_texts("", 2),
            uow.contracts.list_texts("bb", 2),
        ),
    )
    assert found == (texts[1], None, texts[:2], texts[2:])


async def test_what_is_inserted_replaces_nothing(store: SqlStore) -> None:
    def insert(uow: UnitOfWork) -> None:
        uow.contracts.insert_agreement(agreement())
        uow.contracts.insert_framework(framework("1"))

    await store.run(MAKER, insert)
    with pytest.raises(Conflict):
        await store.run(MAKER, lambda uow: uow.contracts.insert_agreement(agreement(peer_id=OTHER)))
    with pytest.raises(Conflict):
        await store.run(MAKER, lambda uow: uow.contracts.insert_framework(framework("1", peer_id=OTHER)))
    kept = await store.read(
        MAKER, lambda uow: (uow.contracts.agreement("agreement-1"), uow.contracts.list_frameworks(None))
    )
    assert kept == (agreement(), [framework("1")])


@pytest.mark.parametrize("reads_between", [False, True])
async def test_what_is_written_thrice_in_one_unit_of_work_is_what_was_written_last(
    store: SqlStore, reads_between: bool
) -> None:
    def write(uow: UnitOfWork) -> None:
        uow.contracts.insert_agreement(agreement("1", finalized=False))
        uow.contracts.insert_agreement(agreement("2", finalized=False))
        if reads_between:
            assert len(uow.contracts.list_agreements("", 9)) == 2
        uow.contracts.put_agreement(agreement("1", framework_id="f"))
        uow.contracts.put_agreement(agreement("1", framework_id="g"))

    await store.run(MAKER, write)
    found = await store.read(MAKER, lambda uow: uow.contracts.list_agreements("", 9))
    assert found == [agreement("1", framework_id="g"), agreement("2", finalized=False)]


async def test_a_row_that_was_there_is_not_replaced_by_an_insert_that_a_put_completes(
    store: SqlStore,
) -> None:
    await store.run(MAKER, lambda uow: uow.contracts.insert_agreement(agreement("1")))

    def write(uow: UnitOfWork) -> None:
        uow.contracts.insert_agreement(agreement("1", peer_id=OTHER))
        uow.contracts.put_agreement(agreement("1", peer_id=OTHER, finalized=False))

    with pytest.raises(Conflict):
        await store.run(MAKER, write)
    assert await store.read(MAKER, lambda uow: uow.contracts.agreement("1")) == agreement("1")
