"""Documents with a proof inside: `eddsa-jcs-2022` (Data Integrity EdDSA Cryptosuites 1.0, 3.3)."""

import hashlib
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from types import MappingProxyType
from typing import Literal, cast

import rfc8785

from ashiato.facts.instants import MalformedInstant, format_datetime, parse_datetime
from ashiato.facts.strict_json import MalformedJson, parse_strict
from ashiato.trust import jws
from ashiato.trust.did import DidDocument
from ashiato.trust.jws import MalformedToken, MisdirectedToken, OutOfTime, UntrustedSignature
from ashiato.trust.keys import KeyIdentity, SigningKey
from ashiato.trust.multikey import decode_base58btc, encode_base58btc

SUITE = "eddsa-jcs-2022"
ProofPurpose = Literal["assertionMethod", "authentication"]
_DOOR = object()


@dataclass(frozen=True, slots=True)
class VerifiedDocument:
    """A document that `signer` signed. Only `verify_document` makes one; `members` are without the proof."""

    signer: str
    kid: str
    created_ms: int | None
    members: Mapping[str, object] = field(hash=False)
    door: InitVar[object]

    def __post_init__(self, door: object) -> None:
        if door is not _DOOR:
            raise TypeError("a VerifiedDocument comes from verify_document only")


def sign_document(
    key: SigningKey,
    document: Mapping[str, object],
    *,
    created_ms: int,
    purpose: ProofPurpose = "assertionMethod",
) -> dict[str, object]:
    """`document` with a proof by `key`, which must be an Ed25519 key (3.3.1, "Create Proof").

    Raises `ValueError` for another key, a document that has a proof already or no canonical form.
    """
    data, proof = document_signing_input(key, document, created_ms=created_ms, purpose=purpose)
    return with_proof(document, proof, key.sign(data))


def document_signing_input(
    signer: KeyIdentity,
    document: Mapping[str, object],
    *,
    created_ms: int,
    purpose: ProofPurpose = "assertionMethod",
) -> tuple[bytes, dict[str, object]]:
    """The 64 bytes to sign and the proof that waits for the signature, for a key that signs elsewhere."""
    if signer.algorithm != "Ed25519":
        raise ValueError(f"{SUITE} needs an Ed25519 key, and {signer.kid} is none")
    if "proof" in document:
        raise ValueError("the document has a proof already")
    proof: dict[str, object] = {
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "created": format_datetime(created_ms),
        "verificationMethod": signer.kid,
        "proofPurpose": purpose,
    }
    if "@context" in document:
        proof["@context"] = document["@context"]
    return _hash_data(document, proof), proof


def with_proof(
    document: Mapping[str, object], proof: Mapping[str, object], signature: bytes
) -> dict[str, object]:
    """The signed document of a `document_signing_input` and the signature over it."""
    return {**document, "proof": {**proof, "proofValue": encode_base58btc(signature)}}


def _hash_data(document: Mapping[str, object], proof: Mapping[str, object]) -> bytes:
    """The hash of the proof's options, then that of the document (3.3.4)."""
    try:
        texts = [rfc8785.dumps(dict(members)) for members in (proof, document)]  # type: ignore[arg-type]  # typed for literal JSON only; it checks at run time
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise ValueError(f"the document has no canonical form (RFC 8785): {error}") from None
    return b"".join(hashlib.sha256(text).digest() for text in texts)


def verification_method_of(data: bytes) -> str:
    """The key that a signed document names, to say whose DID document to fetch; raises `MalformedToken`."""
    _, proof = _parts(data)
    return _text(proof, "verificationMethod")


def verify_document(
    data: bytes,
    signer_document: DidDocument,
    *,
    now_ms: int,
    leeway_s: int = 0,
    purpose: ProofPurpose = "assertionMethod",
) -> VerifiedDocument:
    """What the owner of `signer_document` signed, by "Verify Proof" (Data Integrity 1.0, 4.4; 3.3.2 here):

    1. There is one proof, of this suite and for `purpose`; its `created` and `expires` hold.
    2. The proof's contexts are the first of the document's; the document is taken with just these.
    3. The key stands in `purpose` in the signer's document and made the signature.

    Raises `TokenRefused`.
    """
    document, proof = _parts(data)
    # 1.
    if proof.get("type") != "DataIntegrityProof" or proof.get("cryptosuite") != SUITE:
        raise MalformedToken("alg_not_allowed", f"the proof is not a DataIntegrityProof of {SUITE}")
    if proof.get("proofPurpose") != purpose:
        raise MisdirectedToken("wrong_type", f"the proof was made for another purpose than {purpose}")
    created_ms = _check_dates(proof, now_ms, leeway_s * 1000)
    # 2.
    if "@context" in proof:
        contexts, own = _list(document.get("@context")), _list(proof["@context"])
        if contexts[: len(own)] != own:
            raise MalformedToken("wrong_context", "the proof was made under other contexts")
        document["@context"] = proof["@context"]
    # 3.
    kid = _text(proof, "verificationMethod")
    key = jws.key_named(kid, signer_document, purpose)
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    try:
        signature = decode_base58btc(_text(proof, "proofValue"))
        hashes = _hash_data(document, options)
    except ValueError as error:
        raise MalformedToken("malformed_claim", f"the proof cannot be checked: {error}") from None
    if key.kind != "Ed25519" or not key.verify(signature, hashes):
        raise UntrustedSignature("wrong_signature", f"the proof was not made by {kid} over this document")
    return VerifiedDocument(signer_document.did, kid, created_ms, MappingProxyType(document), _DOOR)


def _parts(data: bytes) -> tuple[dict[str, object], dict[str, object]]:
    """The document without its proof, and the proof."""
    try:
        document = parse_strict(data)
    except MalformedJson as error:
        raise MalformedToken("not_json", f"the document is not strict JSON: {error.problem[:200]}") from None
    proof = document.pop("proof", None) if isinstance(document, dict) else None
    if isinstance(proof, list) and len(proof) == 1:
        proof = proof[0]
    if not isinstance(document, dict) or not isinstance(proof, dict):
        raise MalformedToken("missing_claim", "the document has not exactly one proof")
    return cast("dict[str, object]", document), cast("dict[str, object]", proof)


def _check_dates(proof: Mapping[str, object], now_ms: int, leeway_ms: int) -> int | None:
    """The instant of `created`, if it is named; raises `OutOfTime`."""
    created_ms, expires_ms = _date_ms(proof, "created"), _date_ms(proof, "expires")
    if created_ms is not None and now_ms + leeway_ms < created_ms:
        raise OutOfTime("not_yet_valid", "the proof was made in the future; set the clock right")
    if expires_ms is not None and now_ms - leeway_ms >= expires_ms:
        raise OutOfTime("expired", "the proof is expired; ask for a fresh one")
    return created_ms


def _date_ms(proof: Mapping[str, object], name: str) -> int | None:
    if name not in proof:
        return None
    try:
        return parse_datetime(_text(proof, name))
    except MalformedInstant as error:
        raise MalformedToken("malformed_claim", f"{name!r} is no date: {error.problem}") from None


def _text(members: Mapping[str, object], name: str) -> str:
    return jws.text_claim(members, name, max_chars=jws.MAX_DID_CHARS + jws.MAX_ID_CHARS)


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]
