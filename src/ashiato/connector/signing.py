"""Signatures on agreements: ours before the commit, the partner's before its message counts.

A unit of work awaits nothing. A key in memory signs inside it, which is computing like any other. A key that must be awaited
raises `SignatureNeeded` there: the unit of work is undone, `run` awaits the signature outside, and runs the same unit of work
again at the same moment with the same ids, so that it comes to the same text, whose signature is now known.
"""

import base64
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from ashiato.connector.company import AgreementSigner, Company
from ashiato.connector.frameworks import NAMED_MEMBER
from ashiato.connector.ports import Moment, Store, UnitOfWork
from ashiato.connector.problems import Problem
from ashiato.connector.records import AgreementRecord, AgreementSignature
from ashiato.dsp.messages import (
    ContractAgreementMessage,
    ContractAgreementVerificationMessage,
    NegotiationMessage,
)
from ashiato.dsp.negotiation import ContractNegotiation
from ashiato.policy.identity import policy_hash
from ashiato.trust import agreements as signed
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.signing import SigningFailed

SIGNATURE_MEMBER = "ashiato:signature"
MOST_SIGNATURES_COUNT = 4

T = TypeVar("T")


class SignatureNeeded(Exception):
    """Inside a unit of work: this statement must be signed first, by a key that has to be awaited."""

    def __init__(self, text: bytes) -> None:
        super().__init__("a signature must be awaited")
        self.text = text


class SignerUnavailable(Problem):
    """The keeper of our own key does not sign now: the operator must look; nothing was changed, and it may be tried again."""

    code = "signer-unavailable"


class Evidence(msgspec.Struct, frozen=True):
    """What came with a message for the agreement: its signature, and the DID document of the sender, read before."""

    text: object = None
    document: DidDocument | None = None


NO_EVIDENCE = Evidence()


def kid_in(message: NegotiationMessage) -> str | None:
    """The key that a message says to have signed the agreement, for whoever fetches the DID document; None without one."""
    text = signature_in(message)
    try:
        return None if text is None else signed.parse(text).kid
    except TokenRefused:
        return None


def signature_in(message: NegotiationMessage) -> object:
    """The signature on the agreement that a message carries, unread; None where it has none."""
    if isinstance(message, ContractAgreementMessage | ContractAgreementVerificationMessage):
        return message.extensions.get(SIGNATURE_MEMBER)
    return None


def statement_of(document: Mapping[str, object]) -> bytes:
    """What both sides sign for an agreement; raises `trust.agreements.UnsignableAgreement`."""
    sent = signed.as_sent(document)
    framework = sent.get(NAMED_MEMBER)
    return signed.statement(sent, policy_hash(sent), framework if isinstance(framework, str) else None)


def own_signature(company: Company, document: Mapping[str, object], now_ms: int) -> AgreementSignature | None:
    """Our signature on an agreement, None for a company that signs none; raises `SignatureNeeded`."""
    if company.signer is None:
        return None
    text = statement_of(document)
    found = company.signer.sign_now(text)
    if found is None:
        raise SignatureNeeded(text)
    parsed = signed.parse(found)
    return AgreementSignature(
        signer_id=company.participant_id,
        kid=parsed.kid,
        jwk=company.signer.public_jwk(parsed.kid),
        jws=found,
        signed_ms=now_ms,
    )


def peer_signature(
    peer_id: str, document: Mapping[str, object], evidence: Evidence, now_ms: int
) -> AgreementSignature | str | None:
    """The partner's signature, checked; a sentence when it is wrong; None when there is none."""
    if evidence.text is None:
        return None
    if evidence.document is None:
        return (
            "The signature on the agreement cannot be checked: the DID document of its signer is not known."
        )
    try:
        verified = signed.verify(
            signed.parse(evidence.text), statement_of(document), evidence.document, peer_id
        )
    except (TokenRefused, signed.UnsignableAgreement) as error:
        return f"The signature on the agreement does not hold: {error}"
    return AgreementSignature(
        signer_id=peer_id,
        kid=verified.kid,
        jwk=dict(verified.jwk),
        jws=verified.text,
        signed_ms=now_ms,
        chain=tuple(base64.b64encode(der).decode() for der in evidence.document.chains.get(verified.kid, ())),
    )


