"""Time stamps on agreements, on each kind of store: asked for when both have signed, kept, waited for by nobody."""

import base64
from collections.abc import Callable
from functools import partial

import msgspec
import pytest

from ashiato.clients.egress import Egress, EgressRules
from ashiato.clients.time_stamps import TimeStampAuthority
from ashiato.connector import time_stamps
from ashiato.connector.records import AgreementRecord
from ashiato.couriers.delivering import Verdict
from ashiato.couriers.time_stamping import TimeStampCourier
from ashiato.outbox.deliveries import Delivery, DeliveryKind
from ashiato.trust.timestamps import verify_token
from tests.connector.firms import Firm, Street
from tests.connector.test_signing import Registrar, agreed, registrar, signs
from tests.stamping import Answer, StampAuthority, serving

__all__ = ["registrar"]
AUTHORITY = StampAuthority()


def stamps(firm: Firm) -> None:
    """From now on the firm asks for time stamps."""
    firm.company = msgspec.structs.replace(
        firm.company, reactors=(*firm.company.reactors, time_stamps.follow)
    )
    firm.tenant = msgspec.structs.replace(firm.tenant, company=firm.company)


class Asking:
    """The questions of the street, put aside as they come, and the courier that takes them to an authority."""

    def __init__(self, street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
        self.street = street
        self.asked: list[Delivery] = []
        before = street.try_delivery

        async def try_delivery(delivery: Delivery) -> None:
            if delivery.kind is DeliveryKind.TIME_STAMP:
                self.asked.append(delivery)
            await before(delivery)

        monkeypatch.setattr(street, "try_delivery", try_delivery)

    async def answer(self, answer_of: Callable[[bytes], bytes]) -> Verdict:
        (delivery,) = self.asked
        async with serving(answer_of) as server, Egress(EgressRules(unsafe_allow_loopback=True)) as egress:
            authority = TimeStampAuthority(egress, server.url(), AUTHORITY.anchors)
            outcome = await TimeStampCourier(self.street.node, authority).deliver(delivery)
        if outcome.record is not None and outcome.verdict is Verdict.DONE:
            await self.street.store.run(delivery.participant_id, outcome.record)
        elif outcome.record is not None:
            self.given_up = outcome.record
        return outcome.verdict


@pytest.fixture
def asking(street: Street, monkeypatch: pytest.MonkeyPatch) -> Asking:
    return Asking(street, monkeypatch)


async def record_of(firm: Firm) -> AgreementRecord:
    (found,) = await firm.agreements()
    return found


def stamps_in(record: AgreementRecord) -> dict[str, str]:
    return {signature.signer_id: signature.time_stamp for signature in record.signatures}


@pytest.mark.parametrize("is_provider", [True, False])
async def test_our_signature_gets_a_time_stamp_and_that_of_the_partner_stays_as_it_came(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar, asking: Asking, is_provider: bool
) -> None:
    signs(maker, registrar), signs(cells, registrar)
    ours, theirs = (maker, cells) if is_provider else (cells, maker)
    stamps(ours)
    await agreed(maker, cells)
    assert stamps_in(await record_of(ours)) == {maker.did: "", cells.did: ""}
    assert await asking.answer(AUTHORITY.answer) is Verdict.DONE
    record = await record_of(ours)
    kept = stamps_in(record)
    assert kept[theirs.did] == ""
    jws = next(found.jws for found in record.signatures if found.signer_id == ours.did)
    stamp = verify_token(base64.b64decode(kept[ours.did]), jws.encode(), AUTHORITY.anchors)
    assert stamp.at_ms == 1_795_510_800_000
    assert (await ours.events())[-1] == "agreement.time_stamped"
    # A second delivery of the same question changes nothing.
    assert await asking.answer(lambda query: b"never asked") is Verdict.DONE
    assert stamps_in(await record_of(ours)) == kept


async def test_an_agreement_that_not_both_signed_is_not_stamped(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar, asking: Asking
) -> None:
    signs(maker, registrar)
    stamps(maker)
    stamps(cells)
    await agreed(maker, cells)
    assert asking.asked == []


async def test_a_lying_authority_changes_nothing_and_is_asked_again_until_it_is_given_up(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar, asking: Asking
) -> None:
    signs(maker, registrar), signs(cells, registrar)
    stamps(maker)
    await agreed(maker, cells)
    for lie in (Answer(nonce=1), Answer(digest=bytes(32)), Answer(status=2, has_token=False)):
        assert await asking.answer(partial(AUTHORITY.answer, answer=lie)) is Verdict.AGAIN
    assert stamps_in(await record_of(maker)) == {maker.did: "", cells.did: ""}
    await street.store.run(maker.did, asking.given_up)
    assert (await maker.events())[-1] == "agreement.not_time_stamped"
    assert (await record_of(maker)).finalized


def test_each_question_has_a_nonce_of_its_own() -> None:
    nonces = {time_stamps.nonce_of(f"id-{number}") for number in range(1000)}
    assert len(nonces) == 1000
    assert max(nonces) < 2**64
