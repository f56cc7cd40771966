"""The holder's side of issuance: what it asked for, what it takes from whom, and what a repetition does."""

import json

import pytest

from ashiato.connector import holding
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.problems import Invalid, NotFound, NotPermitted, QuotaExceeded, WrongState
from ashiato.facts.instants import format_datetime
from ashiato.identity import dcp_v1_0 as dcp
from ashiato.identity.wallet import (
    CredentialOffer,
    CredentialRequest,
    HeldCredential,
    OfferedCredential,
    RequestState,
)
from ashiato.trust import jws
from ashiato.trust.held_credentials import OwnCredential, read_own_credential
from tests.connector.firms import START_MS, Firm
from tests.trust.parties import Party, new_party

ISSUER = "did:web:issuer.example"
OTHER = "did:web:other.example"
Credential = tuple[OwnCredential, str]


@pytest.fixture
def issuer() -> Party:
    return new_party(ISSUER)


def credential(
    issuer: Party, holder: Firm, credential_id: str = "urn:uuid:c-1", until_ms: int = START_MS
) -> Credential:
    """A credential as its issuer signed it; another end makes another envelope under the same id."""
    payload = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "id": credential_id,
        "type": ["VerifiableCredential", "MembershipCredential"],
        "issuer": issuer.did,
        "validUntil": format_datetime(until_ms),
        "credentialSubject": {"id": holder.did, "holderIdentifier": "CELLS"},
    }
    envelope = jws.sign_compact(issuer.key, "vc+jwt", json.dumps(payload).encode())
    return read_own_credential(envelope, issuer.document, holder.did), envelope


def issued(*credentials: Credential, request_id: str = "r-1") -> dcp.IssuedMessage:
    envelopes = tuple(envelope for _, envelope in credentials)
    return dcp.IssuedMessage(issuer_pid="i-1", holder_pid=request_id, is_issued=True, envelopes=envelopes)


def rejected(reason: str) -> dcp.IssuedMessage:
    return dcp.IssuedMessage(issuer_pid="i-1", holder_pid="r-1", is_issued=False, reason=reason)


async def ask(firm: Firm, request_id: str = "r-1", *ids: str, code: str = "") -> CredentialRequest:
    return await firm.run(
        lambda uow, moment: holding.ask(
            uow, ISSUER, ids or ("membership",), moment, request_id=request_id, code=code
        )
    )


async def receive(
    firm: Firm, message: dcp.IssuedMessage, *credentials: Credential, sender: str = ISSUER
) -> None:
    await firm.run(lambda uow, moment: holding.received(uow, sender, message, credentials, moment))


async def wallet(firm: Firm) -> list[HeldCredential]:
    return await firm.read(lambda uow: uow.wallet.held.page("", 1000))


async def request_of(firm: Firm) -> CredentialRequest:
    found = await firm.read(lambda uow: uow.wallet.asked.get("r-1"))
    assert found is not None
    return found


async def test_what_was_asked_for_goes_out_once_and_the_same_request_starts_nothing_new(cells: Firm) -> None:
    first = await ask(cells)
    assert await ask(cells) == first
    (delivery,) = await cells.street.due(9)
    assert (delivery.message_name, delivery.audience) == (dcp.CREDENTIAL_REQUEST_MESSAGE, ISSUER)
    assert json.loads(delivery.body)["credentials"] == [{"id": "membership"}]
    assert await cells.events() == ["credential_request.requested"]
    with pytest.raises(WrongState):
        await ask(cells, "r-1", "role")
    with pytest.raises(Invalid):
        await cells.run(lambda uow, moment: holding.ask(uow, ISSUER, [], moment))


async def test_a_credential_for_a_request_comes_into_the_wallet(cells: Firm, issuer: Party) -> None:
    await ask(cells, code="secret")
    sent = credential(issuer, cells)
    await receive(cells, issued(sent), sent)
    (kept,) = await wallet(cells)
    assert (kept.credential_id, kept.issuer, kept.types) == (
        "urn:uuid:c-1",
        ISSUER,
        ("MembershipCredential",),
    )
    assert (kept.envelope, kept.request_id) == (sent[1], "r-1")
    # A code that was used up is not kept.
    request = await request_of(cells)
    assert (request.state, request.code) == (RequestState.ISSUED, "")