def signed_message(
    company: Company, negotiation: ContractNegotiation, message: NegotiationMessage, moment: Moment
) -> tuple[NegotiationMessage, AgreementSignature | None]:
    """The message with our signature on the agreement that it makes or confirms; others go as they are."""
    match message:
        case ContractAgreementMessage():
            document = message.agreement
        case ContractAgreementVerificationMessage() if negotiation.agreement is not None:
            document = negotiation.agreement
        case _:
            return message, None
    signature = own_signature(company, document, moment.now_ms)
    if signature is None:
        return message, None
    extensions = {**message.extensions, SIGNATURE_MEMBER: signature.jws}
    return msgspec.structs.replace(message, extensions=extensions), signature


def take(
    uow: UnitOfWork,
    company: Company,
    negotiation: ContractNegotiation,
    message: NegotiationMessage,
    evidence: Evidence,
    moment: Moment,
) -> str | None:
    """Keep the counterparty's signature on the agreement; the sentence with which to end it when there is no valid one."""
    if not isinstance(message, ContractAgreementMessage | ContractAgreementVerificationMessage):
        return None
    found = peer_signature(negotiation.peer_id, negotiation.agreement or {}, evidence, moment.now_ms)
    if isinstance(found, str):
        return found
    if found is not None:
        add(uow, negotiation, found)
        return None
    if company.requires_signatures:
        return "This company makes only agreements that both sides sign; sign it and negotiate again."
    return None


def add(uow: UnitOfWork, negotiation: ContractNegotiation, signature: AgreementSignature) -> None:
    """Keep a signature with the agreement of a negotiation."""
    agreement = uow.contracts.agreement(str((negotiation.agreement or {}).get("@id", "")))
    if agreement is not None:
        uow.contracts.put_agreement(with_signature(agreement, signature))


def with_signature(agreement: AgreementRecord, signature: AgreementSignature) -> AgreementRecord:
    """The record with one more signature; a second one of the same signer takes the place of the first."""
    others = tuple(known for known in agreement.signatures if known.signer_id != signature.signer_id)
    return msgspec.structs.replace(agreement, signatures=(*others, signature))


class _Remembering:
    """A signer that knows the signatures which were awaited already."""

    def __init__(self, signer: AgreementSigner) -> None:
        self._signer = signer
        self._known: dict[bytes, str] = {}

    def sign_now(self, text: bytes) -> str | None:
        found = self._known.get(text)
        return self._signer.sign_now(text) if found is None else found

    async def sign(self, text: bytes) -> str:
        found = self._known[text] = await self._signer.sign(text)
        return found

    def public_jwk(self, kid: str) -> dict[str, str]:
        return self._signer.public_jwk(kid)


async def run(
    store: Store, company: Company, moment: Moment, work: Callable[[UnitOfWork, Company, Moment], T]
) -> T:
    """Run a unit of work that may sign agreements; raises `SignerUnavailable`, and then nothing was changed."""
    if company.signer is None:
        return await store.run(company.participant_id, lambda uow: work(uow, company, moment))
    signer = _Remembering(company.signer)
    signing_company = msgspec.structs.replace(company, signer=signer)
    ids: list[str] = []
    for _ in range(MOST_SIGNATURES_COUNT + 1):
        try:
            return await store.run(
                company.participant_id, lambda uow: work(uow, signing_company, _again(moment, ids))
            )
        except SignatureNeeded as needed:
            try:
                await signer.sign(needed.text)
            except SigningFailed as error:
                raise SignerUnavailable(
                    f"The keeper of our key does not sign now ({error.why}); try again."
                ) from error
    raise SignerUnavailable("Each try needs another signature; report this to the makers of this program.")


def _again(moment: Moment, ids: list[str]) -> Moment:
    """The same moment, whose dice fall as they did before: `ids` are those of the earlier runs, and are added to."""
    position = 0

    def fresh_id() -> str:
        nonlocal position
        if position == len(ids):
            ids.append(moment.fresh_id())
        position += 1
        return ids[position - 1]

    return Moment(moment.now_ms, fresh_id)
