"""Agreements signed by both sides, on each kind of store: with keys at hand, with slow ones and with ones that fail."""

import asyncio
import json
from collections.abc import Mapping

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette

from ashiato.api.protocol import ProtocolApi
from ashiato.api.turns import Queues
from ashiato.connector import agreement_files, negotiations, signing
from ashiato.connector.company import Company
from ashiato.connector.ports import Moment, UnitOfWork
from ashiato.connector.records import AgreementRecord, AgreementState, Approval
from ashiato.connector.signing import SIGNATURE_MEMBER, Evidence, SignerUnavailable
from ashiato.connector.strategies import Act, Reaction
from ashiato.couriers.delivering import Courier
from ashiato.couriers.messaging import Messenger
from ashiato.dsp.messages import ContractAgreementMessage
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.dsp.states import NegotiationState as State
from ashiato.dsp.states import Role
from ashiato.outbox.deliveries import DeliveryKind
from ashiato.policy.builder import permit
from ashiato.trust import agreements as signed
from ashiato.trust.did import DidDocument, did_document, parse_did_document
from ashiato.trust.keys import SigningKey
from ashiato.trust.signing import LocalSigner, SigningFailed
from tests.connector.firms import Firm, Street

THREE_TIMES = permit("use", max_uses=3)


class Registrar:
    """The DID documents of the street; it may be told to forget one."""

    def __init__(self) -> None:
        self.documents: dict[str, DidDocument] = {}

    async def resolve(self, did: str, now_ms: int, *, needs_kid: str | None = None) -> DidDocument:
        return self.documents[did]


class Keeper:
    """Keeps the key of a firm: at hand, or far away, where it is slow and fails `failures_count` times first."""

    def __init__(self, did: str, *, is_far: bool = False, failures_count: int = 0) -> None:
        self.key = SigningKey(f"{did}#key-1", ec.generate_private_key(ec.SECP256R1()))
        self.is_far = is_far
        self.failures_count = failures_count
        self.awaited: list[bytes] = []

    def sign_now(self, text: bytes) -> str | None:
        return None if self.is_far else signed.sign_now(LocalSigner(self.key), text)

    async def sign(self, text: bytes) -> str:
        await asyncio.sleep(0.01)
        self.awaited.append(text)
        if self.failures_count:
            self.failures_count -= 1
            raise SigningFailed(self.key.kid, "the hardware does not answer")
        return await signed.sign(LocalSigner(self.key), text)

    def public_jwk(self, kid: str) -> dict[str, str]:
        assert kid == self.key.kid
        return self.key.public_jwk()


@pytest.fixture
def registrar(street: Street) -> Registrar:
    """Everybody's DID documents, for a street on which signatures are checked."""
    found = Registrar()
    street.node = msgspec.structs.replace(street.node, documents=found)
    street.channel.app = Starlette(routes=ProtocolApi(street.node).routes())
    street.courier = Courier(
        street.node, {DeliveryKind.MESSAGE: Messenger(street.node, street.channel).deliver}, Queues().turn
    )
    return found


def signs(
    firm: Firm, registrar: Registrar, *, is_far: bool = False, failures_count: int = 0, requires: bool = False
) -> Keeper:
    """From now on the firm signs."""
    keeper = Keeper(firm.did, is_far=is_far, failures_count=failures_count)
    document = did_document(firm.did, [keeper.key.verification_key()], [])
    registrar.documents[firm.did] = parse_did_document(document, firm.did)
    firm.company = msgspec.structs.replace(firm.company, signer=keeper, requires_signatures=requires)
    firm.tenant = msgspec.structs.replace(firm.tenant, company=firm.company)
    return keeper


async def agreed(
    maker: Firm, cells: Firm, rules: Mapping[str, object] = THREE_TIMES
) -> list[AgreementRecord]:
    """The records of both sides after a negotiation."""
    await maker.publish("nmc811", rules=rules)
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await cells.street.deliver()
    assert (await cells.negotiation(pid)).state is State.FINALIZED
    (theirs,), (ours,) = await maker.agreements(), await cells.agreements()
    return [theirs, ours]


