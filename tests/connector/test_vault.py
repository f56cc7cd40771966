"""Reading and deleting data received: the policy of its agreement, uses, receipts, dates. On both stores."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec
import pytest

from ashiato.connector import vault
from ashiato.connector.company import tell
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import NotFound, NotPermitted
from ashiato.connector.ranges import ByteRange
from ashiato.connector.records import AgreementState
from ashiato.connector.vault import USE_LASTS_MS, Reader
from ashiato.connector.vault_records import VaultItem, VaultState
from ashiato.statements.receipts import DigestStanding, ReceiptKind, hash_of
from ashiato.stores.engine import SqlStore, open_store
from tests.connector.vaulting import (
    AGREED_MS,
    BODY,
    CONSUMER,
    DAY_MS,
    HOUR_MS,
    PERSON,
    PROVIDER,
    SHA256,
    Warehouse,
    use_with,
    when,
)

APP = Reader(subject="app:sum", app="sum", app_digest="ab" * 32, digest=DigestStanding.ATTESTED)
DELETE: dict[str, object] = {"action": "delete"}
Opened = Callable[[Mapping[str, object]], Awaitable[Warehouse]]


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[SqlStore]:
    """An empty store."""
    opened = await open_store(store_url, "node-1")
    yield opened
    await opened.close()


@pytest.fixture
def opened(store: SqlStore) -> Opened:
    """Opens a warehouse whose agreement has these rules."""
    return lambda rules: Warehouse(store, rules).open()


async def test_data_that_comes_in_is_kept_with_a_receipt(opened: Opened) -> None:
    place = await opened(use_with())
    item = await place.item()
    assert (item.state, item.delete_due_ms) == (VaultState.HELD, None)
    (receipt,) = await place.receipts()
    assert receipt.kind is ReceiptKind.RECEIVED
    assert (receipt.provider, receipt.consumer) == (PROVIDER, CONSUMER)
    assert (receipt.transfer, receipt.data_sha256) == ("urn:uuid:peer-received-1", SHA256)


async def test_each_read_is_counted_and_leaves_a_receipt_that_names_the_one_before(opened: Opened) -> None:
    place = await opened(use_with())
    await place.read(purpose="legal")
    place.now_ms += HOUR_MS
    await place.read(APP, purpose="quality")
    first, second, third = await place.receipts()
    assert [receipt.sequence for receipt in (first, second, third)] == [1, 2, 3]
    assert (second.previous, third.previous) == (hash_of(first), hash_of(second))
    assert (second.use, second.purpose, second.app, second.digest) == (1, "legal", "", "")
    assert (third.use, third.purpose, third.app, third.app_digest, third.digest) == (
        2, "quality", "sum", "ab" * 32, "attested",
    )  # fmt: skip
    usage = await place.run(lambda uow, moment: uow.vault.usage(place.agreement_id))
    assert [(total.app, total.purpose, total.uses_count) for total in usage] == [
        ("", "legal", 1),
        ("sum", "quality", 1),
    ]


async def test_no_more_reads_than_the_agreement_permits(opened: Opened) -> None:
    place = await opened(use_with(when("count", "lteq", "2")))
    await place.read()
    await place.read()
    with pytest.raises(NotPermitted, match="count"):
        await place.read()
    assert len(await place.receipts()) == 3
    assert (await place.item()).uses_count == 2


async def test_a_read_is_refused_after_the_time_of_the_agreement(opened: Opened) -> None:
    place = await opened(use_with(when("elapsedTime", "lteq", "P1D")))
    place.now_ms = AGREED_MS + DAY_MS
    await place.read()
    place.now_ms += 1
    with pytest.raises(NotPermitted):
        await place.read()


@pytest.mark.parametrize(
    ("reader", "purpose", "permitted"),
    [(PERSON, "legal", True), (PERSON, "advertising", False), (PERSON, "", False), (APP, "legal", True)],
)
async def test_only_for_the_purpose_of_the_agreement(
    opened: Opened, reader: Reader, purpose: str, permitted: bool
) -> None:
    place = await opened(use_with(when("purpose", "eq", "legal")))
    if permitted:
        assert (await place.read(reader, purpose)).uses_count == 1
        return
    with pytest.raises(NotPermitted):
        await place.read(reader, purpose)
    assert (await place.item()).uses_count == 0


@pytest.mark.parametrize("named", ["sum", "sha256:" + "ab" * 32, "certified:urn:app:sum"])
async def test_only_by_the_app_of_the_agreement(opened: Opened, named: str) -> None:
    place = await opened(use_with(when("application", "eq", named)))
    certified = msgspec.structs.replace(APP, certified_as="urn:app:sum")
    with pytest.raises(NotPermitted):
        await place.read(PERSON)
    other = msgspec.structs.replace(APP, app="other", app_digest="cd" * 32, certified_as="urn:app:sum:other")
    with pytest.raises(NotPermitted):
        await place.read(other)
    assert (await place.read(certified)).uses_count == 1


async def test_an_app_whose_certification_does_not_count_is_not_the_certified_one(opened: Opened) -> None:
    place = await opened(use_with(when("application", "eq", "certified:sum")))
    with pytest.raises(NotPermitted):
        await place.read(APP)
    assert (await place.item()).uses_count == 0


async def test_a_refused_read_changes_nothing(opened: Opened) -> None:
    place = await opened(use_with(when("count", "lteq", "0")))
    before = await place.item()
    with pytest.raises(NotPermitted):
        await place.read()
    assert await place.item() == before
    assert len(await place.receipts()) == 1


async def test_nothing_is_read_under_an_agreement_that_ended(opened: Opened) -> None:
    place = await opened(use_with())
    await _end(place)
    with pytest.raises(NotPermitted, match="terminated"):
        await place.read()


async def test_the_rest_of_a_broken_read_is_no_further_use(opened: Opened) -> None:
    place = await opened(use_with(when("count", "lteq", "1")))
    await place.read()
    await _rest(place)
    with pytest.raises(NotPermitted):
        await _rest(place, reader=APP)
    with pytest.raises(NotPermitted):
        await _rest(place, purpose="other")
    place.now_ms += USE_LASTS_MS
    with pytest.raises(NotPermitted):
        await _rest(place)
    assert [receipt.kind for receipt in await place.receipts()] == ["received", "used"]


async def test_nobody_reads_for_ever_by_ranges(opened: Opened) -> None:
    place = await opened(use_with(when("count", "lteq", "1")))
    await place.read()
    # 16 MiB and twice the size, at 64 KiB for each request; one was charged for the first read.
    for _ in range(16 * 16 - 1):
        await _rest(place)
    with pytest.raises(NotPermitted):
        await _rest(place)


async def test_a_duty_to_delete_after_use_waits_for_the_use_and_then_for_its_end(opened: Opened) -> None:
    place = await opened(use_with(duty=DELETE))
    assert await place.deletions() == []
    await place.read()
    (waiting,) = await place.deletions()
    assert waiting.due_ms == place.now_ms + USE_LASTS_MS
    used_ms = place.now_ms
    place.now_ms += 1000
    await place.read_out()
    (due,) = await place.deletions()
    assert due.due_ms == used_ms + 1000
    await place.erase()
    assert [receipt.kind for receipt in await place.receipts()] == ["received", "used", "used", "deleted"]


async def test_data_is_gone_at_its_deadline(opened: Opened) -> None:
    delete = {"action": "delete", "constraint": [when("elapsedTime", "lteq", "P7D")]}
    place = await opened({**use_with(), "obligation": [delete]})
    (waiting,) = await place.deletions()
    assert waiting.due_ms == AGREED_MS + 7 * DAY_MS
    place.now_ms = waiting.due_ms - 1
    assert await place.run(lambda uow, moment: vault.begin_deletion(uow, "received-1", moment.now_ms)) is None
    place.now_ms = waiting.due_ms
    await place.erase()
    item = await place.item()
    assert (item.state, item.deleted_ms, item.delete_why) == (VaultState.DELETED, place.now_ms, "deadline")
    with pytest.raises(NotFound, match="was deleted"):
        await place.read()


async def test_what_is_being_deleted_is_read_by_nobody(opened: Opened) -> None:
    place = await opened(use_with())
    await _order(place, place.now_ms)
    await place.run(lambda uow, moment: vault.begin_deletion(uow, "received-1", moment.now_ms))
    with pytest.raises(NotFound):
        await place.read()
    # No receipt says that it is gone before it is.
    assert [receipt.kind for receipt in await place.receipts()] == ["received"]


async def test_a_deletion_that_is_told_twice_is_written_once(opened: Opened) -> None:
    place = await opened(use_with())
    await _order(place, place.now_ms)
    await place.erase()
    await place.run(lambda uow, moment: vault.deleted(uow, place.company, "received-1", moment))
    assert await place.run(lambda uow, moment: vault.begin_deletion(uow, "received-1", moment.now_ms)) is None
    assert [receipt.kind for receipt in await place.receipts()] == ["received", "deleted"]


async def test_the_end_of_an_agreement_deletes_where_it_says_so(opened: Opened) -> None:
    place = await opened({**use_with(), "obligation": [DELETE]})
    await place.receive("received-2")
    await _end(place)
    assert [len(await place.deletions(name)) for name in ("received-1", "received-2")] == [1, 1]
    assert (await place.item()).delete_why == "agreement-ended"


async def test_the_end_of_an_agreement_deletes_nothing_where_it_does_not(opened: Opened) -> None:
    place = await opened(use_with())
    await _end(place)
    assert await place.deletions() == []


async def test_an_order_from_elsewhere_counts_when_it_is_earlier(opened: Opened) -> None:
    delete = {"action": "delete", "constraint": [when("elapsedTime", "lteq", "P7D")]}
    place = await opened({**use_with(), "obligation": [delete]})
    later = await _order(place, AGREED_MS + 8 * DAY_MS)
    assert later.delete_due_ms == AGREED_MS + 7 * DAY_MS
    earlier = await _order(place, AGREED_MS + 2 * DAY_MS)
    assert (earlier.delete_due_ms, earlier.delete_why) == (AGREED_MS + 2 * DAY_MS, "ordered")
    (waiting,) = await place.deletions()
    assert waiting.due_ms == AGREED_MS + 2 * DAY_MS
    await place.read()
    assert (await place.item()).delete_due_ms == AGREED_MS + 2 * DAY_MS


async def test_the_history_tells_of_uses_and_deletions_without_a_payload(opened: Opened) -> None:
    place = await opened(use_with())
    await place.read(APP, purpose="legal")
    await _order(place, place.now_ms)
    await place.erase()
    history = await place.run(lambda uow, moment: uow.records.list_history(0, 100))
    told = [(entry.event, entry.details.get("why")) for entry in history]
    assert told == [("vault.used", None), ("vault.deleted", "ordered")]
    assert BODY.decode() not in str(history)


async def test_data_that_an_older_program_received_is_in_the_vault_too(opened: Opened) -> None:
    place = await opened(use_with(when("count", "lteq", "1")))

    def forget(uow: UnitOfWork, moment: Moment) -> None:
        received = uow.transfers.received("received-1")
        assert received is not None
        uow.transfers.put_received(msgspec.structs.replace(received, received_id="old"))

    await place.run(forget)
    assert (await place.read(received_id="old")).uses_count == 1
    with pytest.raises(NotPermitted):
        await place.read(received_id="old")


async def test_data_of_nobody_is_not_found(opened: Opened) -> None:
    place = await opened(use_with())
    with pytest.raises(NotFound):
        await place.read(received_id="no")


async def _rest(place: Warehouse, reader: Reader = PERSON, purpose: str = "") -> VaultItem:
    part = ByteRange(5, len(BODY))
    return await place.run(
        lambda uow, moment: vault.admit(uow, place.company, "received-1", reader, purpose, part, moment)
    )


async def _order(place: Warehouse, due_ms: int) -> VaultItem:
    return await place.run(
        lambda uow, moment: vault.order_deletion(uow, place.company, "received-1", due_ms, "ordered", moment)
    )


async def _end(place: Warehouse) -> None:
    def end(uow: UnitOfWork, moment: Moment) -> None:
        agreement = uow.contracts.agreement(place.agreement_id)
        assert agreement is not None
        assert agreement.state is AgreementState.ACTIVE
        # The transfers of this test are of no protocol: only the agreement ends here.
        ended = msgspec.structs.replace(agreement, state=AgreementState.TERMINATED, ended_ms=moment.now_ms)
        uow.contracts.put_agreement(ended)
        tell(uow, place.company, moment, "agreement.terminated", place.agreement_id, PROVIDER, reason="over")

    await place.run(end)


async def test_a_read_under_way_is_asked_again(opened: Opened) -> None:
    place = await opened(use_with(when("elapsedTime", "lteq", "P1D"), when("count", "lteq", "1")))
    await place.read()

    async def again() -> None:
        await place.run(lambda uow, moment: vault.recheck(uow, "received-1", PERSON, "", moment))

    await again()
    place.now_ms = AGREED_MS + DAY_MS + 1
    with pytest.raises(NotPermitted):
        await again()
    place.now_ms = AGREED_MS + DAY_MS
    await _order(place, place.now_ms)
    await place.erase()
    with pytest.raises(NotFound):
        await again()


async def test_what_is_read_directly_at_the_partners_is_asked_for_its_purpose(opened: Opened) -> None:
    place = await opened(use_with(when("purpose", "eq", "legal")))

    async def check(transfer_pid: str, purpose: str) -> None:
        await place.run(lambda uow, moment: vault.check_live(uow, transfer_pid, PERSON, purpose, moment))

    await check("urn:uuid:own-received-1", "legal")
    await check("urn:uuid:none", "")
    for purpose in ("", "advertising"):
        with pytest.raises(NotPermitted):
            await check("urn:uuid:own-received-1", purpose)


async def test_only_where_the_agreement_lets_data_be_used(opened: Opened) -> None:
    place = await opened(use_with(when("spatial", "eq", "JP")))
    for location, permitted in (("", False), ("US", False), ("JP", True)):
        reader = msgspec.structs.replace(
            PERSON, facts={"location": frozenset((location,) if location else ())}
        )
        if permitted:
            assert (await place.read(reader)).uses_count == 1
            continue
        with pytest.raises(NotPermitted):
            await place.read(reader)