async def test_a_repeated_credential_changes_nothing_and_is_told_once(cells: Firm, issuer: Party) -> None:
    await ask(cells)
    sent = credential(issuer, cells)
    await receive(cells, issued(sent), sent)
    before = (await wallet(cells), await request_of(cells), await cells.events())
    for _ in range(3):
        await receive(cells, issued(sent), sent)
    assert (await wallet(cells), await request_of(cells), await cells.events()) == before
    assert before[2] == ["credential_request.requested", "credential_request.issued"]


async def test_a_renewed_credential_takes_the_place_of_the_former_and_is_told(
    cells: Firm, issuer: Party
) -> None:
    await ask(cells)
    first, second = credential(issuer, cells), credential(issuer, cells, until_ms=START_MS + 60_000)
    await receive(cells, issued(first), first)
    await receive(cells, issued(second), second)
    assert [one.envelope for one in await wallet(cells)] == [second[1]]
    assert (await cells.events()).count("credential_request.issued") == 2


async def test_what_came_before_is_brought_back_by_no_repetition(cells: Firm, issuer: Party) -> None:
    await ask(cells)
    first, second = credential(issuer, cells), credential(issuer, cells, until_ms=START_MS + 60_000)
    for sent in (first, second, first):
        await receive(cells, issued(sent), sent)
    (kept,) = await wallet(cells)
    assert kept.envelope == second[1]
    await cells.run(lambda uow, moment: holding.forget(uow, kept.held_id, moment))
    for sent in (first, second):
        await receive(cells, issued(sent), sent)
    assert await wallet(cells) == []


async def test_a_repeated_refusal_is_told_once_and_does_not_undo_what_was_issued(
    cells: Firm, issuer: Party
) -> None:
    await ask(cells)
    for _ in range(3):
        await receive(cells, rejected("not a member"))
    assert await cells.events() == ["credential_request.requested", "credential_request.rejected"]
    assert (await request_of(cells)).reason == "not a member"
    # The issuer thinks better of it; a refusal that was on its way comes late.
    sent = credential(issuer, cells)
    await receive(cells, issued(sent), sent)
    await receive(cells, rejected("not a member"))
    assert (await request_of(cells)).state is RequestState.ISSUED
    assert len(await wallet(cells)) == 1


async def test_nothing_is_taken_from_whom_nobody_asked(cells: Firm, issuer: Party) -> None:
    await ask(cells)
    sent = credential(issuer, cells)
    with pytest.raises(NotFound):
        await receive(cells, issued(sent), sent, sender=OTHER)
    with pytest.raises(NotFound):
        await receive(cells, issued(sent, request_id="r-2"), sent)
    assert await wallet(cells) == []
    assert (await request_of(cells)).state is RequestState.REQUESTED


async def test_an_answer_that_comes_after_the_credential_is_not_a_step_back_and_not_told(
    cells: Firm, issuer: Party
) -> None:
    await ask(cells)
    sent = credential(issuer, cells)
    await receive(cells, issued(sent), sent)
    for _ in range(2):
        await cells.run(lambda uow, moment: holding.taken(uow, "r-1", "i-1", moment))
    request = await request_of(cells)
    assert (request.state, request.issuer_pid) == (RequestState.ISSUED, "i-1")
    assert await cells.events() == ["credential_request.requested", "credential_request.issued"]


async def test_a_request_that_was_refused_before_it_was_taken_has_failed_with_the_reason(cells: Firm) -> None:
    await ask(cells, code="secret")
    for _ in range(2):
        await cells.run(lambda uow, moment: holding.refused(uow, "r-1", "it answered 400", moment))
    request = await request_of(cells)
    assert (request.state, request.reason, request.code) == (RequestState.FAILED, "it answered 400", "")
    assert await cells.events() == ["credential_request.requested", "credential_request.failed"]