async def test_the_method_that_signed_is_kept_and_found_in_the_file_when_the_partner_rotated_its_key(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar
) -> None:
    keeper, _ = signs(maker, registrar), signs(cells, registrar)
    certificates = {keeper.key.kid: ("AAAA", "BBBB")}
    document = did_document(maker.did, [keeper.key.verification_key()], [], certificates)
    registrar.documents[maker.did] = parse_did_document(document, maker.did)
    _, taken = await agreed(maker, cells)
    file = agreement_files.write(taken, {"id": cells.did})
    documents = file["didDocuments"]
    assert isinstance(documents, list)
    seen = {entry["party"]: entry for entry in documents}
    assert (seen[cells.did]["isExcerpt"], seen[cells.did]["document"]) == (False, {"id": cells.did})
    (method,) = seen[maker.did]["document"]["verificationMethod"]
    assert (seen[maker.did]["isExcerpt"], method["id"]) == (True, keeper.key.kid)
    assert method["publicKeyJwk"] == {**keeper.key.public_jwk(), "x5c": ["AAAA", "BBBB"]}

    rotated = SigningKey(f"{maker.did}#key-2", ec.generate_private_key(ec.SECP256R1()))
    now = parse_did_document(did_document(maker.did, [rotated.verification_key()], []), maker.did)
    found = agreement_files.examine(file, {maker.did: now, cells.did: registrar.documents[cells.did]})
    assert [party.finding for party in found.parties] == ["seen", "valid"]
    assert found.verdict == "incomplete"


@pytest.mark.parametrize("is_far", [False, True])
async def test_both_sides_hold_both_signatures_when_the_agreement_is_final(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar, is_far: bool
) -> None:
    signs(maker, registrar, is_far=is_far)
    signs(cells, registrar, is_far=is_far)
    provided, taken = await agreed(maker, cells)
    assert (provided.signed, taken.signed) == ("both", "both")
    assert provided.finalized
    assert taken.finalized
    texts = {
        record.role: {signature.signer_id: signature.jws for signature in record.signatures}
        for record in (provided, taken)
    }
    assert texts[Role.PROVIDER] == texts[Role.CONSUMER]
    assert set(texts[Role.PROVIDER]) == {maker.did, cells.did}
    statement = signing.statement_of(taken.document)
    for did, text in texts[Role.CONSUMER].items():
        assert signed.verify(signed.parse(text), statement, registrar.documents[did], did)


async def test_a_slow_key_is_awaited_once_for_each_agreement_and_signs_what_is_committed(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar
) -> None:
    far = signs(maker, registrar, is_far=True)
    signs(cells, registrar)
    provided, _ = await agreed(maker, cells)
    assert far.awaited == [signing.statement_of(provided.document)]


async def test_a_key_that_fails_changes_nothing_and_the_partner_asks_again(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar
) -> None:
    far = signs(maker, registrar, is_far=True, failures_count=2)
    signs(cells, registrar)
    provided, taken = await agreed(maker, cells)
    assert (provided.signed, taken.signed, len(far.awaited)) == ("both", "both", 3)
    assert [status for _, path, status in street.channel.sent if path.endswith("negotiations/request")] == [
        503, 503, 201,
    ]  # fmt: skip
    assert len(await maker.negotiations()) == 1


async def test_a_person_whose_key_does_not_sign_is_told_and_nothing_is_agreed(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar
) -> None:
    signs(maker, registrar, is_far=True, failures_count=1)
    signs(cells, registrar)
    await maker.publish("nmc811", approval=Approval.MANUAL)
    await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    (waiting,) = await maker.inbox()

    def work(uow: UnitOfWork, company: Company, moment: Moment) -> ContractNegotiation:
        reaction = Reaction(act=Act.AGREE)
        return negotiations.do(uow, company, waiting.negotiation_pid, reaction, moment)

    with pytest.raises(SignerUnavailable):
        await signing.run(street.store, maker.company, street.clock.moment(), work)
    assert (await maker.negotiation(waiting.negotiation_pid)).state is State.REQUESTED
    assert (await maker.agreements(), len(await maker.inbox())) == ([], 1)
    await signing.run(street.store, maker.company, street.clock.moment(), work)
    assert [record.signed for record in await maker.agreements()] == ["ours"]


