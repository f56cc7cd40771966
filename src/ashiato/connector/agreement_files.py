"""An agreement as one self-contained file: written for evidence, and examined by anybody, without a network."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import suppress
from enum import StrEnum

import msgspec

from ashiato.connector.records import AgreementRecord, AgreementSignature
from ashiato.connector.signing import statement_of
from ashiato.connector.time_stamps import stamped_text
from ashiato.facts.instants import MalformedInstant, format_datetime, parse_datetime
from ashiato.policy.identity import policy_hash
from ashiato.policy.odrl import MalformedPolicy
from ashiato.trust import agreements as signed
from ashiato.trust.did import DidDocument, InvalidDidDocument, parse_did_document
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
    SEEN = "seen"
    """It holds by a document that the file brings, as its writer says to have seen it; no document that was given says so."""
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
    """One party and its signature; `why` says what is wrong with it, or why only a document inside the file could be asked.

    `seen_at` (RFC 3339) is when the writer of the file says to have seen that document.
    """

    party: str
    role: str
    finding: SignatureFinding
    kid: str = ""
    why: str = ""
    seen_at: str = ""
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


class SeenDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A DID document as the writer of a file saw it; an excerpt holds the method that signed and nothing else."""

    party: str
    seen_at: str
    is_excerpt: bool
    document: dict[str, object]


def write(record: AgreementRecord, own_document: dict[str, object] | None = None) -> dict[str, object]:
    """The file of an agreement: its document as it was sent, the signatures, and the DID documents of both as they were.

    `own_document` is the whole one of the writer. Of the partner, and without it of the writer too, there is the excerpt that
    was kept with the signature.
    """
    sent = signed.as_sent(record.document)
    seen = [_seen(signature, record.peer_id, own_document) for signature in record.signatures]
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
        "didDocuments": [msgspec.to_builtins(one) for one in seen],
    }


def _seen(
    signature: AgreementSignature, peer_id: str, own_document: dict[str, object] | None
) -> SeenDocument:
    whole = own_document if signature.signer_id != peer_id else None
    return SeenDocument(
        party=signature.signer_id,
        seen_at=format_datetime(signature.signed_ms),
        is_excerpt=whole is None,
        document=_excerpt(signature) if whole is None else whole,
    )


def _excerpt(signature: AgreementSignature) -> dict[str, object]:
    jwk = {**signature.jwk, **({"x5c": list(signature.chain)} if signature.chain else {})}
    method = {
        "id": signature.kid,
        "type": "JsonWebKey2020",
        "controller": signature.signer_id,
        "publicKeyJwk": jwk,
    }
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"],
        "id": signature.signer_id,
        "verificationMethod": [method],
        "assertionMethod": [signature.kid],
    }


def examine(
    file: Mapping[str, object], documents: Mapping[str, DidDocument], anchors: Anchors | None = None
) -> Examination:
    """What the file proves by these DID documents alone (by DID); raises `NoAgreementFile`.

    With `anchors` the hour is asked for as well: at least one signature must have a time stamp that leads to them. The keys
    and DID documents inside the file are its own claim and prove nothing: where none of `documents` lists the key, they only
    tell what the writer of the file saw (`SignatureFinding.SEEN`).
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
        _party(str(agreement.get(role)), role, file, text, documents, anchors)
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
    file: Mapping[str, object],
    text: bytes,
    documents: Mapping[str, DidDocument],
    anchors: Anchors | None,
) -> PartyExamination:
    found = _of_party(file, "signatures", "signer", party)
    if not found:
        return PartyExamination(party=party, role=role, finding=SignatureFinding.MISSING)
    told = PartyExamination(
        party=party,
        role=role,
        finding=SignatureFinding.NO_DOCUMENT,
        time_stamp=_time_stamp(found[0], anchors),
    )
    try:
        signature = signed.parse(found[0].get("jws"))
        given = documents.get(party)
        if given is not None and signature.kid in given.relations.get("assertionMethod", ()):
            signed.verify(signature, text, given, party)
            return msgspec.structs.replace(told, finding=SignatureFinding.VALID, kid=signature.kid)
        # Only a key that no given document speaks of is looked for in the file.
        seen = next(_seen_with(file, party, signature.kid), None)
        if seen is not None:
            signed.verify(
                signature, text, parse_did_document(msgspec.json.encode(seen.document), party), party
            )
            why = "" if given is None else f"The DID document that was given does not list {signature.kid}."
            return msgspec.structs.replace(
                told, finding=SignatureFinding.SEEN, kid=signature.kid, why=why, seen_at=seen.seen_at
            )
        if given is not None:
            signed.verify(signature, text, given, party)
    except (TokenRefused, InvalidDidDocument) as error:
        return msgspec.structs.replace(told, finding=SignatureFinding.INVALID, why=str(error))
    return told


def _seen_with(file: Mapping[str, object], party: str, kid: str) -> Iterator[SeenDocument]:
    """The documents of a party that the file brings and that list the key."""
    for entry in _of_party(file, "didDocuments", "party", party):
        with suppress(msgspec.ValidationError, InvalidDidDocument, MalformedInstant):
            seen = msgspec.convert(entry, SeenDocument)
            parse_datetime(seen.seen_at)
            document = parse_did_document(msgspec.json.encode(seen.document), party)
            if kid in document.relations.get("assertionMethod", ()):
                yield seen


def _of_party(file: Mapping[str, object], member: str, name: str, party: str) -> list[dict[str, object]]:
    entries = file.get(member)
    listed = entries if isinstance(entries, list) else []
    return [entry for entry in listed if isinstance(entry, dict) and entry.get(name) == party]


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
