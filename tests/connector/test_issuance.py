"""The issuer's side of issuance: who gets what, how much may wait, and how what was issued stands."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import msgspec
import pytest

from ashiato.connector import issuance
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, QuotaExceeded, WrongState
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.issuing import (
    CredentialGrant,
    CredentialType,
    IssuanceRequest,
    IssuedCredential,
    IssuedState,
    StatusListRecord,
)
from ashiato.identity.wallet import RequestState
from ashiato.stores.engine import SqlStore, open_store
from ashiato.stores.wallet import SqlShelf
from ashiato.trust.enveloping import STATUS_LIST_BITS_COUNT, Profile, Purpose
from tests.connector.firms import START_MS, Clock, Firm
from tests.postgresql_server import fresh_database

HOLDER = "did:web:cells.example"
OTHER = "did:web:other.example"
DAY_MS = 86_400_000
ANYONE = CredentialType(type_id="open", credential_type="OpenCredential", unsafe_issue_to_anyone=True)


@pytest.fixture
async def issuer(maker: Firm) -> Firm:
    """An issuer with the first types, and one that it issues to everybody."""

    def work(uow: UnitOfWork, moment: Moment) -> None:
        issuance.begin(uow)
        issuance.put_type(uow, ANYONE)

    await maker.run(work)
    return maker


async def ask(
    issuer: Firm, *type_ids: str, holder: str = HOLDER, code: str | None = None, holder_pid: str = "r-1"
) -> IssuanceRequest:
    message = dcp.RequestMessage(holder_pid, type_ids)
    return await issuer.run(lambda uow, moment: issuance.requested(uow, holder, message, code, moment))


async def grant(
    issuer: Firm, type_id: str, holder: str = HOLDER, code: str = "", valid_until_ms: int | None = None
) -> CredentialGrant:
    claims: dict[str, object] = {"holderIdentifier": "CELLS"}
    return await issuer.run(
        lambda uow, moment: issuance.grant(
            uow, holder, type_id, claims, moment, code=code, valid_until_ms=valid_until_ms
        )
    )


async def approve(issuer: Firm, request_id: str, **claims: dict[str, object]) -> IssuanceRequest:
    return await issuer.run(lambda uow, moment: issuance.approve(uow, request_id, claims, moment))


async def reject(issuer: Firm, request_id: str, reason: str = "") -> IssuanceRequest:
    return await issuer.run(lambda uow, moment: issuance.reject(uow, request_id, reason, moment))


async def renew(issuer: Firm, credential_id: str, end_ms: int) -> IssuedCredential:
    return await issuer.run(lambda uow, moment: issuance.renew(uow, credential_id, end_ms, moment))


async def shown(issuer: Firm, holder: str, request_id: str) -> IssuanceRequest:
    return await issuer.read(lambda uow: issuance.request_of(uow, holder, request_id))


async def all_issued(issuer: Firm) -> list[IssuedCredential]:
    return await issuer.read(lambda uow: uow.wallet.issued.page("", 1000))


async def set_status(issuer: Firm, credential_id: str, state: IssuedState) -> IssuedCredential:
    return await issuer.run(lambda uow, moment: issuance.set_status(uow, credential_id, state, "why", moment))


async def is_set(issuer: Firm, credential: IssuedCredential, purpose: Purpose) -> bool:
    """The bit, read as Bitstring Status List 1.0 orders them: the first is the leftmost."""
    bits = await issuer.read(lambda uow: uow.wallet.bits(credential.status_lists[purpose]))
    assert bits is not None
    index = credential.status_index
    return bool(bits[index // 8] >> (7 - index % 8) & 1)


async def test_what_was_granted_is_issued_at_once_and_once(issuer: Firm) -> None:
    await grant(issuer, "membership")
    request = await ask(issuer, "membership")
    assert request.state is RequestState.ISSUED
    (made,) = await all_issued(issuer)
    assert (made.holder_id, made.claims) == (HOLDER, {"holderIdentifier": "CELLS"})
    # A year from the whole second in which it was issued.
    assert made.valid_from_ms == START_MS
    assert made.valid_until_ms == START_MS + 365 * DAY_MS
    assert (await ask(issuer, "membership")).state is RequestState.RECEIVED
    assert len(await all_issued(issuer)) == 1


@pytest.mark.parametrize(
    ("holder", "type_id", "wait_ms"),
    [(OTHER, "membership", 0), (HOLDER, "role", 0), (HOLDER, "membership", DAY_MS)],
)
async def test_a_grant_is_for_its_holder_its_type_and_its_time(
    issuer: Firm, holder: str, type_id: str, wait_ms: int
) -> None:
    await grant(issuer, "membership", valid_until_ms=START_MS + DAY_MS)
    issuer.street.clock.now_ms += wait_ms
    assert (await ask(issuer, type_id, holder=holder)).state is RequestState.RECEIVED
    assert await all_issued(issuer) == []


async def test_one_of_two_that_was_not_granted_keeps_both_waiting_and_uses_nothing_up(issuer: Firm) -> None:
    await grant(issuer, "membership")
    assert (await ask(issuer, "membership", "role")).state is RequestState.RECEIVED
    assert len(await issuer.read(lambda uow: uow.wallet.grants.page("", 9))) == 1


async def test_a_code_gives_whoever_presents_it_one_credential(issuer: Firm) -> None:
    await grant(issuer, "membership", holder="", code="secret")
    for wrong in (None, "", "Secret"):
        assert (await ask(issuer, "membership", code=wrong)).state is RequestState.RECEIVED
    assert (await ask(issuer, "membership", holder=OTHER, code="secret")).state is RequestState.ISSUED
    assert (await ask(issuer, "membership", code="secret")).state is RequestState.RECEIVED
    (made,) = await all_issued(issuer)
    assert made.holder_id == OTHER


async def test_a_type_that_is_not_issued_cannot_be_asked_for(issuer: Firm) -> None:
    with pytest.raises(Invalid):
        await ask(issuer, "membership", "nobility")
    assert await issuer.read(lambda uow: uow.wallet.requests.page("", 9)) == []


async def test_a_person_says_yes_or_no_once(issuer: Firm) -> None:
    first, second = await ask(issuer, "role"), await ask(issuer, "role", holder_pid="r-2")
    with pytest.raises(Invalid, match="not requested"):
        await approve(issuer, first.request_id, membership={})
    await approve(issuer, first.request_id, role={"role": "recycler"})
    await reject(issuer, second.request_id, "not one of us")
    for request in (first, second):
        with pytest.raises(WrongState):
            await approve(issuer, request.request_id)
        with pytest.raises(WrongState):
            await reject(issuer, request.request_id)
    (made,) = await all_issued(issuer)
    assert made.claims == {"role": "recycler"}
    due = {one.process_id: one for one in await issuer.street.due(9)}
    assert due[first.request_id].message_name == dcp.CREDENTIAL_MESSAGE
    refusal = msgspec.json.decode(due[second.request_id].body)
    assert (refusal["status"], refusal["rejectionReason"]) == ("REJECTED", "not one of us")
    assert (refusal["issuerPid"], refusal["holderPid"]) == (second.request_id, "r-2")


async def test_a_request_is_shown_to_the_holder_who_made_it(issuer: Firm) -> None:
    request = await ask(issuer, "role")
    assert await shown(issuer, HOLDER, request.request_id) == request
    for holder, request_id in ((OTHER, request.request_id), (HOLDER, "r-1")):
        with pytest.raises(NotFound):
            await shown(issuer, holder, request_id)


async def test_a_holder_has_so_many_requests_waiting_however_many_were_decided_before(
    issuer: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuance, "MOST_OPEN_REQUESTS_PER_HOLDER_COUNT", 2)
    # More that were decided than any page holds; their ids come first.
    first = await ask(issuer, "role")
    decided = msgspec.structs.replace(first, state=RequestState.ISSUED)

    def decide(uow: UnitOfWork, moment: Moment) -> None:
        uow.wallet.requests.put(decided)
        for number in range(1100):
            uow.wallet.requests.put(msgspec.structs.replace(decided, request_id=f"!{number:04}"))

    await issuer.run(decide)
    await ask(issuer, "role")
    second = await ask(issuer, "role")
    with pytest.raises(QuotaExceeded):
        await ask(issuer, "role")
    await ask(issuer, "role", holder=OTHER)
    await reject(issuer, second.request_id)
    await ask(issuer, "role")


async def test_all_holders_together_have_so_many_requests_waiting_and_what_waits_for_nobody_goes_on(
    issuer: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuance, "MOST_OPEN_REQUESTS_COUNT", 3)
    await grant(issuer, "membership")
    for number in range(3):
        await ask(issuer, "role", holder=f"did:web:stranger-{number}.example")
    with pytest.raises(QuotaExceeded, match="all holders"):
        await ask(issuer, "role", holder="did:web:stranger-4.example")
    assert (await ask(issuer, "membership")).state is RequestState.ISSUED
    assert (await ask(issuer, "open", holder=OTHER)).state is RequestState.ISSUED


async def test_a_suspended_credential_can_be_resumed_and_a_revoked_one_not(issuer: Firm) -> None:
    await ask(issuer, "open")
    (made,) = await all_issued(issuer)
    await set_status(issuer, made.credential_id, IssuedState.SUSPENDED)
    assert await is_set(issuer, made, Purpose.SUSPENSION)
    assert not await is_set(issuer, made, Purpose.REVOCATION)
    await set_status(issuer, made.credential_id, IssuedState.ACTIVE)
    assert not await is_set(issuer, made, Purpose.SUSPENSION)
    await set_status(issuer, made.credential_id, IssuedState.REVOKED)
    assert await is_set(issuer, made, Purpose.REVOCATION)
    for state in (IssuedState.ACTIVE, IssuedState.SUSPENDED):
        with pytest.raises(WrongState):
            await set_status(issuer, made.credential_id, state)
    with pytest.raises(WrongState):
        await renew(issuer, made.credential_id, START_MS + 999 * DAY_MS)
    assert await is_set(issuer, made, Purpose.REVOCATION)


async def test_a_credential_of_the_older_profile_is_revoked_and_not_suspended(issuer: Firm) -> None:
    old = msgspec.structs.replace(ANYONE, type_id="old", profile=Profile.VC11)
    with pytest.raises(Invalid):
        await issuer.run(lambda uow, moment: issuance.put_type(uow, old))
    allowed = msgspec.structs.replace(old, can_be_suspended=False)
    await issuer.run(lambda uow, moment: issuance.put_type(uow, allowed))
    await ask(issuer, "old")
    (made,) = await all_issued(issuer)
    assert set(made.status_lists) == {Purpose.REVOCATION}
    with pytest.raises(WrongState):
        await set_status(issuer, made.credential_id, IssuedState.SUSPENDED)


async def test_a_renewed_credential_keeps_its_id_and_status_and_is_signed_anew(issuer: Firm) -> None:
    request = await ask(issuer, "open")
    (made,) = await all_issued(issuer)
    await issuer.run(lambda uow, moment: issuance.signed(uow, {made.credential_id: "a.b.c"}))
    # A signature that was made meanwhile does not replace the one that may have been shown.
    await issuer.run(lambda uow, moment: issuance.signed(uow, {made.credential_id: "d.e.f"}))
    assert [one.envelope for one in await all_issued(issuer)] == ["a.b.c"]
    for too_early_ms in (made.valid_until_ms, START_MS):
        with pytest.raises(Invalid):
            await renew(issuer, made.credential_id, too_early_ms)
    end_ms = made.valid_until_ms + DAY_MS
    renewed = await renew(issuer, made.credential_id, end_ms)
    assert (renewed.valid_until_ms, renewed.envelope) == (end_ms, "")
    assert (renewed.status_lists, renewed.status_index) == (made.status_lists, made.status_index)
    # What waits to be delivered for the request is the renewed one too: the envelope is made when it goes.
    assert [one.process_id for one in await issuer.street.due(9)] == [request.request_id]


def _filled(uow: UnitOfWork, left_count: int) -> StatusListRecord:
    """The only list for revocation, with so many indexes left."""
    (only,) = [one for one in uow.wallet.status_lists.page("", 9) if one.purpose is Purpose.REVOCATION]
    filled = msgspec.structs.replace(only, used_count=STATUS_LIST_BITS_COUNT - left_count)
    uow.wallet.status_lists.put(filled)
    return filled


async def test_behind_the_last_index_of_a_list_another_list_begins(issuer: Firm) -> None:
    await ask(issuer, "open")
    full = await issuer.run(lambda uow, moment: _filled(uow, 1))
    await ask(issuer, "open", holder=OTHER)
    await ask(issuer, "open", holder="did:web:third.example")
    lists = {one.holder_id: one.status_lists[Purpose.REVOCATION] for one in await all_issued(issuer)}
    assert lists[HOLDER] == lists[OTHER] == full.list_id
    assert lists["did:web:third.example"] != full.list_id


async def test_a_list_with_room_is_found_behind_any_number_of_full_ones(issuer: Firm) -> None:
    def fill(uow: UnitOfWork, moment: Moment) -> None:
        for number in range(700):
            uow.wallet.status_lists.put(
                StatusListRecord(
                    list_id=f"!{number:04}",
                    purpose=Purpose.REVOCATION,
                    profile=Profile.VC20,
                    used_count=STATUS_LIST_BITS_COUNT,
                )
            )

    await issuer.run(fill)
    for number in range(3):
        await ask(issuer, "open", holder=f"did:web:h-{number}.example")
    assert len({one.status_lists[Purpose.REVOCATION] for one in await all_issued(issuer)}) == 1


@pytest.fixture
def two_urls(postgresql_url: str) -> Iterator[str]:
    """A database on which two processes may stand."""
    with fresh_database(postgresql_url) as url:
        yield url


async def test_two_processes_never_give_away_the_last_index_of_a_list_twice(
    two_urls: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    first, second = await open_store(two_urls, "node-1"), await open_store(two_urls, "node-2")
    is_taken, has_looked = threading.Event(), threading.Event()
    page = SqlShelf.page

    def looking(shelf: SqlShelf[StatusListRecord], *args: object, **more: object) -> list[StatusListRecord]:
        found = page(shelf, *args, **more)  # type: ignore[arg-type]  # the same arguments, whatever they are
        if is_taken.is_set() and found and isinstance(found[0], StatusListRecord):
            has_looked.set()
        return found

    def work(type_id: str, then: Callable[[], object]) -> Callable[[UnitOfWork], None]:
        moment = clock.moment()
        message = dcp.RequestMessage("r-1", (type_id,))

        def run(uow: UnitOfWork) -> None:
            issuance.requested(uow, HOLDER, message, None, moment)
            then()

        return run

    def types(uow: UnitOfWork) -> None:
        # Two, because a type is locked while it is issued; their credentials stand in one list.
        for type_id in ("open", "also-open"):
            issuance.put_type(uow, msgspec.structs.replace(ANYONE, type_id=type_id))

    def hold() -> None:
        # The first has taken the last index; it commits when the second has seen the list as it was before.
        is_taken.set()
        assert has_looked.wait(20)

    try:
        await first.run(HOLDER, types)
        await first.run(HOLDER, work("open", lambda: None))
        await first.run(HOLDER, lambda uow: _filled(uow, 1))
        monkeypatch.setattr(SqlShelf, "page", looking)
        await _both(first, second, work("open", hold), work("also-open", lambda: None), is_taken)
        made = await first.read(HOLDER, lambda uow: uow.wallet.issued.page("", 9))
    finally:
        await first.close()
        await second.close()
    assert len(made) == 3
    assert len({(one.status_lists[Purpose.REVOCATION], one.status_index) for one in made}) == 3
    assert len({one.status_lists[Purpose.REVOCATION] for one in made}) == 2


async def _both(
    first: SqlStore,
    second: SqlStore,
    holding: Callable[[UnitOfWork], None],
    other: Callable[[UnitOfWork], None],
    is_taken: threading.Event,
) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(first.run(HOLDER, holding))
        assert await asyncio.to_thread(is_taken.wait, 20)
        group.create_task(second.run(HOLDER, other))