async def test_an_agreement_with_a_partner_that_does_not_sign_is_signed_on_one_side(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar
) -> None:
    signs(maker, registrar)
    provided, taken = await agreed(maker, cells)
    assert (provided.signed, taken.signed) == ("ours", "theirs")


async def test_nobody_signs_where_nobody_has_a_signer(street: Street, maker: Firm, cells: Firm) -> None:
    provided, taken = await agreed(maker, cells)
    assert (provided.signed, taken.signed) == ("none", "none")


@pytest.mark.parametrize("who", ["provider", "consumer"])
async def test_who_requires_signatures_ends_a_negotiation_without(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar, who: str
) -> None:
    signs(maker if who == "provider" else cells, registrar, requires=True)
    await maker.publish("nmc811")
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    for firm in (maker, cells):
        (negotiation,) = await firm.negotiations()
        assert negotiation.state is State.TERMINATED
        assert "both sides sign" in negotiations.in_words(negotiation.reason)  # type: ignore[arg-type]  # set in this state
        assert await firm.usable_agreements() == []
    assert (await cells.negotiation(pid)).reason is not None


@pytest.mark.parametrize("far_side", ["provider", "consumer"])
async def test_a_signature_by_a_key_that_the_did_document_does_not_list_ends_the_negotiation(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar, far_side: str
) -> None:
    signs(maker, registrar)
    signs(cells, registrar)
    liar = maker if far_side == "provider" else cells
    stranger = SigningKey(f"{liar.did}#key-1", ec.generate_private_key(ec.SECP256R1()))
    document = did_document(liar.did, [stranger.verification_key()], [])
    registrar.documents[liar.did] = parse_did_document(document, liar.did)
    await maker.publish("nmc811")
    await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver()
    for firm in (maker, cells):
        (negotiation,) = await firm.negotiations()
        assert negotiation.state is State.TERMINATED
        assert "signature" in negotiations.in_words(negotiation.reason)  # type: ignore[arg-type]  # set in this state
        (record,) = await firm.agreements()
        assert (record.state, record.finalized) == (AgreementState.TERMINATED, False)


async def test_a_signature_over_other_terms_than_were_negotiated_is_refused(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar
) -> None:
    keeper = signs(maker, registrar)
    signs(cells, registrar)
    await maker.publish("nmc811", rules=THREE_TIMES)
    pid = await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver_one()
    own = await cells.negotiation(pid)
    (record,) = await maker.agreements()
    for changed in (
        {**record.document, "permission": permit("use")["permission"]},
        {**record.document, "assignee": "did:web:other.example"},
        {**record.document, "target": "another"},
        {**record.document, "timestamp": "2020-01-01T00:00:00Z"},
        {**record.document, "ashiato:framework": "urn:ashiato:framework:other"},
    ):
        text = keeper.sign_now(signing.statement_of(changed))
        found = signing.peer_signature(
            maker.did, record.document, Evidence(text, registrar.documents[maker.did]), 0
        )
        assert isinstance(found, str)
        assert "does not hold" in found
    assert own.peer_pid is not None
    message = ContractAgreementMessage(
        provider_pid=own.peer_pid, consumer_pid=pid, agreement=record.document,
        extensions={SIGNATURE_MEMBER: text},
    )  # fmt: skip
    evidence = Evidence(signing.signature_in(message), registrar.documents[maker.did])
    ended = await cells.run(
        lambda uow, moment: negotiations.received(
            uow, cells.company, maker.standing, pid, message, moment, evidence
        )
    )
    assert ended.state is State.TERMINATED


async def test_a_partner_without_a_signature_member_sees_a_message_of_the_protocol(
    street: Street, maker: Firm, cells: Firm, registrar: Registrar
) -> None:
    signs(maker, registrar)
    await maker.publish("nmc811")
    await cells.request(maker, await cells.catalog_offer(maker, "nmc811"))
    await street.deliver_one()
    (delivery,) = await street.due()
    document = json.loads(delivery.body)
    assert delivery.message_name == "ContractAgreementMessage"
    assert set(document) == {
        "@context", "@type", "@id", "providerPid", "consumerPid", "agreement", SIGNATURE_MEMBER,
    }  # fmt: skip
