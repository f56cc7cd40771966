"""Detached signatures over the canonical statement of an agreement."""

import hashlib
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ashiato.trust import agreements, base64url
from ashiato.trust.jws import MalformedToken, TokenRefused, UntrustedSignature
from ashiato.trust.signing import LocalSigner
from tests.trust.parties import ACME, GLOBEX, Party, b64, new_party, raw_signature

AGREEMENT: dict[str, object] = {
    "@id": "urn:uuid:a-1",
    "@type": "Agreement",
    "target": "nmc811",
    "assigner": ACME,
    "assignee": GLOBEX,
    "timestamp": "2026-11-24T09:00:00Z",
    "permission": [
        {
            "action": "use",
            "constraint": [{"leftOperand": "count", "operator": "lteq", "rightOperand": 3}],
        }
    ],
}
HASH = hashlib.sha256(b"rules").hexdigest()
# RFC 8785 by hand: members in the order of their names, no spaces, the integer operand as the protocol sends it.
CANONICAL = (
    '{"agreement":{"@id":"urn:uuid:a-1","@type":"Agreement",'
    f'"assignee":"{GLOBEX}","assigner":"{ACME}",'
    '"permission":[{"action":"use","constraint":[{"leftOperand":"count","operator":"lteq","rightOperand":"3"}]}],'
    '"target":"nmc811","timestamp":"2026-11-24T09:00:00Z"},"agreementId":"urn:uuid:a-1",'
    f'"assignee":"{GLOBEX}","assigner":"{ACME}","framework":"urn:ashiato:framework:f",'
    f'"policyHash":"{HASH}","target":"nmc811","timestamp":"2026-11-24T09:00:00Z","type":"SignedAgreement"}}'
)
TEXT = CANONICAL.encode()


@pytest.fixture
def acme() -> Party:
    return new_party(ACME)


def forged(party: Party, text: bytes, **header: Any) -> str:
    head = b64(json.dumps({"alg": "ES256", "typ": agreements.TYP, "kid": party.kid, **header}).encode())
    return f"{head}..{b64(raw_signature(party.private, f'{head}.{b64(text)}'.encode()))}"


def check(signature: object, party: Party, text: bytes = TEXT) -> agreements.VerifiedAgreementSignature:
    return agreements.verify(agreements.parse(signature), text, party.document, party.did)


def test_the_statement_is_the_canonical_json_of_the_agreement_and_of_what_both_must_understand_alike() -> (
    None
):
    assert agreements.statement(AGREEMENT, HASH, "urn:ashiato:framework:f") == TEXT


def test_an_integer_operand_and_the_text_that_is_sent_for_it_are_one_statement() -> None:
    sent = agreements.as_sent(AGREEMENT)
    assert sent != AGREEMENT
    assert agreements.statement(sent, HASH, None) == agreements.statement(AGREEMENT, HASH, None)


def test_an_agreement_without_a_canonical_form_is_not_signed() -> None:
    with pytest.raises(agreements.UnsignableAgreement):
        agreements.statement({**AGREEMENT, "amount": 2**60}, HASH, None)


def test_our_signature_is_a_detached_jws_that_another_library_verifies(acme: Party) -> None:
    made = agreements.sign_now(LocalSigner(acme.key), TEXT)
    assert made is not None
    head, signature = made.split("..")
    raw = base64url.decode(signature)
    encoded = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    public = acme.private.public_key()
    public.verify(encoded, f"{head}.{b64(TEXT)}".encode(), ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(encoded, f"{head}.{b64(TEXT + b' ')}".encode(), ec.ECDSA(hashes.SHA256()))


async def test_what_is_awaited_and_what_is_signed_at_once_are_the_same(acme: Party) -> None:
    signer = LocalSigner(acme.key)
    assert await agreements.sign(signer, TEXT) == agreements.sign_now(signer, TEXT)


def test_a_signature_of_the_party_over_the_statement_is_verified(acme: Party) -> None:
    verified = check(forged(acme, TEXT), acme)
    assert (verified.signer_id, verified.kid) == (ACME, acme.kid)
    assert verified.jwk == acme.key.public_jwk()


def test_only_verify_makes_a_verified_signature() -> None:
    with pytest.raises(TypeError):
        agreements.VerifiedAgreementSignature(ACME, f"{ACME}#key-1", {}, "", object())


def test_a_signature_over_another_agreement_is_refused(acme: Party) -> None:
    other = agreements.statement({**AGREEMENT, "assignee": "did:web:other.example"}, HASH, None)
    with pytest.raises(UntrustedSignature) as refused:
        check(forged(acme, other), acme)
    assert refused.value.why_code == "wrong_signature"


def test_a_signature_over_other_rules_by_their_hash_is_refused(acme: Party) -> None:
    other = TEXT.replace(HASH.encode(), b"0" * 64)
    with pytest.raises(UntrustedSignature):
        check(forged(acme, other), acme)


def test_a_signature_of_somebody_else_is_refused(acme: Party) -> None:
    globex = new_party(GLOBEX)
    with pytest.raises(UntrustedSignature) as refused:
        check(forged(globex, TEXT), acme)
    assert refused.value.why_code == "foreign_key"
    with pytest.raises(UntrustedSignature) as refused:
        check(forged(globex, TEXT, kid=acme.kid), acme)
    assert refused.value.why_code == "wrong_signature"


def test_the_document_of_another_party_is_not_believed(acme: Party) -> None:
    with pytest.raises(UntrustedSignature) as refused:
        agreements.verify(agreements.parse(forged(acme, TEXT)), TEXT, acme.document, GLOBEX)
    assert refused.value.why_code == "wrong_document"


def test_a_key_that_is_not_for_assertions_is_refused(acme: Party) -> None:
    relations = {**acme.document.relations, "assertionMethod": frozenset()}
    document = type(acme.document)(ACME, acme.document.methods, relations, (), 1)
    with pytest.raises(UntrustedSignature) as refused:
        agreements.verify(agreements.parse(forged(acme, TEXT)), TEXT, document, ACME)
    assert refused.value.why_code == "key_not_for_this_use"


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"typ": "JWT"},
        {"crit": ["b64"]},
        {"b64": False},
        {"jwk": {}},
    ],
)
def test_a_header_that_changes_what_is_signed_or_with_what_is_refused(
    acme: Party, header: dict[str, Any]
) -> None:
    with pytest.raises(MalformedToken):
        check(forged(acme, TEXT, **header), acme)


def test_what_is_no_detached_signature_is_refused(acme: Party) -> None:
    good = forged(acme, TEXT)
    attached = good.replace("..", f".{b64(TEXT)}.")
    for text in (None, 7, "", "..", attached, f"{good}.", f"{good}=", good + "A" * 2048):
        with pytest.raises(TokenRefused):
            agreements.parse(text)
