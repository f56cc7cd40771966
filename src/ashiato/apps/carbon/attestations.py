"""Signed words about footprints: a supplier's declaration, its withdrawal, and what an independent verifier found.

Each is a compact JWS over exactly the canonical bytes of its document, by a key in `assertionMethod` of the DID document of who
speaks. A verifier's statement is its own: it names the declaration by hash and is believed as far as the verifier is.
"""

from dataclasses import InitVar, dataclass
from fractions import Fraction
from hashlib import sha256
from typing import Literal, TypeVar

import msgspec

from ashiato.apps.carbon.declarations import (
    MAX_DOCUMENT_BYTES,
    FootprintDeclaration,
    MalformedDeclaration,
    canonical,
    read_declaration,
    require_plain,
)
from ashiato.facts.footprints import DeclaredFootprint, VerificationShares
from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.trust import jws
from ashiato.trust.did import DidDocument
from ashiato.trust.signing import Signer

DECLARATION_TYP = "ashiato-footprint+jwt"
WITHDRAWAL_TYP = "ashiato-footprint-withdrawal+jwt"
VERIFICATION_TYP = "ashiato-footprint-verification+jwt"
VERSION = 1
MOST_OPENED_COUNT = 10_000
MAX_COMPACT_CHARS = MAX_DOCUMENT_BYTES * 4 // 3 + 4096
Party = Literal["second_party", "third_party"]
_DOOR = object()


