"""An agreement as one self-contained file: written for evidence, and examined by anybody, without a network."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

from ashiato.connector.records import AgreementRecord
from ashiato.connector.signing import statement_of
from ashiato.connector.time_stamps import stamped_text
from ashiato.facts.instants import format_datetime
from ashiato.policy.identity import policy_hash
from ashiato.policy.odrl import MalformedPolicy
from ashiato.trust import agreements as signed
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import TokenRefused
from ashiato.trust.timestamps import Anchors, TimeStampRefused, verify_token

FILE_TYPE = "AshiatoAgreementFile"
FILE_VERSION = 1


class NoAgreementFile(ValueError):
    """The document is no file of an agreement; whoever gave it must give another."""


class SignatureFinding(StrEnum):
    """What is known of one party's signature."""

    VALID = "valid"
    MISSING = "missing"
    NO_DOCUMENT = "no-document"
    """Nobody gave the DID document of the party, so nothing is known."""
    INVALID = "invalid"


class TimeStampFinding(StrEnum):
    """What is known of the time stamp on one party's signature."""

    VALID = "valid"
    MISSING = "missing"
    NO_ANCHORS = "no-anchors"
    """There is one, and nobody said which authorities are believed."""
    INVALID = "invalid"


class Verdict(StrEnum):
    """What the examination comes to."""

    VERIFIED = "verified"
    """Both parties signed exactly this, and an authority stamped it, where that was asked."""
    INCOMPLETE = "incomplete"
    """Nothing is wrong, and not everything is proved."""
    INVALID = "invalid"


class TimeStampExamination(msgspec.Struct, frozen=True, kw_only=True):
    """The time stamp on a signature: `at` is the hour (RFC 3339) that `authority` gives, `why` says what is wrong with it."""

    finding: TimeStampFinding
    at: str = ""
    authority: str = ""
    why: str = ""


class PartyExamination(msgspec.Struct, frozen=True, kw_only=True):
    """One party and its signature; `why` says what is wrong with it."""

    party: str
    role: str
    finding: SignatureFinding
    kid: str = ""
    why: str = ""
    time_stamp: TimeStampExamination = TimeStampExamination(finding=TimeStampFinding.MISSING)


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What a file proves."""

    verdict: Verdict
    agreement_id: str
    target: str
    timestamp: str
    policy_hash: str
    policy_hash_holds: bool
    parties: tuple[PartyExamination, ...]


def write(record: AgreementRecord, did_documents: Sequence[object] = ()) -> dict[str, object]:
    """The file of an agreement: its document as it was sent, the signatures, and DID documents as they were."""
    sent = signed.as_sent(record.document)
    return {
        "type": FILE_TYPE,
        "version": FILE_VERSION,
        "agreement": sent,
        "policyHash": policy_hash(sent),
        "signatures": [
            {
                "signer": signature.signer_id,
                "kid": signature.kid,
                "jws": signature.jws,
                "jwk": signature.jwk,
                "takenAt": format_datetime(signature.signed_ms),
                **({"timeStamp": signature.time_stamp} if signature.time_stamp else {}),
            }
            for signature in record.signatures
        ],
        "didDocuments": list(did_documents),
    }


def examine(
    file: Mapping[str, object], documents: Mapping[str, DidDocument], anchors: Anchors | None = None
) -> Examination:
    """What the file proves by these DID documents alone (by DID); raises `NoAgreementFile`.

    With `anchors` the hour is asked for as well: at least one signature must have a time stamp that leads to them. The keys
    and DID documents inside the file are its own claim, and prove nothing.
    """
    agreement = file.get("agreement")
    signatures = file.get("signatures")
    if file.get("type") != FILE_TYPE or not isinstance(agreement, dict) or not isinstance(signatures, list):
        raise NoAgreementFile(f"it is not of the type {FILE_TYPE}, with an agreement and signatures")
    try:
        text = statement_of(agreement)
        found_hash = policy_hash(signed.as_sent(agreement))
    except (signed.UnsignableAgreement, MalformedPolicy) as error:
        raise NoAgreementFile(str(error)) from None
    parties = tuple(
        _party(str(agreement.get(role)), role, signatures, text, documents, anchors)
        for role in ("assigner", "assignee")
    )
    holds = file.get("policyHash") == found_hash
    findings = {party.finding for party in parties}
    stamps = {party.time_stamp.finding for party in parties}
    if not holds or SignatureFinding.INVALID in findings or TimeStampFinding.INVALID in stamps:
        verdict = Verdict.INVALID
    elif findings == {SignatureFinding.VALID} and (anchors is None or TimeStampFinding.VALID in stamps):
        verdict = Verdict.VERIFIED
    else:
        verdict = Verdict.INCOMPLETE
    return Examination(
        verdict=verdict,
        agreement_id=str(agreement.get("@id")),
        target=str(agreement.get("target")),
        timestamp=str(agreement.get("timestamp")),
        policy_hash=found_hash,
        policy_hash_holds=holds,
        parties=parties,
    )


def _party(
    party: str,
    role: str,
    signatures: list[object],
    text: bytes,
    documents: Mapping[str, DidDocument],
    anchors: Anchors | None,
) -> PartyExamination:
    found = [entry for entry in signatures if isinstance(entry, dict) and entry.get("signer") == party]
    if not found:
        return PartyExamination(party=party, role=role, finding=SignatureFinding.MISSING)
    finding, kid, why = SignatureFinding.NO_DOCUMENT, "", ""
    if party in documents:
        try:
            kid = signed.verify(signed.parse(found[0].get("jws")), text, documents[party], party).kid
            finding = SignatureFinding.VALID
        except TokenRefused as error:
            finding, why = SignatureFinding.INVALID, str(error)
    return PartyExamination(
        party=party, role=role, finding=finding, kid=kid, why=why, time_stamp=_time_stamp(found[0], anchors)
    )


def _time_stamp(signature: Mapping[str, object], anchors: Anchors | None) -> TimeStampExamination:
    kept, jws = signature.get("timeStamp"), signature.get("jws")
    if kept is None:
        return TimeStampExamination(finding=TimeStampFinding.MISSING)
    if anchors is None:
        return TimeStampExamination(finding=TimeStampFinding.NO_ANCHORS)
    if not isinstance(kept, str) or not isinstance(jws, str) or not jws.isascii():
        return TimeStampExamination(finding=TimeStampFinding.INVALID, why="it is no text in base64")
    try:
        stamp = verify_token(base64.b64decode(kept, validate=True), stamped_text(jws), anchors)
    except (binascii.Error, ValueError) as error:
        why = error.sentence if isinstance(error, TimeStampRefused) else "it is no text in base64"
        return TimeStampExamination(finding=TimeStampFinding.INVALID, why=why)
    return TimeStampExamination(
        finding=TimeStampFinding.VALID, at=format_datetime(stamp.at_ms), authority=stamp.authority
    )
