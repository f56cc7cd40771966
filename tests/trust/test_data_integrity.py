import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from ashiato.trust.data_integrity import (
    VerifiedDocument,
    document_signing_input,
    sign_document,
    verification_method_of,
    verify_document,
)
from ashiato.trust.did import DidDocument, parse_did_document
from ashiato.trust.jws import TokenRefused
from ashiato.trust.keys import SigningKey
from ashiato.trust.multikey import (
    decode_base58btc,
    encode_base58btc,
    encode_multikey,
    verification_key_from_multikey,
)
from tests.trust.parties import Party

# "created" of the vector is 2023-02-24T23:36:38Z.
CREATED_MS = 1_677_281_798_000


@pytest.fixture(scope="module")
def vector(conformance: Path) -> Path:
    return conformance / "vc-di" / "eddsa-jcs-2022"


@pytest.fixture(scope="module")
def key(conformance: Path) -> SigningKey:
    pair = json.loads((conformance / "vc-di" / "keyPair.json").read_text("utf-8"))
    secret = decode_base58btc(pair["privateKeyMultibase"])
    assert secret[:2] == b"\x80\x26"  # ed25519-priv of the multicodec table
    public = pair["publicKeyMultibase"]
    private = ed25519.Ed25519PrivateKey.from_private_bytes(secret[2:])
    return SigningKey(f"did:key:{public}#{public}", private)


@pytest.fixture(scope="module")
def document(key: SigningKey) -> DidDocument:
    """What did:key makes of the key: one Multikey in all relations."""
    return _document(key, ["assertionMethod", "authentication"])


def _document(key: SigningKey, relations: list[str]) -> DidDocument:
    method = {
        "id": key.kid,
        "type": "Multikey",
        "controller": key.did,
        "publicKeyMultibase": encode_multikey(key.verification_key()),
    }
    members = {"id": key.did, "verificationMethod": [method], **{name: [key.kid] for name in relations}}
    return parse_did_document(json.dumps(members).encode(), key.did)


def _why(data: bytes, document: DidDocument, *, now_ms: int = CREATED_MS) -> str:
    with pytest.raises(TokenRefused) as refusal:
        verify_document(data, document, now_ms=now_ms)
    return refusal.value.why_code


def test_the_vector_of_the_standard_is_verified(vector: Path, key: SigningKey, document: DidDocument) -> None:
    data = (vector / "signedJCS.json").read_bytes()
    assert verification_method_of(data) == key.kid
    verified = verify_document(data, document, now_ms=CREATED_MS)
    assert verified.signer == key.did
    assert verified.created_ms == CREATED_MS
    assert verified.members["credentialSubject"] == {
        "id": "did:example:abcdefgh",
        "alumniOf": "The School of Examples",
    }


def test_the_vector_of_the_standard_is_reproduced(vector: Path, key: SigningKey) -> None:
    signed = json.loads((vector / "signedJCS.json").read_bytes())
    unsigned = {name: value for name, value in signed.items() if name != "proof"}
    assert sign_document(key, unsigned, created_ms=CREATED_MS) == signed


def test_each_step_of_the_vector_is_reproduced(vector: Path, key: SigningKey) -> None:
    unsigned = json.loads((vector / "canonDocJCS.txt").read_bytes())
    data, proof = document_signing_input(key, unsigned, created_ms=CREATED_MS)
    assert proof == json.loads((vector / "proofConfigJCS.json").read_bytes())
    assert data.hex() == (vector / "combinedHashJCS.txt").read_text().strip()
    assert data[:32].hex() == (vector / "proofHashJCS.txt").read_text().strip()
    assert data[32:].hex() == (vector / "docHashJCS.txt").read_text().strip()
    assert hashlib.sha256((vector / "canonDocJCS.txt").read_bytes()).digest() == data[32:]
    assert key.sign(data).hex() == (vector / "sigHexJCS.txt").read_text().strip()
    assert encode_base58btc(key.sign(data)) == (vector / "sigBTC58JCS.txt").read_text().strip()


