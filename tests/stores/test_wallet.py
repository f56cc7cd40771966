import msgspec
import pytest

from ashiato.connector.ports import UnitOfWork
from ashiato.identity.issuing import IssuanceRequest, StatusListRecord, first_types, index_of
from ashiato.identity.wallet import HeldCredential, RequestState
from ashiato.stores.engine import SqlStore
from ashiato.trust.enveloping import STATUS_LIST_BITS_COUNT, Profile, Purpose
from tests.stores.samples import MAKER, OTHER


def credential(held_id: str, issuer: str = "did:web:issuer.example") -> HeldCredential:
    return HeldCredential(
        held_id=held_id,
        credential_id=f"urn:uuid:{held_id}",
        profile=Profile.VC20,
        types=("MembershipCredential",),
        issuer=issuer,
        valid_from_ms=1_000,
        valid_until_ms=None,
        envelope="a.b.c",
        request_id="request-1",
        received_ms=2_000,
    )


def put(uow: UnitOfWork, *records: HeldCredential) -> None:
    for one in records:
        uow.wallet.held.put(one)


async def test_a_record_comes_back_as_it_was_put_and_the_last_one_counts(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: put(uow, credential("a")))
    changed = msgspec.structs.replace(credential("a"), envelope="d.e.f")
    await store.run(MAKER, lambda uow: put(uow, changed))
    assert await store.read(MAKER, lambda uow: uow.wallet.held.get("a")) == changed
    assert await store.read(MAKER, lambda uow: uow.wallet.held.get("b")) is None


async def test_records_come_back_page_by_page_and_by_the_other_party(store: SqlStore) -> None:
    records = [credential("c"), credential("a"), credential("b", "did:web:second.example")]
    await store.run(MAKER, lambda uow: put(uow, *records))
    pages = await store.read(
        MAKER,
        lambda uow: (
            uow.wallet.held.page("", 2),
            uow.wallet.held.page("b", 2),
            uow.wallet.held.page("", 9, peer_id="did:web:second.example"),
        ),
    )
    assert [[one.held_id for one in page] for page in pages] == [["a", "b"], ["c"], ["b"]]


async def test_a_record_is_deleted_once(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: put(uow, credential("a")))
    assert await store.run(MAKER, lambda uow: uow.wallet.held.delete("a"))
    assert not await store.run(MAKER, lambda uow: uow.wallet.held.delete("a"))


async def test_nobody_sees_the_wallet_of_another(store: SqlStore) -> None:
    await store.run(MAKER, lambda uow: put(uow, credential("a")))
    await store.run(MAKER, lambda uow: uow.wallet.put_bits("list", b"\x01"))
    seen = await store.read(OTHER, lambda uow: (uow.wallet.held.page("", 9), uow.wallet.bits("list")))
    assert seen == ([], None)
    assert not await store.run(OTHER, lambda uow: uow.wallet.held.delete("a"))


async def test_the_first_types_of_an_issuer_are_kept_as_they_are(store: SqlStore) -> None:
    def work(uow: UnitOfWork) -> None:
        for one in first_types():
            uow.wallet.types.put(one)

    await store.run(MAKER, work)
    found = await store.read(MAKER, lambda uow: uow.wallet.types.page("", 9))
    assert found == sorted(first_types(), key=lambda one: one.type_id)


async def test_the_bits_of_a_list_are_kept_whole(store: SqlStore) -> None:
    bits = bytes([0, 255]) * (STATUS_LIST_BITS_COUNT // 16)
    await store.run(MAKER, lambda uow: uow.wallet.put_bits("list", bytes(len(bits))))
    await store.run(MAKER, lambda uow: uow.wallet.put_bits("list", bits))
    assert await store.read(MAKER, lambda uow: uow.wallet.bits("list")) == bits


@pytest.mark.parametrize("list_id", ["0", "7f1c", "3b0c2a52-9d5e-4b50-8df5-0c5a8f0f2f6e"])
def test_a_list_gives_each_index_away_once(list_id: str) -> None:
    made = StatusListRecord(list_id=list_id, purpose=Purpose.REVOCATION, profile=Profile.VC20)
    given = {
        index_of(msgspec.structs.replace(made, used_count=count)) for count in range(STATUS_LIST_BITS_COUNT)
    }
    assert len(given) == STATUS_LIST_BITS_COUNT
    assert min(given) == 0
    assert max(given) == STATUS_LIST_BITS_COUNT - 1


async def test_requests_that_wait_are_counted_by_holder_and_together_up_to_a_bound(store: SqlStore) -> None:
    def request(number: int, holder: str, state: RequestState = RequestState.RECEIVED) -> IssuanceRequest:
        return IssuanceRequest(
            request_id=f"{number}",
            holder_id=holder,
            holder_pid="r",
            type_ids=("role",),
            state=state,
            created_ms=1,
            updated_ms=1,
        )

    def work(uow: UnitOfWork) -> None:
        for number, holder in enumerate(["a", "a", "a", "b", "b"]):
            uow.wallet.requests.put(request(number, holder))
        for number, state in enumerate(RequestState, start=10):
            uow.wallet.requests.put(request(number, "c", state))
        uow.wallet.requests.put(request(0, "a", RequestState.ISSUED))

    await store.run(MAKER, work)
    counts = await store.read(
        MAKER,
        lambda uow: (
            *(uow.wallet.count_open_requests(99, peer_id=holder) for holder in ("a", "b", "c", "d")),
            uow.wallet.count_open_requests(99),
            uow.wallet.count_open_requests(3),
        ),
    )
    # Of the five states two wait for an answer.
    assert counts == (2, 2, 2, 0, 6, 3)
    assert await store.read(OTHER, lambda uow: uow.wallet.count_open_requests(99)) == 0