async def test_a_full_wallet_takes_nothing_more_and_keeps_what_it_has(
    cells: Firm, issuer: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "MOST_HELD_COUNT", 2)
    await ask(cells)
    sent = [credential(issuer, cells, f"urn:uuid:c-{number}") for number in range(3)]
    with pytest.raises(QuotaExceeded):
        await receive(cells, issued(*sent), *sent)
    assert await wallet(cells) == []
    assert (await request_of(cells)).state is RequestState.REQUESTED
    await receive(cells, issued(*sent[:2]), *sent[:2])
    renewed = credential(issuer, cells, "urn:uuid:c-1", START_MS + 60_000)
    await receive(cells, issued(renewed), renewed)
    assert {one.envelope for one in await wallet(cells)} == {sent[0][1], renewed[1]}


def offer(offer_id: str, issuer: str = ISSUER) -> CredentialOffer:
    wanted = (OfferedCredential("membership", "MembershipCredential"), OfferedCredential("role"))
    return CredentialOffer(offer_id=offer_id, issuer=issuer, credentials=wanted, received_ms=START_MS)


async def test_an_offer_waits_until_it_is_taken_up_and_then_asks_for_all_it_names(cells: Firm) -> None:
    await cells.run(lambda uow, moment: holding.offered(uow, ISSUER, offer("o-1"), moment))
    assert await cells.events() == ["credential.offered"]
    request = await cells.run(lambda uow, moment: holding.accept_offer(uow, "o-1", moment))
    assert (request.issuer, request.credential_ids) == (ISSUER, ("membership", "role"))
    with pytest.raises(NotFound):
        await cells.run(lambda uow, moment: holding.accept_offer(uow, "o-1", moment))


async def test_an_issuer_offers_in_its_own_name_only(cells: Firm) -> None:
    with pytest.raises(NotPermitted):
        await cells.run(lambda uow, moment: holding.offered(uow, OTHER, offer("o-1"), moment))


async def test_neither_one_issuer_nor_all_together_fill_the_room_for_offers(
    cells: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "MOST_OFFERS_PER_ISSUER_COUNT", 2)
    monkeypatch.setattr(holding, "MOST_OFFERS_COUNT", 3)

    async def offered(offer_id: str, issuer: str) -> None:
        await cells.run(lambda uow, moment: holding.offered(uow, issuer, offer(offer_id, issuer), moment))

    await offered("o-1", ISSUER)
    await offered("o-2", ISSUER)
    with pytest.raises(QuotaExceeded, match="of yours"):
        await offered("o-3", ISSUER)
    await offered("o-4", OTHER)
    with pytest.raises(QuotaExceeded):
        await offered("o-5", "did:web:third.example")
    assert len(await cells.read(lambda uow: uow.wallet.offers.page("", 10))) == 3


async def test_only_what_was_granted_is_shown(cells: Firm, issuer: Party) -> None:
    await ask(cells)
    sent = credential(issuer, cells, until_ms=START_MS + 3_600_000)
    await receive(cells, issued(sent), sent)
    scope = "org.eclipse.dspace.dcp.vc.type:MembershipCredential:read"
    other = "org.eclipse.dspace.dcp.vc.type:RoleCredential:read"

    def show(uow: UnitOfWork, moment: Moment, scopes: list[str], now_ms: int) -> list[str]:
        return [one.envelope for one in holding.shown_to(uow, scopes, [scope], now_ms)]

    assert await cells.run(lambda uow, moment: show(uow, moment, [scope], moment.now_ms)) == [sent[1]]
    # One that has expired is not shown.
    assert await cells.run(lambda uow, moment: show(uow, moment, [scope], START_MS + 3_600_001)) == []
    with pytest.raises(NotPermitted):
        await cells.run(lambda uow, moment: show(uow, moment, [other], moment.now_ms))
    with pytest.raises(Invalid):
        await cells.run(lambda uow, moment: show(uow, moment, ["everything"], moment.now_ms))


async def test_a_credential_is_removed_once_and_that_is_told(cells: Firm, issuer: Party) -> None:
    await ask(cells)
    sent = credential(issuer, cells)
    await receive(cells, issued(sent), sent)
    (kept,) = await wallet(cells)
    await cells.run(lambda uow, moment: holding.forget(uow, kept.held_id, moment))
    assert await wallet(cells) == []
    assert (await cells.events())[-1] == "credential.removed"
    with pytest.raises(NotFound):
        await cells.run(lambda uow, moment: holding.forget(uow, kept.held_id, moment))