class FootprintWithdrawal(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The issuer takes a declaration back; `reason` says why."""

    version: int = VERSION
    type: Literal["FootprintWithdrawal"] = "FootprintWithdrawal"
    issuer: str
    declaration_id: str
    declaration_sha256: str
    reason: str
    at_ms: int


class VerificationStatement(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What a verifier found about one declaration.

    `standard` is what it was held against (`ISO 14067:2018`), `level` how sure the verifier is (ISO 14064-3), `scope` what was
    looked at; `opened_lines` are the indexes of the inventory lines that were opened, under the root `inventory_root`.
    `valid_until_ms` 0 means for as long as the declaration.
    """

    version: int = VERSION
    type: Literal["FootprintVerification"] = "FootprintVerification"
    verifier: str
    issuer: str
    declaration_sha256: str
    inventory_root: str = ""
    opened_lines: tuple[int, ...] = ()
    standard: str
    level: Literal["limited", "reasonable"]
    party: Party
    scope: str
    finding: Literal["conforms", "conforms_with_remarks", "does_not_conform"]
    remarks: str = ""
    at_ms: int
    valid_until_ms: int = 0


@dataclass(frozen=True, slots=True)
class VerifiedDeclaration:
    """A declaration that the issuer it names has signed. Only `verify_declaration` makes one."""

    declaration: FootprintDeclaration
    footprint: DeclaredFootprint
    sha256: str
    compact: str
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedDeclaration comes from verify_declaration only")


@dataclass(frozen=True, slots=True)
class VerifiedWithdrawal:
    """A withdrawal that the issuer it names has signed. Only `verify_withdrawal` makes one."""

    withdrawal: FootprintWithdrawal
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedWithdrawal comes from verify_withdrawal only")


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement that the verifier it names has signed. Only `verify_statement` makes one."""

    statement: VerificationStatement
    compact: str
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedStatement comes from verify_statement only")


Spoken = FootprintDeclaration | FootprintWithdrawal | VerificationStatement
_TYPS: dict[type, str] = {
    FootprintDeclaration: DECLARATION_TYP,
    FootprintWithdrawal: WITHDRAWAL_TYP,
    VerificationStatement: VERIFICATION_TYP,
}


async def sign(signer: Signer, document: Spoken) -> str:
    """The compact JWS of the document; raises `trust.signing.SigningFailed`."""
    data = jws.signing_input(signer, _TYPS[type(document)], canonical(document))
    return jws.assemble(data, await signer.sign(data))


def verify_declaration(compact: str, document: DidDocument) -> VerifiedDeclaration:
    """The declaration in `compact`, signed by its issuer, whose DID document is given.

    Raises `MalformedDeclaration` and `TokenRefused`. Whether it still holds is for `declarations.standing_of`.
    """
    payload, signed = _payload(compact, DECLARATION_TYP)
    declaration, footprint = read_declaration(payload)
    _require_canonical(declaration, payload)
    _check_signer(signed, declaration.issuer, document)
    return VerifiedDeclaration(declaration, footprint, sha256(payload).hexdigest(), compact, _DOOR)


def verify_withdrawal(
    compact: str, document: DidDocument, declaration: VerifiedDeclaration
) -> VerifiedWithdrawal:
    """The withdrawal of that declaration by its issuer; raises `MalformedDeclaration` and `TokenRefused`."""
    payload, signed = _payload(compact, WITHDRAWAL_TYP)
    withdrawal = _read(payload, FootprintWithdrawal)
    if (withdrawal.declaration_sha256, withdrawal.declaration_id, withdrawal.issuer) != (
        declaration.sha256,
        declaration.declaration.id,
        declaration.declaration.issuer,
    ):
        raise MalformedDeclaration("it withdraws another declaration")
    _check_signer(signed, withdrawal.issuer, document)
    return VerifiedWithdrawal(withdrawal, _DOOR)


def verify_statement(
    compact: str, document: DidDocument, declaration: VerifiedDeclaration
) -> VerifiedStatement:
    """The verifier's statement about that declaration; raises `MalformedDeclaration` and `TokenRefused`.

    Nobody verifies what is its own. Whether the verifier is accredited is asked of its credentials, elsewhere.
    """
    payload, signed = _payload(compact, VERIFICATION_TYP)
    statement = _read(payload, VerificationStatement)
    committed = declaration.declaration.inventory
    if (statement.declaration_sha256, statement.issuer) != (
        declaration.sha256,
        declaration.declaration.issuer,
    ):
        raise MalformedDeclaration("it is about another declaration")
    if statement.verifier == statement.issuer:
        raise MalformedDeclaration("a verifier is somebody else than the issuer")
    if statement.opened_lines:
        lines_count = committed.lines_count if committed else 0
        if committed is None or statement.inventory_root != committed.root:
            raise MalformedDeclaration("it opened lines of another inventory than the declaration commits to")
        if len(statement.opened_lines) > MOST_OPENED_COUNT or any(
            not 0 <= line < lines_count for line in statement.opened_lines
        ):
            raise MalformedDeclaration("it names lines that the inventory does not have")
    _check_signer(signed, statement.verifier, document)
    return VerifiedStatement(statement, compact, _DOOR)


def speaker_of_statement(compact: str) -> str:
    """Who says to be the verifier, for whoever fetches the DID document; raises `MalformedDeclaration` and `TokenRefused`."""
    return _read(_payload(compact, VERIFICATION_TYP)[0], VerificationStatement).verifier


def speaker_of_declaration(compact: str) -> str:
    """Who says to be the issuer, for whoever fetches the DID document; raises `MalformedDeclaration` and `TokenRefused`."""
    return read_declaration(_payload(compact, DECLARATION_TYP)[0])[0].issuer


def with_verification(declaration: VerifiedDeclaration, statement: VerifiedStatement) -> DeclaredFootprint:
    """The supplier's footprint as wholly verified by that party, where the finding is that it conforms; else as it was."""
    told = statement.statement
    if told.declaration_sha256 != declaration.sha256 or told.finding == "does_not_conform":
        return declaration.footprint
    return verified_by(declaration.footprint, told.party)


def verified_by(footprint: DeclaredFootprint, party: Party) -> DeclaredFootprint:
    """The footprint as wholly verified by that party."""
    before = footprint.verification
    shares = (
        VerificationShares(before.program, Fraction(1), before.second_party, before.first_party)
        if party == "third_party"
        else VerificationShares(before.program, before.third_party, Fraction(1), before.first_party)
    )
    return msgspec.structs.replace(footprint, verification=shares)


S = TypeVar("S", FootprintWithdrawal, VerificationStatement)


def _payload(compact: str, typ: str) -> tuple[bytes, jws.CompactJws]:
    signed = jws.parse_compact(compact, typs=frozenset({typ}), max_chars=MAX_COMPACT_CHARS)
    return signed.payload, signed


def _read(payload: bytes, kind: type[S]) -> S:
    try:
        document = msgspec.convert(parse_strict(payload, max_bytes=MAX_DOCUMENT_BYTES), kind, strict=True)
    except (MalformedJson, msgspec.ValidationError) as error:
        raise MalformedDeclaration(f"it is no {kind.__name__}: {error}") from None
    if document.version != VERSION:
        raise MalformedDeclaration(f"version {document.version} is not known")
    require_plain(document)
    _require_canonical(document, payload)
    return document


def _require_canonical(document: Spoken, payload: bytes) -> None:
    """Two readers must never hash two documents: what is signed is the canonical form itself."""
    if canonical(document) != payload:
        raise MalformedDeclaration("its bytes are not the canonical JSON of what they say")


def _check_signer(signed: jws.CompactJws, speaker: str, document: DidDocument) -> None:
    if document.did != speaker:
        raise jws.MisdirectedToken("wrong_document", f"the DID document is not that of {speaker}")
    jws.check_signature(signed, jws.choose_key(signed, document, "assertionMethod"))