def test_any_changed_member_breaks_the_proof(vector: Path, document: DidDocument) -> None:
    signed = json.loads((vector / "signedJCS.json").read_bytes())
    changes: list[dict[str, Any]] = [{"name": "Other"}, {"more": 1}, {"id": "urn:other"}, {"@context": []}]
    for change in changes:
        assert _why(json.dumps(signed | change).encode(), document) in ("wrong_signature", "wrong_context")
    for name in signed:
        if name not in ("proof", "@context"):
            less = {other: value for other, value in signed.items() if other != name}
            assert _why(json.dumps(less).encode(), document) == "wrong_signature"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"created": "2023-02-24T23:36:37Z"}, "wrong_signature"),
        ({"created": "2023-02-24T23:36:39Z"}, "not_yet_valid"),
        ({"created": "yesterday"}, "malformed_claim"),
        ({"expires": "2023-02-24T23:36:38Z"}, "expired"),
        ({"expires": "2033-02-24T23:36:38Z"}, "wrong_signature"),
        ({"nonce": "1"}, "wrong_signature"),
        ({"type": "Ed25519Signature2020"}, "alg_not_allowed"),
        ({"cryptosuite": "eddsa-rdfc-2022"}, "alg_not_allowed"),
        ({"cryptosuite": None}, "alg_not_allowed"),
        ({"proofPurpose": "authentication"}, "wrong_type"),
        ({"verificationMethod": "did:web:other.example#key"}, "foreign_key"),
        ({"verificationMethod": None}, "missing_claim"),
        ({"@context": ["https://www.w3.org/ns/credentials/v2"]}, "wrong_signature"),
        ({"@context": ["https://other.example"]}, "wrong_context"),
        ({"proofValue": "u" + "A" * 86}, "malformed_claim"),
        ({"proofValue": "z"}, "malformed_claim"),
        ({"proofValue": "z0"}, "malformed_claim"),
        ({"proofValue": "z" + "2" * 40}, "wrong_signature"),
        ({"proofValue": "z" + "2" * 300}, "malformed_claim"),
        ({"proofValue": None}, "missing_claim"),
    ],
    ids=repr,
)
def test_a_changed_proof_is_refused(
    change: dict[str, Any], why: str, vector: Path, document: DidDocument
) -> None:
    signed = json.loads((vector / "signedJCS.json").read_bytes())
    proof = {name: value for name, value in (signed["proof"] | change).items() if value is not None}
    assert _why(json.dumps(signed | {"proof": proof}).encode(), document) == why


def test_two_proofs_none_and_a_duplicate_member_are_refused(vector: Path, document: DidDocument) -> None:
    signed = json.loads((vector / "signedJCS.json").read_bytes())
    proof = signed["proof"]
    assert _why(json.dumps(signed | {"proof": [proof, proof]}).encode(), document) == "missing_claim"
    assert _why(json.dumps(signed | {"proof": []}).encode(), document) == "missing_claim"
    assert _why(b"[]", document) == "missing_claim"
    assert _why(b'{"name":"a",' + json.dumps(signed).encode()[1:], document) == "not_json"
    assert (
        verify_document(json.dumps(signed | {"proof": [proof]}).encode(), document, now_ms=CREATED_MS).signer
        == document.did
    )


def test_a_key_that_may_not_assert_proves_nothing(vector: Path, key: SigningKey) -> None:
    data = (vector / "signedJCS.json").read_bytes()
    assert _why(data, _document(key, ["authentication"])) == "key_not_for_this_use"


def test_only_an_ed25519_key_signs(acme: Party, key: SigningKey) -> None:
    with pytest.raises(ValueError, match="needs an Ed25519 key"):
        sign_document(acme.key, {}, created_ms=0)
    with pytest.raises(ValueError, match="has a proof already"):
        sign_document(key, {"proof": {}}, created_ms=0)
    with pytest.raises(ValueError, match="canonical"):
        sign_document(key, {"a": 2**60}, created_ms=0)


def test_a_document_without_contexts_is_signed_without(key: SigningKey, document: DidDocument) -> None:
    signed = sign_document(key, {"kg": "1.5", "更": "新"}, created_ms=CREATED_MS)
    assert "@context" not in json.dumps(signed)
    verified = verify_document(json.dumps(signed).encode(), document, now_ms=CREATED_MS)
    assert verified.members == {"kg": "1.5", "更": "新"}


def test_a_verified_document_cannot_be_made_by_hand() -> None:
    with pytest.raises(TypeError, match="verify_document"):
        VerifiedDocument("did:x", "did:x#1", None, {}, object())


@pytest.mark.parametrize(
    ("data", "text"),
    [
        # draft-msporny-base58-03, 5: the test vectors, with the multibase sign before them.
        (b"Hello World!", "z2NEpo7TZRRrLZSi2U"),
        (
            b"The quick brown fox jumps over the lazy dog.",
            "zUSm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
        ),
        (bytes.fromhex("0000287fb4cd"), "z11233QC4"),
    ],
)
def test_base58btc_is_that_of_its_specification(data: bytes, text: str) -> None:
    assert encode_base58btc(data) == text
    assert decode_base58btc(text) == data


def test_a_multikey_gives_the_key_back(acme: Party, key: SigningKey) -> None:
    for one in (acme.key.verification_key(), key.verification_key()):
        text = encode_multikey(one)
        assert text.startswith("zDn" if one.kind == "P-256" else "z6Mk")
        assert verification_key_from_multikey(text, one.kid).jwk() == one.jwk()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "z",
        "u7QEF",
        encode_base58btc(b"\xed\x01" + bytes(32)),
        encode_base58btc(b"\xed\x01" + b"\x02" * 31),
        encode_base58btc(b"\x80\x24" + b"\x02" + b"\xff" * 32),
        encode_base58btc(b"\x80\x24" + b"\x04" + b"\x01" * 64),
        encode_base58btc(b"\xe7\x01" + b"\x02" * 33),
        "z" + "1" * 1000,
    ],
)
def test_a_multikey_of_another_kind_is_unusable(text: str) -> None:
    with pytest.raises(ValueError, match=r"Multikey|small order"):
        verification_key_from_multikey(text, "did:web:host#key")
