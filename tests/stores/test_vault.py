import msgspec

from ashiato.connector.ports import UnitOfWork
from ashiato.connector.vault_records import OpenUse, UsageTotal, VaultState
from ashiato.statements.examination import Chain, Fault, Finding
from ashiato.stores.engine import SqlStore
from tests.stores.samples import MAKER, account, kept_receipt, vault_item, vault_use, watch


async def test_an_item_comes_back_as_it_was_kept_and_as_it_was_changed(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.vault.put_item(vault_item()))
    use = OpenUse(number=1, subject="key", purpose="legal", charged_bytes=1 << 40)
    later = msgspec.structs.replace(vault_item(mark="later"), state=VaultState.DELETED, use=use)
    found = await store.run(MAKER, lambda uow: uow.vault.item("received-1"))
    await store.run(MAKER, lambda uow: uow.vault.put_item(later))
    assert found == vault_item()
    assert await store.read(MAKER, lambda uow: uow.vault.item("received-1")) == later
    assert await store.read(MAKER, lambda uow: uow.vault.item("no")) is None


async def test_items_are_listed_by_agreement(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        for received_id, agreement_id in (("3", "a"), ("1", "b"), ("2", "a")):
            uow.vault.put_item(vault_item(received_id, agreement_id=agreement_id))

    await store.run(MAKER, put)

    def page(uow: UnitOfWork, after_id: str, limit_count: int, agreement_id: str | None = None) -> list[str]:
        found = uow.vault.list_items(after_id, limit_count, agreement_id=agreement_id)
        return [item.received_id for item in found]

    assert await store.read(MAKER, lambda uow: page(uow, "", 2)) == ["1", "2"]
    assert await store.read(MAKER, lambda uow: page(uow, "2", 2)) == ["3"]
    assert await store.read(MAKER, lambda uow: page(uow, "", 9, "a")) == ["2", "3"]


async def test_uses_are_counted_by_agreement_app_and_purpose(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        uow.vault.add_use(vault_use("1", at_ms=7))
        uow.vault.add_use(vault_use("2", at_ms=5))
        uow.vault.add_use(vault_use("3", at_ms=6, purpose="quality"))
        uow.vault.add_use(vault_use("4", at_ms=6, app=""))
        uow.vault.add_use(vault_use("5", at_ms=8, agreement_id="agreement-2"))

    await store.run(MAKER, put)

    def total(
        agreement_id: str, app: str, purpose: str, count: int, first_ms: int, last_ms: int
    ) -> UsageTotal:
        return UsageTotal(
            agreement_id=agreement_id, app=app, purpose=purpose, uses_count=count, first_ms=first_ms, last_ms=last_ms
        )  # fmt: skip

    first = [
        total("agreement-1", "", "legal", 1, 6, 6),
        total("agreement-1", "sum", "legal", 2, 5, 7),
        total("agreement-1", "sum", "quality", 1, 6, 6),
    ]
    assert await store.read(MAKER, lambda uow: uow.vault.usage("agreement-1")) == first
    everything = await store.read(MAKER, lambda uow: uow.vault.usage())
    assert everything == [*first, total("agreement-2", "sum", "legal", 1, 8, 8)]
    last = await store.read(MAKER, lambda uow: uow.vault.last_uses("agreement-1", 2))
    assert [use.use_id for use in last] == ["1", "4"]


async def test_an_account_is_replaced(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: uow.vault.put_account(account()))
    await store.run(MAKER, lambda uow: uow.vault.put_account(account(mark="ab")))
    assert await store.run(MAKER, lambda uow: uow.vault.account("agreement-1")) == account(mark="ab")
    assert await store.run(MAKER, lambda uow: uow.vault.account("no")) is None


async def test_receipts_come_in_the_order_of_their_numbers(store: SqlStore) -> None:
    def put(uow: UnitOfWork) -> None:
        for sequence in (10, 2, 9, 1):
            uow.vault.put_receipt(kept_receipt(sequence))
        uow.vault.put_receipt(kept_receipt(2, mark="signed"))
        uow.vault.put_receipt(kept_receipt(3, agreement_id="agreement-2"))

    await store.run(MAKER, put)
    found = await store.read(MAKER, lambda uow: uow.vault.list_receipts("agreement-1", 1, 2))
    assert found == [kept_receipt(2, mark="signed"), kept_receipt(9)]
    rest = await store.read(MAKER, lambda uow: uow.vault.list_receipts("agreement-1", 9, 9))
    assert rest == [kept_receipt(10)]


async def test_a_watch_keeps_its_chain_and_its_findings(store: SqlStore) -> None:
    finding = Finding(fault=Fault.FORKED, sequence=2, detail="なぜ", at_ms=3, evidence="a.b.c")
    chain = Chain(last_sequence=2, held={"t 00": 1}, deleted=("t 01",), used={"t 00": 2})
    full = msgspec.structs.replace(watch(), chain=chain, findings=(finding,), is_offered=True, asked_ms=1)
    await store.run(MAKER, lambda uow: uow.vault.put_watch(full))
    await store.run(MAKER, lambda uow: uow.vault.put_watch(watch("agreement-2")))
    assert await store.run(MAKER, lambda uow: uow.vault.watch("agreement-1")) == full
    assert await store.read(MAKER, lambda uow: uow.vault.watch("no")) is None
    assert await store.read(MAKER, lambda uow: uow.vault.list_watches("", 1)) == [full]
    assert await store.read(MAKER, lambda uow: uow.vault.list_watches("agreement-1", 9)) == [
        watch("agreement-2")
    ]
